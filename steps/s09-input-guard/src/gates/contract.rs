//! Refuses a row that breaks the contract: columns, kinds, levels, ranges (T5).

use artifact::{Input, InputGuard};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct Contract;

impl Gate<InputGuard, Facts> for Contract {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "input-contract",
            clauses: &[Clause::InputValidation],
            about: "refuses a row with unknown or missing columns, foreign levels or values outside of the contract's ranges",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, input: Input, facts: &Facts) -> Verdict<Input> {
        if input.values.is_empty() {
            return Refuse(Finding::seen("the row has no value", "send the columns of the contract"));
        }
        let Some(first) = facts.violations.first() else { return Pass(input) };
        let why = format!("the row breaks the contract: {first}");
        Refuse(Finding::seen(why, "send values that keep contract.toml"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::input;

    #[test]
    fn a_row_of_the_contract_passes() {
        assert!(Contract.judge(input(), &Facts::ordinary()).passes());
    }
    #[test]
    fn a_broken_one_is_refused() {
        assert!(Contract.judge(input(), &Facts { violations: vec!["tenure below 0".into()], ..Facts::ordinary() }).refuses());
    }
    #[test]
    fn an_empty_one_is_refused() {
        assert!(Contract.judge(Input { values: Default::default(), ..input() }, &Facts::ordinary()).refuses());
    }
}
