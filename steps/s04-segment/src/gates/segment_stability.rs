//! Refuses segments that change when the sample does: what bootstrap noise can move, poison can move (T1).

use artifact::{Segmentation, Segments};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct SegmentStability;

impl Gate<Segments, Facts> for SegmentStability {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "segment-stability",
            clauses: &[Clause::AnomalyDetection],
            about: "refuses segments whose mean adjusted Rand index over bootstrap samples is below the policy (Hubert and Arabie 1985)",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, segmentation: Segmentation, facts: &Facts) -> Verdict<Segmentation> {
        // A stability that is not a number does not pass.
        if facts.stability >= facts.stability_min {
            return Pass(segmentation);
        }
        let why = format!(
            "segments agree with those of bootstrap samples to `{:.2}`, `{:.2}` is needed",
            facts.stability, facts.stability_min
        );
        Refuse(Finding::seen(why, "lower `segments.k_max` in stayward.toml, or choose other columns under `segments.columns`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::segmentation;

    fn check(stability: f64) -> Verdict<Segmentation> {
        SegmentStability.judge(segmentation(), &Facts { stability, ..Facts::ordinary() })
    }

    #[test]
    fn stable_segments_pass() {
        assert!(check(0.5).passes());
    }
    #[test]
    fn shaky_segments_are_refused() {
        assert!(check(0.49).refuses());
        assert!(check(f64::NAN).refuses());
    }
}
