//! The Model page: the figures of a model, from the report that its signed entries answer for, and what it was made of (T4, T5, T6).

use console::view::model::{Better, Curve, MetricColumn, MetricOf, MetricRow, MetricTable, ModelDetail, ModelView, SegmentView};
use console::view::{Chrome, Fact, FindingView, MeanSd, State};
use gate::Digest;
use learn::evaluate::Spread;
use learn::{Member, MemberReport};
use serde_json::Value;

use super::entry;
use super::lit::{command_in, judged, worst};
use super::origin::{Origin, walk};
use crate::run::{Deployed, Pointer, Report, TrainedState};
use crate::{Desk, PipelineError};

/// Largest report that is read.
const REPORT_BYTES_MAX: u64 = 64 << 20;
/// Runs that are looked into for the entry of a model that was never deployed.
const RUNS_LOOKED_BACK: i64 = 100;

/// The Model page: the model whose id begins so, or the one that is deployed (or else the newest that was trained); nothing if
/// there is no such model.
///
/// # Errors
/// The control database cannot be read.
pub async fn model_view(desk: &Desk, id: Option<&str>) -> Result<Option<ModelView>, PipelineError> {
    let known = known(desk).await?;
    let model = match id {
        Some(id) => match known.iter().find(|model| id.len() >= 4 && (model.starts_with(id) || id.starts_with(model.as_str()))) {
            Some(model) => Some(model),
            None => return Ok(None),
        },
        None => known.first(),
    };
    let others = known.iter().filter(|other| Some(*other) != model).cloned().collect();
    let model = match model {
        Some(model) => Some(detail(desk, model).await?),
        None => None,
    };
    Ok(Some(ModelView { chrome: Chrome::default(), model, others }))
}

/// Ids of models: those that were deployed, the newest deployment first; then what was trained last; then what else is on the disk.
pub(super) async fn known(desk: &Desk) -> Result<Vec<String>, PipelineError> {
    let deployments = desk.control.deployments().await.map_err(PipelineError::internal)?;
    let trained = trained(desk).await?.map(|trained| trained.candidate.model().short());
    let folder = desk.project.path(crate::run::MODELS);
    let found = if folder.is_dir() { store::disk::list(&folder)? } else { Vec::new() };
    let found = found.into_iter().filter(|name| !name.ends_with(".sig"));
    let mut known: Vec<String> = Vec::new();
    for model in deployments.iter().map(|deployment| deployment.what.model.short()).chain(trained).chain(found) {
        if !known.contains(&model) {
            known.push(model);
        }
    }
    Ok(known)
}

async fn trained(desk: &Desk) -> Result<Option<TrainedState>, PipelineError> {
    Ok(desk.pointer(TrainedState::NAME).await?.and_then(|value| serde_json::from_value(value).ok()))
}

/// Where the walk to a model's origin begins, and how its release stands.
pub(super) struct Standing {
    pub(super) entry: Option<String>,
    model: Option<Digest>,
    state: State,
    finding: Option<FindingView>,
}

pub(super) async fn standing(desk: &Desk, id: &str) -> Result<Standing, PipelineError> {
    let deployments = desk.control.deployments().await.map_err(PipelineError::internal)?;
    if let Some(deployment) = deployments.iter().find(|deployment| deployment.what.model.short() == id) {
        let deployed: Option<Deployed> = serde_json::from_value(deployment.what.receipt.clone()).ok();
        let entry = deployed.map(|deployed| deployed.deployment.id);
        return Ok(Standing { entry, model: Some(deployment.what.model), state: State::Pass, finding: None });
    }
    let model = trained(desk).await?.map(|trained| trained.candidate.model()).filter(|model| model.short() == id);
    let folder = format!("{}/{id}/", crate::run::MODELS);
    for run in desk.control.list_runs(RUNS_LOOKED_BACK).await.map_err(PipelineError::internal)? {
        let steps = desk.control.steps(&run.id).await.map_err(PipelineError::internal)?;
        // The newest verdict on this model: of its release, if it came so far, or else of its training.
        for step in steps.iter().rev().filter(|step| matches!(step.what.step.as_str(), "s07-release" | "s05-training")) {
            let Some(entry) = step.what.evidence.as_deref().and_then(|id| entry::by_id(desk, id).ok()) else { continue };
            if !entry.part.artefacts.iter().any(|artefact| artefact.path.starts_with(&folder)) {
                continue;
            }
            let judged = judged(desk, step);
            let said = judged.gates.into_values().find(|said| said.state == judged.state && said.finding.is_some());
            // A model that only came through training waits for its release.
            let state =
                if step.what.step == "s05-training" && judged.state == State::Pass { State::NotRun } else { judged.state };
            return Ok(Standing { entry: Some(entry.id), model, state, finding: said.and_then(|said| said.finding) });
        }
    }
    Ok(Standing { entry: None, model, state: State::NotRun, finding: None })
}

