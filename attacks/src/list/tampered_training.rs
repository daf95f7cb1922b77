//! Training with other hyperparameters, another policy, another program, other data or labels than agreed (T4, T1, T6).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::target::{Broken, Tampering, Target};

pub(crate) struct TamperedTraining;

impl Attack for TamperedTraining {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "tampered-training",
            clauses: &[Clause::PinnedTraining],
            threat: Threat::PipelineTampering,
            about: "took over the training job, not the log's key; changes what it trains with and hands the model in with honest figures; a backdoor in cleared data with agreed parameters is not seen here",
            measure: "one candidate; won if it comes through",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut tally = Tally::default();
        for _ in 0..plan.tries(5) {
            tally.honest(&target.train(Tampering::None)?);
            let ways = [
                ("hyperparameters", Tampering::Parameters),
                ("policy mid-run", Tampering::PolicyMidRun),
                ("other program", Tampering::Program),
                ("other data", Tampering::Data),
                ("other labels", Tampering::Labels),
            ];
            for (way, tampering) in ways {
                tally.hostile(way, &target.train(tampering)?);
            }
        }
        Ok(tally.measured(""))
    }
}
