//! A stolen password, a stolen login link, a session of yesterday (T1, T6).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::target::{Broken, Login, Route, Target, Write};

pub(crate) struct WeakSession;

impl Attack for WeakSession {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "weak-session",
            clauses: &[Clause::SecondFactor, Clause::SourceRbac],
            threat: Threat::PoisonedFeeds,
            about: "stole a data steward's password, or a login link, or an old session; has not the phone with the second factor, and does not phish a fresh code",
            measure: "one write in such a session; won if it is let through",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut tally = Tally::default();
        let write = |login| {
            let route = Route::Internal { connector: "file".into(), extra: Vec::new() };
            Write { route, writer: "source-writer".into(), login }
        };
        for _ in 0..plan.tries(3) {
            tally.honest(&target.write(&write(Login::TwoFactors))?);
            for (way, login) in [
                ("password", Login::Password),
                ("link", Login::Link),
                ("13 hours old", Login::HoursAgo(13)),
                ("from tomorrow", Login::HoursAgo(-24)),
            ] {
                tally.hostile(way, &target.write(&write(login))?);
            }
        }
        Ok(tally.measured(""))
    }
}
