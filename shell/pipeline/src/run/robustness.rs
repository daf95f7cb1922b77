//! s05, how far an outsider must move what he can move until the model errs (T5): proven for the booster, tried for the whole vote, on
//! rows that the model had not seen, by attackers that no training knows.

use evade::{Campaign, Cell, Counts, EvadeError, Knowledge, Moves, Region, Rule, Space, Trees};
use frame::{Column, Frame};
use learn::{Ensemble, Fold, Matrix, Reach, TrainSpec};
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

/// Trains on the first fold's training rows and attacks its test rows.
pub(super) fn robustness(
    project: &Project,
    (frame, labels): (&Frame, &[bool]),
    spec: &TrainSpec,
    fold: &Fold,
) -> Result<Robustness, EvadeError> {
    let eps = project.policy.quality.outsider_eps;
    let movable = movable(project, frame);
    if movable.is_empty() {
        return Ok(Robustness { eps, ..Robustness::default() });
    }
    let known: Vec<bool> = fold.train.iter().filter_map(|row| labels.get(*row).copied()).collect();
    let train = frame.take(&fold.train);
    let model = Ensemble::fit(&train, &known, spec)?;
    let reach = reach(&model, &model.preprocess().encode(&train)?, &movable, eps)?;
    let test = |most: usize| {
        let rows: Vec<usize> = fold.test.iter().step_by((fold.test.len() / most).max(1)).take(most).copied().collect();
        let labels: Vec<bool> = rows.iter().filter_map(|row| labels.get(*row).copied()).collect();
        (frame.take(&rows), labels)
    };
    let (rows, truth) = test(CERTIFIED_ROWS);
    let certified = certified(&model, &reach, &rows, &truth)?;
    let (rows, truth) = test(ATTACKED_ROWS);
    let known: Vec<usize> = fold.train.iter().take(KNOWN_ROWS).copied().collect();
    let evasions = attacked(&model, &movable, &reach, (&cells(&model, &rows), &truth), &cells(&model, &frame.take(&known)))?;
    Ok(Robustness {
        eps,
        columns: movable.into_iter().map(|(name, _)| name).collect(),
        rows: certified.rows as u64,
        balanced_accuracy: certified.balanced_accuracy,
        certified: certified.balanced_certified_accuracy,
        unknown: certified.unknown,
        evasions,
    })
}

/// Number columns that the contract lets an outsider move.
fn movable(project: &Project, frame: &Frame) -> Vec<(String, Outsider)> {
    let rules = project.contract.columns.iter().filter(|rule| rule.outsider != Outsider::Immutable);
    let numbers = rules.filter(|rule| matches!(frame.column(&rule.name), Some(Column::Number(_))));
    numbers.map(|rule| (rule.name.clone(), rule.outsider)).collect()
}

/// How far, by encoded column: a share of the range of the training rows; down only where the contract says so.
fn reach(model: &Ensemble, train: &Matrix, movable: &[(String, Outsider)], eps: f64) -> Result<Vec<Option<Reach>>, EvadeError> {
    let named = |wanted: &dyn Fn(Outsider) -> bool| -> Vec<String> {
        movable.iter().filter(|(_, outsider)| wanted(*outsider)).map(|(name, _)| name.clone()).collect()
    };
    let preprocess = model.preprocess();
    let both = preprocess.reach(train, &named(&|outsider| outsider == Outsider::Free), eps)?;
    let up = preprocess.reach(train, &named(&|outsider| outsider == Outsider::IncreaseOnly), eps)?;
    Ok(both.into_iter().zip(up).map(|(both, up)| both.or(up.map(|up| Reach { down: 0.0, ..up }))).collect())
}

fn certified(model: &Ensemble, reach: &[Option<Reach>], rows: &Frame, truth: &[bool]) -> Result<evade::Certified, EvadeError> {
    let trees = Trees::from_booster(model.booster())?;
    let encoded = model.preprocess().encode(rows)?;
    let threshold = model.threshold().clamp(1e-9, 1.0 - 1e-9);
    let threshold = (threshold / (1.0 - threshold)).ln();
    let mut certificates = Vec::with_capacity(encoded.rows());
    for at in 0..encoded.rows() {
        let row = encoded.row(at);
        let ends = row.iter().zip(reach).map(|(value, reach)| reach.map_or((*value, *value), |reach| reach.bounds(*value, 1.0)));
        let (low, high) = ends.unzip();
        certificates.push(evade::certify(&trees, row, &Region::new(low, high)?, threshold, Counts::default())?);
    }
    evade::certified(&certificates, truth)
}

fn attacked(
    model: &Ensemble,
    movable: &[(String, Outsider)],
    reach: &[Option<Reach>],
    (rows, truth): (&[Vec<Cell>], &[bool]),
    known: &[Vec<Cell>],
) -> Result<Vec<Evasion>, EvadeError> {
    let names = model.preprocess().encoded_names();
    let units = |name: &str| names.iter().zip(reach).find(|(known, _)| *known == name).and_then(|(_, reach)| *reach);
    let rule = |(name, outsider): &(String, Outsider)| {
        let moves = match outsider {
            Outsider::Immutable => Moves::Immutable,
            Outsider::IncreaseOnly => Moves::IncreaseOnly,
            Outsider::Free => Moves::Free,
        };
        // A column of one value has no range, and cannot be moved.
        let up = units(name).map_or(0.0, |reach| reach.up);
        let cost = if up > 0.0 { 1.0 / up } else { 0.0 };
        Rule { column: name.clone(), moves, reach: evade::Reach::Absolute(up), cost, ..Rule::default() }
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
