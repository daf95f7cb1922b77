//! What other programs signed is accepted; every way to be wrong is refused for its own reason (T1).
//!
//! The fixtures were made by minisign, OpenSSH and GnuPG (fixtures/make.sh says how), or stand in RFC 9580, appendix A.

mod checksums;
mod http_digest;
mod minisign;
mod openpgp;
mod openpgp_forged;
mod properties;
mod ssh;

use crate::{PublicKey, Refusal, Scheme, Signature, Signed};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../fixtures/", $name)).as_slice()
    };
}
pub(crate) use fixture;

pub(crate) const MESSAGE: &[u8] = fixture!("message");
/// 2026-11-23.
pub(crate) const NOW: i64 = 1_795_446_000;

pub(crate) fn key(scheme: Scheme, text: &[u8]) -> PublicKey {
    PublicKey::parse(scheme, std::str::from_utf8(text).unwrap()).unwrap()
}

/// Reads both and verifies.
pub(crate) fn verify(scheme: Scheme, public: &[u8], signature: &[u8], message: &[u8], now: i64) -> Result<Signed, Refusal> {
    key(scheme, public).verify(&Signature::parse(scheme, signature)?, message, now)
}

/// Every position of the file, changed in some ways; `free` are positions that nobody signs and nobody reads.
pub(crate) fn every_change_is_refused(file: &[u8], free: std::ops::Range<usize>, accepts: impl Fn(&[u8]) -> bool) {
    assert!(accepts(file));
    for at in (0..file.len()).filter(|at| !free.contains(at)) {
        for change in [0x01, 0x20, 0x80] {
            let mut changed = file.to_vec();
            changed[at] ^= change;
            assert!(!accepts(&changed), "byte {at} of the file xor {change:#04x}");
        }
    }
}

/// Every beginning of the file; a last line end may be missing.
pub(crate) fn every_beginning_is_refused(file: &[u8], accepts: impl Fn(&[u8]) -> bool) {
    let whole = file.strip_suffix(b"\n").unwrap_or(file).len();
    for length in 0..whole {
        assert!(!accepts(&file[..length]), "the first {length} bytes");
    }
}
