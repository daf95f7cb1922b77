//! The two ceremonies, step by step (T1, T6): numbers in comments are steps of Web Authentication Level 3, sections 7.1 and 7.2.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

use super::parse::{AuthenticatorData, ClientData, attestation_object};
use super::{Assertion, Challenges, Purpose, Registration, RelyingParty};

const CREATE: &str = "webauthn.create";
const GET: &str = "webauthn.get";

/// A credential that a person may come in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credential {
    pub(super) id: Vec<u8>,
    pub(super) point: Vec<u8>,
    pub(super) sign_count: u32,
    pub(super) backup_eligible: bool,
    pub(super) backed_up: bool,
}

/// Checks what a browser says of itself: 7.1, steps 7 to 11, and 7.2, steps 10 to 14.
fn client(
    data: &ClientData,
    kind: &str,
    party: &RelyingParty,
    (challenges, purpose, now): (&Challenges, &Purpose, i64),
) -> Result<(), &'static str> {
    if data.kind != kind {
        return Err("the answer is of another ceremony");
    }
    if !challenges.spend(&data.challenge, purpose, now) {
        return Err("the challenge is unknown, used, too old or somebody else's");
    }
    if data.origin != party.origin {
        return Err("the answer was made for another origin");
    }
    if data.cross_origin || data.top_origin.is_some() {
        return Err("the answer was made inside of another site's page");
    }
    Ok(())
}

/// Checks what the authenticator says: 7.1, steps 14 to 18, and 7.2, steps 16 to 20.
fn authenticator(data: &AuthenticatorData<'_>, party: &RelyingParty) -> Result<(), &'static str> {
    if data.party_hash != digest(&SHA256, party.id.as_bytes()).as_ref() {
        return Err("the authenticator answered for another place");
    }
    if !data.user_present {
        return Err("nobody touched the authenticator");
    }
    if !data.user_verified {
        return Err("the authenticator did not verify who touched it");
    }
    if data.backed_up && !data.backup_eligible {
        return Err("the authenticator contradicts itself about backups");
    }
    Ok(())
}

/// A new passkey of this person (7.1). Whether its id is known already is the database's to say (step 26).
pub(super) fn register(
    party: &RelyingParty,
    challenges: &Challenges,
    person: &str,
    sent: &Registration,
    now: i64,
) -> Result<Credential, &'static str> {
    let data = ClientData::parse(&sent.client_data)?;
    client(&data, CREATE, party, (challenges, &Purpose::Register(person.to_owned()), now))?;
    let authenticated = AuthenticatorData::parse(attestation_object(&sent.attestation)?)?;
    authenticator(&authenticated, party)?;
    // 20: the reader takes keys of ES256 only, which is all that was asked for; 22 to 24: no attestation, so nothing to trust.
    let attested = authenticated.attested.ok_or("the authenticator gave no credential")?;
    Ok(Credential {
        id: attested.id,
        point: attested.point,
        sign_count: authenticated.sign_count,
        backup_eligible: authenticated.backup_eligible,
        backed_up: authenticated.backed_up,
    })
}

/// Why a login was refused; a copied authenticator is worse than the rest.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Because(&'static str),
    Copied,
}

impl From<&'static str> for Refused {
    fn from(why: &'static str) -> Self {
        Self::Because(why)
    }
}

