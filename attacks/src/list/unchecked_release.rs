//! A model in deployment that did not pass the checks (T4).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::target::{Broken, Offer, Target};

pub(crate) struct UncheckedRelease;

impl Attack for UncheckedRelease {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "unchecked-release",
            clauses: &[Clause::AutomatedChecks],
            threat: Threat::PipelineTampering,
            about: "may start a release; exchanges a file of the model after the checks, leaves the check of the parts out, or brings receipts that never stood in the log; does not hold the log's signing key",
            measure: "one release; won if it comes through",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut tally = Tally::default();
        for _ in 0..plan.tries(5) {
            tally.honest(&target.release(&Offer::Honest)?);
            for (way, offer) in [
                ("file exchanged", Offer::OtherModel),
                ("parts unchecked", Offer::UncheckedParts),
                ("forged receipts", Offer::ForgedReceipts),
            ] {
                tally.hostile(way, &target.release(&offer)?);
            }
        }
        Ok(tally.measured(""))
    }
}
