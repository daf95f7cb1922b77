//! Finds rows of a delivery that were sent in it before, however many rows it has: each row leaves 48 bits (T1).

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;

use crate::task::Judged;

/// Rows whose score can still be raised when a copy of them comes later.
const FIRSTS_MAX: usize = 1 << 22;
/// Parts of the set, which all cores fill at once; the first bits of a hash say which.
const SHARDS: usize = 32;
const SHARD_BITS: u32 = SHARDS.trailing_zeros();
/// Bits that are kept of a hash beside its shard: of a hundred million different rows about one in ninety million is taken for a copy
/// (`1e8 / 2^53`), so that one row of such a delivery is, about.
const KEPT_BITS: u32 = 48;
/// Of ten slots nine are filled before a shard grows, by a seventh: little of what is held lies idle.
const FILLED: (usize, usize) = (9, 10);
const SLOTS_MIN: usize = 64;

/// A set of hashes, with open addressing in the order of the hashes, so that it grows in one walk from front to back.
#[derive(Clone, Debug, Default)]
struct Shard {
    /// Bits 16 to 47 of each, and bits 0 to 15; both 0 is an empty slot.
    high: Vec<u32>,
    low: Vec<u16>,
    used: usize,
}

impl Shard {
    /// Adds a hash; false if it is there.
    fn insert(&mut self, hash: u64) -> bool {
        if (self.used + 1) * FILLED.1 > self.high.len() * FILLED.0 {
            self.grow();
        }
        // What would look like an empty slot is kept as its neighbour.
        let kept = ((hash << SHARD_BITS) >> (u64::BITS - KEPT_BITS)).max(1);
        let is_new = self.put((kept >> 16) as u32, kept as u16);
        self.used += usize::from(is_new);
        is_new
    }

    fn put(&mut self, high: u32, low: u16) -> bool {
        let slots = self.high.len();
        let mut at = ((u64::from(high) * slots as u64) >> 32) as usize;
        // INVARIANT: one slot of ten is empty, so that the walk ends.
        while (self.high[at], self.low[at]) != (0, 0) {
            if (self.high[at], self.low[at]) == (high, low) {
                return false;
            }
            at = if at + 1 == slots { 0 } else { at + 1 };
        }
        (self.high[at], self.low[at]) = (high, low);
        true
    }

    fn grow(&mut self) {
        let slots = (self.high.len() + self.high.len() / 7).max(SLOTS_MIN);
        let mut larger = Self { high: vec![0; slots], low: vec![0; slots], used: self.used };
        for (&high, &low) in self.high.iter().zip(&self.low).filter(|(high, low)| (**high, **low) != (0, 0)) {
            larger.put(high, low);
        }
        *self = larger;
    }
}

/// Rows of a delivery, by their hashes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Copies {
    wholes: Vec<Shard>,
    /// First rows by what is judged of them, while the delivery is no larger than history.
    contents: HashMap<u64, u32>,
    /// Hashes of the first rows.
    firsts: Vec<u64>,
    /// The largest score of later copies, by hash.
    repeated: BTreeMap<u64, f32>,
}

/// Copies among some tasks' rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// One entry a row of each task: 1 what is judged of it was there before, 2 the whole row.
    pub(crate) levels: Vec<Vec<u8>>,
    /// Rows of which only what is judged was there: number and the row that it was in.
    equal: Vec<(usize, usize)>,
}

impl Copies {
    /// Looks for each row among those before it, and adds it. `first` is the number of the first row; contents are compared below row
    /// `contents_below`, whole rows if `has_wholes`.
    pub(crate) fn find(&mut self, judged: &[Judged], first: usize, contents_below: usize, has_wholes: bool) -> Found {
        let mut out = Found { levels: judged.iter().map(|one| vec![0; one.contents.len()]).collect(), equal: Vec::new() };
        let mut at = first;
        for (one, levels) in judged.iter().zip(&mut out.levels) {
            if at >= contents_below {
                break;
            }
            for (&hash, level) in one.contents.iter().zip(levels).take(contents_below - at) {
                match self.contents.get(&hash) {
                    Some(&known) => {
                        *level = 1;
                        out.equal.push((at, known as usize));
                    }
                    None => {
                        self.contents.insert(hash, at as u32);
                    }
                }
                at += 1;
            }
        }
        if has_wholes {
            self.find_wholes(judged, &mut out.levels);
        }
        out
    }

