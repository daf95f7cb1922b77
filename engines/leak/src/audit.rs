//! Trains many models of one specification on random halves of the rows, and attacks some of them with all others (T2). What it
//! measures is the specification on these rows, not one model: a gate can refuse before anything is released.

use std::collections::BTreeMap;

use frame::Frame;
use learn::forest::Forest;
use learn::gbm::Booster;
use learn::rng::{Rng, derive};
use learn::svm::Svm;
use learn::{Ensemble, Member, Preprocess, TrainSpec};
use rayon::prelude::*;
use serde::Serialize;

use crate::attacks::{Leak, Settings, judge};
use crate::error::LeakError;
use crate::panel::Panel;

/// Fewest models: below, a row is in too few or in all of them.
pub const MODELS_MIN: usize = 8;
/// Most models of one audit.
pub const MODELS_MAX: usize = 1_024;
/// Most scores of one panel: 800 MB of them.
const SCORES_MAX: usize = 100_000_000;

/// The uses of the audit's seed.
const SEED_HALF: u64 = 0x1EA0;
const SEED_MODEL: u64 = 0x1EA1;

/// How an audit is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AuditSpec {
    /// Models to train, [`MODELS_MIN`] to [`MODELS_MAX`]; each on a random half of the rows.
    pub models: usize,
    /// How many of them are attacked, 1 to all: trials are `targets * rows`, and a rate of false alarms takes ten over it of
    /// non-members ([`needed`](crate::needed)).
    pub targets: usize,
    /// Seed of the halves and of each model's own seed.
    pub seed: u64,
    /// One member to train and attack; `None` for all three and their vote. The vote alone takes as long as all, and so does a member
    /// that learns from teachers ([`TrainSpec::distil`]).
    pub member: Option<Member>,
}

impl Default for AuditSpec {
    fn default() -> Self {
        // All 48 are attacked, which costs little beside training them: from 420 rows on, one false alarm in a thousand can be
        // measured, and at 5,000 rows a rate of 0.3 % is known to 0.03 %.
        Self { models: 48, targets: 48, seed: 20_261_123, member: None }
    }
}

impl AuditSpec {
    fn check(&self, rows: usize) -> Result<(), LeakError> {
        let setting = |name, seen: usize, allowed| Err(LeakError::Setting { name, seen: seen.to_string(), allowed });
        if !(MODELS_MIN..=MODELS_MAX).contains(&self.models) {
            return setting("models", self.models, "8 to 1024");
        }
        if self.targets == 0 || self.targets > self.models {
            return setting("targets", self.targets, "1 to the number of models");
        }
        if rows.saturating_mul(self.models) > SCORES_MAX {
            return setting("models times rows", rows.saturating_mul(self.models), "1 to 100000000");
        }
        Ok(())
    }
}

/// How far an audit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Models that are trained.
    pub models: usize,
    /// Models that will be.
    pub all: usize,
}

/// What was found, by member.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Audit {
    /// How it was made.
    pub spec: AuditSpec,
    /// Rows that models were trained on halves of.
    pub rows: usize,
    /// Each audited member's leak.
    pub members: BTreeMap<Member, Leak>,
}

impl Audit {
    /// The highest upper interval end of all members at a rate of false alarms; 1 where it could not be measured.
    pub fn high(&self, false_alarms: f64) -> f64 {
        self.members.values().map(|leak| leak.high(false_alarms)).fold(0.0, f64::max)
    }
}

/// Trains the models and runs all attacks. The same bytes for any number of threads; `progress` is called from the caller's thread.
///
/// # Errors
/// Settings outside their ranges; halves that nothing can be trained on.
pub fn audit(
    frame: &Frame,
    labels: &[bool],
    spec: &TrainSpec,
    audit: &AuditSpec,
    progress: &mut dyn FnMut(Progress),
) -> Result<Audit, LeakError> {
    let settings = Settings { threshold: spec.threshold, ..Settings::default() };
    let targets: Vec<usize> = (0..audit.targets).collect();
    let mut members = BTreeMap::new();
    for (member, panel) in panels(frame, labels, spec, audit, progress)? {
        members.insert(member, judge(&panel, &targets, &settings)?);
    }
    Ok(Audit { spec: *audit, rows: frame.rows(), members })
}

