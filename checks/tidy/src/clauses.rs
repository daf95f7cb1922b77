//! Every clause of the threat model has a gate and an attack, or stands in a list that only shrinks (T1 to T7).

use std::collections::{BTreeMap, BTreeSet};

use gate::{CLAUSES, Clause, EXCEPTIONS, Threat};
use pipeline::Houses;

use crate::golden;

const WITHOUT_GATE: &str = "exceptions.golden";
const WITHOUT_ATTACK: &str = "no-attack.golden";
/// The threat model counts as answered only while at least so many of its 36 clauses have a gate.
const GATED_CLAUSES_MIN: usize = 24;
/// One control is a single point of failure.
const GATED_CLAUSES_PER_THREAT_MIN: usize = 2;

/// Clauses that a gate in place keeps, with the gates.
fn gated() -> BTreeMap<Clause, Vec<&'static str>> {
    let mut out: BTreeMap<Clause, Vec<&'static str>> = BTreeMap::new();
    for placed in Houses::open().unwrap().placed() {
        for clause in placed.card.clauses {
            out.entry(*clause).or_default().push(placed.card.id);
        }
    }
    out
}

fn excepted() -> BTreeSet<Clause> {
    EXCEPTIONS.iter().map(|(clause, _)| *clause).collect()
}

#[test]
fn every_clause_has_a_gate_or_a_stated_exception() {
    let (gated, excepted) = (gated(), excepted());
    for clause in CLAUSES {
        let id = clause.id();
        match (gated.get(&clause), excepted.contains(&clause)) {
            (None, false) => panic!(
                "clause `{id}` has no gate: write one in {}, or state an exception in base/gate/src/threats.rs",
                clause.home()
            ),
            (Some(gates), true) => panic!("clause `{id}` has {gates:?}: take it out of EXCEPTIONS in base/gate/src/threats.rs"),
            (Some(_), false) | (None, true) => {}
        }
    }
    assert_eq!(excepted.len(), EXCEPTIONS.len(), "EXCEPTIONS names a clause twice");
    assert!(EXCEPTIONS.iter().all(|(_, reason)| reason.len() > 20), "an exception without a reason");
}

#[test]
fn enough_clauses_have_gates() {
    let gated = gated();
    assert!(gated.len() >= GATED_CLAUSES_MIN, "{} clauses have gates, {GATED_CLAUSES_MIN} must", gated.len());
    for threat in Threat::ALL {
        let count = gated.keys().filter(|clause| clause.threat() == threat).count();
        assert!(count >= GATED_CLAUSES_PER_THREAT_MIN, "threat {} has {count} clauses with gates", threat.number());
    }
}

#[test]
fn exceptions_only_shrink() {
    let now = excepted().into_iter().map(|clause| clause.id().to_owned()).collect();
    golden::assert_only_shrinks(WITHOUT_GATE, "clauses that may be without a gate; this list only shrinks", &now);
}

#[test]
fn every_clause_has_an_attack_or_stands_in_the_list() {
    let attacked: BTreeSet<Clause> = attacks::ALL.iter().flat_map(|attack| attack.card().clauses.iter().copied()).collect();
    let now = CLAUSES.into_iter().filter(|clause| !attacked.contains(clause)).map(|clause| clause.id().to_owned()).collect();
    golden::assert_only_shrinks(WITHOUT_ATTACK, "clauses that no attack measures; this list only shrinks", &now);
}

#[test]
fn the_attacks_shipped_are_the_reviewed_ones() {
    let line = |card: &attacks::AttackCard| {
        let clauses: Vec<&str> = card.clauses.iter().map(|clause| clause.id()).collect();
        format!("{} {} {:?}", card.id, clauses.join(","), card.bar)
    };
    let now: Vec<String> = attacks::ALL.iter().map(|attack| line(attack.card())).collect();
    let about = "every attack that ships: attack, clauses, and how often it may win with the defence on";
    golden::assert_equal("attacks.golden", about, &now);
}
