//! Looks at many values at once for what breaks the contract: nearly every value of an honest delivery keeps it (T1), so that a
//! look at each by itself is only for the few that may not. Whatever is in doubt here is judged value by value in [`super::check`].

use crate::contract::{ColumnRule, Kind};
use crate::marks::Marks;
use frame::MISSING;

/// Numbers that are looked at together: 8 KiB, well inside the processor's nearest cache.
pub(super) const BLOCK: usize = 1_024;
/// From here on every `f64` is whole, and adding it to a smaller one rounds that to a whole number (2^52).
const WHOLE_FROM: f64 = 4_503_599_627_370_496.0;
/// Slots of a table of levels for each level: most are found at the first look.
const SLOTS_A_LEVEL: usize = 4;

/// Which numbers keep a rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    low: f64,
    high: f64,
    whole: bool,
}

impl Range {
    fn new(whole: bool, min: Option<f64>, max: Option<f64>) -> Self {
        // What is no number bounds nothing, as in the comparison of a single value.
        let bound = |bound: Option<f64>, otherwise: f64| bound.filter(|bound| !bound.is_nan()).unwrap_or(otherwise);
        Self { low: bound(min, f64::MIN).max(f64::MIN), high: bound(max, f64::MAX).min(f64::MAX), whole }
    }

    /// Whether the number is there, finite, in range, and whole where it must be. No branches, so that several are compared at once.
    #[inline]
    fn keeps(self, value: f64) -> bool {
        let size = value.abs();
        let whole = ((size + WHOLE_FROM) - WHOLE_FROM == size) | (size >= WHOLE_FROM);
        (value >= self.low) & (value <= self.high) & (whole | !self.whole)
    }

    /// Whether all of them do.
    pub(super) fn all_keep(self, values: &[f64]) -> bool {
        if self.whole {
            return values.iter().fold(true, |all, &value| all & self.keeps(value));
        }
        values.iter().fold(true, |all, &value| all & (value >= self.low) & (value <= self.high))
    }

    /// Whether all of them do that are not null.
    pub(super) fn all_present_keep(self, values: &[f64], valid: impl Iterator<Item = bool>) -> bool {
        values.iter().zip(valid).fold(true, |all, (&value, valid)| all & (!valid | self.keeps(value)))
    }
}

/// A text of a table, told from others by its length and both ends; one of more than 16 bytes is compared in full.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    first: u64,
    last: u64,
    bytes: usize,
    code: u32,
    taken: bool,
}

/// Levels by their bytes. Texts that stand for a missing value are there too, as [`MISSING`].
#[derive(Clone, Debug)]
pub(super) struct Known {
    slots: Vec<Slot>,
    /// Levels and marks by code; of a longer text than its ends show.
    texts: Vec<String>,
}

/// Both ends of a text: with its length they are the whole of up to 16 bytes.
#[inline(always)]
fn ends(text: &[u8]) -> (u64, u64) {
    if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        return (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
    }
    if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        return (u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)), 0);
    }
    match *text {
        [] => (0, 0),
        [one] => (u64::from(one), 0),
        [one, two] => (u64::from(one) << 8 | u64::from(two), 0),
        [one, two, three, ..] => (u64::from(one) << 16 | u64::from(two) << 8 | u64::from(three), 0),
    }
}

impl Known {
    fn new(levels: &[String], marks: &Marks) -> Option<Self> {
        // A level with blanks around it, or that stands for a missing value, is never met as it is written.
        let met = |level: &&String| marks.present(level) == Some(level.as_str());
        let codes = (0..).zip(levels).filter(|(_, level)| met(level)).map(|(code, level)| (level.as_str(), code));
        let missing = std::iter::once("").chain(marks.texts()).map(|text| (text, MISSING));
        let all: Vec<(&str, u32)> = codes.chain(missing).collect();
        let size = (all.len() * SLOTS_A_LEVEL).next_power_of_two();
        let mut out = Self { slots: vec![Slot::default(); size], texts: levels.to_vec() };
        for (text, code) in all {
            let (first, last) = ends(text.as_bytes());
            if code == MISSING && out.code(text.as_bytes()) == Some(MISSING) {
                continue;
            }
            // A level that is there twice has two codes, and a long mark is compared by nobody: such a rule is judged value by value.
            if out.code(text.as_bytes()).is_some() || (code == MISSING && text.len() > 16) {
                return None;
            }
            let mut at = out.place(text.len(), first, last);
            while out.slots.get(at).is_some_and(|slot| slot.taken) {
                at = (at + 1) & (size - 1);
            }
            *out.slots.get_mut(at)? = Slot { first, last, bytes: text.len(), code, taken: true };
        }
        Some(out)
    }

    #[inline(always)]
    fn place(&self, bytes: usize, first: u64, last: u64) -> usize {
        let mixed = (first ^ last.rotate_left(29) ^ (bytes as u64) << 57).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // INVARIANT: the number of slots is a power of two, so that the mask keeps every place inside.
        let place = (mixed >> 32) as usize;
        place & (self.slots.len() - 1)
    }

