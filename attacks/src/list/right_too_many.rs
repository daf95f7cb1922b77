//! A right that somebody added to a component, so that taking that one over is enough (T4).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::target::{Broken, Offer, Target};

pub(crate) struct RightTooMany;

impl Attack for RightTooMany {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "right-too-many",
            clauses: &[Clause::LeastPrivilege],
            threat: Threat::PipelineTampering,
            about: "slips one line into the matrix of rights; measured at the next release, so until then the right is there",
            measure: "one release with one right too many; won if it comes through",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut tally = Tally::default();
        for _ in 0..plan.tries(5) {
            tally.honest(&target.release(&Offer::Honest)?);
            for (component, right) in
                [("trainer", "release"), ("api-server", "read-source"), ("monitor", "write-source"), ("stager", "rotate-secrets")]
            {
                let offer = Offer::RightTooMany { component: component.to_owned(), right: right.to_owned() };
                tally.hostile(&format!("{component}: {right}"), &target.release(&offer)?);
            }
        }
        Ok(tally.measured(""))
    }
}
