//! Refuses an application that asks about more different customers in a day than it needs: with real customers' rows 500 class-only
//! answers are enough to copy a churn model to 93-95 %, and no detector sees such a thief (T3).

use artifact::{Query, QueryGuard};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::QueryFacts;

pub(crate) struct DistinctCustomers;

impl Gate<QueryGuard, QueryFacts> for DistinctCustomers {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "api-distinct-customers",
            clauses: &[Clause::ExtractionLimits],
            about: "refuses a query above the application's different customers (or what-if rows) per day; asking about the same customer again costs nothing",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, query: Query, facts: &QueryFacts) -> Verdict<Query> {
        let Some(distinct) = facts.distinct else {
            return Refuse(Finding::inconclusive("different customers could not be counted", "look at the server's log"));
        };
        if distinct.fits() {
            return Pass(query);
        }
        let why = format!(
            "application `{}` asked about `{}` different customers today, `{}` are allowed",
            query.application, distinct.used, distinct.limit
        );
        Refuse(Finding::seen(why, "come back tomorrow, or raise the key's limit after looking at what it is used for"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reserved;
    use crate::facts::query;

    fn check(distinct: Option<Reserved>) -> Verdict<Query> {
        DistinctCustomers.judge(query(), &QueryFacts { distinct, ..QueryFacts::ordinary() })
    }

    #[test]
    fn within_the_day_passes() {
        assert!(check(Some(Reserved { used: 500, limit: 500 })).passes());
    }
    #[test]
    fn beyond_is_refused() {
        assert!(check(Some(Reserved { used: 501, limit: 500 })).refuses());
    }
    #[test]
    fn uncounted_is_refused() {
        assert!(check(None).refuses());
    }
}
