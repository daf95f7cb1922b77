//! A feed as the generator makes it (national and regional walks, season, promotions), honest and bent.

use proptest::prelude::*;

use super::*;
use crate::stats::Mix;

const REGIONS: usize = 12;
const COMPETITORS: usize = 6;

fn normal(mix: &mut Mix) -> f64 {
    (0..12).map(|_| mix.next() as f64 / u64::MAX as f64).sum::<f64>() - 6.0
}

/// `bend(week, region)` is added to log prices.
fn feed(weeks: u32, seed: u64, bend: impl Fn(u32, usize) -> f64) -> Vec<MarketRow> {
    let mut mix = Mix::new(seed, 5);
    let (mut national, mut regional) = (0.0, [0.0; REGIONS]);
    let mut owns = [[0.0; COMPETITORS]; REGIONS];
    let mut out = Vec::new();
    for week in 0..weeks {
        national += 0.004 * normal(&mut mix);
        for (region, owns) in owns.iter_mut().enumerate() {
            regional[region] += 0.003 * normal(&mut mix);
            for (competitor, own) in owns.iter_mut().enumerate() {
                *own += 0.003 * normal(&mut mix);
                let season = 0.03 * (std::f64::consts::TAU * f64::from(week) / 52.0).sin();
                let level = (45.0 + 5.0 * competitor as f64).ln() + national + regional[region] + *own + season;
                let price = (level + 0.006 * normal(&mut mix) + bend(week, region)).exp();
                let (region, competitor) = (format!("r{region}"), format!("c{competitor}"));
                out.push(MarketRow { week, region, competitor, price, promo: mix.below(100) < 8, est_share: 1.0 / 6.0 });
            }
        }
    }
    out
}

/// Findings of week-by-week batches, with the week of each.
fn run(rows: &[MarketRow]) -> Vec<(u32, MarketFinding)> {
    let (mut state, mut out) = (MarketState::default(), Vec::new());
    for batch in rows.chunks(REGIONS * COMPETITORS) {
        let (findings, next) = state.judge(batch, &MarketLimits::default());
        out.extend(findings.into_iter().map(|finding| (batch[0].week, finding)));
        state = next;
    }
    out
}

fn first_after(findings: &[(u32, MarketFinding)], week: u32) -> Option<u32> {
    findings.iter().map(|(at, _)| *at).find(|at| *at >= week).map(|at| at - week)
}

#[test]
fn honest_years_raise_few_alarms_and_bent_prices_soon_do() {
    let mut weeks_blamed = 0;
    for seed in 0..5 {
        let findings = run(&feed(208, seed, |_, _| 0.0));
        let weeks: BTreeSet<u32> = findings.iter().map(|(week, _)| *week).collect();
        weeks_blamed += weeks.len();
    }
    println!("weeks with any finding: {weeks_blamed} of {} honest ones", 5 * 208);
    assert!(weeks_blamed * 100 <= 5 * 208 * 2);
    for (name, step) in [("2 %", 0.02), ("5 %", 0.05), ("10 %", 0.10), ("20 %", 0.20)] {
        let one = first_after(&run(&feed(208, 9, |week, region| if week >= 104 && region == 3 { -step } else { 0.0 })), 104);
        let all = first_after(&run(&feed(208, 9, |week, _| if week >= 104 { -step } else { 0.0 })), 104);
        println!("understated by {name} at once: one region seen after {one:?} weeks, all regions after {all:?}");
        if step > 0.04 {
            assert_eq!((one, all), (Some(0), Some(0)));
        }
    }
    for rate in [0.002, 0.005, 0.01] {
        let slope = |week: u32| if week >= 104 { -rate * f64::from(week - 104) } else { 0.0 };
        let one = first_after(&run(&feed(208, 9, |week, region| if region == 3 { slope(week) } else { 0.0 })), 104);
        let all = first_after(&run(&feed(208, 9, |week, _| slope(week))), 104);
        println!("bent by {rate} a week: one region seen after {one:?} weeks, all regions after {all:?}");
        if rate > 0.004 {
            assert!(one.is_some_and(|delay| delay < 40), "{one:?}");
        }
    }
}

#[test]
fn what_cannot_be_is_named() {
    let mut rows = feed(1, 1, |_, _| 0.0);
    assert_eq!(MarketState::default().judge(&rows, &MarketLimits::default()).0, []);
    rows[3].price = -1.0;
    rows[4].price = f64::NAN;
    rows[5].est_share = 1.5;
    let twice = rows[8].clone();
    rows.push(twice);
    let (findings, state) = MarketState::default().judge(&rows, &MarketLimits::default());
    assert!(findings.contains(&MarketFinding::Price { row: 3 }) && findings.contains(&MarketFinding::Price { row: 4 }));
    assert!(findings.contains(&MarketFinding::Share { row: 5 }));
    assert!(findings.contains(&MarketFinding::Twice { row: rows.len() - 1 }));
    assert!(findings.iter().any(|finding| matches!(finding, MarketFinding::ShareSum { region, .. } if region == "r0")));
    let (again, _) = state.judge(&rows[10..11], &MarketLimits::default());
    assert!(again.contains(&MarketFinding::OldWeek { row: 0 }), "{again:?}");
    let stored: MarketState = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
    assert_eq!(stored.week, state.week);
    let newcomer = MarketRow { week: 2, competitor: "c9".into(), ..rows[0].clone() };
    let (findings, _) = state.judge(&[newcomer], &MarketLimits::default());
    assert!(findings.iter().any(|finding| matches!(finding, MarketFinding::Newcomer { .. })));
}

proptest! {
    #[test]
    fn any_rows_are_judged(cells in prop::collection::vec((0_u32..4, 0_u8..3, 0_u8..3, any::<f64>(), any::<f64>(), any::<bool>()), 0..60)) {
        let mut state = MarketState::default();
        for chunk in cells.chunks(20) {
            let rows: Vec<MarketRow> = chunk.iter().map(|(week, region, competitor, price, est_share, promo)| MarketRow {
                week: *week, region: region.to_string(), competitor: competitor.to_string(), price: *price, promo: *promo, est_share: *est_share,
            }).collect();
            let (_, next) = state.judge(&rows, &MarketLimits::default());
            prop_assert!(serde_json::to_string(&next).unwrap().find("null").is_none());
            state = next;
        }
    }
}
