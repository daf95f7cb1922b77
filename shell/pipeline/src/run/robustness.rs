//! s05, how far an outsider must move what he can move until the model errs (T5): proven for the booster, tried for the whole vote, on
//! rows that the model had not seen, by attackers that no training knows.

use evade::{Campaign, Cell, Counts, EvadeError, Knowledge, Moves, Region, Relation, Rule, Space, Trees};
use frame::Frame;
use learn::{ColumnKind, Ensemble, Fold, Matrix, Reach, TrainSpec};
use s05_train::{Evasion, Robustness};
use tabular::contract::{ColumnRule, Kind, Missing, Outsider, Role};

use crate::Project;
use crate::policy::{FeedKind, FeedPolicy};

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
    let relations = relations(project, &model)?;
    let ends = ends(&model, &model.preprocess().encode(&train)?, (&movable, &relations), eps)?;
    let test = |most: usize| {
        let rows: Vec<usize> = fold.test.iter().step_by((fold.test.len() / most).max(1)).take(most).copied().collect();
        let labels: Vec<bool> = rows.iter().filter_map(|row| labels.get(*row).copied()).collect();
        (frame.take(&rows), labels)
    };
    let (rows, truth) = test(CERTIFIED_ROWS);
    let certified = certified(&model, &ends, &rows, &truth)?;
    let (rows, truth) = test(ATTACKED_ROWS);
    let known: Vec<usize> = fold.train.iter().take(KNOWN_ROWS).copied().collect();
    let evasions = attacked(
        &model,
        &space(project, &model, (&movable, &relations), &ends)?,
        (&evade::cells(&model, &rows), &truth),
        &evade::cells(&model, &frame.take(&known)),
    )?;
    Ok(Robustness {
        eps,
        columns: movable.into_iter().map(|rule| rule.name.clone()).collect(),
        rows: certified.rows as u64,
        balanced_accuracy: certified.balanced_accuracy,
        certified: certified.balanced_certified_accuracy,
        unknown: certified.unknown,
        evasions,
    })
}

/// Columns of the model that the contract, or the policy of a feed, lets an outsider move.
pub(super) fn movable(project: &Project, frame: &Frame) -> Vec<ColumnRule> {
    let feed = |feed: &FeedPolicy| ColumnRule {
        missing: Missing::Allowed { share_max: 1.0 },
        outsider: feed.outsider,
        outsider_share_max: feed.outsider_share_max,
        ..ColumnRule::new(&feed.feature, Role::ThirdParty, Kind::Number { integer: false, min: None, max: None, unit: None })
    };
    let (rows, markets): (Vec<&FeedPolicy>, Vec<&FeedPolicy>) =
        project.policy.feeds.iter().partition(|feed| feed.kind == FeedKind::Rows);
    // A feed's contract was read when its deliveries were; one that is gone since names no column.
    let rows = rows.into_iter().filter_map(|feed| crate::validate::feed_contract(project, &feed.name).ok());
    let all = project.contract.columns.iter().cloned().chain(markets.into_iter().map(feed));
    all.chain(rows.flat_map(|contract| contract.columns))
        .filter(|rule| rule.outsider != Outsider::Immutable && frame.column(&rule.name).is_some())
        .collect()
}

/// How far an encoded column can be moved.
#[derive(Clone, Copy)]
enum Ends {
    /// Not at all.
    Fixed,
    /// A number, by so much.
    Number(Reach),
    /// One of a category's columns of 0 and 1: each may be either, whatever the others are. More than an outsider can do, so what is
    /// certified holds.
    Level,
}

/// By encoded column; numbers by a share of the range of the training rows, one way or both as the contract says. Relations and costs
/// are left out, but for totals, which move as far as their parts together: a certificate without the others holds with them.
fn ends(
    model: &Ensemble,
    train: &Matrix,
    (movable, relations): (&[ColumnRule], &[Relation]),
    eps: f64,
) -> Result<Vec<Ends>, EvadeError> {
    let preprocess = model.preprocess();
    let rule = |name: &str| movable.iter().find(|rule| rule.name == name);
    let is_number = |name: &str| {
        preprocess.columns().iter().any(|column| column.name == name && matches!(column.kind, ColumnKind::Number { .. }))
    };
    let totals = relations.iter().filter_map(|relation| match relation {
        Relation::Sum { total, .. } => Some(total),
        Relation::AtLeast { .. } => None,
    });
    let numbers = movable.iter().map(|rule| &rule.name).filter(|name| is_number(name)).chain(totals).cloned().collect::<Vec<_>>();
    let ranges = preprocess.reach(train, &numbers, 1.0)?;
    let mut out = Vec::with_capacity(ranges.len());
    for column in preprocess.columns() {
        let rule = rule(&column.name);
        match (&column.kind, rule) {
            (ColumnKind::Number { .. }, Some(rule)) => {
                let share = rule.outsider_share_max.unwrap_or(eps);
                out.push(match ranges.get(out.len()).copied().flatten() {
                    Some(range) => Ends::Number(Reach {
                        down: if rule.outsider == Outsider::IncreaseOnly { 0.0 } else { range.down * share },
                        up: if rule.outsider == Outsider::DecreaseOnly { 0.0 } else { range.up * share },
                        log: range.log,
                    }),
                    None => Ends::Fixed,
                });
            }
            (ColumnKind::Number { .. }, None) => out.push(Ends::Fixed),
            (ColumnKind::Category { levels }, rule) => {
                let end = if rule.is_some() { Ends::Level } else { Ends::Fixed };
                out.extend(std::iter::repeat_n(end, levels.len()));
            }
        }
    }
    let names = preprocess.encoded_names();
    let place = |wanted: &str| names.iter().position(|name| name == wanted);
    for relation in relations {
        let Relation::Sum { total, parts } = relation else { continue };
        let far = |part: &String| match place(part).and_then(|at| out.get(at)) {
            Some(Ends::Number(reach)) => (reach.down, reach.up),
            Some(Ends::Fixed | Ends::Level) | None => (0.0, 0.0),
        };
        let (down, up) = parts.iter().map(far).fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let at = place(total).ok_or_else(|| EvadeError::Column(total.clone()))?;
        let log = ranges.get(at).copied().flatten().is_some_and(|range| range.log);
        // The total moves with its parts, whatever its own rule says.
        if let Some(ends) = out.get_mut(at) {
            *ends = Ends::Number(Reach { down, up, log });
        }
    }
    Ok(out)
}