/// Scores of every model for every row, by member: what [`audit`] attacks, for other people's attacks too.
///
/// # Errors
/// As [`audit`].
pub fn panels(
    frame: &Frame,
    labels: &[bool],
    spec: &TrainSpec,
    audit: &AuditSpec,
    progress: &mut dyn FnMut(Progress),
) -> Result<BTreeMap<Member, Panel>, LeakError> {
    let rows = frame.rows();
    audit.check(rows)?;
    if labels.len() != rows {
        return Err(LeakError::Count { what: "labels", expected: rows, seen: labels.len() });
    }
    let members = audit.member.map_or(Member::ALL.to_vec(), |member| vec![member]);
    let mut scores = vec![Vec::with_capacity(rows * audit.models); members.len()];
    let mut trained = Vec::with_capacity(rows * audit.models);
    let models: Vec<usize> = (0..audit.models).collect();
    // So many at a time as there are threads: an exact support vector machine keeps its whole kernel.
    for chunk in models.chunks(rayon::current_num_threads().max(1)) {
        let fitted: Vec<(Vec<bool>, Vec<Vec<f64>>)> = chunk
            .par_iter()
            .map(|&model| {
                let held = half(rows, derive(audit.seed, SEED_HALF, model as u64));
                let spec = TrainSpec { seed: derive(audit.seed ^ spec.seed, SEED_MODEL, model as u64), ..spec.clone() };
                let scores = answers(frame, labels, &held, &spec, &members)?;
                Ok::<_, LeakError>((held, scores))
            })
            .collect::<Result<_, _>>()?;
        for (held, answers) in fitted {
            trained.extend(held);
            scores.iter_mut().zip(answers).for_each(|(all, own)| all.extend(own));
        }
        progress(Progress { models: chunk.last().map_or(0, |last| last + 1), all: audit.models });
    }
    let panel = |scores| Panel::new(scores, trained.clone(), labels.to_vec());
    members.into_iter().zip(scores).map(|(member, scores)| Ok((member, panel(scores)?))).collect()
}

/// Each row by the toss of a coin of its own (see [`Panel`]).
fn half(rows: usize, seed: u64) -> Vec<bool> {
    let mut rng = Rng::new(seed);
    (0..rows).map(|_| rng.bits() >> 63 == 1).collect()
}

/// Scores of all rows, for each wanted member, by a model that was trained on those held.
fn answers(
    frame: &Frame,
    labels: &[bool],
    held: &[bool],
    spec: &TrainSpec,
    members: &[Member],
) -> Result<Vec<Vec<f64>>, LeakError> {
    let rows: Vec<usize> = (0..held.len()).filter(|&row| held[row]).collect();
    let train = frame.take(&rows);
    let known: Vec<bool> = rows.iter().map(|&row| labels[row]).collect();
    if let (&[member @ (Member::Booster | Member::Svm | Member::Forest)], None) = (members, &spec.distil) {
        return Ok(vec![alone(frame, &train, &known, spec, member)?]);
    }
    let scores = Ensemble::fit(&train, &known, spec)?.predict(frame)?;
    Ok(members.iter().map(|member| scores.iter().map(|scores| member.of(scores)).collect()).collect())
}

/// The same for one member without the others.
fn alone(frame: &Frame, train: &Frame, labels: &[bool], spec: &TrainSpec, member: Member) -> Result<Vec<f64>, LeakError> {
    spec.check()?;
    let preprocess = Preprocess::fit(train, &spec.log_columns)?;
    let (raw, all) = (preprocess.encode(train)?, preprocess.encode(frame)?);
    if member == Member::Booster {
        let margins = Booster::fit(&raw, labels, &spec.booster, spec.seed)?.margins(&all)?;
        return Ok(margins.into_iter().map(Booster::chance).collect());
    }
    let (raw, all) = (preprocess.filled(&raw), preprocess.filled(&all));
    if member == Member::Forest {
        return Ok(Forest::fit(&raw, labels, &spec.forest, spec.seed)?.chances(&all));
    }
    Ok(Svm::fit(&preprocess.scaled(&raw), labels, &spec.svm, spec.seed)?.chances(&preprocess.scaled(&all)))
}
