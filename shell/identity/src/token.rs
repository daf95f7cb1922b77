//! Tokens that callers hold (T2, T4): 256 random bits, shown once, kept only as SHA-256, with a checksum that lets a scanner of
//! code and logs recognise a leaked one without asking us.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use data_encoding::{BASE32_DNSSEC, BASE64URL_NOPAD};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::IdentityError;

/// SHA-256 of a token. The token has 256 random bits, so a slow hash would add nothing.
pub(crate) type TokenHash = [u8; 32];

const ID_BYTES: usize = 10;
const SECRET_BYTES: usize = 32;
const ID_CHARS: usize = 16;
const SECRET_CHARS: usize = 52;
const CHECKSUM_CHARS: usize = 7;
/// `swk_` + id + `_` + secret + checksum.
const TOKEN_CHARS: usize = 4 + ID_CHARS + 1 + SECRET_CHARS + CHECKSUM_CHARS;

/// A text that opens something; printed as `***` unless revealed on purpose.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself: to be shown once, or set as a cookie.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// What a token is for; its first letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    ApiKey,
    Component,
}

impl TokenKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::ApiKey => "swk_",
            Self::Component => "swc_",
        }
    }
}

/// A fresh token with an id by which it is found.
pub(crate) struct FreshToken {
    pub(crate) id: String,
    pub(crate) text: SecretText,
    pub(crate) hash: TokenHash,
}

pub(crate) fn fresh_token(kind: TokenKind) -> Result<FreshToken, IdentityError> {
    let id = BASE32_DNSSEC.encode(random::<ID_BYTES>()?.as_slice());
    let secret = Zeroizing::new(BASE32_DNSSEC.encode(random::<SECRET_BYTES>()?.as_slice()));
    let body = Zeroizing::new(format!("{}{id}_{}", kind.prefix(), secret.as_str()));
    let text = SecretText::new(format!("{}{}", body.as_str(), checksum(body.as_bytes())));
    let hash = hash(text.reveal());
    Ok(FreshToken { id, text, hash })
}

/// The id inside a token's text; `None` when the form or the checksum is wrong. Says nothing of the token's validity.
pub(crate) fn token_id(kind: TokenKind, text: &str) -> Option<&str> {
    if text.len() != TOKEN_CHARS || !text.is_ascii() {
        return None;
    }
    let (body, check) = text.split_at_checked(TOKEN_CHARS - CHECKSUM_CHARS)?;
    let (id, secret) = body.strip_prefix(kind.prefix())?.split_at_checked(ID_CHARS)?;
    let secret = secret.strip_prefix('_')?;
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'v').contains(&byte));
    (plain(id) && plain(secret) && check == checksum(body.as_bytes())).then_some(id)
}

/// A random text of 256 bits: session ids and login links.
pub(crate) fn fresh_text() -> Result<SecretText, IdentityError> {
    Ok(SecretText::new(BASE64URL_NOPAD.encode(random::<SECRET_BYTES>()?.as_slice())))
}

pub(crate) fn hash(text: &str) -> TokenHash {
    let mut out = [0_u8; 32];
    out.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    out
}

/// Equality in constant time.
pub(crate) fn same_hash(one: &TokenHash, other: &TokenHash) -> bool {
    one.as_slice().ct_eq(other.as_slice()).into()
}

pub(crate) fn random<const BYTES: usize>() -> Result<Zeroizing<[u8; BYTES]>, IdentityError> {
    let mut bytes = Zeroizing::new([0_u8; BYTES]);
    rand::fill(bytes.as_mut_slice()).map_err(|_| IdentityError::Crypto("draw random bytes"))?;
    Ok(bytes)
}

fn checksum(bytes: &[u8]) -> String {
    BASE32_DNSSEC.encode(&crc32(bytes).to_be_bytes())
}

/// CRC-32 of IEEE 802.3, bit by bit: 73 characters do not need a table.
fn crc32(bytes: &[u8]) -> u32 {
    const POLYNOMIAL_REFLECTED: u32 = 0xEDB8_8320;
    let mut remainder = u32::MAX;
    for byte in bytes {
        remainder ^= u32::from(*byte);
        for _ in 0..8 {
            let carry = if remainder & 1 == 1 { POLYNOMIAL_REFLECTED } else { 0 };
            remainder = (remainder >> 1) ^ carry;
        }
    }
    !remainder
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // The check value of CRC-32/ISO-HDLC in the catalogue of parametrised CRC algorithms.
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_fresh_token_has_its_form_and_is_never_the_same() {
        let (one, two) = (fresh_token(TokenKind::ApiKey).unwrap(), fresh_token(TokenKind::ApiKey).unwrap());
        assert_eq!(one.text.reveal().len(), TOKEN_CHARS);
        assert_eq!(token_id(TokenKind::ApiKey, one.text.reveal()), Some(one.id.as_str()));
        assert_eq!(token_id(TokenKind::Component, one.text.reveal()), None);
        assert!(one.id != two.id && one.hash != two.hash);
        assert_eq!(format!("{:?}", one.text), "***");
    }

    proptest! {
        #[test]
        fn one_changed_character_is_seen(at in 0_usize..TOKEN_CHARS, to in "[0-9a-v_]") {
            let token = fresh_token(TokenKind::ApiKey).unwrap();
            let mut changed = token.text.reveal().to_owned();
            changed.replace_range(at..=at, &to);
            prop_assert_eq!(token_id(TokenKind::ApiKey, &changed).is_some(), changed == token.text.reveal());
        }

        #[test]
        fn arbitrary_text_has_no_id(text in "\\PC{0,120}") {
            prop_assert_eq!(token_id(TokenKind::ApiKey, &text), None);
        }
    }
}
