//! Ten million rows: a company's customers over years must be learned from on one ordinary machine, or a model is not trained again
//! after an attack (T5). Rows are drawn straight into one table of 32-bit numbers.
//!
//! Writes `rows-large.f32` and `large.json`: for each task `[CPU seconds, quality, peak of memory in GiB]`; the peak is that of the
//! process during the task, the rows included (proc(5): `VmHWM`, which `clear_refs` sets back).

use std::io::Write;
use std::path::Path;

use learn::forest::Forest;
use learn::gbm::Booster;
use learn::kmeans::{self, Points};
use learn::rng::Rng;
use learn::{BoosterSpec, ForestSpec, Matrix, metrics};

use crate::{CENTRES, Outcome, SEED, timed};

const ROWS: usize = 10_000_000;
const COLUMNS: usize = 25;
/// Rows to test on, drawn after those to train on.
const TEST: usize = 100_000;
const TREES: u32 = 20;
const FOREST_TREES: u32 = 3;
/// Of the rows; what a tree of the forest draws.
const SUBSAMPLE: f64 = 0.2;

pub(crate) fn run(folder: &Path) -> Outcome<()> {
    let mut rng = Rng::new(SEED);
    let (train, known) = drawn(ROWS, &mut rng)?;
    let (test, truth) = drawn(TEST, &mut rng)?;
    write(folder, [(&train, &known), (&test, &truth)])?;
    let mut lines = Vec::new();

    let spec = BoosterSpec { trees: TREES, depth: 6, subsample: 1.0, colsample: 1.0, ..BoosterSpec::default() };
    forget_peak()?;
    let (booster, took) = timed(|| Booster::fit(&train, &known, &spec, SEED))?;
    let margins: Vec<f64> = booster?.margins(&test)?.into_iter().map(f64::from).collect();
    line(&mut lines, "booster fit", took, metrics::roc_auc(&margins, &truth))?;

    let spec = ForestSpec { trees: FOREST_TREES, subsample: SUBSAMPLE, ..ForestSpec::default() };
    forget_peak()?;
    let (forest, took) = timed(|| Forest::fit(&train, &known, &spec, SEED))?;
    line(&mut lines, "forest fit", took, metrics::roc_auc(&forest?.chances(&test), &truth))?;

    forget_peak()?;
    let points = Points::new(train.values().iter().map(|value| f64::from(*value)).collect(), COLUMNS);
    drop(train);
    let ((_, spread), took) = timed(|| kmeans::fit(&points, CENTRES, 1, SEED))?;
    line(&mut lines, "k-means fit", took, spread)?;
    let text = format!("{{\n  \"rows\": [{ROWS}, {TEST}, {COLUMNS}],\n{}\n}}\n", lines.join(",\n"));
    Ok(std::fs::write(folder.join("large.json"), text)?)
}

fn line(lines: &mut Vec<String>, name: &str, seconds: f64, quality: f64) -> Outcome<()> {
    let text = format!("  \"{name}\": [{seconds}, {quality}, {}]", peak()?);
    println!("{text}");
    lines.push(text);
    Ok(())
}

/// GiB.
pub(crate) fn peak() -> Outcome<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("/proc/self/status has another form")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / f64::from(1 << 20))
}

fn forget_peak() -> Outcome<()> {
    Ok(std::fs::write("/proc/self/clear_refs", "5")?)
}

/// Odds that are partly straight, partly crooked; a third of the columns are whole numbers.
fn drawn(count: usize, rng: &mut Rng) -> Outcome<(Matrix, Vec<bool>)> {
    let mut values = Vec::with_capacity(count * COLUMNS);
    let mut labels = Vec::with_capacity(count);
    for _ in 0..count {
        let row: [f64; COLUMNS] = std::array::from_fn(|_| rng.unit() * 4.0 - 2.0);
        let straight: f64 = row[..5].iter().sum();
        let odds = 0.5 * straight + 0.6 * (row[5] * row[6] + (row[7].abs() - 1.0) * 1.5) - 1.0;
        labels.push(rng.unit() < 1.0 / (1.0 + (-odds).exp()));
        let value = |(at, value): (usize, f64)| if at % 3 == 2 { (value * 8.0).round() } else { value } as f32;
        values.extend(row.into_iter().enumerate().map(value));
    }
    Ok((Matrix::new(values, count, COLUMNS)?, labels))
}

/// The label of each row behind its numbers, little end first.
fn write(folder: &Path, parts: [(&Matrix, &[bool]); 2]) -> Outcome<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(folder.join("rows-large.f32"))?);
    for (rows, labels) in parts {
        for (row, label) in labels.iter().enumerate() {
            for value in rows.row(row) {
                file.write_all(&value.to_le_bytes())?;
            }
            file.write_all(&f32::from(u8::from(*label)).to_le_bytes())?;
        }
    }
    Ok(file.flush()?)
}
