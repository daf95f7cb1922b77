//! Whether one labeller's labels, one value tier's or one segment's differ from everybody else's more than chance explains: an insider
//! who turns labels around leaves his own rows too low, too high or too random (T6).
//!
//! A row's label is held against its chance from a model that did not see it, and a group's rows against other rows of about the same
//! chance. So a model that is a little off for everybody accuses nobody, and a labeller who sees many churners is not accused of it.

use serde::{Deserialize, Serialize};

use crate::LabelError;
use crate::error::{chances, same};
use crate::law::{length, normal_at_least};

/// Rows of a group below which the normal law is not trusted and the group is left untested.
pub const GROUP_ROWS_MIN: usize = 30;
/// Layers of rows with about the same chance.
const LAYERS: usize = 20;
/// Tests of one group, which share its probability of a false alarm (Bonferroni).
const TESTS: f64 = 2.0;
/// Share of turned labels that the test for random turning reckons with; others near it are found as well.
const TURNED: f64 = 0.1;
/// Adjusted probability from which a direction is told.
const TELLING: f64 = 0.01;
/// Chances are kept away from 0 and 1, so that one row cannot decide.
const CHANCE_FLOOR: f64 = 1e-3;

/// How a group's labels differ from those of rows with about the same chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// Fewer say "churned".
    Hidden,
    /// More say "churned".
    Invented,
    /// More contradict their chance, in both ways.
    Turned,
}

/// One group against all others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupTest {
    /// The group.
    pub group: u32,
    /// Its rows.
    pub rows: u64,
    /// Those that say "churned".
    pub churned: u64,
    /// How many would if the group were like others of about the same chance.
    pub expected: f64,
    /// Labels minus that in standard deviations; negative where churners are missing.
    pub directed: f64,
    /// Log-likelihood of turned labels minus that of others of about the same chance, in standard deviations.
    pub turned: f64,
    /// Probability that any of all groups' tests comes out as this one by chance (Bonferroni), at most 1.
    pub p_value: f64,
    /// What is seen, if anything is.
    pub pattern: Pattern,
}

/// Tests each group with at least [`GROUP_ROWS_MIN`] rows, most telling first. `chances[row]` is the probability that a row churns by a
/// model that did not see the group's labels, or a golden one; rows without a group count as others'.
///
/// Both statistics are sums over a group's rows whose mean and deviation are those of a permutation of groups within layers of chance
/// (20 of them), as in a stratified permutation test (Good 2005, section 7); the tail is the normal law's.
///
/// # Errors
/// Lists of different lengths, a chance that is none, fewer than two groups (rows without a group are one).
pub fn group_tests(known: &[f64], labels: &[bool], groups: &[Option<u32>]) -> Result<Vec<GroupTest>, LabelError> {
    same("labels", known.len(), labels.len())?;
    same("groups", known.len(), groups.len())?;
    chances(known)?;
    let mut members: Vec<(u32, usize)> = groups.iter().enumerate().filter_map(|(row, group)| Some(((*group)?, row))).collect();
    members.sort_unstable();
    let parts: Vec<&[(u32, usize)]> = members.chunk_by(|left, right| left.0 == right.0).collect();
    let strangers = usize::from(members.len() < groups.len());
    if parts.len() + strangers < 2 {
        return Err(LabelError::Labellers(parts.len() + strangers));
    }
    let layers = layers(known);
    let residuals: Vec<f64> = known.iter().zip(labels).map(|(chance, label)| f64::from(u8::from(*label)) - chance).collect();
    let turned: Vec<f64> = known.iter().zip(labels).map(|(chance, label)| against(*chance, *label)).collect();
    let (first, second) = (Layered::new(&residuals, &layers), Layered::new(&turned, &layers));
    let tested: Vec<&[(u32, usize)]> = parts.into_iter().filter(|part| part.len() >= GROUP_ROWS_MIN).collect();
    let tests = TESTS * length(tested.len());
    let mut out: Vec<GroupTest> = tested
        .into_iter()
        .filter_map(|part| {
            let rows: Vec<usize> = part.iter().map(|(_, row)| *row).collect();
            let (expected, directed) = first.standardised(&rows)?;
            let (_, turned) = second.standardised(&rows)?;
            let churned = rows.iter().filter(|row| labels[**row]).count();
            let sum = |values: &[f64]| rows.iter().map(|row| values[*row]).sum::<f64>();
            let two_sided = 2.0 * normal_at_least(directed.abs());
            let one_sided = normal_at_least(turned);
            // A direction is told where it alone would be telling: labels that are invented contradict their chances, too.
            let in_one_direction = two_sided <= one_sided || two_sided * tests <= TELLING;
            let pattern = match (in_one_direction, directed < 0.0) {
                (true, true) => Pattern::Hidden,
                (true, false) => Pattern::Invented,
                (false, _) => Pattern::Turned,
            };
            Some(GroupTest {
                group: part.first()?.0,
                rows: rows.len() as u64,
                churned: churned as u64,
                expected: sum(known) + expected,
                directed,
                turned,
                p_value: (two_sided.min(one_sided) * tests).min(1.0),
                pattern,
            })
        })
        .collect();
    out.sort_by(|left, right| left.p_value.total_cmp(&right.p_value).then(left.group.cmp(&right.group)));
    Ok(out)
}

