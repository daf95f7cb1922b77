//! A hostile package whose name resembles nothing closely enough: two slips away, or a likely extra (T7).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::list::unpinned_dependency::hash;
use crate::target::{Broken, Parts, Target};

/// Names that a tired reviewer takes for what they are not.
const NAMES: [&str; 4] = ["cryptografy", "pandas-turbo", "churn-utils", "xgboost-gpu-wheels"];

pub(crate) struct PlausibleName;

impl Attack for PlausibleName {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "plausible-name",
            clauses: &[Clause::Vetting],
            threat: Threat::SupplyChain,
            about: "publishes a package two slips from a known name, or with a name that sounds like an extra, and gets it pinned with its hash; what the package does is not looked at by any rule",
            measure: "one staging with one such package; won if it comes through",
            bar: Bar::KnownGap,
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut draw = Draw::new(plan.seed, self.card().id);
        let mut tally = Tally::default();
        for _ in 0..plan.tries(5) {
            for name in NAMES {
                tally.hostile(name, &target.stage(&Parts::Requirements(format!("{name}==1.0.0 {}\n", hash(&mut draw))))?);
            }
        }
        Ok(tally.measured("pinned is not vetted: people must read what is new"))
    }
}
