//! The bytes of Web Authentication (T2: hostile input), read strictly: client data, authenticator data, attestation object, COSE key.

use minicbor::Decoder;
use serde::Deserialize;

/// Bytes of any one part that are looked at.
pub(super) const PART_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a credential's id (section 7.1, step 25).
const ID_BYTES_MAX: usize = 1023;
/// Bytes of a coordinate on P-256.
const COORDINATE_BYTES: usize = 32;
/// Bytes before attested data: hash of the relying party, flags, counter (section 6.1).
const HEAD_BYTES: usize = 37;
const AAGUID_BYTES: usize = 16;

/// Flags of authenticator data (section 6.1).
const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const ATTESTED: u8 = 0x40;
const EXTENSIONS: u8 = 0x80;

/// What the browser says that it did (section 5.8.1); members that are not known are not heeded, as that section says.
#[derive(Debug, Deserialize)]
pub(super) struct ClientData {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) challenge: String,
    pub(super) origin: String,
    #[serde(default, rename = "crossOrigin")]
    pub(super) cross_origin: bool,
    #[serde(default, rename = "topOrigin")]
    pub(super) top_origin: Option<String>,
}

impl ClientData {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        if bytes.len() > PART_BYTES_MAX {
            return Err("the client data is too long");
        }
        serde_json::from_slice(bytes).map_err(|_| "the client data cannot be read")
    }
}

/// A new credential.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Attested {
    pub(super) id: Vec<u8>,
    /// The public key: a point of P-256, uncompressed.
    pub(super) point: Vec<u8>,
}

/// Authenticator data (section 6.1).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AuthenticatorData<'b> {
    pub(super) party_hash: &'b [u8],
    pub(super) user_present: bool,
    pub(super) user_verified: bool,
    pub(super) backup_eligible: bool,
    pub(super) backed_up: bool,
    pub(super) sign_count: u32,
    pub(super) attested: Option<Attested>,
}

impl<'b> AuthenticatorData<'b> {
    pub(super) fn parse(bytes: &'b [u8]) -> Result<Self, &'static str> {
        const SHORT: &str = "the authenticator data is too short";
        if bytes.len() > PART_BYTES_MAX {
            return Err("the authenticator data is too long");
        }
        let (head, mut rest) = bytes.split_at_checked(HEAD_BYTES).ok_or(SHORT)?;
        let (party_hash, numbers) = head.split_at_checked(32).ok_or(SHORT)?;
        let (flags, count) = numbers.split_first().ok_or(SHORT)?;
        let count: [u8; 4] = count.try_into().map_err(|_| SHORT)?;
        let has = |flag: u8| flags & flag != 0;
        let mut attested = None;
        if has(ATTESTED) {
            let (found, after) = attested_data(rest)?;
            (attested, rest) = (Some(found), after);
        }
        if has(EXTENSIONS) {
            let mut decoder = Decoder::new(rest);
            let known =
                decoder.map().map_err(|_| "the extensions are no CBOR map")?.ok_or("the extensions are of no fixed length")?;
            for _ in 0..known.saturating_mul(2) {
                decoder.skip().map_err(|_| "the extensions are no CBOR map")?;
            }
            rest = rest.get(decoder.position()..).unwrap_or_default();
        }
        if !rest.is_empty() {
            return Err("something follows the authenticator data");
        }
        Ok(Self {
            party_hash,
            user_present: has(USER_PRESENT),
            user_verified: has(USER_VERIFIED),
            backup_eligible: has(BACKUP_ELIGIBLE),
            backed_up: has(BACKED_UP),
            sign_count: u32::from_be_bytes(count),
            attested,
        })
    }
}

/// Section 6.5.1: AAGUID, length of the id, id, key; and what follows.
fn attested_data(bytes: &[u8]) -> Result<(Attested, &[u8]), &'static str> {
    const SHORT: &str = "the credential's data is too short";
    let (_, rest) = bytes.split_at_checked(AAGUID_BYTES).ok_or(SHORT)?;
    let (length, rest) = rest.split_at_checked(2).ok_or(SHORT)?;
    let length = usize::from(u16::from_be_bytes(length.try_into().map_err(|_| SHORT)?));
    if length == 0 || length > ID_BYTES_MAX {
        return Err("the credential's id is empty or too long");
    }
    let (id, rest) = rest.split_at_checked(length).ok_or(SHORT)?;
    let mut decoder = Decoder::new(rest);
    let point = cose_key(&mut decoder).map_err(|_| "the key is not of ES256")?;
    Ok((Attested { id: id.to_vec(), point }, rest.get(decoder.position()..).unwrap_or_default()))
}

