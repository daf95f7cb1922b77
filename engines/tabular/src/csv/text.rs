//! Turns the bytes of a record's fields into text: UTF-8, else Windows-1252, else the record is broken.
#![deny(clippy::indexing_slicing)]

use super::What;
use super::scan::Span;
use arrow_array::builder::StringBuilder;
use std::borrow::Cow;

/// Windows-1252 for 0x80..=0x9f (WHATWG Encoding, index windows-1252); 0 where it has no letter.
const HIGH: [u16; 32] = [
    0x20ac, 0, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017d, 0, 0, 0x2018,
    0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0, 0x017e, 0x0178,
];

/// Appends one record, of which `spans` mark the fields and `at` is the place of its first byte. All fields or none.
pub(super) fn append(record: &[u8], at: usize, spans: &[Span], quote: u8, builders: &mut [StringBuilder]) -> Result<(), What> {
    let whole: Cow<'_, str> = match std::str::from_utf8(record) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => return append_latin1(record, at, spans, quote, builders),
    };
    for (span, builder) in spans.iter().zip(builders) {
        let text = whole.get(span.start - at..span.end - at).unwrap_or_default();
        if span.doubled {
            builder.append_value(single(text, quote));
        } else {
            builder.append_value(text);
        }
    }
    Ok(())
}

/// A record that is not UTF-8 as a whole: fields that are UTF-8 stay so, the others are Windows-1252.
fn append_latin1(record: &[u8], at: usize, spans: &[Span], quote: u8, builders: &mut [StringBuilder]) -> Result<(), What> {
    let mut texts = Vec::with_capacity(spans.len());
    for span in spans {
        let bytes = record.get(span.start - at..span.end - at).unwrap_or_default();
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().map(|&byte| letter(byte)).collect::<Option<String>>().ok_or(What::Letters)?,
        };
        texts.push(if span.doubled { single(&text, quote) } else { text });
    }
    for (text, builder) in texts.iter().zip(builders) {
        builder.append_value(text);
    }
    Ok(())
}

/// The letter of a byte in Windows-1252.
pub(super) fn letter(byte: u8) -> Option<char> {
    match byte {
        0x80..=0x9f => {
            HIGH.get(usize::from(byte - 0x80)).filter(|&&code| code != 0).and_then(|&code| char::from_u32(code.into()))
        }
        byte => Some(char::from(byte)),
    }
}

/// Doubled quotes as single ones.
pub(super) fn single(text: &str, quote: u8) -> String {
    let quote = char::from(quote);
    text.replace(&format!("{quote}{quote}"), &quote.to_string())
}
