//! Many labels turned round at once, with approvers who sign whatever comes (T6).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::target::{Broken, LabelMove, Person, Target};

/// Shares of the labels that are turned round; the usual policy lets 5 % change.
const SHARES: [f64; 4] = [0.06, 0.10, 0.20, 0.40];

pub(crate) struct MassRelabelling;

impl Attack for MassRelabelling {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "mass-relabelling",
            clauses: &[Clause::LabelQa],
            threat: Threat::LabelTampering,
            about: "may propose labels, and both approvers sign without looking; turns 6 to 40 % round, at random or only churners; a patient insider below the limit is relabel-below-limit",
            measure: "one version; won if it is let through",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut draw = Draw::new(plan.seed, self.card().id);
        let mut tally = Tally::default();
        let labels = target.labels();
        let churners: Vec<usize> = (0..labels.len()).filter(|at| labels.get(*at).is_some_and(|(_, churned)| *churned)).collect();
        let change = |flips| LabelMove {
            flips,
            author: Person::Labeller,
            signers: vec![Person::Approver, Person::SecondApprover],
            swapped_after: false,
            archive_rewritten: false,
            own: Vec::new(),
            second_labels: false,
        };
        for _ in 0..plan.tries(4) {
            tally.honest(&target.label(&change(draw.some(2, labels.len())))?);
            for share in SHARES {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    clippy::cast_precision_loss,
                    reason = "a share of a row count"
                )]
                let count = (labels.len() as f64 * share).ceil() as usize;
                let flips = draw.some(count, labels.len());
                tally.hostile(&format!("{:.0} % at random", share * 100.0), &target.label(&change(flips))?);
                let flips = draw.some(count, churners.len()).into_iter().filter_map(|at| churners.get(at).copied()).collect();
                tally.hostile(&format!("{:.0} % churners", share * 100.0), &target.label(&change(flips))?);
            }
        }
        Ok(tally.measured(""))
    }
}
