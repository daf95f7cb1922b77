//! Refuses an application that asks faster than agreed (T2, T3).

use artifact::{Query, QueryGuard};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::QueryFacts;

pub(crate) struct Rate;

impl Gate<QueryGuard, QueryFacts> for Rate {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "api-rate",
            clauses: &[Clause::Throttling],
            about: "refuses a query above the application's calls per minute, and a request with too many rows at once",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, query: Query, facts: &QueryFacts) -> Verdict<Query> {
        let Some(calls) = facts.calls else {
            return Refuse(Finding::inconclusive("calls could not be counted", "look at the server's log"));
        };
        if !calls.fits() {
            let why = format!(
                "application `{}` made `{}` calls this minute, `{}` are allowed",
                query.application, calls.used, calls.limit
            );
            return Refuse(Finding::seen(why, "wait a minute, or raise the key's limit"));
        }
        let rows = query.customers.len().max(usize::try_from(query.rows).unwrap_or(usize::MAX));
        if rows > usize::try_from(facts.rows_max).unwrap_or(usize::MAX) {
            let why = format!("the request asks about `{rows}` rows, `{}` are allowed", facts.rows_max);
            return Refuse(Finding::seen(why, "ask in smaller requests"));
        }
        Pass(query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reserved;
    use crate::facts::{query, what_if};

    fn check(calls: Option<Reserved>) -> Verdict<Query> {
        Rate.judge(query(), &QueryFacts { calls, ..QueryFacts::ordinary() })
    }

    #[test]
    fn the_last_call_passes() {
        assert!(check(Some(Reserved { used: 60, limit: 60 })).passes());
    }
    #[test]
    fn the_next_is_refused() {
        assert!(check(Some(Reserved { used: 61, limit: 60 })).refuses());
    }
    #[test]
    fn uncounted_calls_are_refused() {
        assert!(check(None).refuses());
    }
    #[test]
    fn too_many_rows_are_refused() {
        assert!(Rate.judge(Query { rows: 101, ..what_if() }, &QueryFacts::ordinary()).refuses());
    }
}
