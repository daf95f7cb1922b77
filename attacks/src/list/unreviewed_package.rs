//! A new version of a critical package that nobody read, or the reviewed version with other bytes (T7).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::target::{Broken, Parts, Target};

/// Critical packages that are tried.
const PACKAGES: usize = 4;

pub(crate) struct UnreviewedPackage;

impl Attack for UnreviewedPackage {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "unreviewed-package",
            clauses: &[Clause::ManualReview],
            threat: Threat::SupplyChain,
            about: "publishes an update of a critical package, or exchanges the bytes of a reviewed version; reviews that saw nothing are not caught by having taken place",
            measure: "one staging with one such package; won if it comes through",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut tally = Tally::default();
        for _ in 0..plan.tries(5) {
            tally.honest(&target.stage(&Parts::Requirements(String::new()))?);
            for at in 0..PACKAGES {
                tally.hostile("new version", &target.stage(&Parts::CriticalVersion(at))?);
                tally.hostile("other bytes", &target.stage(&Parts::CriticalBytes(at))?);
            }
            tally.hostile("review ended", &target.stage(&Parts::ReviewsEnded)?);
        }
        Ok(tally.measured(""))
    }
}
