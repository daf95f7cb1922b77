//! Refuses a crafted row that no customer resembles (T5).
//!
//! An alarm, not a certificate: an attacker who knows the detector and pays three times the shortest distance is seen in the minority
//! of cases. The plain way to ask, by customer id, leaves nothing to craft.

use artifact::{Asking, Input, InputGuard};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct Outlier;

impl Gate<InputGuard, Facts> for Outlier {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "input-outlier",
            clauses: &[Clause::InputValidation],
            about: "refuses a free-form row farther from trusted customers than the policy allows; rows from the data source were judged by s01 and s02",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, input: Input, facts: &Facts) -> Verdict<Input> {
        match input.asking {
            Asking::ByCustomer => Pass(input),
            Asking::WhatIf => match facts.outlier_p_value {
                // A p-value that is not a number does not pass.
                // Where trusted customers are too few for the policy's probability, the strangest rows that they can show are refused.
                Some(p_value) if p_value >= facts.alpha && p_value > facts.p_value_least => Pass(input),
                Some(p_value) => {
                    let why = format!("the row is farther from known customers than `{p_value:.1e}` of them");
                    Refuse(Finding::seen(why, "ask by customer id, or send a row that a customer could have"))
                }
                None => {
                    Refuse(Finding::inconclusive("the row could not be compared with known customers", "run the pipeline again"))
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::input;

    fn check(outlier_p_value: Option<f64>) -> Verdict<Input> {
        Outlier.judge(input(), &Facts { outlier_p_value, ..Facts::ordinary() })
    }

    #[test]
    fn an_ordinary_row_passes() {
        assert!(check(Some(0.001)).passes());
    }
    #[test]
    fn a_crafted_row_is_refused() {
        assert!(check(Some(0.0009)).refuses());
        assert!(check(Some(f64::NAN)).refuses());
    }
    #[test]
    fn few_trusted_customers_refuse_what_is_stranger_than_all_of_them() {
        let facts = |p_value| Facts { outlier_p_value: Some(p_value), p_value_least: 0.01, ..Facts::ordinary() };
        assert!(Outlier.judge(input(), &facts(0.01)).refuses());
        assert!(Outlier.judge(input(), &facts(0.02)).passes());
    }
    #[test]
    fn an_uncompared_row_is_refused() {
        assert!(check(None).refuses());
    }
    #[test]
    fn a_row_of_the_data_source_passes() {
        let input = Input { asking: Asking::ByCustomer, ..input() };
        assert!(Outlier.judge(input, &Facts { outlier_p_value: None, ..Facts::ordinary() }).passes());
    }
}
