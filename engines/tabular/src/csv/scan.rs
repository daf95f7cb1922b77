//! Finds the fields of one record, and refuses a record whose quote would swallow its neighbours (T1).
#![deny(clippy::indexing_slicing)]

use super::{Limits, Newline, What};

/// The bytes of one field, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether quotes stand doubled inside.
    pub(super) doubled: bool,
    /// Whether the field was quoted.
    pub(super) quoted: bool,
}

/// Where a record ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// The first byte of the next record.
    pub(super) next: usize,
    /// Physical lines of the record.
    pub(super) lines: u64,
}

/// How strictly quotes are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    /// A quote inside an unquoted field stands for itself; quoted fields may span lines.
    Usual,
    /// Neither.
    Strict,
}

/// What a byte means outside quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Plain,
    Delimiter,
    Quote,
    End,
    Control,
}

/// Reads records of a known dialect.
#[derive(Clone, Debug)]
pub(super) struct Scanner {
    classes: [Class; 256],
    quote: u8,
    newline: Newline,
    /// Fields of a record, or `None` while the dialect is being found out.
    columns: Option<usize>,
    columns_max: usize,
    field_bytes: usize,
    quoted_lines: usize,
}

impl Scanner {
    pub(super) fn new(delimiter: u8, quote: u8, newline: Newline, columns: Option<usize>, limits: &Limits) -> Self {
        let mut classes = [Class::Plain; 256];
        for (byte, class) in (0_u8..=255).zip(classes.iter_mut()) {
            *class = match byte {
                b if b == delimiter => Class::Delimiter,
                b if b == quote => Class::Quote,
                b'\n' | b'\r' => Class::End,
                b'\t' => Class::Plain,
                0..=0x1f | 0x7f => Class::Control,
                _ => Class::Plain,
            };
        }
        let (field_bytes, quoted_lines) = (limits.field_bytes, limits.quoted_lines);
        Self { classes, quote, newline, columns, columns_max: limits.columns, field_bytes, quoted_lines }
    }

    pub(super) fn quote(&self) -> u8 {
        self.quote
    }

    fn class(&self, byte: u8) -> Class {
        self.classes.get(usize::from(byte)).copied().unwrap_or(Class::Control)
    }

    /// The place after the line end at `at`, if one stands there.
    fn after_end(&self, bytes: &[u8], at: usize) -> Option<usize> {
        match (bytes.get(at)?, bytes.get(at + 1)) {
            (b'\n', _) => Some(at + 1),
            (b'\r', Some(b'\n')) => Some(at + 2),
            (b'\r', next) if self.newline == Newline::Cr || next.is_none() => Some(at + 1),
            _ => None,
        }
    }

    /// The place after a blank line at `at`, if one stands there. A table of one column has no blank lines: they are values.
    pub(super) fn blank(&self, bytes: &[u8], at: usize) -> Option<usize> {
        if self.columns == Some(1) { None } else { self.after_end(bytes, at) }
    }

    /// The place after the physical line that holds `at`.
    pub(super) fn line_end(&self, bytes: &[u8], at: usize) -> usize {
        let rest = bytes.get(at..).unwrap_or_default();
        for (step, &byte) in rest.iter().enumerate() {
            if matches!(byte, b'\n' | b'\r')
                && let Some(next) = self.after_end(bytes, at + step)
            {
                return next;
            }
        }
        bytes.len()
    }

    /// Reads the record at `at` into `spans`.
    pub(super) fn record(&self, bytes: &[u8], at: usize, spans: &mut Vec<Span>) -> Result<End, What> {
        let end = self.fields(bytes, at, spans, Quotes::Usual)?;
        if let Some(columns) = self.columns {
            if spans.len() < columns {
                return Err(What::TooFew { found: spans.len(), columns });
            }
            if end.lines > 1 && columns > 1 {
                self.swallows(bytes, at, end)?;
            }
        }
        Ok(end)
    }

    /// Refuses a record of several lines if one of them, after the first, is by itself a whole record.
    ///
    /// Text that happens to look like records of the table is refused with it: loudly losing such a text is better than silently
    /// losing customers to a stray quote.
    fn swallows(&self, bytes: &[u8], at: usize, end: End) -> Result<(), What> {
        let mut spans = Vec::new();
        let mut line = self.line_end(bytes, at);
        while line < end.next {
            let next = self.line_end(bytes, line);
            let alone = bytes.get(..next).unwrap_or_default();
            if self.fields(alone, line, &mut spans, Quotes::Strict).is_ok() && Some(spans.len()) == self.columns {
                return Err(What::QuoteSwallows);
            }
            line = next;
        }
        Ok(())
    }