/// The groups that are named at a rate of false alarms over all of them, most telling first. Each is taken out before the rest is tested
/// again, so that nobody is accused because another moved what is usual. Of two groups that only have each other, the one that is
/// named need not be the one that turned labels around.
///
/// # Errors
/// As [`group_tests`].
pub fn named(known: &[f64], labels: &[bool], groups: &[Option<u32>], rate: f64) -> Result<Vec<GroupTest>, LabelError> {
    let mut tests = group_tests(known, labels, groups)?;
    let mut rows: Vec<usize> = (0..known.len()).collect();
    let mut out: Vec<GroupTest> = Vec::new();
    while let Some(first) = tests.first().filter(|test| test.p_value <= rate) {
        rows.retain(|row| groups[*row] != Some(first.group));
        out.push(*first);
        let chances: Vec<f64> = rows.iter().map(|row| known[*row]).collect();
        let given: Vec<bool> = rows.iter().map(|row| labels[*row]).collect();
        let rest: Vec<Option<u32>> = rows.iter().map(|row| groups[*row]).collect();
        // Whoever is left alone has nobody to be compared with.
        tests = group_tests(&chances, &given, &rest).unwrap_or_default();
    }
    Ok(out)
}

/// How much likelier a label is if one in ten was turned around: the logarithm of the likelihood ratio.
fn against(chance: f64, label: bool) -> f64 {
    let chance = chance.clamp(CHANCE_FLOOR, 1.0 - CHANCE_FLOOR);
    let right = if label { chance } else { 1.0 - chance };
    libm::log(((1.0 - TURNED) * right + TURNED * (1.0 - right)) / right)
}

/// The layer of each row: as many rows in each as can be, equal chances together.
fn layers(known: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..known.len()).collect();
    order.sort_by(|left, right| known[*left].total_cmp(&known[*right]).then(left.cmp(right)));
    let mut out = vec![0; known.len()];
    let mut layer = 0;
    for (place, &row) in order.iter().enumerate() {
        let wanted = place * LAYERS / known.len();
        if wanted > layer && known[order[place - 1]] < known[row] {
            layer = wanted;
        }
        out[row] = layer;
    }
    out
}

/// Values with what is known of each layer.
struct Layered<'a> {
    values: &'a [f64],
    layers: &'a [usize],
    /// Rows, mean and population variance of each layer.
    known: [(f64, f64, f64); LAYERS],
}

impl<'a> Layered<'a> {
    fn new(values: &'a [f64], layers: &'a [usize]) -> Self {
        let mut known = [(0.0_f64, 0.0_f64, 0.0_f64); LAYERS];
        for (value, layer) in values.iter().zip(layers) {
            known[*layer].0 += 1.0;
            known[*layer].1 += value;
        }
        known.iter_mut().for_each(|(rows, sum, _)| *sum /= rows.max(1.0));
        for (value, layer) in values.iter().zip(layers) {
            known[*layer].2 += (value - known[*layer].1).powi(2) / known[*layer].0;
        }
        Self { values, layers, known }
    }

