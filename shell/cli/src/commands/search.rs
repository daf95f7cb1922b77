//! `stayward model search`: looks for settings of training, shows every trial, and changes nothing: what is pinned in stayward.toml
//! is pinned by a person, with a commit (T4).

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum};
use identity::Action;
use learn::search::{Budget, Objective, SearchSpec, Trial, Watch};
use learn::{Gamma, TrainSpec};
use pipeline::Office;
use pipeline::run::{SettingsFound, search_settings};

use super::Ended;
use crate::output::{Output, table};

/// Trials of the last rung that a table shows; JSON has all of every rung.
const SHOWN: usize = 20;

/// What is made small or large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// The vote's log loss.
    LogLoss,
    /// The vote's AUC.
    Auc,
}

/// What early rungs have less of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Less {
    /// Rows to train on.
    Rows,
    /// Trees.
    Trees,
}

#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// Trials; the first has the settings of stayward.toml.
    #[arg(long, default_value_t = 27)]
    trials: u32,
    /// Rungs: all trials on the first, with a small budget, the best third of them on the next.
    #[arg(long, default_value_t = 3)]
    rungs: u32,
    /// What is made small or large.
    #[arg(long, value_enum, default_value_t = By::LogLoss)]
    by: By,
    /// What early rungs have less of.
    #[arg(long, value_enum, default_value_t = Less::Rows)]
    budget: Less,
    /// The seed of all draws.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the settings found, as a part of stayward.toml, into this file.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Prints each trial as it ends.
struct Told<'o> {
    out: &'o Output,
    began: Instant,
}

impl Watch for Told<'_> {
    fn seconds(&mut self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    fn ran(&mut self, trial: &Trial, left: usize) {
        self.out.say(&format!(
            "trial {:>3} rung {} {:>7} rows  {:.5} ± {:.5}  {:>6.1} s  {left} to come",
            trial.trial,
            trial.rung + 1,
            trial.rows,
            trial.mean,
            deviation(trial),
            trial.seconds,
        ));
    }
}

/// Population standard deviation over the folds.
fn deviation(trial: &Trial) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "folds are few")]
    let folds = trial.scores.len().max(1) as f64;
    (trial.scores.iter().map(|score| (score - trial.mean) * (score - trial.mean)).sum::<f64>() / folds).sqrt()
}

pub(crate) async fn run(args: SearchArgs, root: &Path, out: &Output) -> Ended {
    let office = Office::open(root).await?;
    // As for a run: in a one-person project who brings the data trains, too.
    let needed = if office.project.policy.people.one_person { Action::BringData } else { Action::Train };
    office.authorised(needed).await?;
    let wanted = SearchSpec {
        seed: args.seed,
        trials: args.trials,
        rungs: args.rungs,
        objective: match args.by {
            By::LogLoss => Objective::LogLoss,
            By::Auc => Objective::Auc,
        },
        budget: match args.budget {
            Less::Rows => Budget::Rows,
            Less::Trees => Budget::Trees,
        },
        ..SearchSpec::default()
    };
    let mut told = Told { out, began: Instant::now() };
    let found = search_settings(&office.project, &office.control, wanted, &mut told).await?;
    if let Some(path) = &args.out {
        store::disk::write_atomic(path, found.snippet.as_bytes())?;
    }
    out.result(&found, || spell(&found, args.out.as_deref()));
    Ok(0)
}

fn spell(found: &SettingsFound, written: Option<&Path>) -> String {
    let searched = &found.searched;
    let last = searched.search.rungs - 1;
    let mut trials: Vec<&Trial> = searched.trials.iter().filter(|trial| trial.rung == last).collect();
    let worse = |trial: &Trial| match searched.search.objective {
        Objective::LogLoss => trial.mean,
        Objective::Auc => -trial.mean,
    };
    trials.sort_by(|left, right| worse(left).total_cmp(&worse(right)).then(left.trial.cmp(&right.trial)));
    let rows: Vec<Vec<String>> = trials.iter().take(SHOWN).map(|trial| row(trial)).collect();
    let what = match searched.search.objective {
        Objective::LogLoss => "log loss",
        Objective::Auc => "AUC",
    };
    let kept =
        if found.kept_back > 0 { format!("; {} rows that judge a model were kept back", found.kept_back) } else { String::new() };
    let next = match written {
        Some(path) => format!("the settings stand in {}: put them in the place of `[train]` in stayward.toml", path.display()),
        None => format!("to take these settings, put this in the place of `[train]` in stayward.toml\n\n{}", found.snippet),
    };
    format!(
        "{} runs of {} trials on {} rows, {}{kept}\nrecord {}\n\n{}\n\n\
         best: trial {}, {what} {:.5}; now: {:.5}. The best of many is flattered by luck: `stayward run --from training` judges it\n\n{next}",
        searched.trials.len(),
        searched.search.trials,
        found.rows,
        found.split,
        found.digest,
        table(
            &[
                "trial",
                what,
                "±",
                "seconds",
                "XGBoost: trees, depth, rate",
                "rows, columns",
                "child, lambda",
                "forest leaf",
                "SVM cost, gamma"
            ],
            &rows
        ),
        searched.best_trial,
        searched.best_mean,
        searched.base_mean,
    )
}

fn row(trial: &Trial) -> Vec<String> {
    let TrainSpec { booster, forest, svm, .. } = &trial.spec;
    let gamma = match svm.gamma {
        Gamma::Scale => "scale".to_owned(),
        Gamma::Value(gamma) => gamma.to_string(),
    };
    let name = if trial.trial == 0 { "0 (now)".to_owned() } else { trial.trial.to_string() };
    vec![
        name,
        format!("{:.5}", trial.mean),
        format!("{:.5}", deviation(trial)),
        format!("{:.1}", trial.seconds),
        format!("{}, {}, {}", booster.trees, booster.depth, booster.learning_rate),
        format!("{}, {}", booster.subsample, booster.colsample),
        format!("{}, {}", booster.min_child_weight, booster.lambda),
        forest.min_leaf.to_string(),
        format!("{}, {gamma}", svm.cost),
    ]
}
