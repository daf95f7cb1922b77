//! Certificates and signatures that no honest program writes, and those of version 6, made here byte by byte by RFC 9580 (T1).

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

use super::{MESSAGE, NOW};
use crate::crypto::{Hash, sha1_name};
use crate::openpgp::{OpenpgpCertificate, OpenpgpSignature};
use crate::{Refusal, Signed};

const MADE: u32 = 1_767_225_600;
const SIGNED: u32 = MADE + 86_400;
const FLAG_SIGN: u8 = 0x02;

/// A key pair of algorithm 27 in a packet of one of the versions.
struct Signer {
    version: u8,
    pair: Ed25519KeyPair,
    body: Vec<u8>,
}

impl Signer {
    fn new(version: u8, seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let mut body = vec![version];
        body.extend(MADE.to_be_bytes());
        body.push(27);
        if version == 6 {
            body.extend(32_u32.to_be_bytes());
        }
        body.extend(pair.public_key().as_ref());
        Self { version, pair, body }
    }

    fn hashed(&self) -> Vec<u8> {
        let length = u32::try_from(self.body.len()).unwrap().to_be_bytes();
        if self.version == 4 { [&[0x99], &length[2..], &self.body].concat() } else { [&[0x9b], &length[..], &self.body].concat() }
    }

    fn fingerprint(&self) -> Vec<u8> {
        let hashed = self.hashed();
        if self.version == 4 { sha1_name(&[&hashed]) } else { Hash::Sha256.of(&[&hashed]).as_ref().to_vec() }
    }
}

/// What is signed and how; each test changes one thing.
struct Draft<'a> {
    by: &'a Signer,
    kind: u8,
    hashed: Vec<(u8, Vec<u8>)>,
    unhashed: Vec<(u8, Vec<u8>)>,
    salt: Vec<u8>,
}

impl<'a> Draft<'a> {
    fn new(by: &'a Signer, kind: u8) -> Self {
        let fingerprint = [vec![by.version], by.fingerprint()].concat();
        Self {
            by,
            kind,
            hashed: vec![(2, SIGNED.to_be_bytes().to_vec()), (33, fingerprint)],
            unhashed: Vec::new(),
            salt: vec![7; 16],
        }
    }

    fn with(mut self, subpacket: u8, value: &[u8]) -> Self {
        self.hashed.push((subpacket, value.to_vec()));
        self
    }

    /// Replaces a subpacket.
    fn but(mut self, subpacket: u8, value: &[u8]) -> Self {
        self.hashed.retain(|(found, _)| *found != subpacket);
        self.with(subpacket, value)
    }

    /// The body of the packet.
    fn sign(&self, message: &[&[u8]]) -> Vec<u8> {
        let version = self.by.version;
        let area = |parts: &[(u8, Vec<u8>)]| {
            let bytes: Vec<u8> = parts
                .iter()
                .flat_map(|(kind, value)| {
                    [&[255], &u32::try_from(value.len() + 1).unwrap().to_be_bytes()[..], &[*kind], value].concat()
                })
                .collect();
            let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
            [if version == 4 { &length[2..] } else { &length[..] }, &bytes].concat()
        };
        let head = [&[version, self.kind, 27, 8], area(&self.hashed).as_slice()].concat();
        let end = [&[version, 0xff], u32::try_from(head.len()).unwrap().to_be_bytes().as_slice()].concat();
        let salt = if version == 6 { self.salt.as_slice() } else { &[] };
        let parts: Vec<&[u8]> = [salt].into_iter().chain(message.iter().copied()).chain([head.as_slice(), &end]).collect();
        let hash = Hash::Sha256.of(&parts);
        let signature = self.by.pair.sign(hash.as_ref());
        let salted = if version == 6 { [&[u8::try_from(salt.len()).unwrap()], salt].concat() } else { Vec::new() };
        [&head, &area(&self.unhashed), &hash.as_ref()[..2], &salted, signature.as_ref()].concat()
    }
}

fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[0xc0 | tag, 255], u32::try_from(body.len()).unwrap().to_be_bytes().as_slice(), body].concat()
}

/// A primary key that may sign, then more packets.
fn certificate(primary: &Signer, more: &[Vec<u8>]) -> Vec<u8> {
    let own = Draft::new(primary, 0x1f).with(27, &[FLAG_SIGN]).sign(&[&primary.hashed()]);
    [packet(6, &primary.body), packet(2, &own), more.concat()].concat()
}

fn over<'a>(primary: &'a [u8], subkey: &'a [u8]) -> [&'a [u8]; 2] {
    [primary, subkey]
}

/// A subkey with its binding; `back` is the signature in the other direction.
fn subkey(primary: &Signer, sub: &Signer, binding: Draft<'_>, back: Option<Vec<u8>>) -> Vec<u8> {
    let binding = match back {
        Some(back) => binding.with(32, &back),
        None => binding,
    };
    [packet(14, &sub.body), packet(2, &binding.sign(&over(&primary.hashed(), &sub.hashed())))].concat()
}

fn back(primary: &Signer, sub: &Signer) -> Vec<u8> {
    Draft::new(sub, 0x19).sign(&over(&primary.hashed(), &sub.hashed()))
}

fn binding(primary: &Signer) -> Draft<'_> {
    Draft::new(primary, 0x18).with(27, &[FLAG_SIGN])
}

fn verify(certificate: &[u8], signature: &[u8]) -> Result<Signed, Refusal> {
    OpenpgpCertificate::parse(certificate)?.verify(&OpenpgpSignature::parse(&packet(2, signature))?, MESSAGE, NOW)
}

fn document(by: &Signer) -> Vec<u8> {
    Draft::new(by, 0x00).sign(&[MESSAGE])
}

#[test]
fn both_versions_are_accepted_with_primary_key_and_subkey() {
    for version in [4, 6] {
        let (primary, sub) = (Signer::new(version, 1), Signer::new(version, 2));
        let whole = certificate(&primary, &[subkey(&primary, &sub, binding(&primary), Some(back(&primary, &sub)))]);
        assert_eq!(verify(&whole, &document(&primary)).unwrap().created, Some(i64::from(SIGNED)));
        assert!(verify(&whole, &document(&sub)).is_ok());
        assert!(matches!(verify(&whole, &document(&Signer::new(version, 3))), Err(Refusal::UnknownKey { .. })));
    }
}

#[test]
fn a_subkey_that_is_not_bound_in_both_directions_signs_nothing() {
    for version in [4, 6] {
        let (primary, sub, mallory) = (Signer::new(version, 1), Signer::new(version, 2), Signer::new(version, 3));
        let check = |more: Vec<u8>| {
            let refused = verify(&certificate(&primary, &[more]), &document(&sub));
            assert!(matches!(refused, Err(Refusal::KeyNotForSigning { .. })), "{refused:?}");
        };
        // No back signature: somebody claims a stranger's key as his own.
        check(subkey(&primary, &sub, binding(&primary), None));
        // A back signature for another primary key.
        check(subkey(&primary, &sub, binding(&primary), Some(back(&mallory, &sub))));
        // Bound by a stranger.
        check(subkey(&primary, &sub, binding(&mallory), Some(back(&primary, &sub))));
        // Not bound at all.
        check(packet(14, &sub.body));
        // Bound for encryption only.
        check(subkey(&primary, &sub, binding(&primary).but(27, &[0x0c]), Some(back(&primary, &sub))));
        // Bound without flags.
        check(subkey(&primary, &sub, Draft::new(&primary, 0x18), Some(back(&primary, &sub))));
    }
}

