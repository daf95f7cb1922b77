//! Refuses segments that are suddenly others for the same customers (T1): who moves segments moves what is decided by them.

use artifact::{Segmentation, Segments};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::{Continuity, Facts};

pub(crate) struct SegmentContinuity;

impl Gate<Segments, Facts> for SegmentContinuity {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "segment-continuity",
            clauses: &[Clause::AnomalyDetection],
            about: "refuses segments that sort customers known to the last version otherwise than it did, beyond the policy and beyond what bootstrap samples do by chance",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, segmentation: Segmentation, facts: &Facts) -> Verdict<Segmentation> {
        let help = "look at what changed in the customers; if it is true, set `continuity = \"renew\"` under `[segments]` in stayward.toml for one run";
        match &facts.continuity {
            Continuity::First => Pass(segmentation),
            // A number that is none does not pass.
            Continuity::Compared { rand, least, .. } if *rand >= facts.continuity_min.min(*least) => Pass(segmentation),
            Continuity::Compared { rand, least, rows, .. } => {
                let why = format!(
                    "for `{rows}` customers the segments agree with the last version to `{rand:.2}`; `{:.2}` is needed, and chance leaves `{least:.2}`",
                    facts.continuity_min
                );
                Refuse(Finding::seen(why, help))
            }
            Continuity::Broken(why) => Refuse(Finding::inconclusive(why.clone(), help)),
            Continuity::Unknown => Refuse(Finding::inconclusive("the last version was not compared", help)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::segmentation;

    fn check(continuity: Continuity) -> Verdict<Segmentation> {
        SegmentContinuity.judge(segmentation(), &Facts { continuity, ..Facts::ordinary() })
    }

    fn compared(rand: f64, least: f64) -> Verdict<Segmentation> {
        check(Continuity::Compared { rand, least, rows: 900, bound: Some(0.1) })
    }

    #[test]
    fn the_first_version_passes_and_so_does_one_that_agrees() {
        assert!(check(Continuity::First).passes());
        assert!(compared(0.6, 0.9).passes());
    }
    #[test]
    fn segments_that_jump_are_refused_unless_chance_does_as_much() {
        assert!(compared(0.4, 0.9).refuses());
        assert!(compared(0.4, 0.35).passes());
        assert!(compared(f64::NAN, 0.9).refuses());
        assert!(compared(0.4, f64::NAN).refuses());
    }
    #[test]
    fn what_could_not_be_compared_is_refused() {
        assert!(check(Continuity::Broken("the file is gone".into())).refuses());
        assert!(check(Continuity::Unknown).refuses());
    }
}