/// What holds between columns of the model. A total of which the model does not read every part cannot be followed.
fn relations(project: &Project, model: &Ensemble) -> Result<Vec<Relation>, EvadeError> {
    let known = |name: &str| model.columns().iter().any(|column| column.name == name);
    let mut out = Vec::new();
    for relation in &project.contract.relations {
        match relation.clone() {
            tabular::contract::Relation::Sum { total, parts } if known(&total) => {
                if let Some(unknown) = parts.iter().find(|part| !known(part)) {
                    return Err(EvadeError::Column(unknown.clone()));
                }
                out.push(Relation::Sum { total, parts });
            }
            tabular::contract::Relation::AtLeast { larger, smaller } if known(&larger) && known(&smaller) => {
                out.push(Relation::AtLeast { larger, smaller });
            }
            // Without one of its columns a relation binds nobody: more can be moved, and what is certified holds.
            tabular::contract::Relation::Sum { .. } | tabular::contract::Relation::AtLeast { .. } => (),
        }
    }
    Ok(out)
}

fn certified(model: &Ensemble, ends: &[Ends], rows: &Frame, truth: &[bool]) -> Result<evade::Certified, EvadeError> {
    let trees = Trees::from_booster(model.booster())?;
    let encoded = model.preprocess().encode(rows)?;
    let threshold = model.threshold().clamp(1e-9, 1.0 - 1e-9);
    let threshold = (threshold / (1.0 - threshold)).ln();
    let mut certificates = Vec::with_capacity(encoded.rows());
    for at in 0..encoded.rows() {
        let row = encoded.row(at);
        let bounds = row.iter().zip(ends).map(|(value, ends)| match ends {
            Ends::Fixed => (*value, *value),
            Ends::Number(reach) => reach.bounds(*value, 1.0),
            Ends::Level => (0.0, 1.0),
        });
        let (low, high) = bounds.unzip();
        certificates.push(evade::certify(&trees, row, &Region::new(low, high)?, threshold, Counts::default())?);
    }
    evade::certified(&certificates, truth)
}

/// What an outsider can do, as attackers keep to it: reach, costs, whole numbers, relations.
fn space(
    project: &Project,
    model: &Ensemble,
    (movable, relations): (&[ColumnRule], &[Relation]),
    ends: &[Ends],
) -> Result<Space, EvadeError> {
    let mut first = 0;
    let mut places = std::collections::BTreeMap::new();
    for column in model.columns() {
        places.insert(column.name.as_str(), first);
        first += match &column.kind {
            ColumnKind::Number { .. } => 1,
            ColumnKind::Category { levels } => levels.len(),
        };
    }
    let reach = |name: &str| match places.get(name).and_then(|at| ends.get(*at)) {
        // One of the two is 0 where he can move it one way only.
        Some(Ends::Number(reach)) => reach.up.max(reach.down),
        Some(Ends::Fixed | Ends::Level) | None => 0.0,
    };
    let rule = |rule: &ColumnRule| {
        let moves = match rule.outsider {
            Outsider::Immutable => Moves::Immutable,
            Outsider::IncreaseOnly => Moves::IncreaseOnly,
            Outsider::DecreaseOnly => Moves::DecreaseOnly,
            Outsider::Free => Moves::Free,
        };
        let Kind::Number { integer, .. } = rule.kind else {
            return Rule { column: rule.name.clone(), moves, cost: rule.outsider_cost.unwrap_or(0.0), ..Rule::default() };
        };
        let far = reach(&rule.name);
        // Without prices, the attackers take the whole way in every column for equally dear. A column of one value has no range.
        let cost =
            rule.outsider_cost.unwrap_or(if far > 0.0 && project.contract.outsider_budget.is_none() { 1.0 / far } else { 0.0 });
        Rule { column: rule.name.clone(), moves, reach: evade::Reach::Absolute(far), cost, integer, ..Rule::default() }
    };
    let budget = project.contract.outsider_budget.unwrap_or(f64::INFINITY);
    Space::new(model.columns(), movable.iter().map(rule).collect(), relations, budget)
}

fn attacked(
    model: &Ensemble,
    space: &Space,
    (rows, truth): (&[Vec<Cell>], &[bool]),
    known: &[Vec<Cell>],
) -> Result<Vec<Evasion>, EvadeError> {
    let mut out = Vec::new();
    for (name, knowledge) in [("model", Knowledge::Model), ("scores", Knowledge::Scores), ("answers", Knowledge::Decisions)] {
        let plan = Campaign { knowledge, known, budget: QUERIES, seed: SEED };
        let (tally, _) = evade::campaign(model, space, rows, truth, &plan)?;
        out.push(Evasion { knows: name.to_owned(), tried: tally.tried, won: tally.won, interval: tally.interval });
    }
    Ok(out)
}