    /// Whether each text between two neighbouring offsets is a level.
    pub(super) fn all_levels(&self, bytes: &[u8], offsets: &[i32]) -> bool {
        let place = |offset: i32| offset.unsigned_abs() as usize;
        // No early end: the next text is read while this one is still looked up.
        offsets.windows(2).fold(true, |all, pair| {
            let [from, to] = *pair else { return false };
            let code = bytes.get(place(from)..place(to)).map_or(Some(MISSING), |text| self.code(text));
            all & code.is_some_and(|code| code != MISSING)
        })
    }

    /// The code of a text; none if it must be looked at more closely.
    #[inline(always)]
    pub(super) fn code(&self, text: &[u8]) -> Option<u32> {
        let (first, last) = ends(text);
        let mut at = self.place(text.len(), first, last);
        loop {
            let slot = self.slots.get(at)?;
            if !slot.taken {
                return None;
            }
            if slot.first == first && slot.last == last && slot.bytes == text.len() {
                let whole = text.len() <= 16 || self.texts.get(slot.code as usize).is_some_and(|level| level.as_bytes() == text);
                if whole {
                    return Some(slot.code);
                }
            }
            // INVARIANT: three slots of four are free, so that the walk ends.
            at = (at + 1) & (self.slots.len() - 1);
        }
    }
}

/// What can be seen at once of a column.
#[derive(Clone, Debug)]
pub(super) enum Sweep {
    Numbers(Range),
    Levels(Known),
    /// Each value is judged by itself.
    Nothing,
}

impl Sweep {
    pub(super) fn new(rule: &ColumnRule, marks: &Marks) -> Self {
        match &rule.kind {
            Kind::Number { integer, min, max, .. } => Self::Numbers(Range::new(*integer, *min, *max)),
            Kind::Category { levels } => Known::new(levels, marks).map_or(Self::Nothing, Self::Levels),
            Kind::Time { .. } | Kind::Text => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn known(levels: &[&str]) -> Known {
        Known::new(&levels.iter().map(|level| (*level).to_owned()).collect::<Vec<_>>(), &Marks::new(&["NA", "?"])).unwrap()
    }

    #[test]
    fn levels_are_told_apart_whatever_their_length() {
        let texts = ["a", "b", "ab", "ba", "abc", "abd", "four", "fife!", "seven77", "eight888", "nine99999", "exactly16bytes!!"];
        let long = ["a text of more than sixteen bytes", "a text of NONE than sixteen bytes"];
        let all: Vec<&str> = texts.into_iter().chain([long[0]]).collect();
        let known = known(&all);
        for (code, text) in (0..).zip(&all) {
            assert_eq!(known.code(text.as_bytes()), Some(code), "{text}");
        }
        assert_eq!((known.code(b""), known.code(b"NA"), known.code(b"?")), (Some(MISSING), Some(MISSING), Some(MISSING)));
        for text in [long[1], "c", "aba", "fou", "five!", "eight889", " a", "a ", "exactly16bytes!?"] {
            assert_eq!(known.code(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_level_that_is_there_twice_or_never_met_is_not_guessed_at() {
        let marks = Marks::new(&["NA"]);
        assert!(Known::new(&["a".to_owned(), "a".to_owned()], &marks).is_none());
        let odd = Known::new(&["NA".to_owned(), " b".to_owned()], &marks).unwrap();
        assert_eq!((odd.code(b"NA"), odd.code(b" b"), odd.code(b"b")), (Some(MISSING), None, None));
    }

    proptest! {
        #[test]
        fn a_number_keeps_a_range_as_it_does_alone(value in prop_oneof![prop::num::f64::ANY, (-20i32..20).prop_map(f64::from), Just(f64::INFINITY), Just(f64::NAN)], whole in any::<bool>(), min in prop::option::of(-10.0..10.0), max in prop::option::of(prop::num::f64::ANY)) {
            let alone = value.is_finite()
                && min.is_none_or(|min| value >= min)
                && max.is_none_or(|max: f64| max.is_nan() || value <= max)
                && (!whole || value.fract() == 0.0);
            let range = Range::new(whole, min, max);
            prop_assert_eq!(range.all_keep(&[value, value]), alone);
            prop_assert_eq!(range.all_present_keep(&[value, f64::NAN], [true, false].into_iter()), alone);
        }

        #[test]
        fn levels_are_found_as_a_plain_search_does(levels in prop::collection::btree_set("[ab]{1,20}", 1..40), text in "[ab]{0,20}") {
            let levels: Vec<String> = levels.into_iter().collect();
            let known = Known::new(&levels, &Marks::new::<&str>(&[])).unwrap();
            let plain = levels.iter().position(|level| *level == text).map(|at| at as u32);
            prop_assert_eq!(known.code(text.as_bytes()), if text.is_empty() { Some(MISSING) } else { plain });
        }
    }
}
