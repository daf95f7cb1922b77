//! A labeller hides churners among the labels that he gave himself, in a version that changes little (T6).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::target::{Broken, LabelMove, Person, Target};

/// Labels that he gave.
const OWN: usize = 500;
/// Of these, labels that he turns from churned to stayed: one in ten.
const HIDDEN: usize = 50;

pub(crate) struct DirectedLabeller;

impl Attack for DirectedLabeller {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "directed-labeller",
            clauses: &[Clause::LabelQa],
            threat: Threat::LabelTampering,
            about: "gave 500 of the labels, hides churners in one of ten of them, and both approvers sign without looking; colleagues labelled the others",
            measure: "one version; won if it is let through",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut draw = Draw::new(plan.seed, self.card().id);
        let mut tally = Tally::default();
        let labels = target.labels();
        for _ in 0..plan.tries(4) {
            let own = draw.some(OWN, labels.len());
            let churned = |at: &usize| labels.get(*at).is_some_and(|(_, churned)| *churned);
            let churners: Vec<usize> = own.iter().copied().filter(churned).collect();
            let change = |flips| LabelMove {
                flips,
                author: Person::Labeller,
                signers: vec![Person::Approver, Person::SecondApprover],
                swapped_after: false,
                archive_rewritten: false,
                own: own.clone(),
                second_labels: false,
            };
            tally.honest(&target.label(&change(draw.some(2, labels.len())))?);
            let flips = draw.some(HIDDEN, churners.len()).into_iter().filter_map(|at| churners.get(at).copied()).collect();
            tally.hostile("50 of 500 hidden", &target.label(&change(flips))?);
        }
        Ok(tally.measured(""))
    }
}
