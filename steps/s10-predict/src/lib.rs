//! s10, the churn prediction service: only a released model answers, and only about a row that came through input validation.

mod facts;
mod gates;
mod work;

use artifact::Predicting;
use gate::Gate;

pub use facts::Facts;
pub use work::{NotServed, SURROUNDINGS, Served, predict};

/// The gates, in order.
pub static GATES: &[&dyn Gate<Predicting, Facts>] = &[&gates::served_model::ServedModel];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gatehouse_opens_and_its_gates_behave() {
        assert!(gate::Gatehouse::open(GATES).is_ok());
        let hostile = Facts { deployed: None };
        let complaints = gate::manners::complaints(GATES, &[facts::prediction], &[Facts::ordinary(), hostile]);
        assert_eq!(complaints, Vec::<String>::new());
    }
}
