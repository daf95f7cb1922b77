//! Reads the header `Content-Digest` of a delivery (T1): bytes that were cut short or changed on the way are refused before anything is
//! made of them. RFC 9530, a dictionary of byte sequences (RFC 9651, section 3.2); only SHA-256 and SHA-512 count.

use data_encoding::BASE64;

/// Bytes of the header that are looked at.
pub const HEADER_BYTES_MAX: usize = 1024;
/// Algorithms in one header at most.
const MEMBERS_MAX: usize = 8;

/// The digests that a sender said; at least one is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentDigest {
    sha256: Option<Vec<u8>>,
    sha512: Option<Vec<u8>>,
}

/// Why the header says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentDigestError {
    /// It is not a dictionary of byte sequences, or longer than [`HEADER_BYTES_MAX`].
    #[error("the header `content-digest` cannot be read")]
    Unreadable,
    /// The same algorithm twice: which of them counts is not for us to guess.
    #[error("the header `content-digest` names an algorithm twice")]
    Twice,
    /// Neither of the algorithms that count.
    #[error("the header `content-digest` has neither `sha-256` nor `sha-512`")]
    Unknown,
}

impl ContentDigest {
    /// Reads the header's value; several lines of it are joined by commas before.
    ///
    /// # Errors
    /// [`ContentDigestError`].
    pub fn parse(value: &str) -> Result<Self, ContentDigestError> {
        use ContentDigestError::{Twice, Unknown, Unreadable};
        if value.len() > HEADER_BYTES_MAX {
            return Err(Unreadable);
        }
        let mut said = Self { sha256: None, sha512: None };
        for (at, member) in value.split(',').enumerate() {
            let (key, rest) = member.trim_matches([' ', '\t']).split_once('=').ok_or(Unreadable)?;
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.*".contains(&byte);
            let encoded = rest.strip_prefix(':').and_then(|rest| rest.split_once(':')).ok_or(Unreadable)?;
            // Parameters are for extensions that we do not know (RFC 9651, section 3.1.2).
            let parameters = encoded.1.is_empty() || encoded.1.starts_with(';');
            if at >= MEMBERS_MAX || key.is_empty() || !key.bytes().all(plain) || !parameters {
                return Err(Unreadable);
            }
            let bytes = BASE64.decode(encoded.0.as_bytes()).map_err(|_| Unreadable)?;
            let (place, length) = match key {
                "sha-256" => (&mut said.sha256, 32),
                "sha-512" => (&mut said.sha512, 64),
                // RFC 9530, section 5: others are insecure or not known; they prove nothing and harm nothing.
                _ => continue,
            };
            if bytes.len() != length {
                return Err(Unreadable);
            }
            if place.replace(bytes).is_some() {
                return Err(Twice);
            }
        }
        if said.sha256.is_none() && said.sha512.is_none() { Err(Unknown) } else { Ok(said) }
    }

    /// Whether every digest that was said is that of the bytes.
    #[must_use]
    pub fn holds(&self, sha256: &[u8], sha512: &[u8]) -> bool {
        let same = |said: &Option<Vec<u8>>, found: &[u8]| said.as_deref().is_none_or(|said| said == found);
        same(&self.sha256, sha256) && same(&self.sha512, sha512)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // RFC 9530, appendix A and section 2: of `{"hello": "world"}` with a line feed.
    const HELLO_256: &str = "RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=";
    const HELLO_512: &str = "YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==";
    const HELLO: &[u8] = b"{\"hello\": \"world\"}\n";

    fn holds(value: &str, bytes: &[u8]) -> Result<bool, ContentDigestError> {
        use aws_lc_rs::digest::{SHA256, SHA512, digest};
        let said = ContentDigest::parse(value)?;
        Ok(said.holds(digest(&SHA256, bytes).as_ref(), digest(&SHA512, bytes).as_ref()))
    }

    #[test]
    fn the_examples_of_the_rfc_hold() {
        assert_eq!(holds(&format!("sha-256=:{HELLO_256}:"), HELLO), Ok(true));
        assert_eq!(holds(&format!("sha-512=:{HELLO_512}:"), HELLO), Ok(true));
        assert_eq!(holds(&format!("sha-256=:{HELLO_256}: ,\tsha-512=:{HELLO_512}:;x=1"), HELLO), Ok(true));
    }

    #[test]
    fn one_that_does_not_hold_is_enough() {
        assert_eq!(holds(&format!("sha-256=:{HELLO_256}:"), b"other"), Ok(false));
        let other = BASE64.encode(&[7; 64]);
        assert_eq!(holds(&format!("sha-256=:{HELLO_256}:, sha-512=:{other}:"), HELLO), Ok(false));
    }

    #[test]
    fn what_proves_nothing_is_refused() {
        let unknown = ["md5=:Sd/dVLAcvNLSq16eXua5uQ==:", "crc32c=:AAAAAA==:"];
        unknown.iter().for_each(|value| assert_eq!(holds(value, HELLO), Err(ContentDigestError::Unknown), "{value}"));
        let twice = format!("sha-256=:{HELLO_256}:,sha-256=:{HELLO_256}:");
        assert_eq!(holds(&twice, HELLO), Err(ContentDigestError::Twice));
        let short = format!("sha-256=:{}:", BASE64.encode(&[1; 31]));
        let long = "a".repeat(HEADER_BYTES_MAX + 1);
        for value in
            ["", "sha-256", "sha-256=", "sha-256=:", "sha-256=abc", "sha-256=:*:", "SHA-256=:AA==:", "sha-256=::x", &short, &long]
        {
            assert_eq!(holds(value, HELLO), Err(ContentDigestError::Unreadable), "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_fault(text in "\\PC{0,200}", key in "(sha-256|sha-512|md5)", bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _read = ContentDigest::parse(&text);
            let value = format!("{key}=:{}:", BASE64.encode(&bytes));
            let fits = (key == "sha-256" && bytes.len() == 32) || (key == "sha-512" && bytes.len() == 64);
            prop_assert_eq!(ContentDigest::parse(&value).is_ok(), fits);
        }
    }
}
