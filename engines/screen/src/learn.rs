//! Learns a profile: the models of all trusted rows, and for each trusted row what models say that have not seen it.

use frame::Frame;
use outlier::stats::{Curve, Mix};
use rayon::prelude::*;

use crate::encode::{Chunk, Encoder, Reading};
use crate::expect::{Space, TAIL_FLOOR};
use crate::judge::{ALONE, CLONE, CROWDING, Core, Curves, DUPLICATE, Detail, FAMILIES, ISOLATION, Scores};
use crate::near::{BLOCKS, Nearness, Space as NearSpace};
use crate::profile::{Calibration, Model, OPTIONS};
use crate::screen::{Identity, joined};
use crate::sums::{Sums, TIERS};
use crate::time::TimeReference;
use crate::{ProfileSpec, ScreenError, TRUSTED_ROWS_MAX, TRUSTED_ROWS_MIN, VERSION};

/// Folds: a trusted row is judged by models of the other three quarters.
const FOLDS: usize = 4;
/// Smallest scale of the tail of a logarithm of a ratio of distances.
const NEAR_FLOOR: f64 = 0.05;

fn column_of(encoder: &Encoder, name: Option<&String>) -> Option<usize> {
    encoder.names.iter().position(|known| Some(known) == name)
}

/// The tier of each fine code of the value: thirds of history.
pub(crate) fn tiers_of(histogram: &[u32]) -> Vec<u8> {
    let total: u64 = histogram.iter().take(248).map(|&count| u64::from(count)).sum();
    let mut before = 0_u64;
    let mut out = vec![u8::MAX; 256];
    for (code, &count) in histogram.iter().enumerate().take(248) {
        let middle = before as f64 + f64::from(count) / 2.0;
        out[code] = (TIERS as f64 * middle / total.max(1) as f64).min(TIERS as f64 - 1.0) as u8;
        before += u64::from(count);
    }
    out
}

/// Whether the declared columns are there and the rows enough.
fn check(frame: &Frame, spec: &ProfileSpec) -> Result<(), ScreenError> {
    let declared = [&spec.id, &spec.time, &spec.label, &spec.value];
    for name in declared.into_iter().flatten().chain(&spec.critical).chain(&spec.ignore) {
        if frame.column(name).is_none() {
            return Err(ScreenError::ColumnMissing(name.clone()));
        }
    }
    if frame.rows() < TRUSTED_ROWS_MIN { Err(ScreenError::TooFewRows(frame.rows())) } else { Ok(()) }
}

/// The share of the second of two classes, never 0 or 1.
fn rate_of(histogram: &[u32]) -> f64 {
    (f64::from(histogram[4]) + 1.0) / (f64::from(histogram[0]) + f64::from(histogram[4]) + 2.0)
}

pub(crate) fn learn(frame: &Frame, spec: &ProfileSpec) -> Result<Model, ScreenError> {
    check(frame, spec)?;
    let order = Mix::new(spec.seed, 1).choose(frame.rows(), TRUSTED_ROWS_MAX);
    let golden = frame.take(&order);
    let apart: Vec<&String> = spec.id.iter().chain(&spec.time).chain(&spec.ignore).collect();
    let as_levels: Vec<String> = spec.label.iter().chain(&spec.critical).cloned().collect();
    let encoder = Encoder::fit(&golden, |name| !apart.iter().any(|known| *known == name), &as_levels)?;
    let sources = encoder.open(&golden);
    let mut all = Chunk::default();
    encoder.read(&sources, 0, golden.rows(), &mut all);
    let label = column_of(&encoder, spec.label.as_ref())
        .filter(|&at| matches!(encoder.readings.get(at), Some(Reading::Levels(known)) if known.codes.len() == 2));
    let value = column_of(&encoder, spec.value.as_ref()).filter(|&at| encoder.number(at).is_some());
    let mut critical: Vec<usize> = column_of(&encoder, spec.label.as_ref()).into_iter().collect();
    critical.extend(spec.critical.iter().filter_map(|name| column_of(&encoder, Some(name))).filter(|at| Some(*at) != label));
    let core = Core::fit(&encoder, &all, &critical, label, spec.seed);
    let detail = out_of_fold(&encoder, &all, &core, &critical, label, spec.seed);
    let curves = curves_of(&core, &detail);
    let mut scores = Scores::default();
    let (label, value) = (label.map(|at| at as u16), value.map(|at| at as u16));
    let rate = label.map_or(0.5, |label| rate_of(&histogram_of(&all, usize::from(label))));
    scores.of(&core, &curves, (label, value), rate, &detail);

    let near = Near::learn(&encoder, &all, spec.seed);
    let twins = Twins::of(&golden, &all, spec);
    let mut raw: Vec<Vec<f32>> = scores.raw.to_vec();
    raw.push(twins.score);
    raw.push(near.rows.iter().map(|near| near.clone).collect());
    raw.push(near.rows.iter().map(|near| near.isolation).collect());
    raw.push(Vec::new());
    let families: Vec<Calibration> = raw
        .iter()
        .enumerate()
        .map(|(family, raw)| Calibration::fit(raw.clone(), if family < ALONE { TAIL_FLOOR } else { NEAR_FLOOR }))
        .collect();
    let crowding: Vec<Calibration> = near.crowding.iter().map(|raw| Calibration::fit(raw.clone(), NEAR_FLOOR)).collect();

    let mut reference = Sums::new(&core, &encoder);
    let tiers = value.map_or_else(Vec::new, |value| tiers_of(&histogram_of(&all, usize::from(value))));
    reference.add(&core, &encoder, &all, &detail, (label, value), &tiers);
    reference.twins = raw[DUPLICATE].iter().filter(|twin| **twin > 0.0).count() as u64;
    reference.wholes = raw[DUPLICATE].iter().filter(|twin| **twin > 1.0).count() as u64;
    let mut model = Model {
        version: VERSION,
        spec: spec.clone(),
        rows: golden.rows() as u64,
        label,
        value,
        rate,
        core,
        curves,
        families,
        crowding,
        joined: Vec::new(),
        sample: all.fine.clone(),

        contents: twins.contents,
        wholes: twins.wholes,
        reference,
        time: spec.time.as_ref().and_then(|name| TimeReference::learn(frame, name)),
        encoder,
    };
    model.joined = (0..OPTIONS).map(|option| joined_sorted(&model, &raw, &near.crowding, option)).collect();
    Ok(model)
}

