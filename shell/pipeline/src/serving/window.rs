//! s11: what a window of answers shows that no single one does.

use std::sync::{Mutex, PoisonError};

use artifact::{Query, RawScore, Window};
use drift::{QueryLog, ScoreDrift};
use gate::Digest;
use s10_predict::Served;
use s11_monitor::{Facts, Policy};

use super::rolling::Rolling;
use super::service::Inner;
use crate::PipelineError;
use crate::desk::now;
use crate::evidence::{Links, Recorder};

/// Seed of the drift test's tie breaking; any would do.
const DRIFT_SEED: u64 = 11;

/// The pointer to the entry of the last window, which requests soon bury in the log.
pub(crate) const WATCHED: &str = "watched";

struct State {
    asked: Rolling,
    /// Rows of what-ifs, standardised: somebody who searches the boundary sends nearly the same row again and again.
    rows: QueryLog,
    /// Over all answers since the service was started: its bound on false alarms is for the whole stream, not for a window of it.
    drift: Option<ScoreDrift>,
}

/// How applications asked during the last day, and whether scores drifted.
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
        Ok(Self::new(ScoreDrift::new(&reference, DRIFT_SEED).ok(), base, now()))
    }

    fn new(drift: Option<ScoreDrift>, base: usize, now: i64) -> Self {
        Self { state: Mutex::new(State { asked: Rolling::new(now), rows: QueryLog::default(), drift }), base }
    }

    /// `places` are the customers' rows; `rows` the standardised rows of a what-if, empty for a question by customer.
    pub(super) fn answered(&self, query: &Query, places: &[Option<u32>], rows: &[Vec<f32>], scores: &[RawScore], now: i64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { asked, rows: known, drift } = &mut *state;
        asked.answered(&query.application, places, now);
        let at_milliseconds = milliseconds(now);
        if !rows.is_empty() {
            known.forget_silent(milliseconds(asked.from(now)));
        }
        for features in rows {
            let compared = known.add(&query.application, &drift::Query { customer: None, features, at_milliseconds });
            asked.compared(&query.application, compared, now);
        }
        let scores: Vec<f64> = scores.iter().map(|score| score.probability()).collect();
        if let Some(drift) = drift {
            drift.update(&scores);
        }
    }

    /// A call that was not answered; without an application where its key was not good.
    pub(super) fn refused(&self, application: Option<&str>, now: i64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.asked.refused(application.filter(|application| !application.is_empty()), now);
    }

    /// First moment of the window, requests in it, and what the gates are told.
    fn facts(&self, policy: Policy, now: i64) -> (i64, u64, Facts) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let patterns = state.asked.patterns(self.base, now);
        // The largest finite evidence stands for what is too large to write.
        let drift_evidence = state.drift.as_ref().map(|drift| drift.martingale().log_wealth().exp().min(f64::MAX));
        (state.asked.from(now), state.asked.requests(), Facts { drift_evidence, patterns, policy })
    }
}

fn milliseconds(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).saturating_mul(1000)
}

/// Judges the last day, writes the ruling down, and names the gates that call people.
pub(super) async fn judge(inner: &Inner, model: Digest) -> Result<Vec<&'static str>, PipelineError> {
    let policy = &inner.desk.project.policy.monitor;
    let policy = Policy {
        drift_evidence_max: policy.drift_evidence_max,
        coverage_max: policy.coverage_max,
        near_pairs_max: policy.near_pairs_max,
        refused_share_max: policy.refused_share_max,
        requests_min: policy.requests_min,
    };
    let to = now();
    let (from, requests, facts) = inner.watch.facts(policy, to);
    if requests == 0 {
        return Ok(Vec::new());
    }
    let window = Window { from, to, requests, model };
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

#[cfg(test)]
mod tests {
    use artifact::Asking;

    use super::*;

    const NOON: i64 = 1_795_348_800;

    fn query() -> Query {
        Query { request: "r".into(), application: "crm".into(), asking: Asking::WhatIf, customers: Vec::new(), rows: 1 }
    }

    #[test]
    fn a_search_along_the_boundary_is_seen_and_forgotten_a_day_later() {
        let watch = Watch::new(None, 100, NOON);
        for step in 0..10_u8 {
            watch.answered(&query(), &[], &[vec![1.0 + f32::from(step) * 0.01, 0.0]], &[RawScore::new(0.4)], NOON);
        }
        let policy = Facts::ordinary().policy;
        let (from, requests, facts) = watch.facts(policy.clone(), NOON + 60);
        assert_eq!((from, requests, facts.patterns[0].near_pairs), (NOON, 10, 1.0));
        assert_eq!(facts.drift_evidence, None);
        let later = NOON + 25 * 3600;
        let (from, requests, facts) = watch.facts(policy.clone(), later);
        assert_eq!((from, requests, facts.patterns.len()), (later - 24 * 3600, 0, 0));
        // A row near one of yesterday is the first of its day.
        watch.answered(&query(), &[], &[vec![1.0, 0.0]], &[RawScore::new(0.4)], later);
        assert_eq!(watch.facts(policy, later).2.patterns[0].near_pairs, 0.0);
    }
}
