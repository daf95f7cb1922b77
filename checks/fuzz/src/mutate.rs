//! Damages inputs in the ways that parsers fear, by seed.

/// A small generator (Steele, Lea and Flood 2014, SplitMix64): fast, and the same on every machine.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// 0 to `end` exclusive; 0 if `end` is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.next() % end as u64) as usize }
    }

    fn byte(&mut self) -> u8 {
        (self.next() >> 56) as u8
    }
}

/// Longest input; parsers have limits of their own far above, tested by their own tests.
pub(crate) const INPUT_BYTES_MAX: usize = 64 << 10;
/// Damages of one input at most.
const DAMAGES_MAX: usize = 6;
/// Words at which many parsers turn.
const WORDS: &[&str] = &[
    "0",
    "-1",
    "1e309",
    "-0.0",
    "NaN",
    "inf",
    "null",
    "true",
    "{}",
    "[]",
    "\"\"",
    "18446744073709551616",
    "9223372036854775807",
    "-9223372036854775808",
    "4294967296",
    "\n",
    "\r\n",
    "\r",
    "\t",
    "\0",
    "\u{feff}",
    "\u{202e}",
    "\u{1f600}",
    "\"",
    "'",
    ",",
    ";",
    "=",
    "[[",
    "]]",
    "\\u0000",
    "\\ud800",
    "../",
    "//",
    "#",
    "\u{2014} ",
    "\u{a0}",
];

/// One damaged copy: of one input of the pool, or of two spliced.
pub(crate) fn damaged(pool: &[Vec<u8>], draw: &mut Draw, words: &[&str]) -> Vec<u8> {
    let mut out = pool.get(draw.below(pool.len())).cloned().unwrap_or_default();
    for _ in 0..=draw.below(DAMAGES_MAX) {
        damage(&mut out, pool, draw, words);
    }
    out.truncate(INPUT_BYTES_MAX);
    out
}

fn damage(out: &mut Vec<u8>, pool: &[Vec<u8>], draw: &mut Draw, words: &[&str]) {
    let at = draw.below(out.len() + 1);
    let magnitude = draw.below(8);
    let length = draw.below(1 << magnitude) + 1;
    let end = (at + length).min(out.len());
    match draw.below(10) {
        0 => flip(out, at, draw),
        1 => set(out, at, draw),
        2 => drop(out.drain(at..end)),
        3 => {
            let copy = out[at..end].to_vec();
            let to = draw.below(out.len() + 1);
            splice(out, to, to, &copy);
        }
        4 => {
            let word = pick(WORDS, words, draw);
            splice(out, at, at, word.as_bytes());
        }
        5 => {
            let word = pick(WORDS, words, draw);
            splice(out, at, end, word.as_bytes());
        }
        6 => {
            let other = pool.get(draw.below(pool.len())).cloned().unwrap_or_default();
            let from = draw.below(other.len() + 1);
            out.truncate(at);
            out.extend_from_slice(&other[from..]);
        }
        7 => number(out, at, draw),
        8 => out.truncate(at),
        _ => {
            let run = vec![draw.byte(); length * 8];
            splice(out, at, at, &run);
        }
    }
}

fn pick<'a>(common: &[&'a str], own: &[&'a str], draw: &mut Draw) -> &'a str {
    let from = if own.is_empty() || draw.below(2) == 0 { common } else { own };
    from.get(draw.below(from.len())).copied().unwrap_or_default()
}

fn flip(out: &mut [u8], at: usize, draw: &mut Draw) {
    if let Some(byte) = out.get_mut(at) {
        *byte ^= 1 << draw.below(8);
    }
}

fn set(out: &mut [u8], at: usize, draw: &mut Draw) {
    const EDGES: [u8; 8] = [0, 1, 0x7F, 0x80, 0xFF, b' ', b'\n', b'"'];
    if let Some(byte) = out.get_mut(at) {
        *byte = if draw.below(2) == 0 { draw.byte() } else { EDGES[draw.below(EDGES.len())] };
    }
}

/// Replaces the digits at or after a place by another number.
fn number(out: &mut Vec<u8>, at: usize, draw: &mut Draw) {
    let Some(start) = out.iter().skip(at).position(u8::is_ascii_digit).map(|skip| at + skip) else { return };
    let end = start + out[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = match draw.below(4) {
        0 => draw.below(300).to_string(),
        1 => draw.next().to_string(),
        2 => format!("1{}", "0".repeat(draw.below(40))),
        _ => format!("-{}", draw.below(10)),
    };
    splice(out, start, end, text.as_bytes());
}

fn splice(out: &mut Vec<u8>, from: usize, to: usize, bytes: &[u8]) {
    out.splice(from..to, bytes.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_damages_the_same_way_and_another_differently() {
        let pool = [b"name,age\nann,31\nbob,44\n".to_vec(), b"{\"a\":1}".to_vec()];
        let all = |seed: u64| {
            let mut draw = Draw::new(seed);
            (0..2_000).map(|_| damaged(&pool, &mut draw, &["age"])).collect::<Vec<_>>()
        };
        assert_eq!(all(1), all(1));
        assert_ne!(all(1), all(2));
        assert!(all(1).iter().all(|input| input.len() <= INPUT_BYTES_MAX));
    }
}
