//! Whether a new version of the labels changes more of them than corrections ever did, in one direction, by one labeller or in one tier:
//! sabotage comes as a correction, too (T6).

use learn::interval::{at_least, share_at_most};
use serde::{Deserialize, Serialize};

use crate::LabelError;
use crate::error::same;
use crate::law::{Urn, count};

/// The rate of corrections is known from the past only so well; the tests take its upper end, which the truth passes with this
/// probability.
const RATE_MISS: f64 = 0.05;

/// Which way a label went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// From "churned" to "stayed".
    ToStayed,
    /// From "stayed" to "churned".
    ToChurned,
}

/// Whose labels were counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Among {
    /// All.
    All,
    /// Those that this labeller changed or left in the new version.
    Labeller(u32),
    /// Those of customers of this tier or segment.
    Tier(u32),
}

/// Corrections of earlier versions, in sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Labels that said "churned" before.
    pub churned: u64,
    /// Of these, those that were corrected to "stayed".
    pub to_stayed: u64,
    /// Labels that said "stayed" before.
    pub stayed: u64,
    /// Of these, those that were corrected to "churned".
    pub to_churned: u64,
}

impl History {
    /// Adds one version's corrections; labels beyond the shorter list are left out.
    pub fn add(&mut self, before: &[bool], after: &[bool]) {
        for (before, after) in before.iter().zip(after) {
            let (all, changed) =
                if *before { (&mut self.churned, &mut self.to_stayed) } else { (&mut self.stayed, &mut self.to_churned) };
            *all += 1;
            *changed += u64::from(before != after);
        }
    }

    fn rate_at_most(&self, way: Way) -> f64 {
        match way {
            Way::ToStayed => share_at_most(self.to_stayed, self.churned, RATE_MISS),
            Way::ToChurned => share_at_most(self.to_churned, self.stayed, RATE_MISS),
        }
    }
}

/// One count of changed labels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeTest {
    /// Whose labels.
    pub among: Among,
    /// Which way.
    pub way: Way,
    /// Labels that could have gone that way.
    pub labels: u64,
    /// Those that did.
    pub changed: u64,
    /// Probability that corrections at the rate of the past change so many labels or more in any of the counts (binomial law,
    /// Bonferroni), at most 1. Without a past it is 1.
    pub against_history: f64,
    /// Probability that so many or more of all changes of this way fall here in any of the counts if they fall on any labels alike
    /// (hypergeometric law, Bonferroni), at most 1. Of all labels it is 1.
    pub against_others: f64,
}

impl ChangeTest {
    /// The smaller of both probabilities, doubled (Bonferroni), at most 1.
    pub fn p_value(&self) -> f64 {
        (2.0 * self.against_history.min(self.against_others)).min(1.0)
    }
}

/// Holds the labels that both versions have against each other, most telling first. `labellers` and `tiers` are of these labels, `None`
/// where unknown; an empty list where nobody knows.
///
/// # Errors
/// Lists of different lengths.
pub fn changes(
    before: &[bool],
    after: &[bool],
    labellers: &[Option<u32>],
    tiers: &[Option<u32>],
    history: &History,
) -> Result<Vec<ChangeTest>, LabelError> {
    same("labels of the new version", before.len(), after.len())?;
    let mut parts: Vec<(Among, usize)> = (0..before.len()).map(|row| (Among::All, row)).collect();
    for (name, groups, among) in
        [("labellers", labellers, Among::Labeller as fn(u32) -> Among), ("tiers", tiers, Among::Tier as fn(u32) -> Among)]
    {
        if !groups.is_empty() {
            same(name, before.len(), groups.len())?;
        }
        parts.extend(groups.iter().enumerate().filter_map(|(row, group)| Some((among((*group)?), row))));
    }
    parts.sort_unstable();
    let parts: Vec<&[(Among, usize)]> = parts.chunk_by(|left, right| left.0 == right.0).collect();
    let mut out = Vec::new();
    for way in [Way::ToStayed, Way::ToChurned] {
        let could = |row: usize| before[row] == (way == Way::ToStayed);
        let all = (0..before.len()).filter(|row| could(*row)).count() as u64;
        let all_changed = (0..before.len()).filter(|row| could(*row) && after[*row] != before[*row]).count() as u64;
        for part in &parts {
            let labels = part.iter().filter(|(_, row)| could(*row)).count() as u64;
            let changed = part.iter().filter(|(_, row)| could(*row) && after[*row] != before[*row]).count() as u64;
            let Some((among, _)) = part.first().filter(|_| labels > 0) else { continue };
            let urn = Urn { rows: all, marked: all_changed, drawn: labels };
            out.push(ChangeTest {
                among: *among,
                way,
                labels,
                changed,
                against_history: at_least(changed, labels, history.rate_at_most(way)),
                against_others: urn.at_least(changed),
            });
        }
    }
    let tests = count(out.len() as u64);
    for test in &mut out {
        test.against_history = (test.against_history * tests).min(1.0);
        test.against_others = (test.against_others * tests).min(1.0);
    }
    out.sort_by(|left, right| {
        left.p_value().total_cmp(&right.p_value()).then(left.among.cmp(&right.among)).then(left.way.cmp(&right.way))
    });
    Ok(out)
}

