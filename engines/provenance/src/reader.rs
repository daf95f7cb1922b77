//! Takes bytes from the front of a slice: a part that claims to be longer than what is there is a refusal, never a panic (T1).

use crate::Refusal;

/// What is left to read, and what it is called in a refusal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { rest: bytes, what }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All that is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn form(&self, why: &'static str) -> Refusal {
        Refusal::Form { what: self.what, why }
    }

    pub(crate) fn unsupported(&self, seen: impl std::fmt::Display) -> Refusal {
        Refusal::Unsupported { what: self.what, seen: seen.to_string() }
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Refusal> {
        let (front, rest) = self.rest.split_at_checked(count).ok_or(Refusal::Truncated { what: self.what })?;
        self.rest = rest;
        Ok(front)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        self.take(N)?.try_into().map_err(|_| Refusal::Truncated { what: self.what })
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Refusal> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Two bytes, the first the larger.
    pub(crate) fn u16(&mut self) -> Result<usize, Refusal> {
        self.array().map(|bytes| usize::from(u16::from_be_bytes(bytes)))
    }

    /// Four bytes, the first the largest.
    pub(crate) fn u32(&mut self) -> Result<u32, Refusal> {
        self.array().map(u32::from_be_bytes)
    }

    /// Four bytes that count bytes.
    pub(crate) fn length(&mut self) -> Result<usize, Refusal> {
        usize::try_from(self.u32()?).map_err(|_| Refusal::Truncated { what: self.what })
    }

    /// As many bytes as the four before them say (RFC 4251, section 5: `string`).
    pub(crate) fn string(&mut self) -> Result<&'a [u8], Refusal> {
        let length = self.length()?;
        self.take(length)
    }

    /// Nothing may follow.
    pub(crate) fn end(self) -> Result<(), Refusal> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.form("something follows its end")) }
    }
}
