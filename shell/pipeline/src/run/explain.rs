//! Which columns move a model's answers, for people inside who may read the data source (T4, T5); the API has no way here, since
//! contributions help to steal a model and to tell members from strangers (T2).

use learn::conformal::LabelSet;
use learn::explain::permutation::{Importance, permutation};
use learn::explain::treeshap::{Explainer, Explanation};
use learn::explain::{by_column, by_segment};
use learn::rng::Rng;
use learn::{Ensemble, Matrix};
use serde::Serialize;
use store::control::Control;
use tabular::TypedTable;

use super::labels::parse_labels;
use super::state::{LabelsState, Pointer, Settled};
use super::training::{labelled, model_frame};
use crate::{PipelineError, Project, data};

/// Rows that covers are counted from.
const BACKGROUND_ROWS: usize = 2_000;
/// Rows whose parts a segment's means are taken over.
const SEGMENT_ROWS: usize = 60;
/// Times that each column is dealt out.
const REPETITIONS: usize = 5;
/// Share of either label that a label set may miss; one of [`learn::conformal::LEVELS`].
const MISS: f64 = 0.1;
/// Seed of what is drawn here; any would do, it must only stay the same.
const SEED: u64 = 20_261_122;

/// What one column adds to the answers for one customer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// The column.
    pub column: String,
    /// What the customer has in it; absent where nothing is known.
    pub value: Option<String>,
    /// Added to the booster's log odds.
    pub booster: f64,
    /// Added to the forest's probability.
    pub forest: f64,
}

/// The answer for one customer, shared out among the columns, largest part of the booster first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CustomerExplained {
    /// The customer.
    pub customer: String,
    /// The vote, 0 to 1.
    pub vote: f64,
    /// Where the probability lies (Venn-Abers), and labels that cannot be excluded at 10 % misses; absent in models of earlier versions
    /// and of few churners.
    pub sure: Option<Sure>,
    /// The support vector machine's probability, which is not shared out: it has no trees.
    pub svm: f64,
    /// The booster's mean log odds, and this customer's.
    pub booster: (f64, f64),
    /// The forest's mean probability, and this customer's.
    pub forest: (f64, f64),
    /// Every column's parts.
    pub parts: Vec<Part>,
}

/// How sure a vote is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sure {
    /// The interval's ends.
    pub interval: (f64, f64),
    /// The label set.
    pub labels: LabelSet,
}

/// What one column is worth to the vote.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Worth {
    /// The column.
    pub column: String,
    /// Mean loss of AUC when its values are dealt out at random.
    pub drop: f64,
    /// Standard deviation over the repetitions.
    pub deviation: f64,
    /// Mean size of its part of the booster's log odds, segment by segment; absent where a segment has no customers.
    pub segments: Vec<Option<f64>>,
}

/// What the model leans on, most important column first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelExplained {
    /// The vote's AUC on the labelled rows, which the model was trained on: higher than on new customers.
    pub auc: f64,
    /// Labelled rows that were dealt out.
    pub rows: usize,
    /// Names of the segments.
    pub segments: Vec<String>,
    /// Every column.
    pub columns: Vec<Worth>,
}

fn internal(error: learn::LearnError) -> PipelineError {
    PipelineError::wrong(format!("explaining: {error}"), "explain a model of this project's present columns, or train again")
}

pub(super) async fn settled(control: &Control) -> Result<Settled, PipelineError> {
    let pointer = control.pointer(Settled::NAME).await.map_err(PipelineError::internal)?;
    let missing = || PipelineError::wrong("there is no data source yet", "make it with `stayward run --to data-source`");
    serde_json::from_value(pointer.ok_or_else(missing)?.value).map_err(PipelineError::internal)
}

/// At most so many rows, drawn and sorted.
fn drawn(rows: Vec<usize>, most: usize) -> Vec<usize> {
    let mut rows = rows;
    if rows.len() > most {
        Rng::new(SEED).shuffle(&mut rows);
        rows.truncate(most);
        rows.sort_unstable();
    }
    rows
}

/// Rows that covers are counted from, encoded.
fn background(model: &Ensemble, customers: &TypedTable, project: &Project) -> Result<Matrix, PipelineError> {
    let rows = drawn((0..customers.rows()).collect(), BACKGROUND_ROWS);
    model.preprocess().encode(&model_frame(customers, project).take(&rows)).map_err(internal)
}

