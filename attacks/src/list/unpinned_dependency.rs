//! A package whose version or bytes somebody else chooses at install time (T7).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::target::{Broken, Parts, Target};

pub(crate) struct UnpinnedDependency;

impl Attack for UnpinnedDependency {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "unpinned-dependency",
            clauses: &[Clause::PinnedChecksums],
            threat: Threat::SupplyChain,
            about: "adds a line to the pipeline's requirements: a range, no version, no hash, a bare address; a pinned package that was hostile from the start is not seen by this rule",
            measure: "one staging with one such line; won if it comes through",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut draw = Draw::new(plan.seed, self.card().id);
        let mut tally = Tally::default();
        for _ in 0..plan.tries(5) {
            let pinned = format!("numpy==2.3.4 {}\n", hash(&mut draw));
            tally.honest(&target.stage(&Parts::Requirements(pinned.clone()))?);
            for (way, line) in [
                ("range", format!("pandas>=2.0 {}", hash(&mut draw))),
                ("no version", "pandas".to_owned()),
                ("no hash", "pandas==2.3.3".to_owned()),
                ("git address", "pandas @ git+https://example.org/pandas.git".to_owned()),
            ] {
                tally.hostile(way, &target.stage(&Parts::Requirements(format!("{pinned}{line}\n")))?);
            }
        }
        Ok(tally.measured("honest: an exact version with its hash"))
    }
}

/// A digest as pip writes it.
pub(super) fn hash(draw: &mut Draw) -> String {
    format!("--hash=sha256:{}", draw.hex(64))
}
