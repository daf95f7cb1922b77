//! Somebody with the disk rewrites archived labels, so that yesterday's truth agrees with today's lie (T6).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::target::{Broken, LabelMove, Person, Target};

pub(crate) struct ArchiveRewrite;

impl Attack for ArchiveRewrite {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "archive-rewrite",
            clauses: &[Clause::LabelArchive],
            threat: Threat::LabelTampering,
            about: "may write the archive's files, and both approvers sign in good faith what looks like a small correction; does not hold the log's signing key",
            measure: "one properly signed version on a rewritten archive; won if it is let through",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut draw = Draw::new(plan.seed, self.card().id);
        let mut tally = Tally::default();
        let labels = target.labels().len();
        for _ in 0..plan.tries(5) {
            let honest = LabelMove {
                flips: draw.some(2, labels),
                author: Person::Labeller,
                signers: vec![Person::Approver, Person::SecondApprover],
                swapped_after: false,
                archive_rewritten: false,
                own: Vec::new(),
                second_labels: false,
            };
            tally.honest(&target.label(&honest)?);
            tally.hostile("rewritten", &target.label(&LabelMove { archive_rewritten: true, ..honest })?);
        }
        Ok(tally.measured(""))
    }
}