/// Hashes of trusted rows, and which of them stand there twice: 1 in what is judged, 2 as a whole.
struct Twins {
    score: Vec<f32>,
    contents: Vec<u64>,
    wholes: Vec<u64>,
}

impl Twins {
    fn of(golden: &Frame, all: &Chunk, spec: &ProfileSpec) -> Self {
        let identity = Identity::of(golden, spec);
        let mut contents = identity.contents(all, 0);
        let mut wholes = identity.wholes(&contents, 0);
        let repeated = |hashes: &[u64]| -> Vec<u64> {
            let mut sorted = hashes.to_vec();
            sorted.sort_unstable();
            sorted.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect()
        };
        let (content_twice, whole_twice) = (repeated(&contents), repeated(&wholes));
        let score = contents
            .iter()
            .zip(&wholes)
            .map(|(content, whole)| {
                if identity.has_more() && whole_twice.binary_search(whole).is_ok() {
                    2.0
                } else {
                    f32::from(content_twice.binary_search(content).is_ok())
                }
            })
            .collect();
        contents.sort_unstable();
        wholes.sort_unstable();
        Self { score, contents, wholes }
    }
}

fn histogram_of(rows: &Chunk, column: usize) -> Vec<u32> {
    let mut out = vec![0; 256];
    rows.column(column).iter().for_each(|&code| out[usize::from(code)] += 1);
    out
}

/// Joined surprises of trusted rows, sorted; without crowding (option 0) or with it at a block size.
fn joined_sorted(model: &Model, raw: &[Vec<f32>], crowding: &[Vec<f32>], option: usize) -> Vec<f32> {
    let rows = raw.first().map_or(0, Vec::len);
    let crowded = option.checked_sub(1).map(|at| &crowding[at]);
    if crowded.is_some_and(Vec::is_empty) {
        return Vec::new();
    }
    let mut out: Vec<f32> = (0..rows)
        .map(|row| {
            let mut said = [0.0_f32; FAMILIES.len()];
            for (family, said) in said.iter_mut().enumerate().take(CROWDING) {
                *said = model.surprise(family, None, raw[family][row]);
            }
            if let (Some(crowded), Some(at)) = (crowded, option.checked_sub(1)) {
                said[CROWDING] = model.surprise(CROWDING, Some(at), crowded[row]);
            }
            joined(&said).0
        })
        .collect();
    out.sort_by(f32::total_cmp);
    out
}

fn curves_of(core: &Core, detail: &Detail) -> Curves {
    let fit = |all: &[f32]| Curve::fit(all.iter().map(|&raw| f64::from(raw)), TAIL_FLOOR);
    let rows = detail.rows.max(1);
    Curves {
        expects: detail.raw.chunks_exact(rows).take(core.expects.len()).map(fit).collect(),
        classes: detail.class_raw.chunks_exact(rows).take(core.classes.len()).map(fit).collect(),
    }
}

