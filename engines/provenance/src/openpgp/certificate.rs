//! Certificates: a primary key with what it says of itself and of its subkeys (RFC 9580, sections 5.2.3.10 and 10.1) (T1).
//!
//! A registered certificate is a text that an operator received by a way that both sides trust. Still every binding in it is verified: a
//! supplier's later, edited text must not add a subkey. What is newest counts; what is revoked stays so whatever the reason, and a
//! revocation that cannot be verified (by a designated revoker, or by SHA-1) counts as one.

use super::key::{KeyPacket, Material};
use super::packet::{Packets, tag};
use super::signature::{FLAG_SIGN, Place, SignaturePacket, kind, kind_of};
use super::{OpenpgpSignature, armor};
use crate::{CLOCK_SKEW_SECONDS, KEY_BYTES_MAX, Refusal, Scheme, Signed, bounded};

const CERTIFICATE: &str = "the OpenPGP certificate";
/// Packets of one certificate: a key that thousands certified is exported with `--export-options export-minimal`.
pub const PACKETS_MAX: usize = 500;

/// A certificate whose primary key says validly what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenpgpCertificate {
    primary: Standing,
    subkeys: Vec<Standing>,
}

/// A key and what counts of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Standing {
    key: KeyPacket,
    /// When what counts was said.
    said: i64,
    /// First moment after its validity, Unix seconds.
    expires: Option<i64>,
    revoked: bool,
    /// Why it may not sign data, if so.
    no_signing: Option<&'static str>,
}

/// Signatures as they stand behind a key or a user ID.
type Bodies<'a> = Vec<&'a [u8]>;

#[derive(Default)]
struct Parsed<'a> {
    primary: Option<(KeyPacket, Bodies<'a>)>,
    users: Vec<(&'a [u8], Bodies<'a>)>,
    subkeys: Vec<(KeyPacket, Bodies<'a>)>,
}

/// Behind what signatures stand.
#[derive(Clone, Copy)]
enum Behind {
    Primary,
    User,
    Subkey,
    Passed,
}

impl OpenpgpCertificate {
    /// Reads one certificate, binary or in ASCII armour, and verifies what its primary key signed.
    ///
    /// # Errors
    /// Over a limit, cut short, not one public certificate, a primary key of another algorithm, no valid self-signature.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        bounded(CERTIFICATE, bytes.len(), KEY_BYTES_MAX)?;
        let binary = armor::binary(CERTIFICATE, "PUBLIC KEY BLOCK", bytes)?;
        let Parsed { primary, users, subkeys } = parts(&binary)?;
        let form = |why| Refusal::Form { what: CERTIFICATE, why };
        let (key, direct) = primary.ok_or_else(|| form("it has no primary key"))?;
        if let Material::Other(why) = &key.material {
            return Err(Refusal::Unsupported { what: CERTIFICATE, seen: why.clone() });
        }
        let primary = standing(key, &direct, &users).ok_or_else(|| form("its primary key says nothing validly of itself"))?;
        let subkeys = subkeys.into_iter().map(|(key, bodies)| bound(&primary.key, key, &bodies)).collect();
        Ok(Self { primary, subkeys })
    }

    /// The primary key's fingerprint in capital hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        self.primary.key.name()
    }

    fn issuer(&self, signature: &OpenpgpSignature) -> Option<&Standing> {
        std::iter::once(&self.primary).chain(&self.subkeys).find(|standing| signature.0.parts.names(&standing.key))
    }

    /// Whether the signature names the primary key or a subkey.
    pub fn is_named_by(&self, signature: &OpenpgpSignature) -> bool {
        self.issuer(signature).is_some()
    }

    /// Checks the signature, then whether its key and the primary key count at `now` (Unix seconds), whenever the signature was made.
    ///
    /// # Errors
    /// [`Refusal::UnknownKey`], [`Refusal::WrongSignature`], [`Refusal::KeyNotForSigning`], [`Refusal::KeyRevoked`],
    /// [`Refusal::KeyNotYetValid`], [`Refusal::KeyExpired`], [`Refusal::SignatureTime`], [`Refusal::SignatureExpired`].
    pub fn verify(&self, signature: &OpenpgpSignature, message: &[u8], now: i64) -> Result<Signed, Refusal> {
        let signer = self.issuer(signature).ok_or_else(|| Refusal::UnknownKey { key: signature.key_name() })?;
        let name = signer.key.name();
        if !signature.0.holds(&signer.key, &[message]) {
            return Err(Refusal::WrongSignature { key: name });
        }
        if let Some(why) = signer.no_signing {
            return Err(Refusal::KeyNotForSigning { key: name, why });
        }
        // The primary key carries its subkeys.
        for standing in [&self.primary, signer] {
            standing.counts(now)?;
        }
        let created = signature.0.created();
        if created > now.saturating_add(CLOCK_SKEW_SECONDS) || created < signer.key.created {
            return Err(Refusal::SignatureTime { key: name });
        }
        if signature.0.expires().is_some_and(|expires| now >= expires) {
            return Err(Refusal::SignatureExpired { key: name });
        }
        let digest = signature.0.hash.name();
        Ok(Signed { scheme: Scheme::Openpgp, key: name, digest, comment: None, created: Some(created) })
    }
}

