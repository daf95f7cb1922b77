//! Refuses segments of a handful of customers: they tell of single people, and a few planted rows make one (T1).

use artifact::{Segmentation, Segments};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct SegmentSize;

impl Gate<Segments, Facts> for SegmentSize {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "segment-size",
            clauses: &[Clause::AnomalyDetection],
            about: "refuses a segmentation with a segment of fewer customers than the policy asks",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, segmentation: Segmentation, facts: &Facts) -> Verdict<Segmentation> {
        let smallest = segmentation.sizes.iter().copied().min().unwrap_or(0);
        if smallest >= facts.customers_min {
            return Pass(segmentation);
        }
        let why = format!("the smallest segment has `{smallest}` customers, `{}` are needed", facts.customers_min);
        Refuse(Finding::seen(why, "lower `segments.k_max` in stayward.toml, or bring more customers"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::segmentation;

    #[test]
    fn large_segments_pass() {
        assert!(SegmentSize.judge(segmentation(), &Facts::ordinary()).passes());
    }
    #[test]
    fn a_tiny_segment_is_refused() {
        assert!(SegmentSize.judge(Segmentation { sizes: vec![981, 19], ..segmentation() }, &Facts::ordinary()).refuses());
    }
    #[test]
    fn no_segment_is_refused() {
        assert!(SegmentSize.judge(Segmentation { sizes: vec![], ..segmentation() }, &Facts::ordinary()).refuses());
    }
}