    /// The mean of the sum over so many rows of these layers, and how far the sum of these rows is from it, in deviations; `None`
    /// where the sum cannot be another.
    fn standardised(&self, rows: &[usize]) -> Option<(f64, f64)> {
        let mut drawn = [0.0; LAYERS];
        rows.iter().for_each(|row| drawn[self.layers[*row]] += 1.0);
        let (mut mean, mut variance) = (0.0, 0.0);
        for (drawn, (all, average, spread)) in drawn.iter().zip(self.known) {
            mean += drawn * average;
            // Of a draw without replacement.
            variance += drawn * (all - drawn) / (all - 1.0_f64).max(1.0) * spread;
        }
        let sum: f64 = rows.iter().map(|row| self.values[*row]).sum();
        // A model that left these rows out is as much too low where they are too high: the distance grows by all over the others.
        // That is taken back, also from a golden model's, which then errs on the side of the accused.
        let apart = 1.0 - length(rows.len()) / length(self.values.len());
        // Rounding is no variance.
        (variance > 1e-12 * length(rows.len())).then(|| (mean, apart * (sum - mean) / variance.sqrt()))
    }
}

/// Tiers of rows by a value, 0 the lowest: as many rows in each as can be, equal values together. Rows without a value have none.
pub fn tiers(values: &[f64], tiers: u32) -> Vec<Option<u32>> {
    let mut order: Vec<usize> = (0..values.len()).filter(|row| values[*row].is_finite()).collect();
    order.sort_by(|left, right| values[*left].total_cmp(&values[*right]).then(left.cmp(right)));
    let mut out = vec![None; values.len()];
    let mut tier = 0;
    for (place, &row) in order.iter().enumerate() {
        let wanted = u32::try_from(place * tiers as usize / order.len()).unwrap_or(0);
        if wanted > tier && values[order[place - 1]] < values[row] {
            tier = wanted;
        }
        out[row] = Some(tier);
    }
    out
}

#[cfg(test)]
mod tests {
    use learn::rng::Rng;

    use super::*;

    /// Chances from 0.02 to 0.9, labels by them, and ten labellers by turns.
    fn drawn(rows: usize, seed: u64) -> (Vec<f64>, Vec<bool>, Vec<Option<u32>>) {
        let mut rng = Rng::new(seed);
        let known: Vec<f64> = (0..rows).map(|_| 0.02 + 0.88 * rng.unit().powi(3)).collect();
        let labels = known.iter().map(|chance| rng.unit() < *chance).collect();
        let groups = (0..rows).map(|_| Some(rng.below(10) as u32)).collect();
        (known, labels, groups)
    }

    fn of(group: u32, tests: &[GroupTest]) -> GroupTest {
        *tests.iter().find(|test| test.group == group).unwrap()
    }

    #[test]
    fn honest_labellers_are_rarely_accused() {
        // Ten labellers and two tests share 5 %: of 400 label sets about 20 may hold an alarm.
        let alarms = (0..400).filter(|seed| {
            let (known, labels, groups) = drawn(2_000, *seed);
            group_tests(&known, &labels, &groups).unwrap()[0].p_value <= 0.05
        });
        let alarms = alarms.count();
        assert!((5..=32).contains(&alarms), "{alarms}");
    }

    #[test]
    fn nor_are_they_where_the_model_is_off_for_everybody() {
        let alarms = (0..200).filter(|seed| {
            let (known, labels, groups) = drawn(2_000, 1_000 + *seed);
            let off: Vec<f64> = known.iter().map(|chance| chance.sqrt()).collect();
            group_tests(&off, &labels, &groups).unwrap()[0].p_value <= 0.05
        });
        assert!(alarms.count() <= 20);
    }

    /// How often labeller 3 is named at 1 % if he turns labels with a chance by what they say.
    fn power(turn: impl Fn(bool) -> f64, pattern: Pattern) -> usize {
        (0..100)
            .filter(|seed| {
                let (known, mut labels, groups) = drawn(5_000, 5_000 + *seed);
                let mut rng = Rng::new(*seed);
                for (label, _) in labels.iter_mut().zip(&groups).filter(|(_, group)| **group == Some(3)) {
                    *label ^= rng.unit() < turn(*label);
                }
                let tests = group_tests(&known, &labels, &groups).unwrap();
                tests[0].p_value <= 0.01 && tests[0].group == 3 && tests[0].pattern == pattern
            })
            .count()
    }

