//! A package with a name one slip away from a well-known one (T7).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::list::unpinned_dependency::hash;
use crate::target::{Broken, Parts, Target};

/// Slips of well-known names.
const SQUATS: [&str; 8] = ["nunpy", "pandsa", "scikit-lean", "xgbost", "requestss", "cryptographi", "pyarow", "matplotlb"];
/// Names that are themselves.
const HONEST: [&str; 5] = ["numpy", "pandas", "scikit-learn", "xgboost", "requests"];

pub(crate) struct Typosquat;

impl Attack for Typosquat {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "typosquat",
            clauses: &[Clause::Vetting],
            threat: Threat::SupplyChain,
            about: "publishes a package under a slipped name and gets it pinned, with its hash, into the requirements; a plausible new name that resembles nothing (confused plugin, dependency confusion) passes this rule",
            measure: "one staging with one such package; won if it comes through",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut draw = Draw::new(plan.seed, self.card().id);
        let mut tally = Tally::default();
        for _ in 0..plan.tries(5) {
            for name in HONEST {
                tally.honest(&target.stage(&Parts::Requirements(format!("{name}==1.0.0 {}\n", hash(&mut draw))))?);
            }
            for name in SQUATS {
                tally.hostile(name, &target.stage(&Parts::Requirements(format!("{name}==1.0.0 {}\n", hash(&mut draw))))?);
            }
        }
        Ok(tally.measured(""))
    }
}
