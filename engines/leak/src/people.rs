//! How sure a rate is when the same people are tried by many models (T2): one person who is easily found is found again and again, so
//! that trials are not as many facts as they are, and an exact interval of a binomial share is too narrow.
//!
//! People are drawn with replacement, each with all of its trials (the cluster bootstrap: Field and Welsh, JRSS B 2007), and the
//! attacker's cut is found again in every draw, which the exact interval takes as given.

use learn::rng::{Rng, derive};
use rayon::prelude::*;

use crate::figures::{FALSE_ALARMS, needed};

/// Draws of all people; the ends of the interval are the 25th of them from both sides.
const DRAWS: usize = 1_000;
/// Probability outside of the interval.
const ALPHA: f64 = 0.05;
/// The use of the caller's seed.
const SEED_DRAW: u64 = 0x1EA2;

/// Trials of one attack, the likeliest member first.
struct Trials {
    /// Person, whether a member, and whether it ties with the next.
    sorted: Vec<(u32, bool, bool)>,
    /// By person: trials as member, and as no member.
    counts: Vec<(f64, f64)>,
}

/// The 95 % interval of the share of members found at each of [`FALSE_ALARMS`], by draws of people; `None` where a rate cannot be
/// measured. Trials are `people` for one model, then `people` for the next; `seed` decides the draws.
pub(crate) fn intervals(signals: &[f64], member: &[bool], people: usize, seed: u64) -> [Option<(f64, f64)>; 2] {
    let trials = Trials::new(signals, member, people.max(1));
    let others: f64 = trials.counts.iter().map(|count| count.1).sum();
    let members: f64 = trials.counts.iter().map(|count| count.0).sum();
    if members == 0.0 || others < needed(FALSE_ALARMS[1]) as f64 {
        return [None; 2];
    }
    let draws: Vec<[f64; 2]> = (0..DRAWS).into_par_iter().map(|draw| trials.draw(derive(seed, SEED_DRAW, draw as u64))).collect();
    let ends = |at: usize| {
        let mut found: Vec<f64> = draws.iter().map(|draw| draw[at]).collect();
        found.sort_unstable_by(f64::total_cmp);
        let out = (DRAWS as f64 * ALPHA / 2.0) as usize;
        (found[out], found[DRAWS - 1 - out])
    };
    std::array::from_fn(|at| (others >= needed(FALSE_ALARMS[at]) as f64).then(|| ends(at)))
}

impl Trials {
    fn new(signals: &[f64], member: &[bool], people: usize) -> Self {
        let mut order: Vec<usize> = (0..signals.len().min(member.len())).collect();
        order.sort_by(|&left, &right| signals[right].total_cmp(&signals[left]));
        let mut counts = vec![(0.0, 0.0); people];
        for &at in &order {
            let count = &mut counts[at % people];
            *(if member[at] { &mut count.0 } else { &mut count.1 }) += 1.0;
        }
        let ties = |place: usize| order.get(place + 1).is_some_and(|&next| signals[next] == signals[order[place]]);
        let sorted = order.iter().enumerate().map(|(place, &at)| ((at % people) as u32, member[at], ties(place))).collect();
        Self { sorted, counts }
    }

    /// The share found at each rate among people drawn; 1 where a draw has no members. Ties are shared out as by a coin.
    fn draw(&self, seed: u64) -> [f64; 2] {
        let mut rng = Rng::new(seed);
        let mut times = vec![0.0f64; self.counts.len()];
        (0..times.len()).for_each(|_| times[rng.below(self.counts.len())] += 1.0);
        let (members, others) = times
            .iter()
            .zip(&self.counts)
            .fold((0.0, 0.0), |(members, others), (times, count)| (members + times * count.0, others + times * count.1));
        let mut out = [1.0; 2];
        if members == 0.0 {
            return out;
        }
        let (mut before, mut here, mut at) = ((0.0, 0.0), (0.0, 0.0), 0);
        for &(person, member, tied) in &self.sorted {
            let weight = times[person as usize];
            *(if member { &mut here.0 } else { &mut here.1 }) += weight;
            if tied {
                continue;
            }
            while at < out.len() && here.1 > FALSE_ALARMS[at] * others {
                let share = (FALSE_ALARMS[at] * others - before.1) / (here.1 - before.1);
                out[at] = (before.0 + (here.0 - before.0) * share) / members;
                at += 1;
            }
            if at == out.len() {
                break;
            }
            before = here;
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEOPLE: usize = 2_000;
    const MODELS: usize = 16;

    /// Trials of people, members by lot: `lucky` says by how much a person or a trial of it stands out.
    fn trials(seed: u64, signal: impl Fn(f64, f64) -> f64) -> (Vec<f64>, Vec<bool>) {
        let mut rng = Rng::new(seed);
        let own: Vec<f64> = (0..PEOPLE).map(|_| rng.unit()).collect();
        let (mut signals, mut member) = (Vec::new(), Vec::new());
        for _ in 0..MODELS {
            for own in &own {
                member.push(rng.bits() >> 63 == 1);
                signals.push(signal(*own, rng.unit()));
            }
        }
        (signals, member)
    }

    /// Interval ends at 1 % by people, and as if each trial were a person.
    fn both(signals: &[f64], member: &[bool]) -> [(f64, f64); 2] {
        [PEOPLE, signals.len()].map(|people| intervals(signals, member, people, 7)[1].unwrap())
    }

    #[test]
    fn trials_by_chance_are_as_sure_as_their_number() {
        let (signals, member) = trials(1, |_, trial| trial);
        let [(low, high), (lone_low, lone_high)] = both(&signals, &member);
        assert!(low < 0.01 && high > 0.01, "{low} {high}");
        let ratio = (high - low) / (lone_high - lone_low);
        assert!((0.85..1.15).contains(&ratio), "{ratio}");
    }

    #[test]
    fn people_who_stand_out_in_every_model_make_it_wider() {
        // Of 20 people each stands out in all of its trials: 20 facts, not 320.
        let (signals, member) = trials(2, |own, trial| if own > 0.99 { 1.0 + trial } else { trial });
        let [(low, high), (lone_low, lone_high)] = both(&signals, &member);
        assert!(high - low > 1.1 * (lone_high - lone_low), "{low} {high}, {lone_low} {lone_high}");
    }

    #[test]
    fn the_truth_is_inside_as_often_as_said() {
        // Members stand out with 3 of 100 people, in every model that holds them: 1.5 % and what chance finds are found.
        let truth = 0.03 + 0.97 * 0.01;
        let inside = (0..60).filter(|&seed| {
            let (mut signals, member) = trials(100 + seed, |own, trial| if own > 0.97 { own } else { trial * 0.9 });
            signals.iter_mut().zip(&member).for_each(|(signal, member)| {
                if *signal > 0.97 && !member {
                    *signal = 0.0;
                }
            });
            let (low, high) = intervals(&signals, &member, PEOPLE, 7)[1].unwrap();
            (low..=high).contains(&truth)
        });
        let inside = inside.count();
        assert!((52..=60).contains(&inside), "{inside} of 60");
    }

    #[test]
    fn too_few_say_nothing_and_ties_are_shared() {
        assert_eq!(intervals(&[], &[], 0, 1), [None; 2]);
        let member: Vec<bool> = (0..4_000).map(|at| at % 2 == 0).collect();
        let [few, enough] = intervals(&[0.5; 4_000], &member, 4_000, 1);
        assert_eq!(few, None);
        let (low, high) = enough.unwrap();
        assert!((low - 0.01).abs() < 1e-9 && (high - 0.01).abs() < 1e-9, "{low} {high}");
    }
}
