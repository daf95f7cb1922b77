//! Inflates gzip within a limit of bytes and of growth: a bomb of some kilobytes must not fill the memory (T1).

use super::{CsvError, Limits};
use flate2::read::MultiGzDecoder;
use std::borrow::Cow;
use std::io::Read;

/// Content below this size is never a bomb, however well it was squeezed: 1 MiB.
const RATIO_FREE_BYTES: u64 = 1 << 20;

/// The table's bytes, inflated where the gzip magic (RFC 1952, section 2.3.1) stands first, and whether they were.
pub(super) fn inflate<'a>(bytes: &'a [u8], limits: &Limits) -> Result<(Cow<'a, [u8]>, bool), CsvError> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return if length(bytes) > limits.bytes {
            Err(CsvError::Limit { what: "bytes", max: limits.bytes })
        } else {
            Ok((Cow::Borrowed(bytes), false))
        };
    }
    let ratio_bytes = length(bytes).saturating_mul(limits.inflate_ratio).max(RATIO_FREE_BYTES);
    let max = limits.bytes.min(ratio_bytes);
    let mut out = Vec::new();
    let mut decoder = MultiGzDecoder::new(bytes).take(max.saturating_add(1));
    decoder.read_to_end(&mut out).map_err(|error| CsvError::Gzip(error.to_string()))?;
    if length(&out) > max {
        let what = if max == ratio_bytes { "bytes for so small a gzip file" } else { "bytes" };
        return Err(CsvError::Limit { what, max });
    }
    Ok((Cow::Owned(out), true))
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
