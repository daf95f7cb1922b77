//! A secret that does not look like one: wrapped, or of another program (T4).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::list::leaked_secret::file;
use crate::target::{Broken, Target};

pub(crate) struct DisguisedSecret;

impl Attack for DisguisedSecret {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "disguised-secret",
            clauses: &[Clause::KeyVault],
            threat: Threat::PipelineTampering,
            about: "knows what the search looks for; splits a token over two lines, writes it as hex, or leaves a password of another program",
            measure: "one release with such a file in the project; won if it comes through",
            bar: Bar::KnownGap,
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut draw = Draw::new(plan.seed, self.card().id);
        let mut tally = Tally::default();
        for _ in 0..plan.tries(5) {
            let key = draw.hex(56);
            for (way, text) in [
                ("split", format!("A=swk\nB=_{}_{key}\n", draw.hex(16))),
                ("hex", format!("KEY={}\n", key.bytes().map(|byte| format!("{byte:02x}")).collect::<String>())),
                ("other program", format!("PGPASSWORD={}\n", draw.hex(20))),
            ] {
                tally.hostile(way, &target.release(&file("deploy.sh", &text))?);
            }
        }
        Ok(tally.measured("a search for known forms finds known forms"))
    }
}