/// A login with a known credential (7.2, from step 9 on); the credential as it is from now on.
pub(super) fn assert(
    party: &RelyingParty,
    challenges: &Challenges,
    known: &Credential,
    sent: &Assertion,
    now: i64,
) -> Result<Credential, Refused> {
    let data = ClientData::parse(&sent.client_data)?;
    client(&data, GET, party, (challenges, &Purpose::LogIn, now))?;
    let authenticated = AuthenticatorData::parse(&sent.authenticator_data)?;
    authenticator(&authenticated, party)?;
    // 19: whether a credential may be backed up never changes.
    if authenticated.backup_eligible != known.backup_eligible {
        return Err(Refused::Because("the authenticator contradicts what it said before about backups"));
    }
    // 21, 22: the signature is over the authenticator data and the hash of the client data.
    let signed = [sent.authenticator_data.as_slice(), digest(&SHA256, &sent.client_data).as_ref()].concat();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &known.point);
    key.verify(&signed, &sent.signature).map_err(|_| Refused::Because("the signature is wrong"))?;
    // 23: a counter that does not grow is that of a copy. Synced passkeys count nothing and stay at zero.
    let counts = authenticated.sign_count != 0 || known.sign_count != 0;
    if counts && authenticated.sign_count <= known.sign_count {
        return Err(Refused::Copied);
    }
    Ok(Credential { sign_count: authenticated.sign_count, backed_up: authenticated.backed_up, ..known.clone() })
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;
    use serde_json::{Value, json};

    use super::super::parse::PART_BYTES_MAX;
    use super::super::tests_device::Device;
    use super::*;

    const NOW: i64 = 1_800_000_000;
    /// Makes one thing wrong: of the device, or of what the browser says.
    type Spoil = fn(&mut Device, &mut Value);

    fn party() -> RelyingParty {
        RelyingParty::of_url("https://localhost:8443").unwrap()
    }

    fn challenge(challenges: &Challenges, purpose: Purpose) -> String {
        challenges.fresh(purpose, NOW).unwrap()
    }

    fn ada() -> Purpose {
        Purpose::Register("ada".to_owned())
    }

    fn registered(change: impl FnOnce(&mut Device, &mut Value)) -> Result<Credential, &'static str> {
        let challenges = Challenges::default();
        let mut device = Device::new("localhost");
        let mut client = json!({ "type": CREATE, "challenge": challenge(&challenges, ada()), "origin": "https://localhost:8443", "crossOrigin": false });
        change(&mut device, &mut client);
        let sent = device.register(&client);
        register(&party(), &challenges, "ada", &sent, NOW)
    }

    #[test]
    fn an_honest_registration_passes_and_one_wrong_thing_is_refused() {
        let credential = registered(|_, _| {}).unwrap();
        assert_eq!((credential.id.len(), credential.point.len(), credential.sign_count), (16, 65, 1));
        registered(|_, client| client["more"] = json!(1)).unwrap();
        registered(|device, _| device.flags |= 0x18).unwrap();
        let refused: [(&str, Spoil); 16] = [
            ("another ceremony", |_, client| client["type"] = json!(GET)),
            ("another challenge", |_, client| client["challenge"] = json!("AAAA")),
            ("another origin", |_, client| client["origin"] = json!("https://localhost:8444")),
            ("a plain origin", |_, client| client["origin"] = json!("http://localhost:8443")),
            ("another site's frame", |_, client| client["crossOrigin"] = json!(true)),
            ("another top", |_, client| client["topOrigin"] = json!("https://evil.example")),
            ("another place", |device, _| device.party = "evil.example".to_owned()),
            ("no touch", |device, _| device.flags &= !0x01),
            ("no verification", |device, _| device.flags &= !0x04),
            ("a backup without the right", |device, _| device.flags |= 0x10),
            ("no credential", |device, _| device.flags &= !0x40),
            ("an attestation", |device, _| device.format = "packed"),
            ("another algorithm", |device, _| device.algorithm = -8),
            ("another curve", |device, _| device.curve = 2),
            ("a long id", |device, _| device.id = vec![1; 1024]),
            ("something behind", |device, _| device.tail = vec![0]),
        ];
        for (what, change) in refused {
            assert!(registered(change).is_err(), "{what}");
        }
    }

    fn asserted(change: impl FnOnce(&mut Device, &mut Value), spoil: impl FnOnce(&mut Assertion)) -> Result<Credential, Refused> {
        let challenges = Challenges::default();
        let mut device = Device::new("localhost");
        let first = json!({ "type": CREATE, "challenge": challenge(&challenges, ada()), "origin": "https://localhost:8443" });
        let known = register(&party(), &challenges, "ada", &device.register(&first), NOW).unwrap();
        let mut client =
            json!({ "type": GET, "challenge": challenge(&challenges, Purpose::LogIn), "origin": "https://localhost:8443" });
        device.count = 2;
        change(&mut device, &mut client);
        let mut sent = device.assert(&client);
        spoil(&mut sent);
        assert(&party(), &challenges, &known, &sent, NOW)
    }

    #[test]
    fn an_honest_login_passes_and_one_wrong_thing_is_refused() {
        assert_eq!(asserted(|_, _| {}, |_| {}).unwrap().sign_count, 2);
        assert_eq!(asserted(|device, _| device.count = 1, |_| {}), Err(Refused::Copied));
        assert_eq!(asserted(|device, _| device.count = 0, |_| {}), Err(Refused::Copied));
        let refused: [(&str, Spoil); 9] = [
            ("another ceremony", |_, client| client["type"] = json!(CREATE)),
            ("another challenge", |_, client| client["challenge"] = json!("AAAA")),
            ("another origin", |_, client| client["origin"] = json!("https://evil.example")),
            ("another place", |device, _| device.party = "evil.example".to_owned()),
            ("no touch", |device, _| device.flags &= !0x01),
            ("no verification", |device, _| device.flags &= !0x04),
            ("another story of backups", |device, _| device.flags |= 0x08),
            ("another key", |device, _| *device = Device { id: device.id.clone(), ..Device::new("localhost") }),
            ("another site's frame", |_, client| client["crossOrigin"] = json!(true)),
        ];
        for (what, change) in refused {
            assert!(matches!(asserted(change, |_| {}), Err(Refused::Because(_))), "{what}");
        }
        let spoilt: [fn(&mut Assertion); 4] = [
            |sent| sent.signature[8] ^= 1,
            |sent| sent.authenticator_data[36] ^= 1,
            |sent| sent.client_data.push(b' '),
            |sent| sent.client_data = vec![b' '; PART_BYTES_MAX + 1],
        ];
        for spoil in spoilt {
            assert!(asserted(|_, _| {}, spoil).is_err());
        }
    }

    #[test]
    fn synced_passkeys_do_not_count() {
        let challenges = Challenges::default();
        let mut device = Device::new("localhost");
        device.count = 0;
        device.flags |= 0x18;
        let first = json!({ "type": CREATE, "challenge": challenge(&challenges, ada()), "origin": "https://localhost:8443" });
        let known = register(&party(), &challenges, "ada", &device.register(&first), NOW).unwrap();
        assert!(known.backup_eligible && known.backed_up);
        for _ in 0..2 {
            let client =
                json!({ "type": GET, "challenge": challenge(&challenges, Purpose::LogIn), "origin": "https://localhost:8443" });
            assert!(assert(&party(), &challenges, &known, &device.assert(&client), NOW).is_ok());
        }
    }

    #[test]
    fn the_example_of_a_registration_in_the_standard_is_read() {
        // Web Authentication Level 3, section 16.1.1: ES256 credential with no attestation.
        let object = data_encoding::HEXLOWER
            .decode(
                b"a363666d74646e6f6e656761747453746d74a068617574684461746158a4bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b559000000008446ccb9ab1db374750b2367ff6f3a1f0020f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33ad94ff3ec330084be4a5010203262001215820afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df61225820930a56b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220",
            )
            .unwrap();
        let data = AuthenticatorData::parse(attestation_object(&object).unwrap()).unwrap();
        assert_eq!(data.party_hash, digest(&SHA256, b"example.org").as_ref());
        let attested = data.attested.unwrap();
        assert_eq!((attested.id.len(), attested.point.len()), (32, 65));
        assert!(BASE64URL_NOPAD.encode(&attested.id).starts_with("-R85"));
    }
}
