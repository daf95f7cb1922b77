//! Whether a model finds the churners of every value tier and of every group of people alike (T1, T6): the threat model's attacker makes
//! the customers who are worth most look as if they were not.

use std::collections::BTreeMap;

use frame::Column;
use learn::interval::clopper_pearson;
use learn::metrics;
use serde::{Deserialize, Serialize};

use crate::Scored;

/// Tiers by value, from low to high.
const TIERS: usize = 4;
/// Levels of a protected column that are looked at one by one.
const LEVELS_MAX: usize = 50;

/// Rows that share a tier or a level.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The tier or level, for people.
    pub name: String,
    /// Rows that were scored.
    pub rows: u64,
    /// Rows that were flagged.
    pub flagged: u64,
    /// Churners among them.
    pub churners: u64,
    /// Churners that were flagged.
    pub found: u64,
    /// Area under the ROC curve among these rows alone; not a number where all stay or all leave.
    pub auc: f64,
}

impl Group {
    /// Share of churners that were flagged (recall, true positive rate); not a number without churners.
    pub fn recall(&self) -> f64 {
        self.found as f64 / self.churners as f64
    }

    /// The 95 % interval of the recall (Clopper and Pearson 1934).
    pub fn recall_interval(&self) -> (f64, f64) {
        clopper_pearson(self.found, self.churners)
    }

    /// Standard error of the AUC (Hanley and McNeil 1982, equations 1 to 3); not a number where there is none.
    pub fn auc_deviation(&self) -> f64 {
        let (auc, positives, negatives) = (self.auc, self.churners as f64, (self.rows - self.churners) as f64);
        let (one, two) = (auc / (2.0 - auc), 2.0 * auc * auc / (1.0 + auc));
        let squared = auc * (1.0 - auc) + (positives - 1.0) * (one - auc * auc) + (negatives - 1.0) * (two - auc * auc);
        (squared / (positives * negatives)).sqrt()
    }
}

fn group(name: String, rows: &[Scored], threshold: f64) -> Group {
    let count = |keep: &dyn Fn(&Scored) -> bool| rows.iter().filter(|row| keep(row)).count() as u64;
    let (votes, labels): (Vec<f64>, Vec<bool>) = rows.iter().map(|row| (row.vote, row.label)).unzip();
    Group {
        name,
        rows: rows.len() as u64,
        flagged: count(&|row| row.vote >= threshold),
        churners: count(&|row| row.label),
        found: count(&|row| row.label && row.vote >= threshold),
        auc: metrics::roc_auc(&votes, &labels),
    }
}

/// Quarters of the scored rows by value, lowest first; rows without a value are left out, equal values stay together.
pub fn tiers(rows: &[Scored], value: &[f64], threshold: f64) -> Vec<Group> {
    let of = |row: &Scored| value.get(row.row).copied().filter(|value| value.is_finite());
    let mut known: Vec<(f64, Scored)> = rows.iter().filter_map(|row| Some((of(row)?, *row))).collect();
    known.sort_by(|left, right| left.0.total_cmp(&right.0));
    let mut out = Vec::new();
    let mut start = 0;
    for tier in 1..=TIERS {
        let mut end = known.len() * tier / TIERS;
        while end > 0 && end < known.len() && known[end].0.total_cmp(&known[end - 1].0).is_eq() {
            end += 1;
        }
        if end <= start {
            continue;
        }
        let part: Vec<Scored> = known[start..end].iter().map(|(_, row)| *row).collect();
        out.push(group(format!("{} to {}", known[start].0, known[end - 1].0), &part, threshold));
        start = end;
    }
    out
}

/// Scored rows by the level of a column; of a number its quarters. Rows where it is missing are left out.
pub fn groups(rows: &[Scored], column: &Column, threshold: f64) -> Vec<Group> {
    match column {
        Column::Number(values) => {
            let mut distinct: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
            distinct.sort_by(f64::total_cmp);
            distinct.dedup();
            if distinct.len() > TIERS {
                return tiers(rows, values, threshold);
            }
            let of = |value: f64| {
                let part: Vec<Scored> = rows
                    .iter()
                    .filter(|row| values.get(row.row).is_some_and(|found| found.total_cmp(&value).is_eq()))
                    .copied()
                    .collect();
                group(value.to_string(), &part, threshold)
            };
            distinct.into_iter().map(of).collect()
        }
        Column::Category(categories) => {
            let mut parts: BTreeMap<Option<&str>, Vec<Scored>> = BTreeMap::new();
            rows.iter().for_each(|row| parts.entry(categories.text(row.row)).or_default().push(*row));
            let mut parts: Vec<(Option<&str>, Vec<Scored>)> = parts.into_iter().collect();
            parts.sort_by_key(|(_, part)| std::cmp::Reverse(part.len()));
            // The rarest together, so that nobody is left out.
            let rest: Vec<Scored> = parts.drain(LEVELS_MAX.min(parts.len())..).flat_map(|(_, part)| part).collect();
            let place = |level: &Option<&str>| categories.levels.iter().position(|known| Some(known.as_str()) == *level);
            parts.sort_by_key(|(level, _)| place(level).unwrap_or(usize::MAX));
            let mut out: Vec<Group> =
                parts.iter().map(|(level, part)| group(level.unwrap_or("(missing)").to_owned(), part, threshold)).collect();
            if !rest.is_empty() {
                out.push(group("(other levels)".to_owned(), &rest, threshold));
            }
            out
        }
    }
}

