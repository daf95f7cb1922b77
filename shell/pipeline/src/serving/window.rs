//! s11: what a window of answers shows that no single one does.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use artifact::{Query, RawScore, Window};
use drift::{QueryLog, ScoreDrift};
use gate::Digest;
use s10_predict::Served;
use s11_monitor::{Facts, Pattern, Policy};

use super::service::Inner;
use crate::PipelineError;
use crate::desk::{now, now_ms};
use crate::evidence::{Links, Recorder};

/// Seed of the drift test's tie breaking; any would do.
const DRIFT_SEED: u64 = 11;

/// The pointer to the entry of the last window, which requests soon bury in the log.
pub(crate) const WATCHED: &str = "watched";

#[derive(Default)]
struct Asked {
    requests: u64,
    refused: u64,
    customers: std::collections::BTreeSet<String>,
}

struct State {
    from: i64,
    requests: u64,
    asked: BTreeMap<String, Asked>,
    /// Rows of what-ifs, standardised: somebody who searches the boundary sends nearly the same row again and again.
    rows: QueryLog,
    drift: Option<ScoreDrift>,
}

/// Events since the service was started.
pub(super) struct Watch {
    state: Mutex<State>,
    base: usize,
}

impl Watch {
    pub(super) fn open(served: &Served, base: usize) -> Result<Self, PipelineError> {
        let reference =
            served.surrounding("drift.json").ok_or_else(|| PipelineError::broken("the release has no `drift.json`"))?;
        let reference: Vec<f64> =
            serde_json::from_slice(reference).map_err(|error| PipelineError::broken(format!("drift.json: {error}")))?;
        let drift = ScoreDrift::new(&reference, DRIFT_SEED).ok();
        Ok(Self {
            state: Mutex::new(State { from: now(), requests: 0, asked: BTreeMap::new(), rows: QueryLog::default(), drift }),
            base,
        })
    }

    /// `rows` are the standardised rows of a what-if; empty for a question by customer.
    pub(super) fn answered(&self, query: &Query, rows: &[Vec<f32>], scores: &[RawScore]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.requests += 1;
        let at_milliseconds = u64::try_from(now_ms()).unwrap_or(0);
        for features in rows {
            state.rows.add(&query.application, &drift::Query { customer: None, features, at_milliseconds });
        }
        let asked = state.asked.entry(query.application.clone()).or_default();
        asked.requests += 1;
        asked.customers.extend(query.customers.iter().cloned());
        let scores: Vec<f64> = scores.iter().map(|score| score.probability()).collect();
        if let Some(drift) = &mut state.drift {
            drift.update(&scores);
        }
    }

    pub(super) fn refused(&self, application: Option<&str>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.requests += 1;
        if let Some(application) = application.filter(|application| !application.is_empty()) {
            let asked = state.asked.entry(application.to_owned()).or_default();
            asked.requests += 1;
            asked.refused += 1;
        }
    }

    fn facts(&self, policy: Policy) -> (i64, u64, Facts) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        #[expect(clippy::cast_precision_loss, reason = "customers are far fewer than 2^53")]
        let coverage = |asked: &Asked| asked.customers.len() as f64 / self.base.max(1) as f64;
        let at_milliseconds = u64::try_from(now_ms()).unwrap_or(0);
        let base = u64::try_from(self.base).unwrap_or(u64::MAX);
        let near_pairs = |application: &str| {
            state.rows.application(application).map_or(0.0, |asked| asked.pattern(base, at_milliseconds).near_share)
        };
        let patterns = state.asked.iter().map(|(application, asked)| Pattern {
            application: application.clone(),
            requests: asked.requests,
            coverage: coverage(asked),
            near_pairs: near_pairs(application),
            refused: asked.refused,
        });
        // The largest finite evidence stands for what is too large to write.
        let drift_evidence = state.drift.as_ref().map(|drift| drift.martingale().log_wealth().exp().min(f64::MAX));
        (state.from, state.requests, Facts { drift_evidence, patterns: patterns.collect(), policy })
    }
}

/// Judges the window since start, writes the ruling down, and names the gates that call people.
pub(super) async fn judge(inner: &Inner, model: Digest) -> Result<Vec<&'static str>, PipelineError> {
    let policy = &inner.desk.project.policy.monitor;
    let policy = Policy {
        drift_evidence_max: policy.drift_evidence_max,
        coverage_max: policy.coverage_max,
        near_pairs_max: policy.near_pairs_max,
        refused_share_max: policy.refused_share_max,
        requests_min: policy.requests_min,
    };
    let (from, requests, facts) = inner.watch.facts(policy);
    if requests == 0 {
        return Ok(Vec::new());
    }
    let window = Window { from, to: now(), requests, model };
    let mut recorder = Recorder::new(&inner.desk, "window", Links::default());
    let (receipt, alarms) = match inner.houses.monitoring.clear(window, &facts, &mut recorder) {
        gate::Outcome::Unrecorded(error) => return Err(error.into()),
        gate::Outcome::Cleared(cleared) => (cleared.receipt().clone(), Vec::new()),
        gate::Outcome::Held(held) => (held.receipt, held.findings.into_iter().map(|(gate, _)| gate).collect()),
        gate::Outcome::Refused { gate, receipt, .. } => (receipt, vec![gate]),
    };
    inner.desk.set_pointer(WATCHED, &receipt.id.into()).await?;
    Ok(alarms)
}
