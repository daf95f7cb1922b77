//! One insider turns labels round and tries to get them through alone (T6).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::target::{Broken, LabelMove, Person, Target};

/// Labels that are turned round: few enough to be no mass change.
const FLIPS: usize = 10;

pub(crate) struct LabelInsider;

impl Attack for LabelInsider {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "label-insider",
            clauses: &[Clause::SignOff],
            threat: Threat::LabelTampering,
            about: "may propose or approve labels, not both alone; turns ten labels round and hands them in unsigned, signs them himself (twice, too), signs as the second author, or swaps them in after others signed; does not win a colleague over",
            measure: "one version with ten labels turned round; won if it is let through",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        use Person::{Approver, Labeller, SecondApprover};
        let mut draw = Draw::new(plan.seed, self.card().id);
        let mut tally = Tally::default();
        let labels = target.labels().len();
        let ways: [(&str, Person, &[Person], bool); 5] = [
            ("unsigned", Labeller, &[], false),
            ("one signature", Labeller, &[Approver], false),
            ("author signs", Approver, &[Approver, SecondApprover], false),
            ("one signs twice", Labeller, &[Approver, Approver], false),
            ("swapped after signing", Labeller, &[Approver, SecondApprover], true),
        ];
        for _ in 0..plan.tries(4) {
            let honest = LabelMove {
                flips: draw.some(2, labels),
                author: Labeller,
                signers: vec![Approver, SecondApprover],
                swapped_after: false,
                archive_rewritten: false,
                own: Vec::new(),
                second_labels: false,
            };
            tally.honest(&target.label(&honest)?);
            for (way, author, signers, swapped_after) in ways {
                let change = LabelMove {
                    flips: draw.some(FLIPS, labels),
                    author,
                    signers: signers.to_vec(),
                    swapped_after,
                    archive_rewritten: false,
                    own: Vec::new(),
                    second_labels: false,
                };
                tally.hostile(way, &target.label(&change)?);
            }
        }
        Ok(tally.measured(""))
    }
}
