//! Blanks and marks of missing values: a cell is asked about them before anything else, so that this must be quick.

/// Texts that stand for a missing value, beside the empty text.
#[derive(Clone, Debug)]
pub(crate) struct Marks {
    texts: Vec<String>,
    /// First bytes of the texts.
    first: [bool; 256],
    bytes_max: usize,
}

impl Marks {
    pub(crate) fn new<T: AsRef<str>>(texts: &[T]) -> Self {
        let texts: Vec<String> =
            texts.iter().map(|text| text.as_ref().trim().to_owned()).filter(|text| !text.is_empty()).collect();
        let mut first = [false; 256];
        for text in &texts {
            if let Some(known) = text.bytes().next().and_then(|byte| first.get_mut(usize::from(byte))) {
                *known = true;
            }
        }
        let bytes_max = texts.iter().map(String::len).max().unwrap_or(0);
        Self { texts, first, bytes_max }
    }

    /// The texts, without blanks around them.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(String::as_str)
    }

    /// The text without blanks around it, or `None` if it stands for a missing value.
    pub(crate) fn present<'a>(&self, text: &'a str) -> Option<&'a str> {
        let text = trimmed(text);
        let &byte = text.as_bytes().first()?;
        let suspect = text.len() <= self.bytes_max && self.first.get(usize::from(byte)) == Some(&true);
        if suspect && self.texts.iter().any(|mark| mark == text) { None } else { Some(text) }
    }
}

/// `str::trim`, with a short way for texts that begin and end with visible ASCII.
fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [only] if only.is_ascii_graphic() => text,
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_blanks_are_missing_and_nothing_else() {
        let marks = Marks::new(&["", "NA", " ? "]);
        for text in ["", " ", "\u{a0}", "NA", " NA ", "?"] {
            assert_eq!(marks.present(text), None, "{text:?}");
        }
        for (text, seen) in [("N", "N"), ("NAN", "NAN"), (" x ", "x"), ("\u{a0}é", "é"), ("na", "na")] {
            assert_eq!(marks.present(text), Some(seen));
        }
    }
}
