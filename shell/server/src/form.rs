//! Percent-encoded text of paths, queries and forms (T2: hostile input): strict, no field twice, nothing but UTF-8.

use std::collections::BTreeMap;

use crate::answer::Refusal;

/// Fields of a query or a form.
const FIELDS_MAX: usize = 16;
/// Bytes of a field, decoded.
const FIELD_BYTES_MAX: usize = 2048;

/// Whether `+` is a blank: in forms and queries, not in paths (URL standard, section 5.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plus {
    Blank,
    Plus,
}

/// The text, decoded; none where an escape is broken or the bytes are not UTF-8.
pub(crate) fn decode(text: &str, plus: Plus) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            b'+' if plus == Plus::Blank => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// The fields of a query or a form.
#[derive(Debug, Default)]
pub(crate) struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Reads `name=value&..`.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let mut fields = BTreeMap::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = decode(name, Plus::Blank).zip(decode(value, Plus::Blank));
            let (name, value) = decoded.ok_or_else(|| Refusal::bad("a field is not percent-encoded UTF-8"))?;
            if name.len() > FIELD_BYTES_MAX || value.len() > FIELD_BYTES_MAX || fields.len() >= FIELDS_MAX {
                return Err(Refusal::bad("too many or too long fields"));
            }
            if fields.insert(name, value).is_some() {
                return Err(Refusal::bad("a field comes twice"));
            }
        }
        Ok(Self(fields))
    }

    /// Refuses fields that nobody asked for.
    pub(crate) fn only(self, names: &[&str]) -> Result<Self, Refusal> {
        if self.0.keys().all(|name| names.contains(&name.as_str())) {
            return Ok(self);
        }
        Err(Refusal::bad("a field that is not known"))
    }

    /// The field's value, if it came.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_are_decoded_once() {
        assert_eq!(decode("a%2Fb%252F+", Plus::Plus).as_deref(), Some("a/b%2F+"));
        assert_eq!(decode("a+b", Plus::Blank).as_deref(), Some("a b"));
    }

    #[test]
    fn broken_escapes_are_refused() {
        for text in ["%", "%2", "%zz", "%ff", "%C3%28"] {
            assert_eq!(decode(text, Plus::Plus), None, "{text}");
        }
    }

    #[test]
    fn a_field_twice_is_refused() {
        assert!(Fields::parse("a=1&b=2").is_ok());
        assert!(Fields::parse("a=1&%61=2").is_err());
        assert!(Fields::parse("a=1").unwrap().only(&["b"]).is_err());
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in ".{0,64}") {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            prop_assert_eq!(decode(&encoded, Plus::Blank), Some(text));
        }

        #[test]
        fn no_text_is_a_fault(text in "[%+&=a-f0-9]{0,64}") {
            let _ = Fields::parse(&text);
        }
    }
}