#[cfg(test)]
mod tests {
    use learn::rng::Rng;

    use super::*;

    const PAST: History = History { churned: 5_000, to_stayed: 50, stayed: 15_000, to_churned: 75 };

    /// 4,000 labels, a quarter churned, of eight labellers in four tiers, corrected at the rates of the past and then by `more`.
    fn version(seed: u64, more: impl Fn(bool, u32, u32, &mut Rng) -> bool) -> Vec<ChangeTest> {
        let mut rng = Rng::new(seed);
        let before: Vec<bool> = (0..4_000).map(|_| rng.unit() < 0.25).collect();
        let labellers: Vec<Option<u32>> = before.iter().map(|_| Some(rng.below(8) as u32)).collect();
        let tiers: Vec<Option<u32>> = before.iter().map(|_| Some(rng.below(4) as u32)).collect();
        let after: Vec<bool> = (0..4_000)
            .map(|row| {
                let corrected = rng.unit() < if before[row] { 0.01 } else { 0.005 };
                let turned = more(before[row], labellers[row].unwrap(), tiers[row].unwrap(), &mut rng);
                before[row] ^ (corrected || turned)
            })
            .collect();
        changes(&before, &after, &labellers, &tiers, &PAST).unwrap()
    }

    #[test]
    fn corrections_as_ever_raise_no_alarm() {
        let alarms = (0..200).filter(|seed| version(*seed, |_, _, _, _| false)[0].p_value() <= 0.05).count();
        assert!(alarms <= 16, "{alarms}");
    }
    #[test]
    fn a_labeller_who_hides_churners_is_named() {
        let first = version(1, |churned, labeller, _, rng| churned && labeller == 5 && rng.unit() < 0.15)[0];
        assert_eq!((first.among, first.way), (Among::Labeller(5), Way::ToStayed));
        assert!(first.p_value() < 1e-6, "{first:?}");
    }
    #[test]
    fn a_tier_that_is_made_to_churn_is_named() {
        let first = version(2, |churned, _, tier, rng| !churned && tier == 3 && rng.unit() < 0.05)[0];
        assert_eq!((first.among, first.way), (Among::Tier(3), Way::ToChurned));
        assert!(first.p_value() < 1e-6, "{first:?}");
    }
    #[test]
    fn a_change_of_all_is_seen_without_labellers() {
        let before = vec![true; 500];
        let after: Vec<bool> = (0..500).map(|row| row >= 40).collect();
        let tests = changes(&before, &after, &[], &[], &PAST).unwrap();
        assert_eq!(tests.len(), 1);
        assert_eq!((tests[0].among, tests[0].labels, tests[0].changed), (Among::All, 500, 40));
        assert!(tests[0].against_history < 1e-9);
        assert!(tests[0].against_others >= 1.0);
        // Without a past nothing is known of the rate.
        assert!(changes(&before, &after, &[], &[], &History::default()).unwrap()[0].p_value() >= 1.0);
    }
    #[test]
    fn the_past_adds_up() {
        let mut past = History::default();
        past.add(&[true, true, false, false], &[true, false, true, false]);
        past.add(&[true], &[true]);
        assert_eq!(past, History { churned: 3, to_stayed: 1, stayed: 2, to_churned: 1 });
    }
    #[test]
    fn degenerate_versions() {
        assert!(changes(&[], &[], &[], &[], &PAST).unwrap().is_empty());
        assert!(changes(&[true], &[], &[], &[], &PAST).is_err());
        assert!(changes(&[true], &[false], &[None, None], &[], &PAST).is_err());
        let whole = changes(&[false; 9], &[true; 9], &[Some(1); 9], &[None; 9], &PAST).unwrap();
        assert!(whole.iter().all(|test| test.changed == 9 && test.way == Way::ToChurned));
        assert_eq!(whole.len(), 2);
    }
}
