//! s05, training against outsiders as a step (T5): how much the vote withstands within what the contract lets outsiders change, and what
//! that costs on rows as they are, is a curve; the policy says how much it may cost, and the settings are chosen by that.

use evade::tradeoff::{self, Plan, Point};
use frame::Frame;
use learn::TrainSpec;
use learn::rng::derive;
use s05_train::{Hardening, TradeoffPoint};

use super::robustness::movable;
use super::training::{Prepared, last_moment};
use crate::{PipelineError, Project};

/// Rows that the curve is drawn on, at most.
const ROWS_MAX: usize = 20_000;
/// Rows of a point that are attacked, at most.
const ATTACKED_ROWS: usize = 300;
/// The use of the training seed.
const SEED: u64 = 68;

/// The settings to train with, and the curve that they were chosen by; as they are where the contract lets outsiders change nothing, where
/// the policy gives nothing for it, or where stayward.toml itself says how members reckon with outsiders.
pub(super) fn hardened(
    project: &Project,
    prepared: &Prepared,
    tell: &mut dyn FnMut(&str),
) -> Result<(TrainSpec, Option<Hardening>), PipelineError> {
    let (spec, policy) = (&project.policy.train, &project.policy.harden);
    let columns: Vec<String> = movable(project, &prepared.frame).into_iter().map(|rule| rule.name.clone()).collect();
    let by_hand = spec.booster.robust.is_some() || spec.forest.robust.is_some() || spec.svm.robust.is_some();
    if columns.is_empty() || by_hand || policy.auc_loss_max <= 0.0 || policy.strengths.is_empty() {
        return Ok((spec.clone(), None));
    }
    let wrong = |error: String| {
        let help = "look at `[harden]` in stayward.toml; `auc_loss_max = 0.0` there trains as `[train]` says";
        PipelineError::wrong(format!("training against outsiders: {error}"), help)
    };
    let (frame, labels) = known(project, prepared);
    let plan = Plan {
        columns: columns.clone(),
        eps: project.policy.quality.outsider_eps,
        rows_max: ATTACKED_ROWS,
        seed: derive(spec.seed, SEED, 0),
    };
    // What they are measured against is always there.
    let mut strengths = policy.strengths.clone();
    strengths.push(0.0);
    strengths.sort_by(f64::total_cmp);
    strengths.dedup();
    let mut points = Vec::new();
    for point in tradeoff::curve(&frame, &labels, spec, &plan, &strengths).map_err(|error| wrong(error.to_string()))? {
        let point = point.map_err(|error| wrong(error.to_string()))?;
        let (auc, withstood) = (point.auc, point.balanced_withstood);
        tell(&format!("strength {} against outsiders: AUC {auc:.4}, withstands {withstood:.3}", point.strength));
        // Where next to nothing is turned, nothing need be given up.
        let safe = point.strength == 0.0 && point.success() <= policy.turned_min;
        points.push(point);
        if safe {
            break;
        }
    }
    let chosen = tradeoff::choose(&points, policy.auc_loss_max).map_or(0.0, |point| point.strength);
    let hardening = Hardening { columns, eps: plan.eps, strength: chosen, points: points.iter().map(told).collect() };
    Ok((spec.hardened(&hardening.columns, plan.eps, chosen), Some(hardening)))
}

fn told(point: &Point) -> TradeoffPoint {
    TradeoffPoint {
        strength: point.strength,
        auc: point.auc,
        balanced_accuracy: point.balanced_accuracy,
        withstood: point.balanced_withstood,
        tried: point.tried,
        won: point.won,
        interval: point.interval,
    }
}

/// Rows that judge no model by time, at most [`ROWS_MAX`] of them.
fn known(project: &Project, prepared: &Prepared) -> (Frame, Vec<bool>) {
    let train_to =
        last_moment(&prepared.times, project.policy.split.horizon_days).map_or(f64::INFINITY, |(train_to, _)| train_to);
    let early = |row: &usize| prepared.times.get(*row).is_none_or(|at| !(*at > train_to));
    let rows: Vec<usize> = (0..prepared.frame.rows()).filter(early).collect();
    let step = rows.len().div_ceil(ROWS_MAX).max(1);
    let rows: Vec<usize> = rows.into_iter().step_by(step).collect();
    (prepared.frame.take(&rows), rows.iter().filter_map(|row| prepared.labels.get(*row).copied()).collect())
}