/// The widest gap in recall between two groups that chance does not explain (equal opportunity; Hardt 2016): the distance of their
/// intervals, 0 where all overlap. With it the group that is found least and the one that is found most. Nothing where fewer than two
/// groups have a churner.
pub fn gap(groups: &[Group]) -> Option<(f64, &Group, &Group)> {
    let known: Vec<&Group> = groups.iter().filter(|group| group.churners > 0).collect();
    let least = known.iter().min_by(|left, right| left.recall_interval().1.total_cmp(&right.recall_interval().1))?;
    let most = known.iter().max_by(|left, right| left.recall_interval().0.total_cmp(&right.recall_interval().0))?;
    let distance = most.recall_interval().0 - least.recall_interval().1;
    (known.len() > 1).then_some((distance.max(0.0), *least, *most))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1,000 churners whose value is their place; those of the highest quarter are found with another share.
    fn rows(high: f64) -> (Vec<Scored>, Vec<f64>) {
        let row = |row: usize| {
            let found = (row % 10) as f64 / 10.0 < if row >= 750 { high } else { 0.8 };
            Scored { row, label: true, vote: if found { 0.9 } else { 0.1 } }
        };
        ((0..1_000).map(row).collect(), (0..1_000).map(|row| row as f64).collect())
    }

    #[test]
    fn a_tier_that_is_not_found_shows() {
        let (scored, value) = rows(0.2);
        let found = tiers(&scored, &value, 0.5);
        assert_eq!(found.len(), 4);
        assert_eq!((found[3].churners, found[3].found), (250, 50));
        let (distance, least, _) = gap(&found).unwrap();
        assert!(distance > 0.4 && least.name == "750 to 999", "{distance} {}", least.name);
    }

    #[test]
    fn tiers_that_are_found_alike_have_no_gap() {
        let (scored, value) = rows(0.8);
        assert_eq!(gap(&tiers(&scored, &value, 0.5)).unwrap().0.to_bits(), 0.0f64.to_bits());
    }

    #[test]
    fn equal_values_stay_together_and_missing_ones_are_left_out() {
        let (scored, mut value) = rows(0.8);
        value.fill(7.0);
        value[0] = f64::NAN;
        let found = tiers(&scored, &value, 0.5);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].rows, 999);
        assert!(tiers(&scored, &[], 0.5).is_empty());
        assert!(gap(&found).is_none());
    }

    #[test]
    fn the_error_of_an_auc_is_that_of_the_literature() {
        // Hanley and McNeil 1982, table II: 51 and 58 cases, area 0.893, standard error 0.032.
        let group = Group { name: String::new(), rows: 109, flagged: 0, churners: 51, found: 0, auc: 0.893 };
        assert!((group.auc_deviation() - 0.032).abs() < 0.001, "{}", group.auc_deviation());
        assert!(!Group { churners: 0, auc: f64::NAN, ..group }.auc_deviation().is_finite());
    }

    #[test]
    fn levels_are_groups() {
        let (scored, value) = rows(0.8);
        let texts: Vec<Option<&str>> = value.iter().map(|value| Some(if *value < 300.0 { "a" } else { "b" })).collect();
        let column = Column::Category(frame::Categories::from_texts(texts));
        let found = groups(&scored, &column, 0.5);
        assert_eq!(found.iter().map(|group| group.rows).collect::<Vec<_>>(), [300, 700]);
        let two = Column::Number(value.iter().map(|value| f64::from(u8::from(*value < 300.0))).collect());
        assert_eq!(groups(&scored, &two, 0.5).iter().map(|group| group.rows).collect::<Vec<_>>(), [700, 300]);
    }
}