/// A COSE key of ES256 (RFC 9053, sections 2.1 and 7.1.1; section 6.5.1.1 here): kty 2, alg -7, crv 1, x, y, and nothing else.
fn cose_key(decoder: &mut Decoder<'_>) -> Result<Vec<u8>, ()> {
    let pairs = decoder.map().map_err(drop)?.ok_or(())?;
    let (mut kty, mut alg, mut crv, mut x, mut y) = (None, None, None, None, None);
    for _ in 0..pairs {
        match decoder.i64().map_err(drop)? {
            1 => set(&mut kty, decoder.i64().map_err(drop)?)?,
            3 => set(&mut alg, decoder.i64().map_err(drop)?)?,
            -1 => set(&mut crv, decoder.i64().map_err(drop)?)?,
            -2 => set(&mut x, decoder.bytes().map_err(drop)?)?,
            -3 => set(&mut y, decoder.bytes().map_err(drop)?)?,
            _ => return Err(()),
        }
    }
    let whole = |part: &[u8]| part.len() == COORDINATE_BYTES;
    match (kty, alg, crv, x, y) {
        (Some(2), Some(super::ES256), Some(1), Some(x), Some(y)) if whole(x) && whole(y) => Ok([&[4], x, y].concat()),
        _ => Err(()),
    }
}

/// A label twice is none.
fn set<T>(place: &mut Option<T>, value: T) -> Result<(), ()> {
    if place.replace(value).is_some() { Err(()) } else { Ok(()) }
}

/// The authenticator data of an attestation object without attestation (sections 6.5.4 and 8.7).
pub(super) fn attestation_object(bytes: &[u8]) -> Result<&[u8], &'static str> {
    const BROKEN: &str = "the attestation object cannot be read";
    if bytes.len() > PART_BYTES_MAX {
        return Err("the attestation object is too long");
    }
    let mut decoder = Decoder::new(bytes);
    let (mut format, mut statement, mut data) = (None, None, None);
    for _ in 0..decoder.map().map_err(|_| BROKEN)?.ok_or(BROKEN)? {
        let twice = match decoder.str().map_err(|_| BROKEN)? {
            "fmt" => format.replace(decoder.str().map_err(|_| BROKEN)?).is_some(),
            "attStmt" => {
                let pairs = decoder.map().map_err(|_| BROKEN)?.ok_or(BROKEN)?;
                if pairs != 0 {
                    return Err("the authenticator attests, and was asked not to");
                }
                statement.replace(()).is_some()
            }
            "authData" => data.replace(decoder.bytes().map_err(|_| BROKEN)?).is_some(),
            _ => return Err(BROKEN),
        };
        if twice {
            return Err(BROKEN);
        }
    }
    if decoder.position() != bytes.len() {
        return Err("something follows the attestation object");
    }
    match (format, statement, data) {
        (Some("none"), Some(()), Some(data)) => Ok(data),
        (Some(_), _, _) => Err("the authenticator attests, and was asked not to"),
        (None, _, _) => Err(BROKEN),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_are_a_fault(bytes in proptest::collection::vec(any::<u8>(), 0..200), flags in any::<u8>()) {
            let _ = ClientData::parse(&bytes);
            let _ = attestation_object(&bytes);
            let _ = AuthenticatorData::parse(&bytes);
            let head = [&[0; 32][..], &[flags, 0, 0, 0, 1], &bytes].concat();
            let _ = AuthenticatorData::parse(&head);
            let attested = [&[0; 32][..], &[0x45, 0, 0, 0, 1], &[0; 16], &[0, 1, 9], &bytes].concat();
            let _ = AuthenticatorData::parse(&attested);
        }

        #[test]
        fn deep_cbor_is_no_fault(depth in 0_usize..6000) {
            let nested = [&[0; 32][..], &[0x80, 0, 0, 0, 1, 0xa1, 0x00], &vec![0x81; depth]].concat();
            let _ = AuthenticatorData::parse(&nested);
        }
    }
}
