//! Runs every attack on every target and keeps the strongest (T2): defences that were judged by one weak attack fell to the next one
//! (Aerni, Zhang and Tramer, CCS 2024).

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;

use crate::error::LeakError;
use crate::figures::{FALSE_ALARMS, Figures, Rate, figures};
use crate::lira::{self, Spread};
use crate::panel::Panel;
use crate::rmia::{self, World};

/// A way to tell members from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attack {
    /// LiRA with four facts of each row: two means, two spreads.
    Lira,
    /// LiRA with one spread for a row.
    LiraRow,
    /// LiRA with the spreads of all rows.
    LiraFixed,
    /// RMIA with models that hold the row and models that do not.
    RmiaOnline,
    /// RMIA with a few models that do not hold the row.
    RmiaOffline,
    /// How sure the target is of the true label: needs no other model.
    Loss,
    /// LiRA of answers without scores.
    LabelOnly,
}

impl Attack {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Lira, Self::LiraRow, Self::LiraFixed, Self::RmiaOnline, Self::RmiaOffline, Self::Loss, Self::LabelOnly];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lira => "LiRA",
            Self::LiraRow => "LiRA, one spread a row",
            Self::LiraFixed => "LiRA, fixed spread",
            Self::RmiaOnline => "RMIA online",
            Self::RmiaOffline => "RMIA offline",
            Self::Loss => "loss",
            Self::LabelOnly => "label only",
        }
    }
}

/// What the attacks may choose.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Settings {
    /// Least distance of a confidence from 0 and 1 in log odds, above 0 to 0.1.
    pub clip: f64,
    /// By how much RMIA's row must beat another, 1 and above to 100.
    pub gamma: f64,
    /// OUT models of RMIA offline, 1 and above.
    pub references: usize,
    /// RMIA offline's `a`, 0 to 1: how much of the confidence of models that hold a row is known from those that do not.
    pub offline_slope: f64,
    /// Scores of at least this are answered "positive".
    pub threshold: f64,
}

impl Default for Settings {
    fn default() -> Self {
        // Four references: the least of the paper's tables that comes near to many.
        Self { clip: 1e-4, gamma: 1.0, references: 4, offline_slope: 0.3, threshold: 0.5 }
    }
}

impl Settings {
    fn check(&self) -> Result<(), LeakError> {
        let within = |name, value: f64, least: f64, most: f64, allowed| {
            if value >= least && value <= most {
                return Ok(());
            }
            Err(LeakError::Setting { name, seen: value.to_string(), allowed })
        };
        within("clip", self.clip, 1e-300, 0.1, "1e-300 to 0.1")?;
        within("gamma", self.gamma, 1.0, 100.0, "1 to 100")?;
        within("references", self.references as f64, 1.0, 1e6, "1 to 1000000")?;
        within("offline_slope", self.offline_slope, 0.0, 1.0, "0 to 1")?;
        within("threshold", self.threshold, 0.0, 1.0, "0 to 1")
    }
}

/// What all attacks reached together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Leak {
    /// Trials with members, over all targets.
    pub members: u64,
    /// Trials with non-members.
    pub non_members: u64,
    /// Each attack's figures.
    pub attacks: BTreeMap<Attack, Figures>,
}

impl Leak {
    /// The attack that finds most members at one of [`FALSE_ALARMS`], with its rate; `None` for another rate, or where too few
    /// non-members were there. Its interval is that of one attack: the highest of seven is a little high by chance.
    pub fn worst(&self, false_alarms: f64) -> Option<(Attack, Rate)> {
        let at = FALSE_ALARMS.iter().position(|&rate| rate == false_alarms)?;
        let measured = self.attacks.iter().filter_map(|(&attack, figures)| {
            let rate = figures.rates[at];
            rate.tpr().map(|tpr| (tpr, attack, rate))
        });
        measured.max_by(|left, right| left.0.total_cmp(&right.0)).map(|(_, attack, rate)| (attack, rate))
    }

    /// The higher upper end of the worst attack's two intervals at a rate of false alarms ([`Figures::high`]); 1 where it could not be
    /// measured.
    pub fn high(&self, false_alarms: f64) -> f64 {
        let at = FALSE_ALARMS.iter().position(|&rate| rate == false_alarms);
        let worst = self.worst(false_alarms).and_then(|(attack, _)| self.attacks.get(&attack));
        at.zip(worst).map_or(1.0, |(at, figures)| figures.high(at))
    }

    /// The highest area under the curve.
    pub fn auc(&self) -> f64 {
        self.attacks.values().map(|figures| figures.auc).fold(f64::NAN, f64::max)
    }
}

/// One signal for each row of the panel, by one attack on one of its models; the higher, the likelier a member.
///
/// # Errors
/// A target that is not there, fewer than two models, settings outside their ranges.
pub fn signals(panel: &Panel, target: usize, attack: Attack, settings: &Settings) -> Result<Vec<f64>, LeakError> {
    check(panel, &[target], settings)?;
    Ok(run(panel, &lira::log_odds(panel, settings.clip), target, attack, settings))
}

/// All attacks on so many targets of the panel, each with all other models as references; trials of all targets together.
///
/// # Errors
/// As [`signals`].
pub fn judge(panel: &Panel, targets: &[usize], settings: &Settings) -> Result<Leak, LeakError> {
    check(panel, targets, settings)?;
    let odds = lira::log_odds(panel, settings.clip);
    let member: Vec<bool> = targets.iter().flat_map(|&target| panel.trained(target).iter().copied()).collect();
    let attacks = Attack::ALL.map(|attack| {
        let all: Vec<Vec<f64>> = targets.par_iter().map(|&target| run(panel, &odds, target, attack, settings)).collect();
        (attack, figures(&all.concat(), &member, panel.rows()))
    });
    let members = member.iter().filter(|&&member| member).count();
    Ok(Leak { members: members as u64, non_members: (member.len() - members) as u64, attacks: attacks.into_iter().collect() })
}

fn check(panel: &Panel, targets: &[usize], settings: &Settings) -> Result<(), LeakError> {
    settings.check()?;
    if panel.models() < 2 {
        return Err(LeakError::Count { what: "models of the panel", expected: 2, seen: panel.models() });
    }
    match targets.iter().find(|&&target| target >= panel.models()) {
        Some(&target) => Err(LeakError::Count { what: "models of the panel", expected: target + 1, seen: panel.models() }),
        None => Ok(()),
    }
}

fn run(panel: &Panel, odds: &[f64], target: usize, attack: Attack, settings: &Settings) -> Vec<f64> {
    match attack {
        Attack::Lira => lira::signals(panel, odds, target, Spread::Apart),
        Attack::LiraRow => lira::signals(panel, odds, target, Spread::Row),
        Attack::LiraFixed => lira::signals(panel, odds, target, Spread::Fixed),
        Attack::RmiaOnline => rmia::signals(panel, target, World::Online, settings),
        Attack::RmiaOffline => rmia::signals(panel, target, World::Offline, settings),
        Attack::Loss => odds[target * panel.rows()..(target + 1) * panel.rows()].to_vec(),
        Attack::LabelOnly => lira::label_signals(panel, target, settings),
    }
}
