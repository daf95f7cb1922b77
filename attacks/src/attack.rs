//! An attack measures a defence: it tries, counts how often it won, and says how sure that is (T1 to T7).

use std::collections::BTreeMap;

use gate::{Clause, Threat};
use learn::interval::clopper_pearson;
use serde::Serialize;

use crate::target::{Broken, Defence, Judged, Target};

/// What an attack says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AttackCard {
    /// Unique, kebab-case.
    pub id: &'static str,
    /// The clauses of the threat model that it tries to break.
    pub clauses: &'static [Clause],
    /// The threat.
    pub threat: Threat,
    /// Goal, knowledge, capability; and what it does not try.
    pub about: &'static str,
    /// What one try is, and when it counts as won.
    pub measure: &'static str,
    /// How often it may win while the defence is on.
    pub bar: Bar,
}

/// How often an attack may win while the defence is on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bar {
    /// At most this share of the tries; more is a failure of the defence.
    AtMost(f64),
    /// A gap that is known and stated: the figure is for people, whatever it is.
    KnownGap,
}

/// How much an attack tries, and where its draws begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Same seed, same tries.
    pub seed: u64,
    /// A fifth of the tries.
    pub quick: bool,
}

impl Plan {
    /// `full` tries, or a fifth of them (at least one) where it must be quick.
    pub fn tries(self, full: u64) -> u64 {
        if self.quick { (full / 5).max(1) } else { full }
    }
}

/// A program that tries to break a clause.
pub trait Attack: Sync {
    /// What it says of itself.
    fn card(&self) -> &'static AttackCard;
    /// Tries, against the defence as the target has it now. The error says that the target could not play, never that it won.
    fn run(&self, target: &mut dyn Target, plan: Plan) -> Result<Measured, Broken>;
}

/// Tries and wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Tries.
    pub tried: u64,
    /// Tries that counted.
    pub won: u64,
}

impl Count {
    /// Share of wins; 0 where nothing was tried.
    pub fn share(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "tries stay far below 2^53")]
        let share = self.won as f64 / self.tried.max(1) as f64;
        share
    }

    fn add(&mut self, won: bool) {
        self.tried += 1;
        self.won += u64::from(won);
    }
}

/// What an attack measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Hostile tries.
    pub tried: u64,
    /// Those that won.
    pub succeeded: u64,
    /// 95 % interval of the share of wins (Clopper and Pearson 1934). Tries of a fixed rule are no sample: there it only says how
    /// many were made.
    pub interval: (f64, f64),
    /// Honest twins: the same without the hostile part; won means let through.
    pub honest: Count,
    /// By way of attacking.
    pub ways: BTreeMap<String, Count>,
    /// Which gate stopped how many.
    pub stopped_by: BTreeMap<String, u64>,
    /// A further word.
    pub detail: String,
}

impl Measured {
    /// Share of wins.
    pub fn share(&self) -> f64 {
        Count { tried: self.tried, won: self.succeeded }.share()
    }
}

/// Counts while an attack runs.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    all: Count,
    honest: Count,
    ways: BTreeMap<String, Count>,
    stopped_by: BTreeMap<String, u64>,
}

impl Tally {
    /// A hostile try; won when it was let through.
    pub fn hostile(&mut self, way: &str, judged: &Judged) {
        self.tried(way, judged.let_through, judged);
    }

    /// A hostile try that won or not, whatever let it through.
    pub fn tried(&mut self, way: &str, won: bool, judged: &Judged) {
        self.all.add(won);
        self.ways.entry(way.to_owned()).or_default().add(won);
        if !won && !judged.by.is_empty() {
            *self.stopped_by.entry(judged.by.clone()).or_default() += 1;
        }
    }

    /// An honest twin.
    pub fn honest(&mut self, judged: &Judged) {
        self.honest.add(judged.let_through);
        if !judged.let_through {
            *self.stopped_by.entry(format!("honest: {}", judged.by)).or_default() += 1;
        }
    }

    /// The sum.
    pub fn measured(self, detail: impl Into<String>) -> Measured {
        Measured {
            tried: self.all.tried,
            succeeded: self.all.won,
            interval: clopper_pearson(self.all.won, self.all.tried),
            honest: self.honest,
            ways: self.ways,
            stopped_by: self.stopped_by,
            detail: detail.into(),
        }
    }
}

/// An attack with the defence off and on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Duel {
    /// The attack.
    pub card: &'static AttackCard,
    /// Without the gates.
    pub off: Measured,
    /// With them.
    pub on: Measured,
}

impl Duel {
    /// Whether the attack wins where nothing defends; one that does not measures nothing.
    pub fn is_sane(&self) -> bool {
        self.off.tried > 0 && self.off.share() >= WIN_SHARE_MIN
    }

    /// Whether the defence kept the bar.
    pub fn keeps(&self) -> bool {
        match self.card.bar {
            Bar::AtMost(most) => self.on.tried > 0 && self.on.share() <= most,
            Bar::KnownGap => true,
        }
    }
}

/// An attack that wins less often where nothing defends is broken.
const WIN_SHARE_MIN: f64 = 0.8;

/// Runs an attack twice with the same seed: against the same code without its gates, and with them.
pub fn duel(attack: &dyn Attack, target: &mut dyn Target, plan: Plan) -> Result<Duel, Broken> {
    target.defend(Defence::Off);
    let off = attack.run(target, plan)?;
    target.defend(Defence::On);
    let on = attack.run(target, plan)?;
    Ok(Duel { card: attack.card(), off, on })
}
