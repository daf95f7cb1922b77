//! Tests of whole columns: another unit, other levels, more missing values, more decimals, or numbers that all lie to one side of
//! what their rows foretell. An honest season moves columns too, so these may hold a file and never set rows aside (T1).

use crate::encode::{COARSE, Encoder, MISSING, NEW, Reading};
use crate::exact::{normal_two_sided, uneven};
use crate::profile::Model;
use crate::sums::Sums;
use crate::{BatchFinding, Layer};

/// Units that a file slips by: cents, per cent, thousands, minutes and hours of time, and their inverses.
const UNITS: [f64; 5] = [100.0, 1000.0, 60.0, 3600.0, 24.0];
/// How near to a unit's factor a column's level must be to be called that.
const UNIT_NEAR: f64 = 0.1;
/// Terms of the Kolmogorov series.
const SERIES_TERMS: usize = 100;

/// P(the Kolmogorov distribution exceeds `statistic`), the series of Kolmogorov (1933).
fn kolmogorov_tail(statistic: f64) -> f64 {
    if statistic < 0.2 {
        return 1.0;
    }
    let (mut total, mut sign) = (0.0, 1.0);
    for term in 1..=SERIES_TERMS {
        let value = (-2.0 * (term as f64 * statistic).powi(2)).exp();
        total += sign * value;
        sign = -sign;
        if value < 1e-18 {
            break;
        }
    }
    (2.0 * total).clamp(0.0, 1.0)
}

/// The largest distance of two cumulative histograms, and its p-value (conservative where values are tied).
pub(crate) fn kolmogorov(ours: &[u32], theirs: &[u32]) -> (f64, f64) {
    let total = |counts: &[u32]| counts.iter().map(|&count| f64::from(count)).sum::<f64>();
    let (n, m) = (total(ours), total(theirs));
    if n < 1.0 || m < 1.0 {
        return (0.0, 1.0);
    }
    let (mut one, mut two, mut distance) = (0.0, 0.0, 0.0_f64);
    for (&a, &b) in ours.iter().zip(theirs) {
        one += f64::from(a) / n;
        two += f64::from(b) / m;
        distance = distance.max((one - two).abs());
    }
    (distance, kolmogorov_tail((n * m / (n + m)).sqrt() * distance))
}

/// One test of one column, before the correction for how many there are.
struct Test {
    what: String,
    p: f64,
    seen: String,
}

/// The smallest p-value over all columns, and what each remarkable column shows. `sampled` are some values of each number.
pub(crate) fn tests(model: &Model, sums: &Sums, sampled: &[Vec<f64>]) -> BatchFinding {
    let mut all: Vec<Test> = Vec::new();
    let (rows, trusted) = (sums.rows, model.reference.rows);
    for (column, (name, reading)) in model.encoder.names.iter().zip(&model.encoder.readings).enumerate() {
        let ours = &sums.histogram[column * 256..(column + 1) * 256];
        let theirs = &model.reference.histogram[column * 256..(column + 1) * 256];
        let missing = (u64::from(ours[usize::from(MISSING)]), u64::from(theirs[usize::from(MISSING)]));
        all.push(Test {
            what: format!("missing values of `{name}`"),
            p: uneven(missing.0, rows, missing.1, trusted),
            seen: format!("{} of {rows} rows lack `{name}`, {} of {trusted} in history", missing.0, missing.1),
        });
        match reading {
            Reading::Number(number) => {
                let (distance, p) = kolmogorov(&ours[..usize::from(NEW)], &theirs[..usize::from(NEW)]);
                let place = model.encoder.number_at(column).unwrap_or(usize::MAX);
                let seen = unit(number.median, sampled.get(place)).map_or_else(
                    || format!("values of `{name}` lie {:.0} % apart from history's", distance * 100.0),
                    |factor| format!("values of `{name}` are {factor} times history's"),
                );
                all.push(Test { what: format!("values of `{name}`"), p, seen });
                let off = sums.off_grid.get(place).copied().unwrap_or(0);
                all.push(Test {
                    what: format!("decimals of `{name}`"),
                    p: uneven(off, rows, 0, trusted),
                    seen: format!("{off} values of `{name}` have more decimals than any of history"),
                });
            }
            Reading::Levels(levels) => all.push(levels_test(name, levels, ours, theirs, (rows, trusted))),
        }
    }
    for (expect, (ours, theirs)) in model.core.expects.iter().zip(sums.signed.iter().zip(&model.reference.signed)) {
        let name = name_of(&model.encoder, usize::from(expect.column));
        let z = ours.apart_of_residuals(theirs);
        all.push(Test {
            what: format!("level of `{name}`"),
            p: normal_two_sided(z),
            seen: format!(
                "`{name}` lies {} what its rows foretell ({z:+.1} standard errors)",
                if z > 0.0 { "above" } else { "below" }
            ),
        });
    }
    let count = all.len().max(1) as f64;
    all.sort_by(|one, two| one.p.total_cmp(&two.p));
    let first = all.first();
    // Two columns that hold each other's values are worth a word of their own.
    let seen = swapped(model, sums).unwrap_or_else(|| {
        let named: Vec<&str> = all.iter().take(3).filter(|test| test.p * count <= 0.01).map(|test| test.seen.as_str()).collect();
        if named.is_empty() { first.map_or_else(String::new, |test| test.seen.clone()) } else { named.join("; ") }
    });
    BatchFinding {
        layer: Layer::Column,
        what: first.map_or_else(String::new, |test| test.what.clone()),
        p_value: first.map_or(1.0, |test| (test.p * count).min(1.0)),
        seen,
        alarm: false,
    }
}

