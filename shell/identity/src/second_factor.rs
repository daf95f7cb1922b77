//! The second factor (T1, T6): time-based codes (RFC 6238) of a secret that lies sealed, and recovery codes for a lost phone.

use data_encoding::{BASE32_DNSSEC, BASE32_NOPAD};
use totp_rs::{Algorithm, Builder, Totp};
use zeroize::Zeroizing;

use crate::error::IdentityError;
use crate::token::{SecretText, TokenHash, hash, random};

/// Bytes of the shared secret: 160 bits, as RFC 4226 section 4 recommends.
pub(crate) const TOTP_SECRET_BYTES: usize = 20;
/// Seconds of one code.
pub const TOTP_STEP_SECONDS: u64 = 30;
/// Steps of clock difference either way: RFC 6238 section 5.2 recommends at most one.
const TOTP_SKEW_STEPS: u16 = 1;
const TOTP_DIGITS: u8 = 6;
/// Recovery codes given to each person.
pub const RECOVERY_CODES: usize = 8;
/// Random bytes of a recovery code: 80 bits, beyond guessing even from stolen hashes, so SHA-256 suffices.
const RECOVERY_BYTES: usize = 10;
const RECOVERY_CHARS: usize = 16;
/// Characters of a code that are looked at.
const CODE_CHARS_MAX: usize = 32;

/// Seals small secrets before they enter the database, and opens them. `vault::Vault` does it.
pub trait Sealer: Send + Sync {
    /// Seals `plain` for `context`; `now` in Unix seconds.
    ///
    /// # Errors
    /// A text for the operator.
    fn seal(&self, context: &str, plain: &[u8], now: i64) -> Result<Vec<u8>, String>;

    /// Opens what was sealed for the same `context`.
    ///
    /// # Errors
    /// A text for the operator.
    fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, String>;
}

impl Sealer for vault::Vault {
    fn seal(&self, context: &str, plain: &[u8], now: i64) -> Result<Vec<u8>, String> {
        self.seal_bytes(context, plain, now).map_err(|refusal| refusal.to_string())
    }

    fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
        self.open_bytes(context, sealed).map_err(|refusal| refusal.to_string())
    }
}

/// What a person typed as second factor.
#[derive(Debug)]
pub(crate) enum Code {
    Totp(String),
    Recovery(TokenHash),
}

impl Code {
    /// Six digits, or a recovery code with or without hyphens; spaces are ignored.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > CODE_CHARS_MAX {
            return None;
        }
        let plain: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect::<String>().to_ascii_lowercase();
        if plain.len() == usize::from(TOTP_DIGITS) && plain.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Self::Totp(plain));
        }
        let recovery = plain.len() == RECOVERY_CHARS && plain.bytes().all(|byte| byte.is_ascii_alphanumeric());
        recovery.then(|| Self::Recovery(hash(&plain)))
    }
}

/// Step of the code if it is right now, one step ago or one ahead; whether it was used before is the database's to say.
pub(crate) fn matching_step(secret: &[u8], code: &str, now: i64) -> Option<u64> {
    let seconds = u64::try_from(now).ok()?;
    totp(secret).check(code, seconds)
}

/// The code of this moment: for tests of callers and for `stayward demo`, which has no phone.
#[must_use]
pub fn code_at(secret: &[u8], now: i64) -> String {
    totp(secret).generate(u64::try_from(now).unwrap_or(0)).to_string()
}

fn totp(secret: &[u8]) -> Totp {
    // "Noncompliant" only means unchecked: the secret has 160 bits and the digits are six, both by construction.
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(TOTP_DIGITS)
        .with_skew(TOTP_SKEW_STEPS)
        .with_step_duration(TOTP_STEP_SECONDS)
        .with_secret(secret.to_vec())
        .build_noncompliant()
}

/// The address that a phone reads as a QR code (Key URI format).
#[must_use]
pub fn otpauth_url(person: &str, secret: &[u8]) -> SecretText {
    // INVARIANT: `person` is a checked name, whose alphabet needs no percent-encoding.
    let secret = Zeroizing::new(BASE32_NOPAD.encode(secret));
    SecretText::new(format!(
        "otpauth://totp/Stayward:{person}?secret={}&issuer=Stayward&algorithm=SHA1&digits={TOTP_DIGITS}&period={TOTP_STEP_SECONDS}",
        secret.as_str()
    ))
}

/// Fresh recovery codes: text to show once, hash to keep.
pub(crate) fn fresh_recovery_codes() -> Result<Vec<(SecretText, TokenHash)>, IdentityError> {
    (0..RECOVERY_CODES)
        .map(|_| {
            let plain = Zeroizing::new(BASE32_DNSSEC.encode(random::<RECOVERY_BYTES>()?.as_slice()));
            let groups: Vec<&str> = [0..4, 4..8, 8..12, 12..16].into_iter().filter_map(|range| plain.get(range)).collect();
            Ok((SecretText::new(groups.join("-")), hash(&plain)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B, SHA-1 rows; we show the last six of its eight digits.
        for (now, code) in [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")] {
            assert_eq!(code_at(b"12345678901234567890", now), code);
        }
    }

    #[test]
    fn a_code_is_right_one_step_around_and_no_more() {
        let secret = [5; TOTP_SECRET_BYTES];
        let now = 1_800_000_015;
        let step = 1_800_000_015 / 30;
        for (offset, expected) in [(-60, None), (-30, Some(step - 1)), (0, Some(step)), (30, Some(step + 1)), (60, None)] {
            assert_eq!(matching_step(&secret, &code_at(&secret, now + offset), now), expected, "{offset}");
        }
        assert_eq!(matching_step(&secret, &code_at(&secret, 0), -1), None);
    }

    #[test]
    fn the_url_is_what_phones_read() {
        assert_eq!(
            otpauth_url("alice", b"12345678901234567890").reveal(),
            "otpauth://totp/Stayward:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Stayward&algorithm=SHA1&digits=6&period=30"
        );
    }

    #[test]
    fn recovery_codes_read_back_in_any_form() {
        let codes = fresh_recovery_codes().unwrap();
        assert_eq!(codes.len(), RECOVERY_CODES);
        let (text, kept) = &codes[0];
        for typed in [text.reveal().to_owned(), text.reveal().replace('-', ""), text.reveal().to_uppercase()] {
            assert!(matches!(Code::parse(&typed), Some(Code::Recovery(hash)) if hash == *kept), "{typed}");
        }
        assert!(matches!(Code::parse(" 123 456"), Some(Code::Totp(code)) if code == "123456"));
    }

    proptest! {
        #[test]
        fn arbitrary_codes_do_not_panic(text in "\\PC{0,60}", now in any::<i64>()) {
            if let Some(Code::Totp(code)) = Code::parse(&text) {
                let _ = matching_step(&[1; 20], &code, now.clamp(-10, i64::MAX / 2));
            }
        }
    }
}