#[test]
fn what_the_newest_binding_says_counts() {
    let (primary, sub) = (Signer::new(6, 1), Signer::new(6, 2));
    let message = [primary.hashed(), sub.hashed()];
    let at = |when: u32, flags: u8| {
        let draft = binding(&primary).but(2, &when.to_be_bytes()).but(27, &[flags]).with(32, &back(&primary, &sub));
        packet(2, &draft.sign(&[&message[0], &message[1]]))
    };
    let with = |more: &[Vec<u8>]| verify(&certificate(&primary, &[packet(14, &sub.body), more.concat()]), &document(&sub));
    assert!(with(&[at(SIGNED, 0), at(SIGNED + 1, FLAG_SIGN)]).is_ok());
    assert!(matches!(with(&[at(SIGNED + 1, 0), at(SIGNED, FLAG_SIGN)]), Err(Refusal::KeyNotForSigning { .. })));
    assert!(matches!(with(&[at(SIGNED, FLAG_SIGN), at(SIGNED, 0)]), Err(Refusal::KeyNotForSigning { .. })));
    assert!(matches!(with(&[at(u32::try_from(NOW).unwrap() + 3600, FLAG_SIGN)]), Err(Refusal::KeyNotYetValid { .. })));
}

#[test]
fn a_revocation_counts_even_if_it_cannot_be_verified() {
    for version in [4, 6] {
        let (primary, sub, revoker) = (Signer::new(version, 1), Signer::new(version, 2), Signer::new(version, 3));
        let bound = subkey(&primary, &sub, binding(&primary), Some(back(&primary, &sub)));
        for by in [&primary, &revoker] {
            let of_primary = packet(2, &Draft::new(by, 0x20).sign(&[&primary.hashed()]));
            let whole = certificate(&primary, &[of_primary, bound.clone()]);
            for signer in [&primary, &sub] {
                assert!(matches!(verify(&whole, &document(signer)), Err(Refusal::KeyRevoked { .. })));
            }
            let of_subkey = packet(2, &Draft::new(by, 0x28).sign(&over(&primary.hashed(), &sub.hashed())));
            let whole = certificate(&primary, &[bound.clone(), of_subkey]);
            assert!(verify(&whole, &document(&primary)).is_ok());
            assert!(matches!(verify(&whole, &document(&sub)), Err(Refusal::KeyRevoked { .. })));
        }
    }
}

#[test]
fn a_primary_key_must_say_of_itself_that_it_signs() {
    let primary = Signer::new(6, 1);
    let with = |own: &[u8]| verify(&[packet(6, &primary.body), packet(2, own)].concat(), &document(&primary));
    let own = || Draft::new(&primary, 0x1f);
    let message = primary.hashed();
    assert!(with(&own().with(27, &[FLAG_SIGN]).sign(&[&message])).is_ok());
    assert!(matches!(with(&own().sign(&[&message])), Err(Refusal::KeyNotForSigning { .. })));
    assert!(matches!(with(&own().with(27, &[0x01]).sign(&[&message])), Err(Refusal::KeyNotForSigning { .. })));
    let flagged = || own().with(27, &[FLAG_SIGN]);
    assert!(
        with(&flagged().with(9, &400_u32.to_be_bytes()).sign(&[&message]))
            .is_err_and(|why| matches!(why, Refusal::KeyExpired { .. }))
    );
    assert!(matches!(with(&flagged().with(3, &60_u32.to_be_bytes()).sign(&[&message])), Err(Refusal::KeyExpired { .. })));
    assert!(with(&flagged().with(9, &0_u32.to_be_bytes()).sign(&[&message])).is_ok(), "zero is never");
    // Nothing valid: signed by a stranger, of another type, with something critical that nobody knows, twice the same.
    assert!(matches!(
        with(&Draft::new(&Signer::new(6, 3), 0x1f).with(27, &[FLAG_SIGN]).sign(&[&message])),
        Err(Refusal::Form { .. })
    ));
    assert!(matches!(with(&Draft { kind: 0x18, ..flagged() }.sign(&[&message])), Err(Refusal::Form { .. })));
    assert!(matches!(with(&flagged().with(0x80 | 20, &[0; 9]).sign(&[&message])), Err(Refusal::Form { .. })));
    assert!(matches!(with(&flagged().with(27, &[FLAG_SIGN]).sign(&[&message])), Err(Refusal::Form { .. })));
}