fn levels_test(name: &str, levels: &crate::encode::Levels, ours: &[u32], theirs: &[u32], (rows, trusted): (u64, u64)) -> Test {
    let mut best = Test { what: format!("levels of `{name}`"), p: 1.0, seen: String::new() };
    let mut looked = 0.0;
    for coarse in 0..COARSE - 1 {
        let at = coarse * 4;
        let (mine, known) = (u64::from(ours[at]), u64::from(theirs[at]));
        if mine + known == 0 {
            continue;
        }
        looked += 1.0;
        let p = uneven(mine, rows, known, trusted);
        if p < best.p {
            let level = match at as u8 {
                NEW => "a level that history does not hold".to_owned(),
                _ => levels.name(coarse as u8).map_or_else(|| "a rare level".to_owned(), |level| format!("`{level}`")),
            };
            best.p = p;
            best.seen = format!("`{name}` is {level} in {mine} of {rows} rows, {known} of {trusted} in history");
        }
    }
    best.p = (best.p * f64::max(looked, 1.0)).min(1.0);
    best
}

fn name_of(encoder: &Encoder, column: usize) -> &str {
    encoder.names.get(column).map_or("", String::as_str)
}

/// The factor between a column's level and history's, in words of a unit where it is one.
fn unit(trusted_median: f64, sampled: Option<&Vec<f64>>) -> Option<String> {
    let mut values = sampled?.clone();
    values.sort_by(f64::total_cmp);
    let factor = outlier::stats::quantile(&values, 0.5) / trusted_median;
    if !factor.is_finite() || factor <= 0.0 || (0.95..1.05).contains(&factor) {
        return None;
    }
    let near = |unit: f64| (factor / unit - 1.0).abs() <= UNIT_NEAR;
    for unit in UNITS {
        if near(unit) {
            return Some(format!("about {unit}"));
        }
        if near(1.0 / unit) {
            return Some(format!("about 1/{unit}"));
        }
    }
    Some(format!("{factor:.3}"))
}

/// Two numbers whose values lie far from their own history and near each other's.
fn swapped(model: &Model, sums: &Sums) -> Option<String> {
    const FAR: f64 = 0.3;
    let encoder = &model.encoder;
    let far: Vec<usize> = encoder
        .numbers
        .iter()
        .map(|&column| usize::from(column))
        .filter(|&column| {
            let range = column * 256..column * 256 + usize::from(NEW);
            kolmogorov(&sums.histogram[range.clone()], &model.reference.histogram[range]).0 > FAR
        })
        .collect();
    let crosses = |ours: usize, theirs: usize| {
        let (Some(own), Some(other)) = (encoder.number(ours), encoder.number(theirs)) else { return false };
        // The share of our rows below the other column's median, both read through our own bins.
        let cut = usize::from(own.bin(other.median));
        let counts = &sums.histogram[ours * 256..ours * 256 + usize::from(NEW)];
        let total: f64 = counts.iter().map(|&count| f64::from(count)).sum();
        let below: f64 = counts[..cut].iter().map(|&count| f64::from(count)).sum();
        let upto: f64 = below + f64::from(counts.get(cut).copied().unwrap_or(0));
        below / total.max(1.0) <= 0.6 && upto / total.max(1.0) >= 0.4
    };
    for (at, &one) in far.iter().enumerate() {
        for &two in &far[at + 1..] {
            if crosses(one, two) && crosses(two, one) {
                return Some(format!("`{}` and `{}` hold each other's values", name_of(encoder, one), name_of(encoder, two)));
            }
        }
    }
    None
}
