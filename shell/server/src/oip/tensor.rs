//! Tensors of one column (T5: hostile input), as JSON or as octets (binary tensor data extension of the Open Inference Protocol):
//! little-endian, row after row; a `BYTES` element is a 32-bit length and so many bytes.

use serde_json::Value;

use crate::answer::Refusal;
use crate::config::{VALUE_CHARS_MAX, fits};

/// Bytes of the length before a `BYTES` element.
const LENGTH_BYTES: usize = 4;

/// The datatypes that are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Datatype {
    Fp64,
    Fp32,
    Int64,
    Int32,
    Bool,
    Bytes,
}

impl Datatype {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "FP64" => Some(Self::Fp64),
            "FP32" => Some(Self::Fp32),
            "INT64" => Some(Self::Int64),
            "INT32" => Some(Self::Int32),
            "BOOL" => Some(Self::Bool),
            "BYTES" => Some(Self::Bytes),
            _ => None,
        }
    }
}

/// The values of a tensor in JSON: `[a, b]` or `[[a], [b]]`; `null` is missing.
pub(super) fn from_json(datatype: Datatype, data: &Value, count: usize) -> Result<Vec<Option<String>>, Refusal> {
    let elements = data.as_array().filter(|elements| elements.len() == count);
    let elements = elements.ok_or_else(|| Refusal::bad("a tensor's data is not as long as its shape"))?;
    elements
        .iter()
        .map(|element| match element {
            Value::Array(inner) => match inner.as_slice() {
                [value] => one(datatype, value),
                _ => Err(Refusal::bad("a tensor's data is not as its shape")),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => one(datatype, element),
        })
        .collect()
}

fn one(datatype: Datatype, value: &Value) -> Result<Option<String>, Refusal> {
    let other = || Refusal::bad("a tensor's element is not of its datatype");
    if value.is_null() {
        return Ok(None);
    }
    let text = match datatype {
        Datatype::Fp64 | Datatype::Fp32 => value.as_f64().ok_or_else(other)?.to_string(),
        Datatype::Int64 => value.as_i64().ok_or_else(other)?.to_string(),
        Datatype::Int32 => value.as_i64().and_then(|value| i32::try_from(value).ok()).ok_or_else(other)?.to_string(),
        Datatype::Bool => value.as_bool().ok_or_else(other)?.to_string(),
        Datatype::Bytes => value.as_str().filter(|text| fits(text, VALUE_CHARS_MAX)).ok_or_else(other)?.to_owned(),
    };
    Ok(present(text))
}

/// The values of a tensor in octets. Not-a-number and empty texts are missing: the clients have no other way to say it.
pub(super) fn from_octets(datatype: Datatype, octets: &[u8], count: usize) -> Result<Vec<Option<String>>, Refusal> {
    match datatype {
        Datatype::Fp64 => each::<8>(octets, count, |bytes| float(f64::from_le_bytes(bytes))),
        // As the shortest decimal that is this 32-bit float, not as the 64-bit one: 0.1 stays 0.1.
        Datatype::Fp32 => each::<4>(octets, count, |bytes| {
            let value = f32::from_le_bytes(bytes);
            if value.is_finite() { Ok(Some(value.to_string())) } else { float(f64::from(value)) }
        }),
        Datatype::Int64 => each::<8>(octets, count, |bytes| Ok(Some(i64::from_le_bytes(bytes).to_string()))),
        Datatype::Int32 => each::<4>(octets, count, |bytes| Ok(Some(i32::from_le_bytes(bytes).to_string()))),
        Datatype::Bool => each::<1>(octets, count, |[byte]| match byte {
            0 => Ok(Some(false.to_string())),
            1 => Ok(Some(true.to_string())),
            _ => Err(Refusal::bad("a truth value that is neither 0 nor 1")),
        }),
        Datatype::Bytes => texts(octets, count),
    }
}

fn each<const SIZE: usize>(
    octets: &[u8],
    count: usize,
    read: impl Fn([u8; SIZE]) -> Result<Option<String>, Refusal>,
) -> Result<Vec<Option<String>>, Refusal> {
    let (elements, rest) = octets.as_chunks::<SIZE>();
    if elements.len() != count || !rest.is_empty() {
        return Err(Refusal::bad("a tensor's octets are not as long as its shape"));
    }
    elements.iter().map(|element| read(*element)).collect()
}

fn float(value: f64) -> Result<Option<String>, Refusal> {
    if value.is_nan() {
        return Ok(None);
    }
    if value.is_infinite() {
        return Err(Refusal::bad("a number without end"));
    }
    Ok(Some(value.to_string()))
}

fn texts(mut octets: &[u8], count: usize) -> Result<Vec<Option<String>>, Refusal> {
    let broken = || Refusal::bad("a text's length does not fit");
    let mut texts = Vec::with_capacity(count);
    while let Some((length, rest)) = octets.split_first_chunk::<LENGTH_BYTES>() {
        let length = usize::try_from(u32::from_le_bytes(*length)).ok();
        let (text, rest) = length.and_then(|length| rest.split_at_checked(length)).ok_or_else(broken)?;
        let text = std::str::from_utf8(text).ok().filter(|text| fits(text, VALUE_CHARS_MAX));
        let text = text.ok_or_else(|| Refusal::bad("a text is not UTF-8, or too long"))?;
        texts.push(present(text.to_owned()));
        octets = rest;
        if texts.len() > count {
            return Err(broken());
        }
    }
    if texts.len() != count || !octets.is_empty() {
        return Err(broken());
    }
    Ok(texts)
}

fn present(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// A `BYTES` tensor as octets.
pub(super) fn write_bytes(texts: &[&str]) -> Vec<u8> {
    let mut octets = Vec::new();
    for text in texts {
        // INVARIANT: the texts are `yes` and `no`.
        octets.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        octets.extend_from_slice(text.as_bytes());
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn floats_keep_their_shortest_text() {
        let read = from_octets(Datatype::Fp32, &[0.1_f32.to_le_bytes(), 3_f32.to_le_bytes()].concat(), 2).unwrap();
        assert_eq!(read, [Some("0.1".to_owned()), Some("3".to_owned())]);
        assert!(from_octets(Datatype::Fp32, &f32::INFINITY.to_le_bytes(), 1).is_err());
        assert!(from_octets(Datatype::Fp64, &f64::NEG_INFINITY.to_le_bytes(), 1).is_err());
        assert_eq!(from_octets(Datatype::Fp32, &f32::NAN.to_le_bytes(), 1).unwrap(), [None]);
    }

    #[test]
    fn truth_is_one_byte() {
        assert_eq!(from_octets(Datatype::Bool, &[1, 0], 2).unwrap(), [Some("true".to_owned()), Some("false".to_owned())]);
        assert!(from_octets(Datatype::Bool, &[2], 1).is_err());
    }

    #[test]
    fn a_length_beyond_the_octets_is_refused() {
        for octets in [&[255, 255, 255, 255][..], &[1, 0, 0, 0], &[1, 0, 0], &[1, 0, 0, 0, 0xff], &[0, 0, 0, 0, 0, 0, 0, 0]] {
            assert!(from_octets(Datatype::Bytes, octets, 1).is_err(), "{octets:?}");
        }
        assert_eq!(from_octets(Datatype::Bytes, &[0, 0, 0, 0], 1).unwrap(), [None]);
    }

    proptest! {
        #[test]
        fn texts_come_back(texts in proptest::collection::vec("[^\u{0}]{1,20}", 0..20)) {
            let slices: Vec<&str> = texts.iter().map(String::as_str).collect();
            let read = from_octets(Datatype::Bytes, &write_bytes(&slices), texts.len()).unwrap();
            prop_assert_eq!(read, texts.into_iter().map(Some).collect::<Vec<_>>());
        }

        #[test]
        fn numbers_come_back(values in proptest::collection::vec(any::<f64>().prop_filter("finite", |value| value.is_finite()), 0..20)) {
            let octets: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            let read = from_octets(Datatype::Fp64, &octets, values.len()).unwrap();
            let back: Vec<f64> = read.into_iter().map(|text| text.unwrap().parse().unwrap()).collect();
            prop_assert_eq!(back, values);
        }
    }
}
