//! ASCII armour: text around binary (RFC 9580, section 6.2), read strictly (T1).

use data_encoding::BASE64;

use crate::Refusal;

/// Headers that may stand in armour (RFC 9580, section 6.2.2); none is signed, none is used.
const HEADERS: [&str; 5] = ["Version: ", "Comment: ", "Hash: ", "Charset: ", "MessageID: "];
/// The first byte of any packet has this bit, and no byte of text has it (RFC 9580, section 4.2).
const PACKET_BIT: u8 = 0x80;
/// What may stand around the armour.
const BLANK: [char; 4] = [' ', '\t', '\r', '\n'];

/// The bytes inside the armour `-----BEGIN PGP <label>-----`; what begins like a packet is binary already.
pub(super) fn binary(what: &'static str, label: &str, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    if bytes.first().is_some_and(|first| first & PACKET_BIT != 0) {
        return Ok(bytes.to_vec());
    }
    let form = |why| Refusal::Form { what, why };
    let text = std::str::from_utf8(bytes).map_err(|_| form("it is neither binary nor text"))?;
    let mut lines = text.trim_matches(BLANK).lines();
    let first = lines.next().unwrap_or_default();
    if first == "-----BEGIN PGP PRIVATE KEY BLOCK-----" {
        return Err(form("it is a private key, which must never leave its owner"));
    }
    if first != format!("-----BEGIN PGP {label}-----") {
        return Err(form("it does not begin with the line of its kind"));
    }
    // An empty line parts headers from base64.
    loop {
        match lines.next().ok_or(Refusal::Truncated { what })?.trim_end_matches([' ', '\t']) {
            "" => break,
            header if HEADERS.iter().any(|known| header.starts_with(known)) => {}
            _ => return Err(form("a line of its head is no known header")),
        }
    }
    let end = format!("-----END PGP {label}-----");
    let (mut base64, mut checksum) = (String::new(), None);
    loop {
        let line = lines.next().ok_or(Refusal::Truncated { what })?;
        if line == end {
            break;
        }
        match line.strip_prefix('=') {
            Some(sum) if checksum.is_none() => checksum = Some(sum),
            None if checksum.is_none() => base64.push_str(line),
            Some(_) | None => return Err(form("something stands between its checksum and its end")),
        }
    }
    if lines.next().is_some() {
        return Err(form("something follows its end"));
    }
    let binary = BASE64.decode(base64.as_bytes()).map_err(|_| form("it is not base64"))?;
    // The checksum may be missing (section 6.1); one that is there and wrong tells of damage.
    if let Some(sum) = checksum
        && BASE64.decode(sum.as_bytes()).map_err(|_| form("its checksum is not base64"))? != crc24(&binary)
    {
        return Err(form("its checksum is wrong: it was damaged on the way"));
    }
    Ok(binary)
}

/// CRC-24 (RFC 9580, section 6.1.1).
fn crc24(bytes: &[u8]) -> [u8; 3] {
    const GENERATOR: u32 = 0x0186_4cfb;
    const START: u32 = 0x00b7_04ce;
    let crc = bytes.iter().fold(START, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 16), |crc, _| {
            let shifted = crc << 1;
            if shifted & 0x0100_0000 != 0 { shifted ^ GENERATOR } else { shifted }
        })
    });
    let [_, a, b, c] = crc.to_be_bytes();
    [a, b, c]
}
