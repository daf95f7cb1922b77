//! A signing key that leaked long ago and still counts (T4).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::target::{Broken, Offer, Target};

pub(crate) struct OldKey;

impl Attack for OldKey {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "old-key",
            clauses: &[Clause::CredentialRotation],
            threat: Threat::PipelineTampering,
            about: "copied the signing key 91 days to three years ago; the rule bounds how long a theft is worth something, it does not notice it",
            measure: "one release while the key is so old; won if it comes through",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut tally = Tally::default();
        for _ in 0..plan.tries(5) {
            for age_days in [0, 30, 90] {
                tally.honest(&target.release(&Offer::OldKey(age_days))?);
            }
            for age_days in [91, 365, 1_095] {
                tally.hostile(&format!("{age_days} days"), &target.release(&Offer::OldKey(age_days))?);
            }
        }
        Ok(tally.measured("honest: 0, 30 and 90 days"))
    }
}