/// Shares the answer for one customer's latest row out among the columns.
pub async fn explain_customer(
    project: &Project,
    control: &Control,
    model: &Ensemble,
    customer: &str,
) -> Result<CustomerExplained, PipelineError> {
    let customers = super::read_customers(project, &settled(control).await?)?;
    let row = data::latest_rows(&customers).get(customer).copied().ok_or_else(|| {
        PipelineError::wrong(format!("there is no customer `{customer}` in the data source"), "give an id as the source has it")
    })?;
    let background = background(model, &customers, project)?;
    let frame = model_frame(&customers.take(&[row]), project);
    let preprocess = model.preprocess();
    let raw = preprocess.encode(&frame).map_err(internal)?;
    let filled = preprocess.filled(&raw);
    let one = |explainer: Explainer, row: &[f32]| explainer.explain_row(row).map_err(internal);
    let booster = one(Explainer::booster(model.booster(), &background).map_err(internal)?, raw.row(0))?;
    let forest = one(Explainer::forest(model.forest(), &preprocess.filled(&background)).map_err(internal)?, filled.row(0))?;
    let scores = model.predict_encoded_row(raw.row(0)).map_err(internal)?;
    let answer = |found: &Explanation| (found.base, found.base + found.columns.iter().sum::<f64>());
    let value = |name: &str| match frame.column(name)? {
        frame::Column::Number(values) => values.first().filter(|value| value.is_finite()).map(f64::to_string),
        frame::Column::Category(levels) => levels.text(0).map(str::to_owned),
    };
    let parts = by_column(preprocess, &booster.columns).into_iter().zip(by_column(preprocess, &forest.columns));
    let part = |(column, (booster, forest)): (&learn::ColumnSpec, (f64, f64))| Part {
        column: column.name.clone(),
        value: value(&column.name),
        booster,
        forest,
    };
    let mut parts: Vec<Part> = model.columns().iter().zip(parts).map(part).collect();
    parts.sort_by(|left, right| right.booster.abs().total_cmp(&left.booster.abs()).then(left.column.cmp(&right.column)));
    Ok(CustomerExplained {
        customer: customer.to_owned(),
        vote: scores.vote,
        sure: model.conformal().and_then(|known| {
            let interval = known.interval(scores.vote);
            Some(Sure { interval: (interval.low, interval.high), labels: known.label_set(scores.vote, MISS)? })
        }),
        svm: scores.svm,
        booster: answer(&booster),
        forest: answer(&forest),
        parts,
    })
}

/// What the model leans on as a whole, and in each segment.
pub async fn explain_model(project: &Project, control: &Control, model: &Ensemble) -> Result<ModelExplained, PipelineError> {
    let customers = super::read_customers(project, &settled(control).await?)?;
    let pointer = control.pointer(LabelsState::NAME).await.map_err(PipelineError::internal)?;
    let missing = || PipelineError::wrong("there are no approved labels yet", "make them with `stayward run --to label-qa`");
    let state: LabelsState = serde_json::from_value(pointer.ok_or_else(missing)?.value).map_err(PipelineError::internal)?;
    let objects = store::objects::Objects::open(&project.path("objects"))?;
    let (frame, labels) = labelled(&customers, &parse_labels(&objects.get(&state.content)?), project);
    let (importance, auc) = permutation(model, &frame, &labels, REPETITIONS, SEED).map_err(internal)?;
    let (segments, means) = by_segments(project, model, &customers)?;
    let worth = |Importance { column, drop, deviation }: Importance| {
        let at = model.columns().iter().position(|spec| spec.name == column);
        let segments = means.iter().map(|means| means.as_ref().zip(at).and_then(|(means, at)| means.get(at).copied())).collect();
        Worth { column, drop, deviation, segments }
    };
    let columns = importance.into_iter().map(worth).collect();
    Ok(ModelExplained { auc, rows: labels.len().min(learn::explain::permutation::ROWS_MAX), segments, columns })
}

/// Names of the segments, and each one's mean sizes of the booster's parts, column by column.
type BySegment = (Vec<String>, Vec<Option<Vec<f64>>>);

fn by_segments(project: &Project, model: &Ensemble, customers: &TypedTable) -> Result<BySegment, PipelineError> {
    let Some(segments) = model.segments() else { return Ok((Vec::new(), Vec::new())) };
    let latest: Vec<usize> = data::latest_rows(customers).into_values().collect();
    let frame = model_frame(&customers.take(&latest), project);
    let placed = segments.assign_all(&frame).map_err(internal)?;
    let count = segments.segments().len();
    let rows: Vec<usize> = (0..count)
        .flat_map(|segment| {
            let own = placed.iter().enumerate().filter(|(_, at)| **at == segment).map(|(row, _)| row);
            drawn(own.collect(), SEGMENT_ROWS)
        })
        .collect();
    let explainer = Explainer::booster(model.booster(), &background(model, customers, project)?).map_err(internal)?;
    let found = explainer.explain(&model.preprocess().encode(&frame.take(&rows)).map_err(internal)?).map_err(internal)?;
    let parts: Vec<Vec<f64>> = found.iter().map(|row| by_column(model.preprocess(), &row.columns)).collect();
    let of: Vec<usize> = rows.iter().filter_map(|row| placed.get(*row).copied()).collect();
    let names = segments.segments().iter().map(|segment| segment.name.clone()).collect();
    Ok((names, by_segment(&parts, &of, count)))
}
