//! Third-party rows that walk around data validation into the data source (T1).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::target::{Broken, Login, Proof, Route, Target, Write};

pub(crate) struct BypassValidation;

impl Attack for BypassValidation {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "bypass-validation",
            clauses: &[Clause::CannotBypass],
            threat: Threat::PoisonedFeeds,
            about: "may start the writing component with a session of its own; hands in third-party rows without a receipt, with the receipt of another delivery, with more rows than were let through, with a receipt that is in no log; does not write the table's files by hand (its own log shows that)",
            measure: "one write; won if it is let through",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut tally = Tally::default();
        let write = |proof| Write { route: Route::Feed(proof), writer: "source-writer".into(), login: Login::TwoFactors };
        for _ in 0..plan.tries(3) {
            tally.honest(&target.write(&write(Proof::Own))?);
            for (way, proof) in [
                ("no receipt", Proof::None),
                ("another's", Proof::Anothers),
                ("more rows", Proof::MoreRows),
                ("unlogged", Proof::Unlogged),
            ] {
                tally.hostile(way, &target.write(&write(proof))?);
            }
        }
        Ok(tally.measured(""))
    }
}