impl Standing {
    fn counts(&self, now: i64) -> Result<(), Refusal> {
        let key = self.key.name();
        if self.revoked {
            return Err(Refusal::KeyRevoked { key });
        }
        if self.said.max(self.key.created) > now.saturating_add(CLOCK_SKEW_SECONDS) {
            return Err(Refusal::KeyNotYetValid { key });
        }
        if self.expires.is_some_and(|expires| now >= expires) {
            return Err(Refusal::KeyExpired { key });
        }
        Ok(())
    }

    fn of(key: KeyPacket, said: &SignaturePacket) -> Self {
        // A signature that expires takes what it says with it.
        let by_key = said.parts.key_expires_after.map(|after| key.created.saturating_add(after));
        let expires = by_key.into_iter().chain(said.expires()).min();
        let no_signing = match said.parts.flags {
            Some(flags) if flags & FLAG_SIGN != 0 => None,
            Some(_) => Some("its flags do not allow signatures of data"),
            None => Some("it has no flags"),
        };
        Self { key, said: said.created(), expires, revoked: false, no_signing }
    }
}

fn parts(binary: &[u8]) -> Result<Parsed<'_>, Refusal> {
    let mut packets = Packets::new(CERTIFICATE, binary);
    let form = |why| Refusal::Form { what: CERTIFICATE, why };
    let (mut parsed, mut behind, mut count) = (Parsed::default(), Behind::Passed, 0_usize);
    while let Some((found, body)) = packets.next()? {
        count += 1;
        bounded(CERTIFICATE, count, PACKETS_MAX)?;
        if parsed.primary.is_none() && !matches!(found, tag::PUBLIC_KEY | tag::SECRET_KEY | tag::MARKER) {
            return Err(form("it does not begin with a primary key"));
        }
        match found {
            tag::SECRET_KEY | tag::SECRET_SUBKEY => {
                return Err(form("it is a private key, which must never leave its owner"));
            }
            tag::PUBLIC_KEY if parsed.primary.is_some() => return Err(form("it is more than one certificate")),
            tag::PUBLIC_KEY => {
                parsed.primary = Some((KeyPacket::parse(body)?, Vec::new()));
                behind = Behind::Primary;
            }
            tag::PUBLIC_SUBKEY => {
                parsed.subkeys.push((KeyPacket::parse(body)?, Vec::new()));
                behind = Behind::Subkey;
            }
            tag::USER_ID => {
                parsed.users.push((body, Vec::new()));
                behind = Behind::User;
            }
            tag::USER_ATTRIBUTE => behind = Behind::Passed,
            tag::SIGNATURE => parsed.signature(behind, body),
            tag::MARKER | tag::PADDING => {}
            other if other >= tag::NOT_CRITICAL => behind = Behind::Passed,
            other => return Err(Refusal::Unsupported { what: CERTIFICATE, seen: format!("packet type {other}") }),
        }
    }
    Ok(parsed)
}

