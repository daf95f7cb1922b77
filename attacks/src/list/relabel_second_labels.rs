//! A patient insider stays below the share of labels that one version may change, where somebody else labels random rows again (T6).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::target::{Broken, LabelMove, Person, Target};

/// Share of the labels that are turned round: below the usual policy's 5 %.
const SHARE: f64 = 0.04;

/// At 4 % wrong labels the draw for 2 % misses all of them once in four hundred times.
const MISSED_MAX: f64 = 0.05;

pub(crate) struct RelabelSecondLabels;

impl Attack for RelabelSecondLabels {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "relabel-second-labels",
            clauses: &[Clause::LabelQa],
            threat: Threat::LabelTampering,
            about: "the same as relabel-below-limit, and both approvers sign without looking; a fourth person labels random rows again without their labels, so many that 2 % of wrong ones show but once in twenty times",
            measure: "one version; won if it is let through",
            bar: Bar::AtMost(MISSED_MAX),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut draw = Draw::new(plan.seed, self.card().id);
        let mut tally = Tally::default();
        let labels = target.labels();
        let churners: Vec<usize> = (0..labels.len()).filter(|at| labels.get(*at).is_some_and(|(_, churned)| *churned)).collect();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a row count"
        )]
        let count = (labels.len() as f64 * SHARE) as usize;
        for _ in 0..plan.tries(4) {
            let flips = draw.some(count, churners.len()).into_iter().filter_map(|at| churners.get(at).copied()).collect();
            let change = LabelMove {
                flips,
                author: Person::Labeller,
                signers: vec![Person::Approver, Person::SecondApprover],
                swapped_after: false,
                archive_rewritten: false,
                own: Vec::new(),
                second_labels: true,
            };
            tally.honest(&target.label(&LabelMove { flips: Vec::new(), ..change.clone() })?);
            tally.hostile("4 % churners", &target.label(&change)?);
        }
        Ok(tally.measured(""))
    }
}
