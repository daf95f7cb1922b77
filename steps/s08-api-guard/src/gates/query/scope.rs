//! Refuses a question about customers whom the application does not serve: it cannot probe strangers (T2).
//!
//! An unknown customer and a foreign one are refused alike, so that the answer does not tell who is a customer.

use artifact::{Query, QueryGuard};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::QueryFacts;

pub(crate) struct Scope;

impl Gate<QueryGuard, QueryFacts> for Scope {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "api-scope",
            clauses: &[Clause::Tokens],
            about: "refuses a question about a customer outside of the application's scope, in the same words as about an unknown one",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, query: Query, facts: &QueryFacts) -> Verdict<Query> {
        if facts.out_of_scope == 0 {
            return Pass(query);
        }
        let why =
            format!("`{}` of the customers are unknown or outside of the scope of `{}`", facts.out_of_scope, query.application);
        Refuse(Finding::seen(why, "ask only about the application's own customers, or widen its scope"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::query;

    #[test]
    fn own_customers_pass() {
        assert!(Scope.judge(query(), &QueryFacts::ordinary()).passes());
    }
    #[test]
    fn a_stranger_is_refused() {
        assert!(Scope.judge(query(), &QueryFacts { out_of_scope: 1, ..QueryFacts::ordinary() }).refuses());
    }
}