pub(super) async fn detail(desk: &Desk, id: &str) -> Result<ModelDetail, PipelineError> {
    let standing = standing(desk, id).await?;
    let origin = standing.entry.as_deref().map(|entry| walk(desk, entry)).unwrap_or_default();
    let digest = standing.model.map_or_else(|| id.to_owned(), |model| model.to_string());
    let detail = ModelDetail {
        id: id.to_owned(),
        digest,
        state: standing.state,
        finding: standing.finding,
        trained_at: origin.made.as_ref().map_or_else(String::new, |entry| entry.made_at.clone()),
        run: origin.made.as_ref().map_or_else(String::new, |entry| entry.run.clone()),
        evidence: origin.refs(),
        ..ModelDetail::default()
    };
    match report(desk, id, &origin) {
        Ok(report) => {
            let segmented = report.segments.segments().iter().map(|segment| segment.size).sum();
            let trained_on = origin.inputs(desk, segmented).await?;
            Ok(ModelDetail { trained_on, value_unit: value_unit(desk), ..figures(detail, &report) })
        }
        Err(why) => Ok(doubted(ModelDetail { trained_on: origin.inputs(desk, 0).await?, ..detail }, why)),
    }
}

/// A report that is not the one that was logged shows no figures at all.
fn doubted(detail: ModelDetail, why: String) -> ModelDetail {
    let help = "its figures are not shown; see which links hold with `stayward evidence verify`".to_owned();
    let finding = FindingView { rule: "evidence-chain".into(), why, command: command_in(&help), help, release_by: String::new() };
    ModelDetail { state: worst([detail.state, State::Inconclusive]), finding: Some(detail.finding.unwrap_or(finding)), ..detail }
}

pub(super) fn report(desk: &Desk, id: &str, origin: &Origin) -> Result<Report, String> {
    let path = format!("{}/{id}/report.json", crate::run::MODELS);
    let logged = origin.digest_of(&path).ok_or_else(|| format!("no entry of the log answers for `{path}`"))?;
    let bytes = store::disk::read_limited(&desk.project.path(&path), REPORT_BYTES_MAX).map_err(|error| error.to_string())?;
    let found = Digest::of(&bytes);
    if found != logged {
        return Err(format!("`{path}` was changed: it is {}, logged was {}", found.short(), logged.short()));
    }
    serde_json::from_slice(&bytes).map_err(|error| format!("`{path}` cannot be read: {error}"))
}

fn value_unit(desk: &Desk) -> String {
    desk.project.contract.of_role(tabular::contract::Role::Value).map_or_else(String::new, |rule| rule.name.clone())
}

fn figures(detail: ModelDetail, report: &Report) -> ModelDetail {
    let curves = |of: &dyn Fn(&MemberReport) -> Vec<[f64; 2]>| {
        let curve = |(member, figures): (&Member, &MemberReport)| Curve { name: name(*member).to_owned(), points: of(figures) };
        report.members.iter().map(curve).collect()
    };
    let points = |points: &[learn::curves::Point]| points.iter().map(|point| [point.x, point.y]).collect();
    ModelDetail {
        metrics: metrics(report),
        roc: curves(&|figures| points(&figures.curves.roc)),
        precision_recall: curves(&|figures| points(&figures.curves.precision_recall)),
        lift: curves(&|figures| lift(&figures.curves.lift)),
        calibration: curves(&|figures| calibration(&figures.curves.calibration)),
        audit: report.audit_in_words().into_iter().map(|(name, words)| Fact::new(name, words)).collect(),
        segments: segments(report),
        churn_rate: churn_rate(report),
        spec: spec(report),
        ..detail
    }
}

fn name(member: Member) -> &'static str {
    match member {
        Member::Booster => "XGBoost",
        Member::Svm => "SVM",
        Member::Forest => "Random Forest",
        Member::Vote => "vote",
    }
}

fn metrics(report: &Report) -> MetricTable {
    let column = |name: &str, better| MetricColumn { name: name.to_owned(), unit: String::new(), better };
    // One split by time has no spread, and zero would be a claim.
    let one = report.sizes.len() < 2;
    let value = |spread: Spread| Some(MeanSd { mean: spread.mean, sd: if one { f64::NAN } else { spread.deviation } });
    let row = |(member, figures): (&Member, &MemberReport)| MetricRow {
        name: name(*member).to_owned(),
        of: if *member == Member::Vote { MetricOf::Vote } else { MetricOf::Member },
        values: [figures.auc, figures.pr_auc, figures.log_loss, figures.brier, figures.accuracy].map(value).to_vec(),
    };
    MetricTable {
        over: report.split.clone(),
        columns: vec![
            column("ROC AUC", Better::Higher),
            column("PR AUC", Better::Higher),
            MetricColumn { unit: "nats".to_owned(), ..column("log loss", Better::Lower) },
            column("Brier score", Better::Lower),
            column("accuracy", Better::Higher),
        ],
        rows: report.members.iter().map(row).collect(),
    }
}

