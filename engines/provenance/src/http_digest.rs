//! The digest that HTTP carries beside a body (RFC 9530): no proof of who sent it, but a changed or shortened transfer is seen (T1).
//!
//! `Content-Digest` and `Repr-Digest` are dictionaries of structured fields (RFC 9651). All known algorithms must agree, unknown ones are
//! passed over, and at least one must be known. Stricter than RFC 9651: a known algorithm twice is refused instead of the last one counting.

use data_encoding::BASE64;

use crate::crypto::Hash;
use crate::{Refusal, bounded};

const HEADER: &str = "the digest header";
/// Longest field that is read: two digests have 150 bytes.
pub const FIELD_BYTES_MAX: usize = 4096;
/// Members of the dictionary.
pub const MEMBERS_MAX: usize = 32;
/// The algorithms that count, of the registry of RFC 9530, section 7.2; its others are too weak.
pub const ALGORITHMS: [&str; 2] = ["sha-256", "sha-512"];
/// Digits of a number (RFC 9651, section 4.2.4).
const DIGITS_MAX: usize = 15;

/// The digests of a field that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpDigest {
    sha256: Option<Vec<u8>>,
    sha512: Option<Vec<u8>>,
}

impl HttpDigest {
    /// Reads a field's value (several lines of a field are joined with `, ` before).
    ///
    /// # Errors
    /// Too long, not a dictionary, a digest of another form or length, none that is known.
    pub fn parse(field: &str) -> Result<Self, Refusal> {
        bounded(HEADER, field.len(), FIELD_BYTES_MAX)?;
        let mut parser = Parser { rest: field.trim_matches(' ') };
        let mut found = Self::default();
        let mut members = 0_usize;
        while !parser.rest.is_empty() {
            members += 1;
            bounded(HEADER, members, MEMBERS_MAX)?;
            let key = parser.key()?;
            let value = if parser.eat('=') { parser.value()? } else { None };
            parser.parameters()?;
            found.member(key, value)?;
            parser.next_member()?;
        }
        if found == Self::default() {
            return Err(Refusal::Missing { what: HEADER, wanted: "sha-256 or sha-512" });
        }
        Ok(found)
    }

    fn member(&mut self, key: &str, value: Option<Vec<u8>>) -> Result<(), Refusal> {
        let (place, length) = match key {
            "sha-256" => (&mut self.sha256, 32),
            "sha-512" => (&mut self.sha512, 64),
            _ => return Ok(()),
        };
        let value = value.filter(|value| value.len() == length);
        let value = value.ok_or(Refusal::Form { what: HEADER, why: "a digest is no byte sequence of its algorithm's length" })?;
        if place.replace(value).is_some() {
            return Err(Refusal::Form { what: HEADER, why: "an algorithm stands in it twice" });
        }
        Ok(())
    }

    /// Checks the body: every digest that is known must be its own.
    ///
    /// # Errors
    /// [`Refusal::DigestMismatch`].
    pub fn check(&self, body: &[u8]) -> Result<(), Refusal> {
        for (wanted, hash, algorithm) in [(&self.sha256, Hash::Sha256, "SHA-256"), (&self.sha512, Hash::Sha512, "SHA-512")] {
            if wanted.as_ref().is_some_and(|wanted| hash.of(&[body]).as_ref() != wanted.as_slice()) {
                return Err(Refusal::DigestMismatch { algorithm });
            }
        }
        Ok(())
    }
}

/// Reads a dictionary from the front (RFC 9651, section 4.2.2). Of values only byte sequences are kept.
struct Parser<'a> {
    rest: &'a str,
}

const FORM: Refusal = Refusal::Form { what: HEADER, why: "it is no dictionary of structured fields" };

impl<'a> Parser<'a> {
    fn eat(&mut self, wanted: char) -> bool {
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Everything up to the first character that does not belong.
    fn run(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|character| !belongs(character)).unwrap_or(self.rest.len());
        let (front, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        front
    }

    fn key(&mut self) -> Result<&'a str, Refusal> {
        let starts = self.rest.starts_with(|first: char| first.is_ascii_lowercase() || first == '*');
        let key = self.run(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.' | '*'));
        if starts { Ok(key) } else { Err(FORM) }
    }

    /// An item or an inner list.
    fn value(&mut self) -> Result<Option<Vec<u8>>, Refusal> {
        if !self.eat('(') {
            return self.item();
        }
        loop {
            self.run(|c| c == ' ');
            if self.eat(')') {
                return Ok(None);
            }
            self.item()?;
            self.parameters()?;
            if !self.rest.starts_with([' ', ')']) {
                return Err(FORM);
            }
        }
    }

    /// `;key` and `;key=item`, any number of them.
    fn parameters(&mut self) -> Result<(), Refusal> {
        while self.eat(';') {
            self.run(|c| c == ' ');
            self.key()?;
            if self.eat('=') {
                self.item()?;
            }
        }
        Ok(())
    }

    fn item(&mut self) -> Result<Option<Vec<u8>>, Refusal> {
        match self.rest.chars().next().ok_or(FORM)? {
            ':' => return self.bytes().map(Some),
            '"' => self.text(),
            '?' => {
                self.eat('?');
                if self.eat('0') || self.eat('1') { Ok(()) } else { Err(FORM) }
            }
            '@' => {
                self.eat('@');
                self.number()
            }
            '-' | '0'..='9' => self.number(),
            first if first.is_ascii_alphabetic() || first == '*' => {
                // A token: RFC 9110's characters, with `:` and `/`.
                self.run(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(c));
                Ok(())
            }
            _ => Err(FORM),
        }
        .map(|()| None)
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Refusal> {
        self.eat(':');
        let base64 = self.run(|c| c != ':');
        if !self.eat(':') {
            return Err(Refusal::Truncated { what: HEADER });
        }
        BASE64.decode(base64.as_bytes()).map_err(|_| Refusal::Form { what: HEADER, why: "a byte sequence is not base64" })
    }

    fn text(&mut self) -> Result<(), Refusal> {
        self.eat('"');
        loop {
            self.run(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\'));
            if self.eat('"') {
                return Ok(());
            }
            if !self.eat('\\') || !(self.eat('"') || self.eat('\\')) {
                return Err(FORM);
            }
        }
    }

    fn number(&mut self) -> Result<(), Refusal> {
        self.eat('-');
        let whole = self.run(|c| c.is_ascii_digit()).len();
        let fraction = if self.eat('.') { Some(self.run(|c| c.is_ascii_digit()).len()) } else { None };
        let good = match fraction {
            None => (1..=DIGITS_MAX).contains(&whole),
            Some(digits) => (1..=12).contains(&whole) && (1..=3).contains(&digits),
        };
        if good { Ok(()) } else { Err(FORM) }
    }

    /// After a member: the end, or a comma and another member.
    fn next_member(&mut self) -> Result<(), Refusal> {
        let blank = |c| matches!(c, ' ' | '\t');
        self.run(blank);
        if self.rest.is_empty() {
            return Ok(());
        }
        let comma = self.eat(',');
        self.run(blank);
        if comma && !self.rest.is_empty() { Ok(()) } else { Err(FORM) }
    }
}
