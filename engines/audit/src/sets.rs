//! How often a vote can tell, and whether its label sets keep what they promise (T5).

use learn::conformal::{Conformal, LabelSet};

use crate::Scored;

/// Label sets that were made of every other row, counted on the rows between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sets {
    /// Share of churners whose set lacks their label.
    pub missed_churners: f64,
    /// Share of those who stay whose set lacks theirs.
    pub missed_stayers: f64,
    /// Share of rows whose set holds both labels.
    pub undecided: f64,
    /// Rows that were counted.
    pub rows: u64,
}

/// Makes sets that may miss such a share of either label (0.0001 to 0.5), and counts; nothing where there are too few rows of a label.
pub fn sets(rows: &[Scored], miss: f64) -> Option<Sets> {
    let half = |first: usize| rows.iter().skip(first).step_by(2);
    let (votes, labels): (Vec<f64>, Vec<bool>) = half(0).map(|row| (row.vote, row.label)).unzip();
    let fitted = Conformal::fit(&votes, &labels, &[miss]).ok()?;
    let level = fitted.levels().first()?;
    let share = |of: &dyn Fn(&Scored) -> bool, what: &dyn Fn(&Scored, LabelSet) -> bool| {
        let all = half(1).filter(|row| of(row)).count();
        let found = half(1).filter(|row| of(row) && what(row, level.label_set(row.vote))).count();
        (all > 0).then(|| found as f64 / all as f64)
    };
    let lacks = |row: &Scored, set: LabelSet| {
        let kept = if row.label { LabelSet::Positive } else { LabelSet::Negative };
        set != LabelSet::Both && set != kept
    };
    Some(Sets {
        missed_churners: share(&|row| row.label, &lacks)?,
        missed_stayers: share(&|row| !row.label, &lacks)?,
        undecided: share(&|_| true, &|_, set| set == LabelSet::Both)?,
        rows: half(1).count() as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use learn::rng::Rng;

    fn drawn(rows: usize, sure: f64) -> Vec<Scored> {
        let mut rng = Rng::new(4);
        let one = |row| {
            let label = rng.unit() < 0.3;
            let middle = if label { 0.5 + sure } else { 0.5 - sure };
            Scored { row, label, vote: (middle + (rng.unit() - 0.5) * 0.6).clamp(0.0, 1.0) }
        };
        (0..rows).map(one).collect()
    }

    #[test]
    fn sets_miss_as_often_as_they_may() {
        let found = sets(&drawn(8_000, 0.15), 0.1).unwrap();
        assert_eq!(found.rows, 4_000);
        // Three standard errors of 1,200 and of 2,800 rows, measured and counted.
        assert!((found.missed_churners - 0.1).abs() < 0.04 && (found.missed_stayers - 0.1).abs() < 0.025, "{found:?}");
    }

    #[test]
    fn a_vote_that_tells_leaves_less_undecided() {
        let (vague, sharp) = (sets(&drawn(8_000, 0.02), 0.1).unwrap(), sets(&drawn(8_000, 0.2), 0.1).unwrap());
        assert!(vague.undecided > 0.6 && sharp.undecided < 0.2, "{vague:?} {sharp:?}");
    }

    #[test]
    fn too_few_churners_say_nothing() {
        assert_eq!(sets(&drawn(30, 0.1), 0.1), None);
        assert_eq!(sets(&[], 0.1), None);
    }
}
