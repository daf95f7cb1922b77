//! s05, how far an outsider must move what he can move until the model errs (T5): proven for the booster, tried for the whole vote, on
//! rows that the model had not seen, by attackers that no training knows.

use evade::{Campaign, Cell, Counts, EvadeError, Knowledge, Moves, Reach, Region, Rule, Space, Trees};
use frame::{Column, Frame};
use learn::{ColumnKind, Ensemble, Fold, TrainSpec};
use s05_train::{Evasion, Robustness};
use tabular::contract::Outsider;

use crate::Project;

/// Rows that are certified.
const CERTIFIED_ROWS: usize = 1_000;
/// Rows that are attacked.
const ATTACKED_ROWS: usize = 100;
/// Questions of an attacker for each row.
const QUERIES: u64 = 300;
/// Rows that an attacker who sees answers alone has of his own.
const KNOWN_ROWS: usize = 200;
/// Seed of the attackers.
const SEED: u64 = 55;

/// A number column that an outsider can move.
struct Movable {
    /// Place among the columns of the model.
    column: usize,
    /// Place among the encoded columns.
    encoded: usize,
    log: bool,
    outsider: Outsider,
    /// How far, in units of the column.
    reach: f64,
}

/// Trains on the first fold's training rows and attacks its test rows.
pub(super) fn robustness(
    project: &Project,
    (frame, labels): (&Frame, &[bool]),
    spec: &TrainSpec,
    fold: &Fold,
) -> Result<Robustness, EvadeError> {
    let eps = project.policy.quality.outsider_eps;
    let movable = movable(project, &frame.take(&fold.train), eps);
    if movable.is_empty() {
        return Ok(Robustness { eps, ..Robustness::default() });
    }
    let known: Vec<bool> = fold.train.iter().filter_map(|row| labels.get(*row).copied()).collect();
    let model = Ensemble::fit(&frame.take(&fold.train), &known, spec)?;
    let movable = places(&model, movable);
    let test = |most: usize| {
        let rows: Vec<usize> = fold.test.iter().step_by((fold.test.len() / most).max(1)).take(most).copied().collect();
        let labels: Vec<bool> = rows.iter().filter_map(|row| labels.get(*row).copied()).collect();
        (frame.take(&rows), labels)
    };
    let (rows, truth) = test(CERTIFIED_ROWS);
    let certified = certified(&model, &movable, &rows, &truth)?;
    let (rows, truth) = test(ATTACKED_ROWS);
    let known: Vec<usize> = fold.train.iter().take(KNOWN_ROWS).copied().collect();
    let evasions = attacked(&model, &movable, (&cells(&model, &rows), &truth), &cells(&model, &frame.take(&known)))?;
    Ok(Robustness {
        eps,
        columns: movable.iter().filter_map(|known| model.columns().get(known.column)).map(|column| column.name.clone()).collect(),
        rows: certified.rows as u64,
        balanced_accuracy: certified.balanced_accuracy,
        certified: certified.balanced_certified_accuracy,
        unknown: certified.unknown,
        evasions,
    })
}

/// Columns by the contract's word on outsiders; the range is that of the training rows.
fn movable(project: &Project, train: &Frame, eps: f64) -> Vec<(String, Outsider, f64)> {
    let range = |values: &[f64]| {
        let known = || values.iter().copied().filter(|value| value.is_finite());
        known().fold(f64::NEG_INFINITY, f64::max) - known().fold(f64::INFINITY, f64::min)
    };
    let of = |(name, column): (&str, &Column)| {
        let rule = project.contract.columns.iter().find(|rule| rule.name == name)?;
        match (rule.outsider, column) {
            (Outsider::Immutable, _) | (_, Column::Category(_)) => None,
            (outsider, Column::Number(values)) => {
                Some((name.to_owned(), outsider, eps * range(values))).filter(|(_, _, reach)| *reach > 0.0)
            }
        }
    };
    train.iter().filter_map(of).collect()
}

