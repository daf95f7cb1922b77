//! Columns of the customer database that the pipeline has no business with, and connectors that nobody allowed (T1).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::target::{Broken, Login, Route, Target, Write};

pub(crate) struct InternalColumns;

impl Attack for InternalColumns {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "internal-columns",
            clauses: &[Clause::InternalAccess],
            threat: Threat::PoisonedFeeds,
            about: "may export internal data; brings columns that the contract does not name, or data by a connector of its own; does not hide data in a column that is allowed",
            measure: "one write; won if it is let through",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut tally = Tally::default();
        let write = |connector: &str, extra: &[&str]| {
            let route =
                Route::Internal { connector: connector.to_owned(), extra: extra.iter().map(|name| (*name).to_owned()).collect() };
            Write { route, writer: "source-writer".into(), login: Login::TwoFactors }
        };
        for _ in 0..plan.tries(3) {
            tally.honest(&target.write(&write("file", &[]))?);
            for (way, connector, extra) in
                [("iban", "file", "iban"), ("home address", "file", "home_address"), ("connector", "odbc", "")]
            {
                let extra: Vec<&str> = Some(extra).filter(|name| !name.is_empty()).into_iter().collect();
                tally.hostile(way, &target.write(&write(connector, &extra))?);
            }
        }
        Ok(tally.measured(""))
    }
}
