//! s11, monitoring, alerting and drift: what no single request shows, a window of them does (T3, T5).

mod facts;
mod gates;

use artifact::Monitoring;
use gate::Gate;

pub use facts::{Facts, Pattern, Policy};

/// The gates, in order. They hold: an alarm calls people, it does not stop the service.
pub static GATES: &[&dyn Gate<Monitoring, Facts>] = &[&gates::drift::Drift, &gates::query_pattern::QueryPattern];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gatehouse_opens_and_its_gates_behave() {
        assert!(gate::Gatehouse::open(GATES).is_ok());
        let hostile = Facts { drift_evidence: None, ..Facts::ordinary() };
        let complaints = gate::manners::complaints(GATES, &[facts::window], &[Facts::ordinary(), hostile]);
        assert_eq!(complaints, Vec::<String>::new());
    }
}
