//! Holds the recount against a twin that looks at every event for every label, and against hand-made cases (T6).

use proptest::prelude::*;

use super::*;

const DAY: i64 = DAY_SECONDS;

fn kinds(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn rule() -> Rule {
    Rule { horizon_days: 30, activity: kinds(&["call", "payment"]), ending: kinds(&["cancelled"]), delay_days: 7 }
}

fn given(customer: &str, cutoff: i64, churned: bool) -> Given {
    Given { customer: customer.to_owned(), cutoff, churned }
}

/// The fact of one label at day 0 after these events, asked at a day.
fn fact(events: &[(i64, &str)], rule: Rule, day: i64) -> Fact {
    let mut recount = Recount::new(rule, [given("ann", 0, true)]).unwrap();
    events.iter().for_each(|(time, kind)| recount.event(Event { customer: "ann", time: *time, kind }));
    let (_, _, fact) = recount.facts(day * DAY).next().unwrap();
    fact
}

fn proof(time: i64, kind: &str) -> Proof {
    Proof { time, kind: kind.to_owned() }
}

#[test]
fn an_end_in_the_horizon_is_churn_whatever_else_happens() {
    let ended = Fact::Ended { by: proof(3 * DAY, "cancelled") };
    assert_eq!(fact(&[(DAY, "call"), (5 * DAY, "cancelled"), (3 * DAY, "cancelled"), (9 * DAY, "payment")], rule(), 4), ended);
}
#[test]
fn activity_is_staying_once_no_end_can_come() {
    let events = [(9 * DAY, "payment"), (DAY, "call")];
    assert_eq!(fact(&events, rule(), 36), Fact::Open { until: 37 * DAY });
    assert_eq!(fact(&events, rule(), 37), Fact::Active { by: proof(DAY, "call") });
    // By a rule without ends, at once.
    assert_eq!(fact(&events, Rule { ending: BTreeSet::new(), ..rule() }, 2), Fact::Active { by: proof(DAY, "call") });
}
#[test]
fn silence_is_churn_once_it_is_in_the_books() {
    let events = [(-DAY, "call"), (-9 * DAY, "payment"), (30 * DAY, "call"), (2 * DAY, "newsletter")];
    assert_eq!(fact(&events, rule(), 36), Fact::Open { until: 37 * DAY });
    let silent = Fact::Silent { churned: true, before: Some(proof(-DAY, "call")), after: Some(proof(30 * DAY, "call")) };
    assert_eq!(fact(&events, rule(), 37), silent);
}
#[test]
fn silence_is_staying_where_only_ends_are_known() {
    let only_ends = Rule { activity: BTreeSet::new(), ..rule() };
    assert_eq!(fact(&[(DAY, "call")], only_ends.clone(), 37), Fact::Silent { churned: false, before: None, after: None });
    assert_eq!(fact(&[(DAY, "cancelled")], only_ends, 1), Fact::Ended { by: proof(DAY, "cancelled") });
}
#[test]
fn the_horizon_begins_with_the_cutoff_and_ends_before_its_last_moment() {
    let active = |time: i64| matches!(fact(&[(time, "call")], rule(), 99), Fact::Active { .. });
    assert!(!active(-1) && active(0) && active(30 * DAY - 1) && !active(30 * DAY));
}

#[test]
fn every_turned_label_is_contradicted() {
    let labels = [given("ann", 0, true), given("ben", 0, true), given("cleo", 0, false), given("dan", 0, false)];
    let mut recount = Recount::new(rule(), labels).unwrap();
    for (customer, kind) in [("ben", "call"), ("cleo", "cancelled"), ("stranger", "call"), ("dan", "call"), ("dan", "mail")] {
        recount.event(Event { customer, time: DAY, kind });
    }
    let report = recount.report(40 * DAY);
    assert_eq!((report.agree, report.open.len(), report.without_events), (2, 0, 1));
    assert_eq!((report.events, report.events_used), (5, 3));
    let found: Vec<(&str, Option<bool>)> =
        report.mismatches.iter().map(|found| (found.given.customer.as_str(), found.fact.churned())).collect();
    assert_eq!(found, [("ben", Some(false)), ("cleo", Some(true))]);
    // Before the books are closed only the end is known.
    let early = recount.report(10 * DAY);
    assert_eq!((early.agree, early.open.len(), early.mismatches.len()), (0, 3, 1));
}

#[test]
fn senseless_rules_and_labels_are_refused() {
    let none = || Vec::<Given>::new();
    assert!(Recount::new(Rule { horizon_days: 0, ..rule() }, none()).is_err());
    assert!(Recount::new(Rule { activity: kinds(&[]), ending: kinds(&[]), ..rule() }, none()).is_err());
    assert!(Recount::new(Rule { ending: kinds(&["call"]), ..rule() }, none()).is_err());
    let twice = Recount::new(rule(), [given("ann", 5, true), given("ann", 5, true)]);
    assert_eq!(twice, Err(FactError::Twice { customer: "ann".to_owned(), cutoff: 5 }));
    let many = Recount::new(rule(), (0..=CUTOFFS_MAX as i64).map(|cutoff| given("ann", cutoff, true)));
    assert!(matches!(many, Err(FactError::Many { most: CUTOFFS_MAX, .. })));
    assert_eq!(Recount::new(rule(), none()).unwrap().report(0), Report::default());
}

#[test]
fn times_at_the_end_of_the_world_do_not_overflow() {
    let labels = [given("ann", i64::MAX, true), given("ann", i64::MIN, false)];
    let mut recount = Recount::new(rule(), labels).unwrap();
    for time in [i64::MIN, -1, 0, i64::MAX] {
        recount.event(Event { customer: "ann", time, kind: "call" });
    }
    assert_eq!(recount.report(i64::MAX).open.len(), 0);
    assert_eq!(recount.report(i64::MIN).open.len(), 2);
}

type Made = (u8, i64, u8);

const KINDS: [&str; 4] = ["call", "cancelled", "payment", "visit"];

/// The fact of a label, from all events at once.
fn twin(rule: &Rule, (customer, cutoff): (u8, i64), events: &[Made], now: i64) -> Fact {
    let end = cutoff + i64::from(rule.horizon_days) * DAY;
    let until = end + i64::from(rule.delay_days) * DAY;
    let own: Vec<Seen> = events.iter().filter(|event| event.0 == customer).map(|event| (event.1, event.2.into())).collect();
    let named = |set: &BTreeSet<String>, seen: &Seen| set.contains(KINDS[seen.1 as usize]);
    let either = |seen: &Seen| named(&rule.activity, seen) || named(&rule.ending, seen);
    let inside = |seen: &Seen| (cutoff..end).contains(&seen.0);
    let proof = |seen: Seen| Proof { time: seen.0, kind: KINDS[seen.1 as usize].to_owned() };
    if let Some(seen) = own.iter().filter(|seen| inside(seen) && named(&rule.ending, seen)).min() {
        return Fact::Ended { by: proof(*seen) };
    }
    let active = own.iter().filter(|seen| inside(seen) && named(&rule.activity, seen)).min();
    if let Some(seen) = active.filter(|_| rule.ending.is_empty() || now >= until) {
        return Fact::Active { by: proof(*seen) };
    }
    if now < until {
        return Fact::Open { until };
    }
    let before = own.iter().filter(|seen| either(seen) && seen.0 < cutoff).max_by_key(|seen| (seen.0, std::cmp::Reverse(seen.1)));
    let after = own.iter().filter(|seen| either(seen) && seen.0 >= end).min();
    Fact::Silent { churned: !rule.activity.is_empty(), before: before.copied().map(proof), after: after.copied().map(proof) }
}

proptest! {
    #[test]
    fn the_twin_says_the_same(
        labels in prop::collection::btree_set((0_u8..4, 0_i64..40), 0..12),
        events in prop::collection::vec((0_u8..5, -10_i64..90, 0_u8..4), 0..60),
        (horizon_days, delay_days, now) in (1_u32..20, 0_u32..9, 0_i64..80),
        meanings in prop::collection::vec(0_u8..3, 4),
        order in any::<u64>(),
    ) {
        let pick = |meaning: u8| -> BTreeSet<String> {
            KINDS.iter().zip(&meanings).filter(|(_, own)| **own == meaning).map(|(kind, _)| (*kind).to_owned()).collect()
        };
        let rule = Rule { horizon_days, delay_days, activity: pick(1), ending: pick(2) };
        prop_assume!(!rule.activity.is_empty() || !rule.ending.is_empty());
        // Half days, so that moments meet the ends of horizons, and miss them.
        let events: Vec<Made> = events.into_iter().map(|(customer, time, kind)| (customer, time * DAY / 2, kind)).collect();
        let labels: Vec<(u8, i64)> = labels.into_iter().map(|(customer, cutoff)| (customer, cutoff * DAY)).collect();
        let given = labels.iter().map(|(customer, cutoff)| given(&customer.to_string(), *cutoff, true));
        let mut recount = Recount::new(rule.clone(), given).unwrap();
        let mut shuffled = events.clone();
        learn::rng::Rng::new(order).shuffle(&mut shuffled);
        for (customer, time, kind) in shuffled {
            recount.event(Event { customer: &customer.to_string(), time, kind: KINDS[usize::from(kind)] });
        }
        let found: Vec<Fact> = recount.facts(now * DAY).map(|(_, _, fact)| fact).collect();
        // Ids of one digit sort as their numbers do.
        let expected: Vec<Fact> = labels.iter().map(|label| twin(&rule, *label, &events, now * DAY)).collect();
        prop_assert_eq!(&found, &expected);
        let report = recount.report(now * DAY);
        let open = found.iter().filter(|fact| fact.churned().is_none()).count();
        let wrong = found.iter().filter(|fact| fact.churned() == Some(false)).count();
        prop_assert_eq!((report.open.len(), report.mismatches.len()), (open, wrong));
        prop_assert_eq!(report.agree, (labels.len() - open - wrong) as u64);
    }
}
