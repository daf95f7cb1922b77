//! Refuses a caller without a good key: a model that anybody may ask is a model that anybody may copy (T2, T3).

use artifact::{Query, QueryGuard};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::{KeyState, QueryFacts};

pub(crate) struct Token;

impl Gate<QueryGuard, QueryFacts> for Token {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "api-token",
            clauses: &[Clause::Tokens],
            about: "refuses a query without a key, or with one that is unknown, expired, revoked or lacks the right to ask in this way",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, query: Query, facts: &QueryFacts) -> Verdict<Query> {
        let state = match facts.key {
            KeyState::Missing => "missing",
            KeyState::Unknown => "unknown",
            KeyState::Expired => "expired",
            KeyState::Revoked => "revoked",
            KeyState::Good if facts.may_ask => return Pass(query),
            KeyState::Good => {
                let why = format!("application `{}` has no right to ask in this way", query.application);
                return Refuse(Finding::seen(why, "issue a key with that right: `stayward api key create --right what-if`"));
            }
        };
        Refuse(Finding::seen(format!("the key is {state}"), "issue one with `stayward api key create`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{query, what_if};

    fn check(key: KeyState) -> Verdict<Query> {
        Token.judge(query(), &QueryFacts { key, ..QueryFacts::ordinary() })
    }

    #[test]
    fn a_good_key_passes() {
        assert!(check(KeyState::Good).passes());
    }
    #[test]
    fn every_other_key_is_refused() {
        for key in [KeyState::Missing, KeyState::Unknown, KeyState::Expired, KeyState::Revoked] {
            assert!(check(key).refuses());
        }
    }
    #[test]
    fn a_what_if_without_the_right_is_refused() {
        assert!(Token.judge(what_if(), &QueryFacts { may_ask: false, ..QueryFacts::ordinary() }).refuses());
    }
}
