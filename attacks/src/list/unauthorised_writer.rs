//! A component or a caller without the right to write, writing (T1, T6).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::target::{Broken, Login, Route, Target, Write};

pub(crate) struct UnauthorisedWriter;

impl Attack for UnauthorisedWriter {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "unauthorised-writer",
            clauses: &[Clause::AuthorisedWriters, Clause::SourceRbac],
            threat: Threat::PoisonedFeeds,
            about: "took over a component other than the writer, or made up one; knows the table's format; does not take over the writer itself",
            measure: "one write of internal rows; won if it is let through",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut tally = Tally::default();
        let write = |writer: &str| {
            let route = Route::Internal { connector: "file".into(), extra: Vec::new() };
            Write { route, writer: writer.to_owned(), login: Login::TwoFactors }
        };
        for _ in 0..plan.tries(3) {
            tally.honest(&target.write(&write("source-writer"))?);
            for writer in ["trainer", "api-server", "label-qa", "cron-job", ""] {
                tally.hostile(if writer.is_empty() { "nobody" } else { writer }, &target.write(&write(writer))?);
            }
        }
        Ok(tally.measured(""))
    }
}
