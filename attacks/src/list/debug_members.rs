//! Answers that tell of the model's inside, because somebody left a debugging switch on (T3).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::target::{Broken, Target};

/// What such switches tell.
const MEMBERS: [(&str, &str); 8] = [
    ("probability", "0.7312"),
    ("votes", "[0.71,0.69,0.79]"),
    ("shap", "tenure: -0.31"),
    ("columns", "tenure,monthly_charge"),
    ("trees", "300"),
    ("elapsed_ms", "12"),
    ("trace", "at ensemble.rs:143"),
    ("training_rows", "9000"),
];

pub(crate) struct DebugMembers;

impl Attack for DebugMembers {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "debug-members",
            clauses: &[Clause::RestrictedDebugging],
            threat: Threat::ModelTheft,
            about: "a developer's switch adds members to the answers, and whoever asks reads them; timing of the whole answer is not measured",
            measure: "one answer with one member too many; won if it is sent",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut tally = Tally::default();
        for _ in 0..plan.tries(5) {
            tally.honest(&target.debug(&std::collections::BTreeMap::new())?);
            for (name, value) in MEMBERS {
                let members = [(name.to_owned(), value.to_owned())].into();
                tally.hostile(name, &target.debug(&members)?);
            }
        }
        Ok(tally.measured(""))
    }
}
