//! Every attack wins where nothing defends and keeps to its bar where the gates stand; the same seed measures the same.

use attacks::{ALL, Plan, by_id, duel};

use super::{Field, Report};

const QUICK: Plan = Plan { seed: 7, quick: true };
/// Honest moves of a hundred that must come through while the gates stand: rules on market prices raise a false alarm now and then.
const HONEST_IN_100_MIN: u64 = 95;

#[test]
fn every_attack_wins_undefended_and_keeps_its_bar() {
    let mut field = Field::set(QUICK.seed).unwrap();
    let duels = ALL.iter().map(|attack| duel(*attack, &mut field, QUICK).unwrap()).collect();
    let report = Report { seed: QUICK.seed, quick: true, duels };
    let (mut tried, mut won) = (0, 0);
    for duel in &report.duels {
        let (off, on) = (&duel.off, &duel.on);
        println!(
            "{:<24} off {}/{} on {}/{} honest {:?} {:?} {:?}",
            duel.card.id, off.succeeded, off.tried, on.succeeded, on.tried, on.honest, on.ways, on.stopped_by
        );
        assert_eq!(off.honest.won, off.honest.tried, "{}: honest moves must pass where no gate stands", duel.card.id);
        tried += on.honest.tried;
        won += on.honest.won;
    }
    assert_eq!(report.blunt(), [""; 0], "attacks that measure nothing");
    assert_eq!(report.broken(), [""; 0], "defences below their bar");
    assert!(won * 100 >= tried * HONEST_IN_100_MIN, "only {won} of {tried} honest moves passed");
    for id in ["understated-prices", "label-insider", "bad-keys", "typosquat", "boundary-probing"] {
        let first = report.duels.iter().find(|duel| duel.card.id == id).unwrap();
        assert_eq!(&duel(by_id(id).unwrap(), &mut field, QUICK).unwrap(), first, "{id} is not repeatable");
    }
}
