//! Packets: a tag, a length, a body (RFC 9580, section 4.2), and numbers in them (section 3.2) (T1).

use crate::{Refusal, reader::Reader};

/// Packet types (RFC 9580, section 5).
pub(super) mod tag {
    pub(in super::super) const SIGNATURE: u8 = 2;
    pub(in super::super) const SECRET_KEY: u8 = 5;
    pub(in super::super) const PUBLIC_KEY: u8 = 6;
    pub(in super::super) const SECRET_SUBKEY: u8 = 7;
    pub(in super::super) const MARKER: u8 = 10;
    pub(in super::super) const USER_ID: u8 = 13;
    pub(in super::super) const PUBLIC_SUBKEY: u8 = 14;
    pub(in super::super) const USER_ATTRIBUTE: u8 = 17;
    pub(in super::super) const PADDING: u8 = 21;
    /// From here on a packet that is not known may be passed over (section 4.3).
    pub(in super::super) const NOT_CRITICAL: u8 = 40;
}

/// Packets one after the other.
pub(super) struct Packets<'a> {
    reader: Reader<'a>,
}

impl<'a> Packets<'a> {
    pub(super) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { reader: Reader::new(what, bytes) }
    }

    /// Tag and body of the next packet.
    pub(super) fn next(&mut self) -> Result<Option<(u8, &'a [u8])>, Refusal> {
        if self.reader.is_empty() {
            return Ok(None);
        }
        let first = self.reader.u8()?;
        if first & 0x80 == 0 {
            return Err(self.reader.form("a packet does not begin as packets do"));
        }
        let (tag, length) = if first & 0x40 == 0 {
            // The old form, which GnuPG writes for small tags (section 4.2.2).
            let length = match first & 0x03 {
                0 => usize::from(self.reader.u8()?),
                1 => self.reader.u16()?,
                2 => self.reader.length()?,
                _ => return Err(self.reader.unsupported("a packet without length")),
            };
            ((first >> 2) & 0x0f, length)
        } else {
            let length = new_length(&mut self.reader)?.ok_or_else(|| self.reader.unsupported("a packet in parts"))?;
            (first & 0x3f, length)
        };
        Ok(Some((tag, self.reader.take(length)?)))
    }
}

/// The length of a packet of the new form (section 4.2.1), or of a subpacket (5.2.3.7), each of which has one, two or five bytes.
/// `None` is the length of a part (section 4.2.1.4).
pub(super) fn new_length(reader: &mut Reader<'_>) -> Result<Option<usize>, Refusal> {
    let first = reader.u8()?;
    match first {
        0..192 => Ok(Some(usize::from(first))),
        192..224 => Ok(Some(((usize::from(first) - 192) << 8) + usize::from(reader.u8()?) + 192)),
        224..255 => Ok(None),
        255 => reader.length().map(Some),
    }
}

/// A number: its bits are counted in two bytes before it (section 3.2). Big-endian, no zero before it.
pub(super) fn number<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Refusal> {
    let bits = reader.u16()?;
    let bytes = reader.take(bits.div_ceil(8))?;
    let zeros = bytes.first().map_or(8, |first| usize::try_from(first.leading_zeros()).unwrap_or(8));
    if bits == 0 || bits + zeros != bytes.len() * 8 {
        return Err(reader.form("a number has another length than it says"));
    }
    Ok(bytes)
}