    fn find_wholes(&mut self, judged: &[Judged], levels: &mut [Vec<u8>]) {
        self.wholes.resize(SHARDS, Shard::default());
        let again: Vec<(usize, usize)> = self
            .wholes
            .par_iter_mut()
            .enumerate()
            .flat_map_iter(|(shard, known)| {
                let mut again = Vec::new();
                for (task, one) in judged.iter().enumerate() {
                    for (row, &hash) in one.wholes.iter().enumerate() {
                        if (hash >> (u64::BITS - SHARD_BITS)) as usize == shard && !known.insert(hash) {
                            again.push((task, row));
                        }
                    }
                }
                again
            })
            .collect();
        for (task, row) in again {
            levels[task][row] = 2;
        }
        for one in judged {
            let room = FIRSTS_MAX.saturating_sub(self.firsts.len());
            self.firsts.extend(one.wholes.iter().take(room));
        }
    }

    /// Nobody knows which of two copies is the forged one: both rank high, the later one is set aside. `scores` are those of all rows so
    /// far; those of the tasks begin at `first`.
    pub(crate) fn raise(&mut self, judged: &[Judged], found: &Found, first: usize, scores: &mut [f32]) {
        for &(row, known) in &found.equal {
            // A copy of a whole row is raised as such.
            let (score, is_whole) = (scores[row], self.is_whole(found, first, row));
            if !is_whole {
                scores[known] = scores[known].max(score);
            }
        }
        let mut at = first;
        for (one, levels) in judged.iter().zip(&found.levels) {
            for (row, _) in levels.iter().enumerate().filter(|(_, level)| **level == 2) {
                let (hash, score) = (one.wholes[row], scores[at + row]);
                // A delivery of nothing but copies leaves no more of them than there are first rows.
                if self.repeated.len() < FIRSTS_MAX {
                    let most = self.repeated.entry(hash).or_insert(score);
                    *most = most.max(score);
                }
            }
            at += levels.len();
        }
    }

    fn is_whole(&self, found: &Found, first: usize, row: usize) -> bool {
        let mut at = row - first;
        for levels in &found.levels {
            match levels.get(at) {
                Some(level) => return *level == 2,
                None => at -= levels.len(),
            }
        }
        false
    }

    /// Ends: raises first rows of which copies came later.
    pub(crate) fn raise_firsts(self, scores: &mut [f32]) {
        let mut repeated = self.repeated;
        for (hash, score) in self.firsts.into_iter().zip(scores) {
            if repeated.is_empty() {
                break;
            }
            if let Some(most) = repeated.remove(&hash) {
                *score = score.max(most);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outlier::stats::Mix;

    #[test]
    fn a_hash_is_new_once() {
        let mut mix = Mix::new(5, 1);
        let hashes: Vec<u64> = (0..40_000).map(|_| mix.next()).chain([0, 1 << 11, u64::MAX]).collect();
        let mut shard = Shard::default();
        // Of `0` and `1 << 11` one bit is kept, which an empty slot must not be taken for.
        let new = hashes.iter().filter(|hash| shard.insert(**hash)).count();
        assert!(new >= hashes.len() - 1 && shard.used == new, "{new} of {}", hashes.len());
        assert!(hashes.iter().all(|hash| !shard.insert(*hash)));
        assert!(shard.high.len() * FILLED.0 >= new * FILLED.1 && shard.high.len() < new * 14 / 10, "{}", shard.high.len());
    }
}
