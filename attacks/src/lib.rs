//! Attacks on the pipeline, seeded and shipped with it: a defence that nobody attacks is a claim (T1 to T7).
//!
//! Each attack plays against [`Target`], once with the gates taken away and once with them in place ([`duel`]). It must win the first
//! time, or it measures nothing; how often it may win the second time is its card's [`Bar`]. Each has honest twins, so that a gate
//! that refuses everything does not look like a good one. Attackers know the rules and their limits; where an attack works against a
//! known limit of a defence its bar is [`Bar::KnownGap`], and the figure is shown.

mod attack;
mod draw;
mod list;
mod market;
mod target;

pub use attack::{Attack, AttackCard, Bar, Count, Duel, Measured, Plan, Tally, duel};
pub use learn::interval::clopper_pearson;
pub use list::ALL;
pub use target::{
    Ask, Asked, Broken, Channel, Defence, Delivery, Feature, Fed, Hand, Judged, KeyWish, LabelMove, Login, Offer, Parts, Person,
    Proof, Route, Row, Seal, Seen, Tampering, Target, Write,
};

/// The attack of that id.
pub fn by_id(id: &str) -> Option<&'static dyn Attack> {
    ALL.iter().copied().find(|attack| attack.card().id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_unique_and_name_clauses_of_their_threat() {
        let ids: std::collections::BTreeSet<_> = ALL.iter().map(|attack| attack.card().id).collect();
        assert_eq!(ids.len(), ALL.len());
        for card in ALL.iter().map(|attack| attack.card()) {
            assert!(card.id.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-'), "{}", card.id);
            assert!(card.clauses.iter().any(|clause| clause.threat() == card.threat), "{}", card.id);
            assert!(card.about.len() > 40 && card.measure.len() > 20, "{} says too little", card.id);
        }
    }

    #[test]
    fn every_threat_is_attacked() {
        for threat in gate::Threat::ALL {
            assert!(ALL.iter().any(|attack| attack.card().threat == threat), "{threat:?}");
        }
    }
}