fn places(model: &Ensemble, movable: Vec<(String, Outsider, f64)>) -> Vec<Movable> {
    let mut out = Vec::new();
    let mut encoded = 0;
    for (column, spec) in model.columns().iter().enumerate() {
        match &spec.kind {
            ColumnKind::Number { log } => {
                if let Some((_, outsider, reach)) = movable.iter().find(|(name, _, _)| *name == spec.name) {
                    out.push(Movable { column, encoded, log: *log, outsider: *outsider, reach: *reach });
                }
                encoded += 1;
            }
            ColumnKind::Category { levels } => encoded += levels.len(),
        }
    }
    out
}

fn certified(model: &Ensemble, movable: &[Movable], rows: &Frame, truth: &[bool]) -> Result<evade::Certified, EvadeError> {
    let trees = Trees::from_booster(model.booster())?;
    let encoded = model.preprocess().encode(rows)?;
    let threshold = model.threshold().clamp(1e-9, 1.0 - 1e-9);
    let threshold = (threshold / (1.0 - threshold)).ln();
    let mut certificates = Vec::with_capacity(encoded.rows());
    for at in 0..encoded.rows() {
        let row = encoded.row(at);
        let (mut low, mut high) = (row.to_vec(), row.to_vec());
        for column in movable {
            let (Some(low), Some(high)) = (low.get_mut(column.encoded), high.get_mut(column.encoded)) else { continue };
            if low.is_nan() {
                continue;
            }
            let raw = if column.log { f64::from(*low).signum() * f64::from(*low).abs().exp_m1() } else { f64::from(*low) };
            let back = |raw: f64| if column.log { raw.signum() * raw.abs().ln_1p() } else { raw };
            #[expect(clippy::cast_possible_truncation, reason = "encoded values are 32 bits wide")]
            let wide = |raw: f64| back(raw) as f32;
            if column.outsider == Outsider::Free {
                *low = low.min(wide(raw - column.reach));
            }
            *high = high.max(wide(raw + column.reach));
        }
        certificates.push(evade::certify(&trees, row, &Region::new(low, high)?, threshold, Counts::default())?);
    }
    evade::certified(&certificates, truth)
}

fn attacked(
    model: &Ensemble,
    movable: &[Movable],
    (rows, truth): (&[Vec<Cell>], &[bool]),
    known: &[Vec<Cell>],
) -> Result<Vec<Evasion>, EvadeError> {
    let rule = |known: &Movable| {
        let moves = match known.outsider {
            Outsider::Immutable => Moves::Immutable,
            Outsider::IncreaseOnly => Moves::IncreaseOnly,
            Outsider::Free => Moves::Free,
        };
        let column = model.columns().get(known.column).map(|column| column.name.clone()).unwrap_or_default();
        Rule { column, moves, reach: Reach::Absolute(known.reach), cost: 1.0 / known.reach, ..Rule::default() }
    };
    let space = Space::new(model.columns(), movable.iter().map(rule).collect(), &[], f64::INFINITY)?;
    let mut out = Vec::new();
    for (name, knowledge) in [("model", Knowledge::Model), ("scores", Knowledge::Scores), ("answers", Knowledge::Decisions)] {
        let plan = Campaign { knowledge, known, budget: QUERIES, seed: SEED };
        let (tally, _) = evade::campaign(model, &space, rows, truth, &plan)?;
        out.push(Evasion { knows: name.to_owned(), tried: tally.tried, won: tally.won, interval: tally.interval });
    }
    Ok(out)
}

/// Raw rows in the order of the model's columns.
fn cells(model: &Ensemble, rows: &Frame) -> Vec<Vec<Cell>> {
    let cell = |column: Option<&Column>, row: usize| match column {
        Some(Column::Number(values)) => {
            values.get(row).copied().filter(|value| value.is_finite()).map_or(Cell::Missing, Cell::Number)
        }
        Some(Column::Category(categories)) => categories.text(row).map_or(Cell::Missing, |text| Cell::Text(text.to_owned())),
        None => Cell::Missing,
    };
    let row = |row: usize| model.columns().iter().map(|spec| cell(rows.column(&spec.name), row)).collect();
    (0..rows.rows()).map(row).collect()
}
