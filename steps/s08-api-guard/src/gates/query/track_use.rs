//! Refuses to answer what was not entered in the application's account: use that is not tracked cannot be limited or looked into (T2).

use artifact::{Query, QueryGuard};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::QueryFacts;

pub(crate) struct TrackUse;

impl Gate<QueryGuard, QueryFacts> for TrackUse {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "api-track-use",
            clauses: &[Clause::TrackUse],
            about: "refuses a query that could not be entered in its application's account before the answer",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, query: Query, facts: &QueryFacts) -> Verdict<Query> {
        if facts.tracked && !query.application.is_empty() {
            return Pass(query);
        }
        Refuse(Finding::inconclusive("the request could not be entered in the application's account", "look at the server's log"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::query;

    #[test]
    fn tracked_use_passes() {
        assert!(TrackUse.judge(query(), &QueryFacts::ordinary()).passes());
    }
    #[test]
    fn untracked_use_is_refused() {
        assert!(TrackUse.judge(query(), &QueryFacts { tracked: false, ..QueryFacts::ordinary() }).refuses());
    }
    #[test]
    fn nobodys_use_is_refused() {
        assert!(TrackUse.judge(Query { application: String::new(), ..query() }, &QueryFacts::ordinary()).refuses());
    }
}
