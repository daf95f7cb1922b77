//! A patient insider stays below the share of labels that one version may change (T6).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::target::{Broken, LabelMove, Person, Target};

/// Share of the labels that are turned round: below the usual policy's 5 %.
const SHARE: f64 = 0.04;

pub(crate) struct RelabelBelowLimit;

impl Attack for RelabelBelowLimit {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "relabel-below-limit",
            clauses: &[Clause::LabelQa, Clause::SignOff],
            threat: Threat::LabelTampering,
            about: "knows the limit, turns 4 % of the churners round, and both approvers sign without looking; shows what only people who look can stop",
            measure: "one version; won if it is let through",
            bar: Bar::KnownGap,
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
                second_labels: false,
            };
            tally.hostile("4 % churners", &target.label(&change)?);
        }
        Ok(tally.measured("limits slow it; only people who look stop it"))
    }
}
