//! s05, what an AUC does not see: calibration, the most valuable customers, groups of people, backdoors, and how many decisions on
//! frozen customers differ from those of the model that serves (T4, T6).

use audit::{ScanSpec, Scored};
use frame::{Categories, Column, Frame, FrameError};
use gate::Digest;
use learn::rng::{Rng, derive};
use learn::{Ensemble, Evaluation, LearnError, Member};
use s05_train::{AttributeGain, Audit, Canary, Hardening, Memory, Pattern, RecallGap, Robustness, Sets, TopTier, TradeoffPoint};
use serde::{Deserialize, Serialize};

use super::Run;
use super::state::Deployed;
use super::training::{Prepared, model_folder};
use crate::PipelineError;
use crate::evidence::proof;
use crate::policy::Keep;

/// The frozen customers, beside the model.
pub(super) const CANARY_FILE: &str = "canary.json";
/// Frozen customers.
const CANARY_ROWS: usize = 500;
/// The use of the training seed.
const SEED_CANARY: u64 = 77;
/// Largest file of frozen customers.
const CANARY_BYTES_MAX: u64 = 64 << 20;
/// Share of either label that the label sets of the report may miss.
const MISS: f64 = 0.1;
/// Patterns that are kept in facts and report, beside those above the limit.
const PATTERNS_KEPT: usize = 10;
/// Patterns that are kept at all.
const PATTERNS_MAX: usize = 1_000;

/// Frozen customers (columns that the model reads, no identifiers) and what the model beside them decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FrozenFile {
    columns: Vec<(String, FrozenColumn)>,
    flagged: Vec<bool>,
}

/// A column in JSON, which knows no `NaN`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FrozenColumn {
    Number(Vec<Option<f64>>),
    Category(Categories),
}

impl FrozenFile {
    fn new(rows: &Frame, flagged: Vec<bool>) -> Self {
        let frozen = |column: &Column| match column {
            Column::Number(values) => {
                FrozenColumn::Number(values.iter().map(|value| Some(*value).filter(|value| value.is_finite())).collect())
            }
            Column::Category(categories) => FrozenColumn::Category(categories.clone()),
        };
        Self { columns: rows.iter().map(|(name, column)| (name.to_owned(), frozen(column))).collect(), flagged }
    }

    fn rows(&self) -> Result<Frame, FrameError> {
        let mut rows = Frame::new(self.flagged.len());
        for (name, column) in &self.columns {
            let column = match column {
                FrozenColumn::Number(values) => Column::Number(values.iter().map(|value| value.unwrap_or(f64::NAN)).collect()),
                FrozenColumn::Category(categories) => Column::Category(categories.clone()),
            };
            rows.push(name, column)?;
        }
        Ok(rows)
    }
}

/// The frozen customers of a candidate, and how its decisions compare.
pub(super) struct Frozen {
    pub(super) file: FrozenFile,
    pub(super) compared: Canary,
}

/// Measures what the gates of s05 ask beyond the figures.
pub(super) fn audit(
    ensemble: &Ensemble,
    prepared: &Prepared,
    evaluation: &Evaluation,
    lift_max: f64,
) -> Result<Audit, LearnError> {
    let scored: Vec<Scored> =
        evaluation.out_of_fold.iter().map(|row| Scored { row: row.row, label: row.label, vote: row.scores.vote }).collect();
    let threshold = ensemble.threshold();
    let tiers = prepared.value.as_ref().map(|value| audit::tiers(&scored, value, threshold)).unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "row counts stay far below 2^53")]
    let below = tiers.iter().rev().nth(1).map(|tier| tier.churners as f64 / tier.rows as f64);
    let measured = |tier: &audit::Group| {
        let (auc, deviation) = (tier.auc, tier.auc_deviation());
        (auc.is_finite() && deviation.is_finite()).then_some((auc, deviation))
    };
    // A value that the contract names and no row has is a tier without rows.
    let declared = prepared.value.is_some();
    let top_tier = tiers.into_iter().next_back().or_else(|| declared.then(audit::Group::default)).map(|tier| TopTier {
        below: below.filter(|below| below.is_finite()),
        auc: measured(&tier),
        name: tier.name,
        rows: tier.rows,
        churners: tier.churners,
        found: tier.found,
    });
    let mut recall_gaps = Vec::new();
    for (name, column) in prepared.people.iter() {
        let groups = audit::groups(&scored, column, threshold);
        if let Some((gap, least, most)) = audit::gap(&groups) {
            let named = |group: &audit::Group| (group.name.clone(), group.recall());
            recall_gaps.push(RecallGap { column: name.to_owned(), gap, least: named(least), most: named(most) });
        }
    }
    let encoded = ensemble.preprocess().encode(&prepared.frame)?;
    // All that a gate could refuse: accepted ones must not hide others.
    let found = audit::scan(ensemble, &encoded, ScanSpec::default())?.into_iter().enumerate();
    let kept = found.filter(|(at, found)| *at < PATTERNS_KEPT || !(found.lift <= lift_max)).take(PATTERNS_MAX);
    let patterns = kept.map(|(_, found)| found).map(|found| Pattern {
        columns: found.columns.join("+"),
        values: found.values.join(", "),
        support: found.support,
        turned: found.turned,
        lift: found.lift,
    });
    let churners = scored.iter().filter(|row| row.label).count();
    #[expect(clippy::cast_precision_loss, reason = "row counts stay far below 2^53")]
    let churn_rate = churners as f64 / scored.len() as f64;
    Ok(Audit {
        calibration_error: audit::calibration(&scored).error,
        auc: evaluation.members.get(&Member::Vote).map_or(f64::NAN, |vote| vote.pooled_auc),
        churn_rate,
        top_tier,
        recall_gaps,
        patterns: patterns.collect(),
        sets: audit::sets(&scored, MISS).map(|found| Sets {
            miss: MISS,
            missed_churners: found.missed_churners,
            missed_stayers: found.missed_stayers,
            undecided: found.undecided,
            rows: found.rows,
        }),
    })
}

