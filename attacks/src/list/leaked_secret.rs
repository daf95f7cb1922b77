//! A key or token in a script of the project, where everybody who may read the script has it (T4).

use gate::{Clause, Threat};

use crate::attack::{Attack, AttackCard, Bar, Measured, Plan, Tally};
use crate::draw::Draw;
use crate::target::{Broken, Offer, Target};

pub(crate) struct LeakedSecret;

impl Attack for LeakedSecret {
    fn card(&self) -> &'static AttackCard {
        const CARD: AttackCard = AttackCard {
            id: "leaked-secret",
            clauses: &[Clause::KeyVault],
            threat: Threat::PipelineTampering,
            about: "a careless colleague leaves a private key or one of this program's tokens in a script or setting; secrets of other programs and disguised ones are another attack",
            measure: "one release with such a file in the project; won if it comes through",
            bar: Bar::AtMost(0.0),
        };
        &CARD
    }

    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken> {
        let mut draw = Draw::new(plan.seed, self.card().id);
        let mut tally = Tally::default();
        for _ in 0..plan.tries(5) {
            tally.honest(&target.release(&file("deploy.sh", "#!/bin/sh\nset -eu\n# key: see the vault\nstayward serve\n"))?);
            let key = draw.hex(56);
            for (way, name, text) in [
                ("API key", "deploy.sh", format!("export KEY=swk_{}_{key}\n", draw.hex(16))),
                ("component token", "jobs.yaml", format!("token: swc_{}_{key}\n", draw.hex(16))),
                ("private key", "notes.txt", format!("-----BEGIN {}-----\n{key}\n-----END {}-----\n", PEM, PEM)),
            ] {
                tally.hostile(way, &target.release(&file(name, &text))?);
            }
        }
        Ok(tally.measured("honest: a script without secrets"))
    }
}

/// The label of a private key in PEM (RFC 7468, section 10).
const PEM: &str = "PRIVATE KEY";

pub(super) fn file(name: &str, text: &str) -> Offer {
    Offer::File { name: name.to_owned(), text: text.to_owned() }
}
