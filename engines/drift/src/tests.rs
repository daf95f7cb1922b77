//! Clean and changed streams: how often an honest one is blamed, how soon a change is seen.

use frame::{Categories, Column, Frame};
use proptest::prelude::*;

use super::*;

struct Mix(u64);

impl Mix {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

fn frame(rows: usize, seed: u64, shift: f64) -> Frame {
    let mut mix = Mix(seed);
    let mut frame = Frame::new(rows);
    frame.push("spend", Column::Number((0..rows).map(|_| 10.0 + shift + mix.normal()).collect())).unwrap();
    let plans: Vec<&str> = (0..rows).map(|_| if mix.next() < 0.6 - 0.3 * shift { "basic" } else { "fast" }).collect();
    frame.push("plan", Column::Category(Categories::from_texts(plans.into_iter().map(Some)))).unwrap();
    frame
}

#[test]
fn marginals_see_a_shift_against_the_fixed_reference() {
    let reference = FixedReference::fit(&frame(4000, 1, 0.0));
    let mut blamed = 0;
    for seed in 0..200 {
        let shifts = reference.compare(&frame(500, 100 + seed, 0.0));
        assert!(shifts.iter().all(|shift| shift.psi < 0.1), "{shifts:?}");
        blamed += usize::from(shifts.iter().any(|shift| shift.p_value < 0.005));
    }
    println!("windows with p below 0.005 in one of two columns: {blamed} of 200 clean ones");
    assert!(blamed <= 6);
    let shifts = reference.compare(&frame(500, 9, 0.5));
    println!("{shifts:?}");
    assert!(shifts.iter().all(|shift| shift.p_value < 0.001) && shifts[0].psi > 0.15);
    let absent = reference.compare(&frame(500, 9, 0.0).only(|name| name == "plan"));
    assert!((absent[0].psi - PSI_ABSENT).abs() < 1e-9 && absent[0].p_value < 1e-9);
    assert!(reference.compare(&frame(0, 9, 0.0)).is_empty());
    let stored: FixedReference = serde_json::from_str(&serde_json::to_string(&reference).unwrap()).unwrap();
    assert_eq!(stored, reference);
}

#[test]
fn kolmogorov_smirnov_agrees_with_the_tables() {
    let first: Vec<f64> = (0..100).map(f64::from).collect();
    let second: Vec<f64> = (20..120).map(f64::from).collect();
    let (distance, p) = kolmogorov_smirnov(&first, &second);
    // Tables of the exact law: D = 0.2 of 100 against 100 has p = 0.0366; the corrected asymptotic law gives 0.030 to 0.04.
    assert!((distance - 0.2).abs() < 1e-12 && (0.028..0.042).contains(&p), "{distance} {p}");
    assert!((kolmogorov_smirnov(&first, &first).1 - 1.0).abs() < 1e-9);
    assert!((kolmogorov_smirnov(&[], &first).1 - 1.0).abs() < 1e-9);
}

/// Windows of 500 scores until the alarm at `alpha`, or `None` in `windows`.
fn delay(seed: u64, windows: usize, alpha: f64, change: impl Fn(usize, &mut Mix) -> f64) -> Option<usize> {
    let mut mix = Mix(seed);
    // Window 0 is honest in every change.
    let calibration: Vec<f64> = (0..2000).map(|_| change(0, &mut mix)).collect();
    let mut drift = ScoreDrift::new(&calibration, seed).unwrap();
    for window in 0..windows {
        let scores: Vec<f64> = (0..500).map(|_| change(window, &mut mix)).collect();
        drift.update(&scores);
        if drift.martingale().alarm(alpha) {
            return Some(window);
        }
    }
    None
}

#[test]
fn an_honest_stream_is_hardly_ever_blamed_and_a_changed_one_soon() {
    let honest = (0..200).filter(|seed| delay(1000 + seed, 52, 0.05, |_, mix| mix.normal()).is_some()).count();
    println!("honest years (52 windows of 500) ever blamed at alpha 0.05: {honest} of 200");
    assert!(honest <= 18, "{honest}");
    // Discrete scores: ties are broken at random.
    let discrete = (0..100).filter(|seed| delay(3000 + seed, 20, 0.05, |_, mix| (mix.normal() * 2.0).round()).is_some()).count();
    println!("honest streams of a few distinct scores ever blamed at alpha 0.05: {discrete} of 100");
    assert!(discrete <= 12, "{discrete}");
    type Change = fn(usize, &mut Mix) -> f64;
    let changes: [(&str, Change); 4] = [
        ("shift of 0.3 deviations from window 10", |window, mix| mix.normal() + if window >= 10 { 0.3 } else { 0.0 }),
        ("ramp of 0.02 deviations a window from 10", |window, mix| mix.normal() + 0.02 * window.saturating_sub(9) as f64),
        (
            "5 % of rows beyond three deviations from 10",
            |window, mix| {
                if window >= 10 && mix.next() < 0.05 { 3.5 } else { mix.normal() }
            },
        ),
        ("spread 1.3 from window 10", |window, mix| mix.normal() * if window >= 10 { 1.3 } else { 1.0 }),
    ];
    for (name, change) in changes {
        let mut delays: Vec<usize> = (0..20).map(|seed| delay(7000 + seed, 60, 0.01, change).unwrap_or(99)).collect();
        delays.sort_unstable();
        let early = delays.iter().filter(|&&window| window < 10).count();
        println!(
            "{name}: median delay {} windows after the first, slowest {}, early {early}",
            delays[10].saturating_sub(10),
            delays[19].saturating_sub(10)
        );
        assert!(delays[10] < 40 && early <= 1, "{name}: {delays:?}");
    }
}

#[test]
fn every_bet_is_fair() {
    // The mean payoff of an even p-value is 1 whatever was seen before: the property that Ville's bound rests on. The payoffs
    // are singular at both ends, so each half is integrated over `t` with `p = t^12 / 2`.
    let mut played = Martingale::default();
    [0.01, 0.2, 0.03, 0.9].iter().for_each(|p| played.update(*p));
    for start in [Martingale::default(), played] {
        let steps = 20_000;
        let mut mean = 0.0;
        for step in 0..steps {
            let t = (f64::from(step) + 0.5) / f64::from(steps);
            let weight = 6.0 * t.powi(11) / f64::from(steps);
            for p in [t.powi(12) / 2.0, 1.0 - t.powi(12) / 2.0] {
                let mut next = start.clone();
                next.update(p);
                mean += weight * (next.log_wealth() - start.log_wealth()).exp();
            }
        }
        println!("mean payoff {mean:.4}");
        assert!(mean < 1.0001 && mean > 0.95, "{mean}");
    }
}

#[test]
fn state_survives_storage() {
    let mut drift = ScoreDrift::new(&[0.1, 0.5, 0.5, 0.9], 3).unwrap();
    drift.update(&[0.2, f64::NAN, 0.5]);
    let mut stored: ScoreDrift = serde_json::from_str(&serde_json::to_string(&drift).unwrap()).unwrap();
    stored.update(&[0.3]);
    drift.update(&[0.3]);
    assert!((stored.martingale().log_wealth() - drift.martingale().log_wealth()).abs() < 1e-9);
    assert_eq!(ScoreDrift::new(&[f64::NAN], 1), Err(DriftError::NoCalibration));
}

#[test]
fn patterns_tell_a_probe_from_a_desk() {
    let mut log = QueryLog::default();
    let mut mix = Mix(4);
    for at in 0..300_u64 {
        let row: Vec<f32> = (0..8).map(|_| mix.normal() as f32).collect();
        log.add("desk", &Query { customer: Some(at % 100), features: &row, at_milliseconds: at * 60_000 });
        let close: Vec<f32> = (0..8).map(|_| 1.0 + 0.02 * mix.normal() as f32).collect();
        log.add("probe", &Query { customer: None, features: &close, at_milliseconds: at * 100 });
    }
    let desk = log.application("desk").unwrap().pattern(1000, 299 * 60_000);
    let probe = log.application("probe").unwrap().pattern(1000, 299 * 100);
    println!("{desk:?}\n{probe:?}");
    assert_eq!((desk.customers, desk.repeats_most, desk.queries_last_minute), (100, 3, 1));
    assert!((desk.coverage - 0.1).abs() < 1e-9 && desk.near_share < 0.05 && desk.unknown_share < 1e-9);
    assert!(probe.near_share > 0.9 && probe.unknown_share > 0.99 && probe.queries_last_minute == 300 - 1);
    let stored: QueryLog = serde_json::from_str(&serde_json::to_string(&log).unwrap()).unwrap();
    assert_eq!(stored, log);
    log.forget_silent(299 * 60_000);
    assert!(log.application("desk").is_some() && log.application("probe").is_none());
}

#[test]
fn each_query_says_how_it_stands_to_the_last_ones() {
    let mut log = QueryLog::default();
    let mut add =
        |application: &str, features: &[f32]| log.add(application, &Query { customer: None, features, at_milliseconds: 0 });
    assert_eq!(
        [add("a", &[0.0, 1.0]), add("a", &[0.0, 1.0]), add("a", &[0.05, 1.0])],
        [Compared::First, Compared::Apart, Compared::Near]
    );
    assert_eq!([add("a", &[3.0, 1.0]), add("b", &[0.0, 1.01])], [Compared::Apart, Compared::First]);
}

proptest! {
    #[test]
    fn any_numbers_are_taken(scores in prop::collection::vec(any::<f64>(), 1..80), ps in prop::collection::vec(any::<f64>(), 0..40)) {
        if let Ok(mut drift) = ScoreDrift::new(&scores[..scores.len() / 2 + 1], 1) {
            drift.update(&scores);
            prop_assert!(drift.martingale().log_wealth().is_finite());
        }
        let mut martingale = Martingale::default();
        ps.iter().for_each(|p| martingale.update(*p));
        prop_assert!(martingale.log_wealth().is_finite() && (0.0..=1.0).contains(&martingale.p_value()));
        let mut frame = Frame::new(scores.len());
        frame.push("a", Column::Number(scores.clone())).unwrap();
        let reference = FixedReference::fit(&frame);
        for shift in reference.compare(&frame) {
            prop_assert!(shift.psi.is_finite() && (0.0..=1.0).contains(&shift.p_value));
            prop_assert!(shift.distance < 0.05, "{}", shift.distance);
        }
        prop_assert_eq!(serde_json::from_str::<FixedReference>(&serde_json::to_string(&reference).unwrap()).unwrap(), reference);
    }
}
