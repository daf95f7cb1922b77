//! Watches successive deliveries: poison in drops too small for one of them adds up. Sums over the last 2, 4, 8 and 16 deliveries
//! are each compared with history (moving sums; Chu, Hornik and Kaun 1995), and history's own sampling error is counted in, which
//! a plain CUSUM against a fixed mean would book as drift (T1, T5).

use outlier::stats::exceedance_tail;
use serde::{Deserialize, Serialize};

use crate::encode::{MISSING, NEW};
use crate::exact::{normal_two_sided, uneven};
use crate::profile::Model;
use crate::sums::{Moment, Sums};
use crate::{BatchFinding, Layer};

/// Deliveries that are summed up.
const WINDOWS: [usize; 4] = [2, 4, 8, 16];
/// Deliveries that a state holds.
const KEPT: usize = 16;

/// Moments of labels that are watched: residuals, three kinds of evidence, three tiers.
const LABEL_MOMENTS: usize = 7;

/// What one delivery added up to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Summary {
    rows: u64,
    moments: Vec<Moment>,
    /// Rows beyond the first mark, by family; the last entry is of all joined.
    beyond: Vec<u64>,
    positive: u64,
    known: u64,
}

/// What is carried from delivery to delivery. Start with the default; keep what [`crate::Screening::state`] returns for each
/// delivery that was taken in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    deliveries: u64,
    last: Vec<Summary>,
}

/// Mean of a column's codes, as a moment: where its values lie among history's.
fn position(histogram: &[u32]) -> Moment {
    let mut out = Moment::default();
    for (code, &count) in histogram.iter().enumerate().filter(|(code, _)| *code != usize::from(MISSING)) {
        let (value, rows) = (code.min(usize::from(NEW)) as f64 / f64::from(NEW), f64::from(count));
        out.merge(&Moment { rows, sum: rows * value, square: rows * value * value });
    }
    out
}

/// All moments that are watched, in one order for history and deliveries.
fn moments(sums: &Sums) -> Vec<Moment> {
    let mut out = sums.signed.clone();
    out.push(sums.labels.residual);
    out.extend(sums.labels.turned);
    out.extend(sums.labels.tiers);
    out.extend(sums.histogram.chunks_exact(256).map(position));
    out
}

fn name_of(model: &Model, at: usize) -> String {
    let names = &model.encoder.names;
    let column = |column: usize| names.get(column).map_or("", String::as_str);
    let signed = model.core.expects.len();
    match at {
        at if at < signed => format!("`{}` against what rows foretell", column(usize::from(model.core.expects[at].column))),
        at if at == signed => "positive labels against what rows foretell".to_owned(),
        at if at < signed + 4 => "turned labels".to_owned(),
        at if at < signed + 7 => format!("labels in value tier {}", at - signed - 3),
        at => format!("values of `{}`", column(at - signed - 7)),
    }
}

impl State {
    /// Deliveries that were taken in.
    pub fn deliveries(&self) -> u64 {
        self.deliveries
    }

    /// The state after a delivery.
    pub(crate) fn after(&self, sums: &Sums) -> Self {
        let mut out = self.clone();
        out.deliveries += 1;
        out.last.push(Summary {
            rows: sums.rows,
            moments: moments(sums),
            beyond: sums.beyond.iter().map(|marks| marks[0]).collect(),
            positive: sums.labels.positive,
            known: sums.labels.known,
        });
        let surplus = out.last.len().saturating_sub(KEPT);
        out.last.drain(..surplus);
        out
    }

    /// Tests the sums over the last deliveries, this one (the last of the state) included.
    pub(crate) fn test(&self, model: &Model, marks: &[Option<(u32, usize)>]) -> Option<BatchFinding> {
        let trusted = moments(&model.reference);
        // Labels are what a patient attacker gains by: they and all others may each spend half.
        let mut best: [Option<(f64, String)>; 2] = [None, None];
        let mut looked = [0.0; 2];
        let mut offer = |group: usize, p: f64, seen: &dyn Fn() -> String| {
            looked[group] += 1.0;
            if best[group].as_ref().is_none_or(|(least, _)| p < *least) {
                best[group] = Some((p, seen()));
            }
        };
        let signed = model.core.expects.len();
        for window in WINDOWS.into_iter().filter(|window| *window <= self.last.len()) {
            let last = &self.last[self.last.len() - window..];
            if last.iter().any(|summary| summary.moments.len() != trusted.len() || summary.beyond.len() != marks.len()) {
                // A state of another profile says nothing about this one.
                continue;
            }
            for (at, known) in trusted.iter().enumerate() {
                let mut sum = Moment::default();
                last.iter().filter_map(|summary| summary.moments.get(at)).for_each(|moment| sum.merge(moment));
                // Residuals stand first, then labels, then positions of columns, which no model has a part in.
                let z = match at {
                    at if at < signed => sum.apart_of_residuals(known),
                    at if at < signed + LABEL_MOMENTS => sum.apart_under_models(known),
                    _ => sum.apart(known),
                };
                let group = usize::from((signed..signed + LABEL_MOMENTS).contains(&at));
                offer(group, normal_two_sided(z), &|| {
                    format!("{} over {window} deliveries ({z:+.1} standard errors)", name_of(model, at))
                });
            }
            let rows: u64 = last.iter().map(|summary| summary.rows).sum();
            for (family, mark) in marks.iter().enumerate() {
                let Some((rank, known)) = *mark else { continue };
                let seen: u64 = last.iter().filter_map(|summary| summary.beyond.get(family)).sum();
                let p = exceedance_tail(seen as usize, rows as usize, rank as usize, known);
                let layer = crate::judge::FAMILIES.get(family).copied().unwrap_or(Layer::Combined);
                offer(0, p, &|| format!("{seen} strange rows by {layer:?} in {rows} of {window} deliveries"));
            }
            let (positive, total) = last.iter().fold((0, 0), |(a, b), summary| (a + summary.positive, b + summary.known));
            let labels = &model.reference.labels;
            offer(1, uneven(positive, total, labels.positive, labels.known), &|| {
                format!("{positive} of {total} labels positive over {window} deliveries")
            });
        }
        let groups = best.into_iter().zip(looked).filter_map(|(best, looked)| Some((2.0 * looked * best.as_ref()?.0, best?.1)));
        let (p, seen) = groups.min_by(|one, two| one.0.total_cmp(&two.0))?;
        let what = "sums over the last deliveries".to_owned();
        Some(BatchFinding { layer: Layer::Drip, what, p_value: p.min(1.0), seen, alarm: false })
    }
}