/// Name and figure of everything that was measured, for people.
pub(super) fn in_words(audit: &Audit, canary: &Canary) -> Vec<(String, String)> {
    let mut out = vec![("calibration error".to_owned(), format!("{:.3}", audit.calibration_error))];
    out.push(match &audit.top_tier {
        Some(tier) => (
            format!("most valuable quarter ({})", tier.name),
            format!(
                "AUC {} (all: {:.3}); {} of {} churners flagged, {} rows",
                tier.auc.map_or_else(|| "not to be told".to_owned(), |(auc, deviation)| format!("{auc:.3} ± {deviation:.3}")),
                audit.auc,
                tier.found,
                tier.churners,
                tier.rows
            ),
        ),
        None => ("most valuable quarter".to_owned(), "the contract names no value".to_owned()),
    });
    out.extend(audit.recall_gaps.iter().map(|gap| {
        let (least, most) = (&gap.least, &gap.most);
        let words = format!("{:.2} of `{}` to {:.2} of `{}`; certain gap {:.2}", least.1, least.0, most.1, most.0, gap.gap);
        (format!("recall by `{}`", gap.column), words)
    }));
    if let Some(sets) = &audit.sets {
        let share = |share: f64| format!("{:.1} %", share * 100.0);
        let (churners, stayers, both) = (share(sets.missed_churners), share(sets.missed_stayers), share(sets.undecided));
        let words =
            format!("miss {churners} of churners and {stayers} of the others on {} rows; cannot tell {both} of rows", sets.rows);
        out.push((format!("label sets that may miss {:.0} %", sets.miss * 100.0), words));
    }
    out.push((
        "strongest rare pattern".to_owned(),
        audit.patterns.first().map_or_else(
            || "none".to_owned(),
            |found| {
                let (turned, support, lift) = (found.turned * 100.0, found.support * 100.0, found.lift);
                format!("{}: turns {turned:.0} % of answers, {support:.2} % of rows have it, lift {lift:.2}", found.values)
            },
        ),
    ));
    let compared = match canary {
        Canary::First => "no model served before".to_owned(),
        Canary::Renewed => "not compared: `quality.canary` is `renew`".to_owned(),
        Canary::Unfrozen => "not compared: the serving model, of an earlier version, has no frozen customers".to_owned(),
        Canary::Compared { rows, released, caught } => {
            format!("of {rows} frozen customers {released} no longer flagged, {caught} newly flagged")
        }
        Canary::Broken(why) => why.clone(),
        Canary::Unknown => "not measured".to_owned(),
    };
    out.push(("decisions against the serving model".to_owned(), compared));
    out
}

/// The same of what an outsider can do.
pub(super) fn robustness_in_words(found: &Robustness) -> Vec<(String, String)> {
    if found.columns.is_empty() {
        let words =
            "the contract lets outsiders change no column of the model (`outsider` of each column in contract.toml)".to_owned();
        return vec![("moves of outsiders".to_owned(), words)];
    }
    let mut out = vec![(
        format!("booster under moves of the contract (or {:.0} % of a range)", found.eps * 100.0),
        format!(
            "balanced accuracy {:.3}, certified {:.3} on {} rows ({:.1} % undecided); moved: {}",
            found.balanced_accuracy,
            found.certified,
            found.rows,
            found.unknown * 100.0,
            found.columns.join(", ")
        ),
    )];
    out.extend(found.evasions.iter().map(|one| {
        let (low, high) = one.interval;
        let words = format!("{} of {} right answers turned (95 % interval {low:.2} to {high:.2})", one.won, one.tried);
        (format!("vote, attacker who knows the {}", one.knows), words)
    }));
    out
}

