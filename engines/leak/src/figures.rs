//! Turns signals into figures that a gate can judge: how many members are found while almost nobody is accused wrongly (T2).

use learn::interval::clopper_pearson;
use learn::metrics;
use serde::Serialize;

use crate::people::intervals;

/// Rates of false alarms at which the share of members found is measured.
pub const FALSE_ALARMS: [f64; 2] = [0.001, 0.01];
/// False alarms that a rate must stand on: fewer, and it is known to no better than a factor of two.
const ALARMS_MIN: f64 = 10.0;
/// Seed of the draws of people: the same trials, the same interval.
const SEED: u64 = 20_261_123;

/// The share of members found at a rate of false alarms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rate {
    /// There were enough non-members.
    Measured {
        /// Share of members found; chance finds as many as false alarms.
        tpr: f64,
        /// Lower end of the exact 95 % interval.
        low: f64,
        /// Upper end. Trials of one person by many models count as many trials here; [`Figures::people`] does not count so.
        high: f64,
    },
    /// Too few non-members for that rate.
    NotMeasurable {
        /// How many there were.
        non_members: u64,
        /// How many it takes.
        needed: u64,
    },
}

impl Rate {
    /// The share found, where it was measured.
    pub fn tpr(&self) -> Option<f64> {
        match self {
            Self::Measured { tpr, .. } => Some(*tpr),
            Self::NotMeasurable { .. } => None,
        }
    }

    /// The upper end of the interval; 1 where it was not measured, so that nothing passes unmeasured.
    pub fn high(&self) -> f64 {
        match self {
            Self::Measured { high, .. } => *high,
            Self::NotMeasurable { .. } => 1.0,
        }
    }
}

/// What one attack reached.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Area under the ROC curve of members against non-members; 0.5 is chance.
    pub auc: f64,
    /// One for each of [`FALSE_ALARMS`].
    pub rates: [Rate; 2],
    /// The 95 % interval of each rate by draws of people with all their trials, cut and all; `None` where it was not measured.
    pub people: [Option<(f64, f64)>; 2],
}

impl Figures {
    /// The higher of the two intervals' upper ends at one of [`FALSE_ALARMS`], by its place; 1 where it was not measured.
    pub fn high(&self, at: usize) -> f64 {
        let exact = self.rates.get(at).map_or(1.0, Rate::high);
        self.people.get(at).copied().flatten().map_or(1.0, |(_, high)| high.max(exact))
    }
}

/// Non-members that a rate of false alarms takes: ten over the rate.
pub fn needed(false_alarms: f64) -> u64 {
    (ALARMS_MIN / false_alarms).round() as u64
}

/// Figures of signals (higher: more likely a member), one for each trial: so many people by one model, then the same by the next. The
/// shorter of the two slices decides.
pub fn figures(signals: &[f64], member: &[bool], people: usize) -> Figures {
    let points = metrics::ranking(signals, member);
    let rates = FALSE_ALARMS.map(|rate| rate_at(&points, rate));
    Figures { auc: metrics::roc_auc(signals, member), rates, people: intervals(signals, member, people, SEED) }
}

/// Between two points of the curve the attacker tosses a coin for the rows that tie: the straight line between them.
fn rate_at(points: &[(f64, u64, u64)], rate: f64) -> Rate {
    let (members, non_members) = points.last().map_or((0, 0), |last| (last.1, last.2));
    let needed = needed(rate);
    if non_members < needed || members == 0 {
        return Rate::NotMeasurable { non_members, needed };
    }
    let budget = rate * non_members as f64;
    let (mut before, mut found) = ((0.0, 0.0), 0.0);
    for &(_, hits, alarms) in points {
        let here = (hits as f64, alarms as f64);
        if here.1 > budget {
            found = before.0 + (here.0 - before.0) * (budget - before.1) / (here.1 - before.1);
            break;
        }
        (before, found) = (here, here.0);
    }
    let (low, high) = clopper_pearson(found.round() as u64, members);
    Rate::Measured { tpr: found / members as f64, low, high }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trials(members: usize, non_members: usize, signal: impl Fn(usize, bool) -> f64) -> Figures {
        let member: Vec<bool> = (0..members + non_members).map(|at| at < members).collect();
        let signals: Vec<f64> = member.iter().enumerate().map(|(at, &member)| signal(at, member)).collect();
        figures(&signals, &member, members + non_members)
    }

    #[test]
    fn a_perfect_attack_finds_all() {
        let found = trials(2_000, 10_000, |_, member| f64::from(u8::from(member)));
        assert_eq!(found.auc, 1.0);
        assert_eq!(found.rates.map(|rate| rate.tpr()), [Some(1.0), Some(1.0)]);
    }

    #[test]
    fn an_attack_that_says_the_same_of_all_is_chance() {
        let found = trials(20_000, 20_000, |_, _| 0.5);
        assert_eq!(found.auc, 0.5);
        assert!((found.rates[0].tpr().unwrap() - 0.001).abs() < 1e-12 && (found.rates[1].tpr().unwrap() - 0.01).abs() < 1e-12);
    }

    #[test]
    fn a_known_curve_is_read_where_it_should_be() {
        // Of 10,000 non-members the 10 highest are below 30 of 10,000 members and above the others.
        let found = trials(10_000, 10_000, |at, member| match (at, member) {
            (0..30, true) => 3.0,
            (10_000..10_010, false) => 2.0,
            _ => 0.0,
        });
        let Rate::Measured { tpr, low, high } = found.rates[0] else { panic!("{found:?}") };
        assert!(tpr == 0.003 && (0.0019..0.003).contains(&low) && (0.003..0.0044).contains(&high), "{found:?}");
    }

    #[test]
    fn too_few_non_members_are_said() {
        let found = trials(100, 999, |_, member| f64::from(u8::from(member)));
        assert_eq!(found.rates[0], Rate::NotMeasurable { non_members: 999, needed: 10_000 });
        assert_eq!(found.rates[1], Rate::NotMeasurable { non_members: 999, needed: 1_000 });
        assert_eq!([found.rates[1].high(), found.high(0), found.high(1), found.high(2)], [1.0; 4]);
        assert!(trials(100, 1_000, |_, _| 0.0).rates[1].tpr().is_some());
        assert!(figures(&[], &[], 0).auc.is_nan());
    }
}