    #[test]
    fn who_hides_churners_is_named() {
        let found = power(|churned| if churned { 0.4 } else { 0.0 }, Pattern::Hidden);
        assert!(found >= 95, "{found}");
    }
    #[test]
    fn who_invents_churners_is_named() {
        let found = power(|churned| if churned { 0.0 } else { 0.15 }, Pattern::Invented);
        assert!(found >= 95, "{found}");
    }
    #[test]
    fn who_turns_labels_at_random_is_found() {
        let (known, mut labels, groups) = drawn(5_000, 77);
        let mut rng = Rng::new(4);
        for (label, _) in labels.iter_mut().zip(&groups).filter(|(_, group)| **group == Some(3)) {
            *label ^= rng.unit() < 0.15;
        }
        let test = of(3, &group_tests(&known, &labels, &groups).unwrap());
        assert!(test.p_value <= 0.01 && test.turned > 4.0, "{test:?}");
    }

    #[test]
    fn who_stands_beside_an_insider_is_not_named() {
        let mut wrongly = 0;
        for seed in 0..100 {
            let (known, mut labels, groups) = drawn(5_000, 7_000 + seed);
            let mut rng = Rng::new(seed);
            for (label, _) in labels.iter_mut().zip(&groups).filter(|(_, group)| **group == Some(3)) {
                *label &= rng.unit() > 0.8;
            }
            let names = named(&known, &labels, &groups, 0.05).unwrap();
            assert_eq!((names[0].group, names[0].pattern), (3, Pattern::Hidden));
            wrongly += u32::from(names.len() > 1);
        }
        assert!(wrongly <= 11, "{wrongly}");
        let (known, labels, groups) = drawn(400, 1);
        assert!(named(&known, &labels, &groups, 0.0).unwrap().is_empty());
        // The last one left is compared with nobody.
        let halves: Vec<Option<u32>> = (0..400).map(|row| Some(row % 2)).collect();
        let turned: Vec<bool> = (0..400).map(|row| row % 2 == 0).collect();
        assert_eq!(named(&known, &turned, &halves, 0.05).unwrap().len(), 1);
    }

    #[test]
    fn degenerate_labels_accuse_nobody() {
        let (known, labels, groups) = drawn(300, 1);
        assert_eq!(group_tests(&known, &labels, &vec![Some(1); 300]), Err(LabelError::Labellers(1)));
        assert_eq!(group_tests(&known, &labels, &vec![None; 300]), Err(LabelError::Labellers(1)));
        assert_eq!(group_tests(&[], &[], &[]), Err(LabelError::Labellers(0)));
        assert!(group_tests(&known[1..], &labels, &groups).is_err());
        assert_eq!(group_tests(&[0.5, f64::NAN], &[true; 2], &[None; 2]), Err(LabelError::Chance(1)));
        // Labels of one class are what they are for everybody.
        assert!(group_tests(&vec![0.3; 300], &[false; 300], &groups).unwrap().is_empty());
        let few: Vec<Option<u32>> = (0..300).map(|row| (row < 29).then_some(4)).collect();
        assert!(group_tests(&known, &labels, &few).unwrap().is_empty());
        let enough: Vec<Option<u32>> = (0..300).map(|row| (row < 30).then_some(4)).collect();
        assert_eq!(group_tests(&known, &labels, &enough).unwrap().len(), 1);
    }

    #[test]
    fn tiers_keep_equal_values_together() {
        assert_eq!(tiers(&[3.0, 1.0, f64::NAN, 2.0, 4.0], 2), [Some(1), Some(0), None, Some(0), Some(1)]);
        assert_eq!(tiers(&[1.0, 1.0, 1.0, 2.0], 4), [Some(0), Some(0), Some(0), Some(3)]);
        assert_eq!(tiers(&[], 4), []);
        assert_eq!(tiers(&[1.0, 2.0], 0), [Some(0), Some(0)]);
    }
}