impl<'a> Parsed<'a> {
    fn signature(&mut self, behind: Behind, body: &'a [u8]) {
        let bodies = match behind {
            Behind::Primary => self.primary.as_mut().map(|(_, bodies)| bodies),
            Behind::User => self.users.last_mut().map(|(_, bodies)| bodies),
            Behind::Subkey => self.subkeys.last_mut().map(|(_, bodies)| bodies),
            Behind::Passed => None,
        };
        if let Some(bodies) = bodies {
            bodies.push(body);
        }
    }
}

/// The readable signatures of the wanted types that `key` made of `message`.
fn valid(bodies: &[&[u8]], wanted: impl Fn(u8) -> bool, key: &KeyPacket, message: &[&[u8]]) -> Vec<SignaturePacket> {
    let parsed = bodies.iter().filter(|body| kind_of(body).is_some_and(&wanted));
    let parsed = parsed.filter_map(|body| SignaturePacket::parse(CERTIFICATE, body, Place::Certificate).ok());
    parsed.filter(|signature| signature.created() >= key.created && signature.holds(key, message)).collect()
}

/// What the primary key says of itself last: directly, or (version 4) with a user ID that it did not withdraw.
fn standing(key: KeyPacket, direct: &[&[u8]], users: &[(&[u8], Bodies<'_>)]) -> Option<Standing> {
    let hashed = key.hashed();
    let mut said = valid(direct, |found| found == kind::DIRECT_KEY, &key, &[&hashed]);
    // Version 6 says it directly only (RFC 9580, section 5.2.3.10).
    for (user, bodies) in users.iter().filter(|_| key.version == 4) {
        let length = u32::try_from(user.len()).ok()?.to_be_bytes();
        let message: [&[u8]; 4] = [&hashed, &[0xb4], &length, user];
        let withdrawn = valid(bodies, |found| found == kind::CERTIFICATION_REVOCATION, &key, &message);
        let withdrawn = withdrawn.iter().map(SignaturePacket::created).max();
        let certified = valid(bodies, |found| kind::CERTIFICATIONS.contains(&found), &key, &message);
        said.extend(certified.into_iter().filter(|one| withdrawn.is_none_or(|at| at < one.created())));
    }
    let revoked = direct.iter().any(|body| kind_of(body) == Some(kind::KEY_REVOCATION));
    // One that only names a revoker, or only preferences, does not take back what the key is for.
    if said.iter().any(|one| one.parts.flags.is_some()) {
        said.retain(|one| one.parts.flags.is_some());
    }
    let all = said.iter().map(|one| Standing::of(key.clone(), one));
    // Of two that were said in the same second the stricter counts.
    let newest =
        all.max_by_key(|one| (one.said, one.no_signing.is_some(), std::cmp::Reverse(one.expires.unwrap_or(i64::MAX))))?;
    Some(Standing { revoked, ..newest })
}

/// A subkey with the newest binding of the primary key; one for signing must have signed the primary key in turn (section 5.2.3.34).
fn bound(primary: &KeyPacket, key: KeyPacket, bodies: &[&[u8]]) -> Standing {
    let (hashed_primary, hashed) = (primary.hashed(), key.hashed());
    let message: [&[u8]; 2] = [&hashed_primary, &hashed];
    let bindings = valid(bodies, |found| found == kind::SUBKEY_BINDING, primary, &message);
    let newest = bindings.iter().max_by_key(|binding| {
        let standing = Standing::of(key.clone(), binding);
        (standing.said, standing.no_signing.is_some(), std::cmp::Reverse(standing.expires.unwrap_or(i64::MAX)))
    });
    let revoked = bodies.iter().any(|body| kind_of(body) == Some(kind::SUBKEY_REVOCATION));
    let Some(binding) = newest else {
        return Standing { key, said: 0, expires: None, revoked, no_signing: Some("the primary key did not bind it") };
    };
    let back = binding.parts.embedded.as_deref();
    let back = back.and_then(|body| SignaturePacket::parse(CERTIFICATE, body, Place::Certificate).ok());
    let back = back.filter(|back| back.kind == kind::PRIMARY_BINDING && back.holds(&key, &message));
    let mut standing = Standing { revoked, ..Standing::of(key, binding) };
    match back {
        Some(back) => standing.expires = standing.expires.into_iter().chain(back.expires()).min(),
        None if standing.no_signing.is_none() => standing.no_signing = Some("it did not sign the primary key in turn"),
        None => {}
    }
    standing
}