/// The same of what a member remembers.
pub(super) fn memory_in_words(found: &Memory) -> (String, String) {
    let words = match found.tpr {
        Some(tpr) => format!(
            "{} finds {:.2} % of its people at 0.1 % false alarms (up to {:.2} %; {} models on halves of {} rows)",
            found.attack,
            tpr * 100.0,
            found.tpr_high * 100.0,
            found.models,
            found.rows
        ),
        None => format!("{} rows are too few to measure 0.1 % false alarms", found.rows),
    };
    (format!("membership, {}", found.member), words)
}

/// The same of the curve that training against outsiders was chosen by.
pub(super) fn hardening_in_words(found: &Hardening) -> Vec<(String, String)> {
    let line = |point: &TradeoffPoint| {
        let chosen = if point.strength == found.strength { "; chosen by `[harden]`" } else { "" };
        let words = format!(
            "on a quarter kept back AUC {:.4}; an attacker turns {} of {} right answers, balanced accuracy {:.3} falls to {:.3}{chosen}",
            point.auc, point.won, point.tried, point.balanced_accuracy, point.withstood
        );
        (format!("trained against outsiders by strength {}", point.strength), words)
    };
    found.points.iter().map(line).collect()
}

/// The same of what answers give away.
pub(super) fn attribute_in_words(found: &AttributeGain) -> (String, String) {
    let (gain, error) = found.gain;
    let words = format!("AUC {:.3} without the model, answers add {gain:+.3} ± {error:.3}", found.imputation);
    (format!("guesses of `{}` = `{}`", found.column, found.level), words)
}

impl Run<'_> {
    /// The frozen customers of the model that serves, decided again; drawn from the training rows where no model serves yet.
    pub(super) async fn canary(&self, ensemble: &Ensemble, prepared: &Prepared) -> Result<Frozen, PipelineError> {
        let decide = |rows: &Frame| -> Result<Vec<bool>, LearnError> {
            Ok(ensemble.predict(rows)?.iter().map(|scores| ensemble.is_positive(scores)).collect())
        };
        let known = match self.desk.project.policy.quality.canary {
            Keep::Keep => self.serving(self.desk.deployed().await?.as_ref()),
            Keep::Renew => Err(Canary::Renewed),
        };
        let compared = match &known {
            Err(canary) => canary.clone(),
            Ok((rows, before)) => match decide(rows) {
                Ok(flagged) => {
                    let flips = audit::flips(before, &flagged);
                    let compared = Canary::Compared { rows: flips.rows, released: flips.released, caught: flips.caught };
                    return Ok(Frozen { file: FrozenFile::new(rows, flagged), compared });
                }
                Err(error) => Canary::Broken(error.to_string()),
            },
        };
        let mut places: Vec<usize> = (0..prepared.frame.rows()).collect();
        Rng::new(derive(ensemble.spec().seed, SEED_CANARY, 0)).shuffle(&mut places);
        places.truncate(CANARY_ROWS);
        places.sort_unstable();
        let rows = prepared.frame.take(&places);
        let flagged = decide(&rows).map_err(PipelineError::internal)?;
        Ok(Frozen { file: FrozenFile::new(&rows, flagged), compared })
    }

    /// The frozen customers of the model that serves, as the log proves it, and its decisions; or why there are none.
    fn serving(&self, deployed: Option<&Deployed>) -> Result<(Frame, Vec<bool>), Canary> {
        let broken = |why: String| Canary::Broken(why);
        let Some(deployed) = deployed else {
            // The control database must not make a serving model unseen.
            let any = proof::any_deployment(self.desk).map_err(broken)?;
            let gone = "the log has a deployment that the control database does not know".to_owned();
            return Err(if any { Canary::Broken(gone) } else { Canary::First });
        };
        let keys = self.desk.statement_keys();
        proof::deployment(&self.desk.reader, &keys, deployed).map_err(|error| broken(error.to_string()))?;
        self.frozen(deployed).map_err(broken)?.ok_or(Canary::Unfrozen)
    }

    /// The frozen customers beside a deployed model, as the log proves them, and its decisions; none beside a model of an earlier
    /// version.
    fn frozen(&self, serving: &Deployed) -> Result<Option<(Frame, Vec<bool>)>, String> {
        let release = proof::cleared::<artifact::ReleaseStep>(self.desk, &serving.receipt)?;
        let Some(digest) = release.files.get(CANARY_FILE) else { return Ok(None) };
        let path = self.desk.project.path(&model_folder(release.model())).join(CANARY_FILE);
        let bytes = store::disk::read_limited(&path, CANARY_BYTES_MAX).map_err(|error| error.to_string())?;
        if Digest::of(&bytes) != *digest {
            return Err(format!("`{CANARY_FILE}` of the serving model was changed"));
        }
        let file: FrozenFile = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        Ok(Some((file.rows().map_err(|error| error.to_string())?, file.flagged)))
    }
}
