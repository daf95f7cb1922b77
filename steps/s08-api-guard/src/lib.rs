//! s08, API security controls, on the way in and on the way out: who asks, how often, about whom, and how much they are told (T2, T3).
//!
//! Counters are reserved by the shell before the gates judge, and settled or given back after; the gates see the reservation as a fact.

mod facts;
mod gates;

use artifact::{AnswerGuard, QueryGuard};
use gate::Gate;

pub use facts::{AnswerFacts, KeyState, QueryFacts, Reserved};

/// The gates on the way in, in order.
pub static QUERY: &[&dyn Gate<QueryGuard, QueryFacts>] = &[
    &gates::query::token::Token,
    &gates::query::rate::Rate,
    &gates::query::scope::Scope,
    &gates::query::distinct_customers::DistinctCustomers,
    &gates::query::track_use::TrackUse,
];

/// The gates on the way out, in order.
pub static ANSWER: &[&dyn Gate<AnswerGuard, AnswerFacts>] =
    &[&gates::answer::granularity::GranularityGate, &gates::answer::terse::Terse];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gatehouses_open_and_their_gates_behave() {
        assert!(gate::Gatehouse::open(QUERY).is_ok());
        assert!(gate::Gatehouse::open(ANSWER).is_ok());
        let hostile =
            QueryFacts { key: KeyState::Unknown, calls: None, distinct: None, tracked: false, ..QueryFacts::ordinary() };
        let complaints = gate::manners::complaints(QUERY, &[facts::query, facts::what_if], &[QueryFacts::ordinary(), hostile]);
        assert_eq!(complaints, Vec::<String>::new());
        let complaints = gate::manners::complaints(ANSWER, &[facts::answer], &[AnswerFacts::ordinary()]);
        assert_eq!(complaints, Vec::<String>::new());
    }
}
