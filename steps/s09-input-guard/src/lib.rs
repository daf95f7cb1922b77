//! s09, input validation: what goes to the model keeps the contract and looks like a customer (T5).

mod facts;
mod gates;

use artifact::InputGuard;
use gate::Gate;

pub use facts::Facts;

/// The gates, in order.
pub static GATES: &[&dyn Gate<InputGuard, Facts>] = &[&gates::contract::Contract, &gates::outlier::Outlier];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gatehouse_opens_and_its_gates_behave() {
        assert!(gate::Gatehouse::open(GATES).is_ok());
        let hostile = Facts { violations: vec!["x".into()], outlier_p_value: None, ..Facts::ordinary() };
        let complaints = gate::manners::complaints(GATES, &[facts::input], &[Facts::ordinary(), hostile]);
        assert_eq!(complaints, Vec::<String>::new());
    }
}
