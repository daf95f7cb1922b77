//! A right that somebody added to a component, so that taking that one over is enough, or a careless rule of access (T4).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::target::{Broken, Offer, Target};

/// Lines that read well and open too much; each is put into the project's rules of access.
const CARELESS: [(&str, &str); 3] = [
    ("everybody reads", "permit (principal, action in [Action::\"read-source\", Action::\"write-source\"], resource);"),
    ("the on-call person", "permit (principal == Person::\"ada\", action, resource);"),
    ("a key for metrics", "permit (principal is Application, action, resource) when { principal.rights.contains(\"metrics\") };"),
];

pub(crate) struct RightTooMany;

impl Attack for RightTooMany {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "right-too-many",
            clauses: &[Clause::LeastPrivilege],
            threat: Threat::PipelineTampering,
            about: "slips one line into the rules of access; measured at the next release, so until then the right is there",
            measure: "one release with one right or one careless rule too many; won if it comes through",
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
            for (name, rule) in CARELESS {
                let text = format!("@id(\"careless\") @why(\"{name}\") @fix(\"none\") {rule}\n");
                let offer = Offer::File { name: "access.cedar".to_owned(), text };
                tally.hostile(name, &target.release(&offer)?);
            }
        }
        Ok(tally.measured(""))
    }
}
