//! The attacks of `attacks/` played against the real gatehouses, on a project of their own that is made, attacked and deleted (T1 to
//! T7): what is measured here is what ships.

mod field;
mod intake;
mod labels;
mod release;
mod serving;
mod world;

use attacks::{Attack, Duel, Plan, duel};
use serde::Serialize;

pub use field::Field;

use crate::PipelineError;

/// What all attacks measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Same seed, same tries.
    pub seed: u64,
    /// Whether only a fifth of the tries was made.
    pub quick: bool,
    /// One per attack.
    pub duels: Vec<Duel>,
}

impl Report {
    /// Attacks that won more often than their bar allows.
    pub fn broken(&self) -> Vec<&'static str> {
        self.duels.iter().filter(|duel| !duel.keeps()).map(|duel| duel.card.id).collect()
    }

    /// Attacks that do not win where nothing defends: they measure nothing.
    pub fn blunt(&self) -> Vec<&'static str> {
        self.duels.iter().filter(|duel| !duel.is_sane()).map(|duel| duel.card.id).collect()
    }
}

/// Makes a project, plays the attacks against it with the defence off and on, deletes it. It waits for async parts, so call it from
/// a thread that may block.
pub fn run(attacks: &[&'static dyn Attack], plan: Plan, tell: &mut dyn FnMut(&Duel)) -> Result<Report, PipelineError> {
    let mut field = Field::set(plan.seed)?;
    let mut duels = Vec::new();
    for attack in attacks {
        let fought = duel(*attack, &mut field, plan)
            .map_err(|error| PipelineError::Internal(format!("attack `{}`: {error}", attack.card().id)))?;
        tell(&fought);
        duels.push(fought);
    }
    Ok(Report { seed: plan.seed, quick: plan.quick, duels })
}

#[cfg(test)]
mod tests;
