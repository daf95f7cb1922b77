//! Looks for settings of training: what is pinned in stayward.toml has a record of where it came from. Where a model is judged by time,
//! the rows that judge it are kept back; where it is judged by folds, the search has other folds of the same rows (T4).

use learn::search::{SearchSpec, Searched, Watch, search};
use learn::{Split, TrainSpec};
use serde::Serialize;
use store::control::Control;

use super::explain::settled;
use super::labels::parse_labels;
use super::state::{LabelsState, Pointer};
use super::training::{labels_of, last_moment, model_frame};
use crate::policy::SplitMode;
use crate::{PipelineError, Project};

/// Added to the seed of training for the folds of a search, so that they are not those of the test.
const SEED_STEP: u64 = 1;

/// What was found, on which rows.
#[derive(Clone, Debug, Serialize)]
pub struct SettingsFound {
    /// Which rows were trained and tested on, in words.
    pub split: String,
    /// Rows with a label that the search could see.
    pub rows: usize,
    /// Rows kept back, since a model is judged by them.
    pub kept_back: usize,
    /// Digest of the record: everything but seconds.
    pub digest: gate::Digest,
    /// The settings found, with every trial.
    pub searched: Searched,
    /// The settings as a part of stayward.toml.
    pub snippet: String,
}

/// Searches from the settings that stayward.toml has now.
///
/// # Errors
/// No data source or labels yet, too few rows, a search outside its ranges.
pub async fn search_settings(
    project: &Project,
    control: &Control,
    wanted: SearchSpec,
    watch: &mut (dyn Watch + Send),
) -> Result<SettingsFound, PipelineError> {
    let customers = super::read_customers(project, &settled(control).await?)?;
    let pointer = control.pointer(LabelsState::NAME).await.map_err(PipelineError::internal)?;
    let missing = || PipelineError::wrong("there are no approved labels yet", "make them with `stayward run --to label-qa`");
    let state: LabelsState = serde_json::from_value(pointer.ok_or_else(missing)?.value).map_err(PipelineError::internal)?;
    let objects = store::objects::Objects::open(&project.path("objects"))?;
    let all = labels_of(&customers, &parse_labels(&objects.get(&state.content)?));
    #[expect(clippy::cast_precision_loss, reason = "seconds of any calendar year are below 2^53")]
    let moment =
        |row: usize| customers.time.as_ref().and_then(|all| all.get(row).copied().flatten()).map_or(f64::NAN, |at| at as f64);
    let known: Vec<(usize, bool, f64)> =
        all.iter().enumerate().filter_map(|(row, label)| label.map(|label| (row, label, moment(row)))).collect();
    let chosen = seen(project, &known);
    let kept_back = known.len() - chosen.len();
    let times: Vec<f64> = chosen.iter().map(|row| row.2).collect();
    let labels: Vec<bool> = chosen.iter().map(|row| row.1).collect();
    let frame = model_frame(&customers, project).take(&chosen.iter().map(|row| row.0).collect::<Vec<_>>());
    let (split, words) = folds(project, &times);
    let wrong = |error: learn::LearnError| {
        PipelineError::wrong(
            format!("search: {error}"),
            "give other trials or rungs, or look at `[train]` and `[split]` in stayward.toml",
        )
    };
    let folds = split.folds(&frame, &labels).map_err(wrong)?;
    let wanted = SearchSpec { base: project.policy.train.clone(), ..wanted };
    let searched = search(&frame, &labels, &folds, &wanted, watch).map_err(wrong)?;
    let digest = gate::Digest::of(&searched.record().map_err(wrong)?);
    let snippet = snippet(&searched.best)?;
    Ok(SettingsFound { split: words, rows: labels.len(), kept_back, digest, searched, snippet })
}

/// Rows that no test of a model looks at, where rows have moments; all rows where they have none.
fn seen(project: &Project, known: &[(usize, bool, f64)]) -> Vec<(usize, bool, f64)> {
    let times: Vec<f64> = known.iter().map(|row| row.2).collect();
    match by_time(project, &times) {
        Some((train_to, _)) => known.iter().copied().filter(|row| row.2 <= train_to).collect(),
        None => known.to_vec(),
    }
}

fn by_time(project: &Project, times: &[f64]) -> Option<(f64, f64)> {
    match project.policy.split.mode {
        SplitMode::Stratified => None,
        SplitMode::Auto => last_moment(times, project.policy.split.horizon_days),
    }
}

/// By time where the rows that are left have several moments, else folds with another seed than those of the test.
fn folds<'t>(project: &Project, times: &'t [f64]) -> (Split<'t>, String) {
    if let Some((train_to, test_from)) = by_time(project, times) {
        return (Split::Time { times, train_to, test_from }, "by time, on rows before those that judge a model".to_owned());
    }
    let (folds, seed) = (project.policy.split.folds, project.policy.train.seed.wrapping_add(SEED_STEP));
    let words = format!("in {folds} stratified folds, with another seed than those that judge a model");
    (Split::Stratified { folds, seed }, words)
}

/// The settings as they stand in stayward.toml.
fn snippet(train: &TrainSpec) -> Result<String, PipelineError> {
    #[derive(Serialize)]
    struct Part<'a> {
        train: &'a TrainSpec,
    }
    toml::to_string(&Part { train }).map_err(PipelineError::internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use learn::{Direction, Gamma};

    #[test]
    fn a_snippet_reads_back_as_the_settings() {
        #[derive(serde::Deserialize)]
        struct Part {
            train: TrainSpec,
        }
        let mut spec = TrainSpec::default();
        spec.svm.gamma = Gamma::Value(0.0123);
        spec.booster.monotone = [("monthly charge".to_owned(), Direction::Rising)].into();
        spec.booster.positive_weight = Some(2.5);
        for spec in [spec, TrainSpec::default()] {
            let text = snippet(&spec).unwrap();
            assert!(text.starts_with("[train]"), "{text}");
            assert_eq!(toml::from_str::<Part>(&text).unwrap().train, spec);
        }
    }
}
