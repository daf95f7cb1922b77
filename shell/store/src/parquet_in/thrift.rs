//! Just enough of Thrift's compact protocol to look at a Parquet file's headers before the Parquet reader believes them (T1).
//!
//! Source: Apache Thrift, "Thrift Compact protocol encoding". Every length is held against the bytes that are there.

#![deny(clippy::indexing_slicing)]

/// Structs in structs at most; Parquet's own go five deep.
const DEPTH_MAX: u8 = 16;
/// Bytes of a variable-length number at most: 64 bits, seven in each.
const VARINT_BYTES_MAX: usize = 10;

/// The bytes are not what the protocol allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

pub(super) const STRUCT: u8 = 12;
pub(super) const LIST: u8 = 9;
pub(super) const I32: u8 = 5;

/// A cursor over bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    pub(super) fn left(&self) -> usize {
        self.left.len()
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.left.split_first().ok_or(Malformed)?;
        self.left = rest;
        Ok(*first)
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for at in 0..VARINT_BYTES_MAX {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(u32::try_from(7 * at).unwrap_or(u32::MAX)).ok_or(Malformed)?;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn zigzag(&mut self) -> Result<i64, Malformed> {
        let value = self.varint()?;
        let half = i64::try_from(value >> 1).map_err(|_| Malformed)?;
        Ok(if value & 1 == 0 { half } else { -half - 1 })
    }

    pub(super) fn i32(&mut self) -> Result<i32, Malformed> {
        i32::try_from(self.zigzag()?).map_err(|_| Malformed)
    }

    pub(super) fn skip_bytes(&mut self, count: u64) -> Result<(), Malformed> {
        let count = usize::try_from(count).map_err(|_| Malformed)?;
        self.left = self.left.get(count..).ok_or(Malformed)?;
        Ok(())
    }

    /// Kind of the elements, and how many. Each takes a byte at least.
    pub(super) fn list(&mut self) -> Result<(u8, usize), Malformed> {
        let head = self.byte()?;
        let size = match head >> 4 {
            15 => usize::try_from(self.varint()?).map_err(|_| Malformed)?,
            small => usize::from(small),
        };
        if size > self.left.len() {
            return Err(Malformed);
        }
        Ok((head & 0x0f, size))
    }

    /// Calls `each` with the number and kind of every field of a struct; `each` says whether it has read the value.
    pub(super) fn fields(
        &mut self,
        depth: u8,
        mut each: impl FnMut(&mut Self, i64, u8) -> Result<bool, Malformed>,
    ) -> Result<(), Malformed> {
        if depth >= DEPTH_MAX {
            return Err(Malformed);
        }
        let mut number = 0_i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            number = match head >> 4 {
                0 => self.zigzag()?,
                delta => number.checked_add(i64::from(delta)).ok_or(Malformed)?,
            };
            let kind = head & 0x0f;
            if !each(self, number, kind)? {
                self.skip(kind, depth, InList::No)?;
            }
        }
    }

    fn skip(&mut self, kind: u8, depth: u8, in_list: InList) -> Result<(), Malformed> {
        match (kind, in_list) {
            (1 | 2, InList::No) => Ok(()),
            (1..=3, _) => self.skip_bytes(1),
            (4..=6, _) => self.varint().map(|_| ()),
            (7, _) => self.skip_bytes(8),
            (8, _) => {
                let length = self.varint()?;
                self.skip_bytes(length)
            }
            (LIST | 10, _) => {
                let (kind, size) = self.list()?;
                self.skip_all(kind, size, depth + 1)
            }
            (11, _) => {
                let size = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                if size == 0 {
                    return Ok(());
                }
                let kinds = self.byte()?;
                if size > self.left.len() || depth >= DEPTH_MAX {
                    return Err(Malformed);
                }
                for _ in 0..size {
                    self.skip(kinds >> 4, depth + 1, InList::Yes)?;
                    self.skip(kinds & 0x0f, depth + 1, InList::Yes)?;
                }
                Ok(())
            }
            (STRUCT, _) => self.fields(depth + 1, |_, _, _| Ok(false)),
            _ => Err(Malformed),
        }
    }

    fn skip_all(&mut self, kind: u8, size: usize, depth: u8) -> Result<(), Malformed> {
        if depth >= DEPTH_MAX {
            return Err(Malformed);
        }
        for _ in 0..size {
            self.skip(kind, depth, InList::Yes)?;
        }
        Ok(())
    }
}

/// A truth is a field's kind by itself, but a byte in a list.
#[derive(Clone, Copy)]
enum InList {
    Yes,
    No,
}
