//! s05, model training: a model is a candidate only when it comes from cleared data and approved labels, with the parameters and the
//! environment that were agreed, is good enough for everybody it is about, and hides nothing (T4, T5, T6).

mod facts;
mod gates;
mod measured;

use artifact::Training;
use gate::Gate;

pub use facts::{Facts, Leak, Lineage, Policy, Telltale};
pub use measured::{
    AttributeGain, Audit, Canary, Evasion, Hardening, Measured, Memory, Pattern, RecallGap, Robustness, Sets, TopTier,
    TradeoffPoint,
};

/// The gates, in order.
pub static GATES: &[&dyn Gate<Training, Facts>] = &[
    &gates::lineage::LineageGate,
    &gates::pinned::Pinned,
    &gates::leakage::Leakage,
    &gates::floor::Floor,
    &gates::calibration::CalibrationGate,
    &gates::value_tier::ValueTier,
    &gates::fairness::Fairness,
    &gates::trigger::TriggerScan,
    &gates::robustness::Robust,
    &gates::memory::MemoryGate,
    &gates::attribute::AttributeGate,
    &gates::canary::CanaryFlips,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gatehouse_opens_and_its_gates_behave() {
        assert!(gate::Gatehouse::open(GATES).is_ok());
        let hostile = Facts { lineage: Vec::new(), parameters_agreed: None, ..Facts::ordinary() };
        let complaints = gate::manners::complaints(GATES, &[facts::candidate], &[Facts::ordinary(), hostile]);
        assert_eq!(complaints, Vec::<String>::new());
    }
}