/// What models say of trusted rows that they have not seen, in the order of `core`'s columns.
fn out_of_fold(encoder: &Encoder, all: &Chunk, core: &Core, critical: &[usize], label: Option<usize>, seed: u64) -> Detail {
    let rows = all.rows;
    let parts: Vec<(Vec<u32>, Core, Detail)> = (0..FOLDS)
        .into_par_iter()
        .map(|fold| {
            let (own, others): (Vec<u32>, Vec<u32>) = (0..rows as u32).partition(|row| *row as usize % FOLDS == fold);
            let part = Core::fit(encoder, &all.take(&others), critical, label, seed);
            let (mut space, mut detail) = (Space::default(), Detail::default());
            part.detail(encoder, &all.take(&own), label, &mut space, &mut detail);
            (own, part, detail)
        })
        .collect();
    let mut out = Detail { rows, ..Detail::default() };
    out.raw = vec![f32::NAN; core.expects.len() * rows];
    out.signed = vec![0.0; core.expects.len() * rows];
    out.class_raw = vec![f32::NAN; core.classes.len() * rows];
    out.distance = vec![0.0; rows];
    out.pair.start(rows);
    out.range.start(rows);
    let has_chance = parts.iter().all(|(_, _, detail)| !detail.chance.is_empty());
    let known = if has_chance { rows } else { 0 };
    (out.chance, out.turned, out.second) = (vec![0.0; known], vec![0.0; known], vec![false; known]);
    for (own, part, detail) in &parts {
        let mine = own.len();
        let of_expect: Vec<Option<usize>> =
            core.expects.iter().map(|expect| part.expects.iter().position(|known| known.column == expect.column)).collect();
        let of_class: Vec<Option<usize>> =
            core.classes.iter().map(|class| part.classes.iter().position(|known| known.column == class.column)).collect();
        for (at, &row) in own.iter().enumerate() {
            let row = row as usize;
            for (to, from) in of_expect.iter().enumerate().filter_map(|(to, from)| Some((to, (*from)?))) {
                out.raw[to * rows + row] = detail.raw[from * mine + at];
                out.signed[to * rows + row] = detail.signed[from * mine + at];
            }
            for (to, from) in of_class.iter().enumerate().filter_map(|(to, from)| Some((to, (*from)?))) {
                out.class_raw[to * rows + row] = detail.class_raw[from * mine + at];
            }
            out.distance[row] = detail.distance[at];
            for (to, from) in [(&mut out.pair, &detail.pair), (&mut out.range, &detail.range)] {
                (to.total[row], to.worst[row], to.column[row]) = (from.total[at], from.worst[at], from.column[at]);
            }
            if has_chance {
                out.chance[row] = detail.chance[at];
                out.turned[row] = detail.turned[at];
                out.second[row] = detail.second[at];
            }
        }
    }
    out
}

/// Nearness of trusted rows to each other, dealt into blocks as a delivery is.
struct Near {
    rows: Vec<Nearness>,
    /// Crowding at each block size; empty where history is too small for it.
    crowding: Vec<Vec<f32>>,
}

impl Near {
    fn learn(encoder: &Encoder, all: &Chunk, seed: u64) -> Self {
        let space = NearSpace::new(encoder, seed);
        let points = space.points(all);
        let rows = all.rows;
        let largest = BLOCKS.iter().copied().rev().find(|size| size * 2 <= rows).unwrap_or(BLOCKS[0].min(rows));
        let starts: Vec<usize> = (0..rows.div_ceil(largest)).map(|block| (block * largest).min(rows - largest)).collect();
        // Of each block: nearness of its rows at every size that fits.
        let blocks: Vec<(usize, Vec<Nearness>, Vec<Vec<f32>>)> = starts
            .into_par_iter()
            .map(|start| {
                let others: Vec<u32> =
                    (0..rows as u32).filter(|&row| !(start..start + largest).contains(&(row as usize))).collect();
                let pool = space.pool(points.take(&others));
                let own: Vec<u32> = (start as u32..(start + largest) as u32).collect();
                let whole = space.judge(&points, &own, &pool);
                let sizes = BLOCKS.iter().filter(|size| **size <= largest);
                let crowding = sizes
                    .map(|&size| {
                        let mut out = vec![0.0; largest];
                        for part in 0..largest.div_ceil(size) {
                            let from = (part * size).min(largest - size);
                            let judged = space.judge(&points, &own[from..from + size], &pool);
                            out[from..from + size].iter_mut().zip(&judged).for_each(|(to, near)| *to = near.crowding);
                        }
                        out
                    })
                    .collect();
                (start, whole, crowding)
            })
            .collect();
        let mut out = Self {
            rows: vec![Nearness::default(); rows],
            crowding: BLOCKS.iter().map(|size| if *size <= largest { vec![0.0; rows] } else { Vec::new() }).collect(),
        };
        for (start, whole, crowding) in blocks {
            out.rows[start..start + largest].copy_from_slice(&whole);
            for (to, from) in out.crowding.iter_mut().zip(&crowding) {
                to[start..start + largest].copy_from_slice(from);
            }
        }
        out
    }
}

const _: () = assert!(CLONE == DUPLICATE + 1 && ISOLATION == CLONE + 1 && CROWDING == ISOLATION + 1, "the order of `raw`");