#[test]
fn a_signature_must_be_of_its_version_and_say_when_and_by_whom() {
    for version in [4, 6] {
        let primary = Signer::new(version, 1);
        let whole = certificate(&primary, &[]);
        let draft = || Draft::new(&primary, 0x00);
        let check = |draft: Draft<'_>| verify(&whole, &draft.sign(&[MESSAGE]));
        assert!(check(draft()).is_ok());
        let mut silent = draft();
        silent.hashed.retain(|(found, _)| *found != 2);
        assert!(matches!(check(silent), Err(Refusal::Form { .. })));
        let mut nameless = draft();
        nameless.hashed.retain(|(found, _)| *found != 33);
        assert!(matches!(check(nameless), Err(Refusal::Form { .. })));
        // The time of making, where nobody signed it.
        let mut unsigned = draft();
        let time = unsigned.hashed.remove(0);
        unsigned.unhashed.push(time);
        assert!(matches!(check(unsigned), Err(Refusal::Unsupported { .. })));
        assert!(matches!(check(draft().with(0x80 | 77, &[1])), Err(Refusal::Unsupported { .. })));
        assert!(check(draft().with(77, &[1])).is_ok(), "what is not critical may be passed over");
        assert!(matches!(check(draft().with(16, &[1; 8])), Err(Refusal::UnknownKey { .. })));
        assert!(matches!(check(draft().but(2, &(MADE - 1).to_be_bytes())), Err(Refusal::SignatureTime { .. })));
        assert!(matches!(check(draft().but(2, &u32::MAX.to_be_bytes())), Err(Refusal::SignatureTime { .. })));
        assert!(matches!(check(Draft { kind: 0x02, ..draft() }), Err(Refusal::Unsupported { .. })));
    }
    let (old, new) = (Signer::new(4, 1), Signer::new(6, 1));
    let mut other_version = document(&old);
    other_version[0] = 5;
    assert!(matches!(verify(&certificate(&old, &[]), &other_version), Err(Refusal::Unsupported { .. })));
    let short_salt = Draft { salt: vec![7; 15], ..Draft::new(&new, 0x00) }.sign(&[MESSAGE]);
    assert!(matches!(verify(&certificate(&new, &[]), &short_salt), Err(Refusal::Form { .. })));
}

#[test]
fn what_is_not_one_public_certificate_is_refused() {
    let primary = Signer::new(6, 1);
    let whole = certificate(&primary, &[]);
    let refused = |bytes: &[u8]| OpenpgpCertificate::parse(bytes).unwrap_err();
    assert!(OpenpgpCertificate::parse(&[whole.clone(), packet(21, &[1, 2, 3]), packet(63, b"x")].concat()).is_ok());
    assert!(matches!(refused(&[whole.clone(), whole.clone()].concat()), Refusal::Form { .. }));
    assert!(matches!(refused(&[packet(5, &primary.body), whole.clone()].concat()), Refusal::Form { .. }));
    assert!(matches!(refused(&[whole.clone(), packet(7, &primary.body)].concat()), Refusal::Form { .. }));
    assert!(matches!(refused(&[packet(13, b"eve"), whole.clone()].concat()), Refusal::Form { .. }));
    assert!(matches!(refused(&[whole.clone(), packet(11, b"x")].concat()), Refusal::Unsupported { .. }));
    assert!(matches!(refused(&packet(6, &primary.body)), Refusal::Form { .. }));
    let many = packet(13, b"eve").repeat(crate::openpgp::PACKETS_MAX);
    assert!(matches!(refused(&[whole.clone(), many].concat()), Refusal::Oversized { .. }));
    assert!(matches!(refused(&whole[..whole.len() - 1]), Refusal::Truncated { .. }));
    let mut in_parts = whole;
    in_parts[1] = 0xe1;
    assert!(matches!(refused(&in_parts), Refusal::Unsupported { .. }));
}