    fn fields(&self, bytes: &[u8], start: usize, spans: &mut Vec<Span>, quotes: Quotes) -> Result<End, What> {
        spans.clear();
        let (mut at, mut lines) = (start, 1);
        loop {
            if let Some(columns) = self.columns.filter(|&columns| spans.len() >= columns) {
                return Err(What::TooMany { columns });
            }
            if spans.len() >= self.columns_max {
                return Err(What::TooMany { columns: self.columns_max });
            }
            let (span, stop) = match self.opening(bytes, at) {
                Some(open) => self.quoted(bytes, open + 1, quotes, &mut lines)?,
                None => self.plain(bytes, at, quotes)?,
            };
            if span.end - span.start > self.field_bytes {
                return Err(What::FieldLong { max: self.field_bytes });
            }
            spans.push(span);
            match bytes.get(stop) {
                None => return Ok(End { next: bytes.len(), lines }),
                Some(&byte) if self.class(byte) == Class::Delimiter => at = stop + 1,
                // INVARIANT: `plain` and `quoted` stop only at a delimiter, at a line end or at the end of the bytes.
                Some(&byte) => {
                    return self.after_end(bytes, stop).map(|next| End { next, lines }).ok_or(What::ControlByte(byte));
                }
            }
        }
    }

    /// The place of the quote that opens the field at `at`; blanks may stand before it.
    fn opening(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let &first = bytes.get(at)?;
        if first == self.quote {
            return Some(at);
        }
        if first != b' ' {
            return None;
        }
        let blanks = bytes.get(at..)?.iter().take_while(|&&byte| byte == b' ').count();
        (bytes.get(at + blanks) == Some(&self.quote)).then_some(at + blanks)
    }

    fn plain(&self, bytes: &[u8], start: usize, quotes: Quotes) -> Result<(Span, usize), What> {
        let rest = bytes.get(start..).unwrap_or_default();
        let mut stop = bytes.len();
        for (step, &byte) in rest.iter().enumerate() {
            match self.class(byte) {
                Class::Plain => {}
                Class::Quote if quotes == Quotes::Usual => {}
                Class::Quote => return Err(What::TextAfterQuote),
                Class::Control => return Err(What::ControlByte(byte)),
                Class::Delimiter | Class::End => {
                    stop = start + step;
                    break;
                }
            }
        }
        Ok((Span { start, end: stop, doubled: false, quoted: false }, stop))
    }

    /// A field whose first byte after the quote is `start`.
    fn quoted(&self, bytes: &[u8], start: usize, quotes: Quotes, lines: &mut u64) -> Result<(Span, usize), What> {
        let (mut at, mut doubled, mut ends) = (start, false, 0);
        loop {
            let &byte = bytes.get(at).ok_or(What::QuoteOpen)?;
            if byte == self.quote {
                if bytes.get(at + 1) != Some(&self.quote) {
                    break;
                }
                doubled = true;
                at += 2;
            } else if let Some(next) = self.after_end(bytes, at) {
                ends += 1;
                *lines += 1;
                if ends > self.quoted_lines || quotes == Quotes::Strict {
                    return Err(What::QuoteOpen);
                }
                at = next;
            } else {
                if self.class(byte) == Class::Control {
                    return Err(What::ControlByte(byte));
                }
                at += 1;
            }
            if at - start > self.field_bytes.saturating_add(1) {
                return Err(What::FieldLong { max: self.field_bytes });
            }
        }
        let span = Span { start, end: at, doubled, quoted: true };
        let blanks = bytes.get(at + 1..).unwrap_or_default().iter().take_while(|&&byte| byte == b' ').count();
        let stop = at + 1 + blanks;
        match bytes.get(stop).map(|&byte| self.class(byte)) {
            None | Some(Class::Delimiter | Class::End) => Ok((span, stop)),
            Some(Class::Plain | Class::Quote | Class::Control) => Err(What::TextAfterQuote),
        }
    }
}
