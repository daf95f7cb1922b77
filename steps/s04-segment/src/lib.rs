//! s04, K-Means segmentation: segments that a few hostile rows could move are no ground for decisions (T1).

mod facts;
mod gates;

use artifact::Segments;
use gate::Gate;

pub use facts::{Continuity, Facts};

/// The gates, in order.
pub static GATES: &[&dyn Gate<Segments, Facts>] = &[
    &gates::segment_size::SegmentSize,
    &gates::segment_stability::SegmentStability,
    &gates::segment_continuity::SegmentContinuity,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gatehouse_opens_and_its_gates_behave() {
        assert!(gate::Gatehouse::open(GATES).is_ok());
        let hostile = Facts { stability: f64::NAN, customers_min: u64::MAX, ..Facts::ordinary() };
        let complaints = gate::manners::complaints(GATES, &[facts::segmentation], &[Facts::ordinary(), hostile]);
        assert_eq!(complaints, Vec::<String>::new());
    }
}