/// How many times more churners than by chance are among those contacted: x is their share of all customers.
fn lift(parts: &[learn::curves::Lift]) -> Vec<[f64; 2]> {
    let all: usize = parts.iter().map(|part| part.rows).sum();
    let mut contacted = 0;
    let mut points = Vec::new();
    for part in parts {
        contacted += part.rows;
        #[expect(clippy::cast_precision_loss, reason = "row counts stay far below 2^53")]
        let share = contacted as f64 / all.max(1) as f64;
        if share > 0.0 {
            points.push([share, part.gain / share]);
        }
    }
    points
}

fn calibration(bins: &[learn::curves::Bin]) -> Vec<[f64; 2]> {
    bins.iter().filter(|bin| bin.rows > 0).map(|bin| [bin.predicted, bin.observed]).collect()
}

fn segments(report: &Report) -> Vec<SegmentView> {
    let all: u64 = report.segments.segments().iter().map(|segment| segment.size).sum();
    let view = |segment: &learn::segments::Segment| SegmentView {
        name: segment.name.clone(),
        customers: segment.size,
        #[expect(clippy::cast_precision_loss, reason = "customers are far fewer than 2^53")]
        share: segment.size as f64 / all.max(1) as f64,
        // Not a number is drawn as unknown: not every customer's label is known then.
        churn_rate: segment.churn_rate.unwrap_or(f64::NAN),
        value: segment.mean_value,
        stability: Some(segment.stability),
    };
    report.segments.segments().iter().map(view).collect()
}

/// Of all customers that were segmented, as their latest rows say; unknown unless every segment's is known.
fn churn_rate(report: &Report) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "customers are far fewer than 2^53")]
    let weigh =
        |segment: &learn::segments::Segment| segment.churn_rate.map(|rate| (segment.size as f64, segment.size as f64 * rate));
    let weighed: Option<Vec<(f64, f64)>> = report.segments.segments().iter().map(weigh).collect();
    let (sizes, churned): (Vec<f64>, Vec<f64>) = weighed?.into_iter().unzip();
    let all: f64 = sizes.iter().sum();
    (all > 0.0).then(|| churned.iter().sum::<f64>() / all)
}

fn spec(report: &Report) -> Vec<Fact> {
    let listed = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let sizes: Vec<String> = report.sizes.iter().map(|(train, test)| format!("{train} / {test}")).collect();
    let mut facts = vec![
        Fact::new("split", report.split.clone()),
        Fact::new("rows trained / tested, by test", sizes.join(", ")),
        Fact::new("rows in all", report.rows.to_string()),
        Fact::new("rows that equal another", report.duplicates.to_string()),
        Fact::new("columns read", listed(&report.columns)),
        Fact::new("protected columns, not read", listed(&report.protected)),
    ];
    if let Ok(value) = serde_json::to_value(&report.spec) {
        flat("", &value, &mut facts);
    }
    facts
}

/// Settings by their names in stayward.toml.
fn flat(name: &str, value: &Value, out: &mut Vec<Fact>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                flat(&if name.is_empty() { member.clone() } else { format!("{name}.{member}") }, value, out);
            }
        }
        Value::Array(items) if items.is_empty() => out.push(Fact::new(name, "none")),
        Value::String(text) => out.push(Fact::new(name, text.clone())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => out.push(Fact::new(name, value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lift_is_gain_over_share_contacted() {
        let part = |rows, gain| learn::curves::Lift { rows, rate: 0.0, lift: 0.0, gain };
        assert_eq!(lift(&[part(1, 0.5), part(1, 0.75), part(2, 1.0)]), [[0.25, 2.0], [0.5, 1.5], [1.0, 1.0]]);
        assert!(lift(&[]).is_empty());
        assert!(lift(&[part(0, 0.0)]).is_empty());
    }

    #[test]
    fn settings_are_named_as_in_the_policy() {
        let mut facts = Vec::new();
        flat("", &serde_json::json!({ "booster": { "trees": 3 }, "log_columns": [], "weights": "equal" }), &mut facts);
        assert_eq!(facts, [Fact::new("booster.trees", "3"), Fact::new("log_columns", "none"), Fact::new("weights", "equal")]);
    }
}
