//! What an outsider can do to a row, column by column, and what it costs him (T5): an attack that turns back the years is no attack.
//!
//! Rows are raw, as a model's columns name them, so that levels of a category always stay one level and a whole number stays whole.
//! The words fit those of a contract (`outsider = "immutable"`, `"increase-only"`, `"free"`).

use frame::{Column, Frame};
use learn::{ColumnKind, ColumnSpec, Ensemble, Value};
use serde::{Deserialize, Serialize};

use crate::trees::EvadeError;

/// By how much of its size a sum may be off by rounding.
const SUM_ROUNDING: f64 = 1e-9;
/// How far proposals go where nothing limits a column: so many times its size, at least so many units.
const FREE_REACH: f64 = 2.0;

/// A value of a raw row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cell {
    /// A number, finite.
    Number(f64),
    /// A level.
    Text(String),
    /// No value.
    Missing,
}

impl Cell {
    /// As the model reads it.
    pub fn value(&self) -> Value<'_> {
        match self {
            Self::Number(number) => Value::Number(*number),
            Self::Text(text) => Value::Text(text),
            Self::Missing => Value::Missing,
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) | Self::Missing => None,
        }
    }
}

/// Raw rows in the order of the model's columns.
pub fn cells(model: &Ensemble, rows: &Frame) -> Vec<Vec<Cell>> {
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

/// Which way a column can be moved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moves {
    /// Not at all.
    #[default]
    Immutable,
    /// Up.
    IncreaseOnly,
    /// Down.
    DecreaseOnly,
    /// Both ways; a category to every level of the model.
    Free,
    /// A category to these levels.
    Levels(Vec<String>),
}

/// By how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// As far as the range of the column goes.
    #[default]
    Any,
    /// By so many units of the column at most.
    Absolute(f64),
    /// By that share of the value's size at most.
    Relative(f64),
}

/// The rule of one column. Columns without a rule are immutable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The column.
    pub column: String,
    /// Which way.
    #[serde(default)]
    pub moves: Moves,
    /// By how much.
    #[serde(default)]
    pub reach: Reach,
    /// What a unit costs, or another level; 0 and above.
    #[serde(default)]
    pub cost: f64,
    /// Whether only whole numbers can be reached.
    #[serde(default)]
    pub integer: bool,
    /// The least value that exists.
    pub min: Option<f64>,
    /// The greatest.
    pub max: Option<f64>,
}

/// What holds between columns, whatever an outsider does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Relation {
    /// The total follows its parts, whatever its own rule says, and only so; what it is off at the start it stays off.
    Sum {
        /// The column that follows.
        total: String,
        /// Those that it follows.
        parts: Vec<String>,
    },
    /// One column is at least the other, if it is at the start.
    AtLeast {
        /// The greater.
        larger: String,
        /// The smaller.
        smaller: String,
    },
}

#[derive(Clone, Debug, PartialEq)]
enum Link {
    Sum(usize, Vec<usize>),
    AtLeast(usize, usize),
}

/// What an outsider can do.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    rules: Vec<Rule>,
    /// Levels of the model; empty for numbers.
    levels: Vec<Vec<String>>,
    links: Vec<Link>,
    cost_most: f64,
}

impl Space {
    /// A space over a model's columns, of rules in any order. `cost_most` is what an outsider can pay for one row; infinity: anything.
    ///
    /// # Errors
    /// A column that is not there, twice there or of the other kind; a total that two sums or a part claim; numbers that are negative
    /// or `NaN`.
    pub fn new(columns: &[ColumnSpec], rules: Vec<Rule>, relations: &[Relation], cost_most: f64) -> Result<Self, EvadeError> {
        let place =
            |name: &str| columns.iter().position(|column| column.name == name).ok_or_else(|| EvadeError::Column(name.to_owned()));
        let number = |name: &str| {
            place(name).and_then(|at| match columns[at].kind {
                ColumnKind::Number { .. } => Ok(at),
                ColumnKind::Category { .. } => Err(EvadeError::Column(name.to_owned())),
            })
        };
        let least = |what, seen: f64| {
            let wrong = || EvadeError::Number { what, seen: seen.to_string(), allowed: "0 and above" };
            if seen >= 0.0 { Ok(()) } else { Err(wrong()) }
        };
        least("the cost that can be paid", cost_most)?;
        let unset = |column: &ColumnSpec| Rule { column: column.name.clone(), ..Rule::default() };
        let mut all: Vec<Option<Rule>> = vec![None; columns.len()];
        for rule in rules {
            let at = place(&rule.column)?;
            let is_number = matches!(columns[at].kind, ColumnKind::Number { .. });
            let fits = match rule.moves {
                Moves::Immutable | Moves::Free => true,
                Moves::IncreaseOnly | Moves::DecreaseOnly => is_number,
                Moves::Levels(_) => !is_number,
            };
            if !fits || all[at].is_some() {
                return Err(EvadeError::Column(rule.column));
            }
            least("the cost of a unit", rule.cost)?;
            match rule.reach {
                Reach::Any => (),
                Reach::Absolute(reach) | Reach::Relative(reach) => least("the reach of a column", reach)?,
            }
            all[at] = Some(rule);
        }
        let mut links = Vec::new();
        let mut sums = Vec::new();
        for relation in relations {
            links.push(match relation {
                Relation::Sum { total, parts } => {
                    let (total, parts) =
                        (number(total)?, parts.iter().map(|part| number(part)).collect::<Result<Vec<usize>, _>>()?);
                    sums.push((total, parts.clone()));
                    Link::Sum(total, parts)
                }
                Relation::AtLeast { larger, smaller } => Link::AtLeast(number(larger)?, number(smaller)?),
            });
        }
        for (at, (total, _)) in sums.iter().enumerate() {
            let claimed =
                sums.iter().enumerate().any(|(other, (same, parts))| (other != at && same == total) || parts.contains(total));
            if claimed {
                return Err(EvadeError::Column(columns[*total].name.clone()));
            }
        }
        let levels = columns.iter().map(|column| match &column.kind {
            ColumnKind::Number { .. } => Vec::new(),
            ColumnKind::Category { levels } => levels.clone(),
        });
        let rules = all.into_iter().zip(columns).map(|(rule, column)| rule.unwrap_or_else(|| unset(column))).collect();
        Ok(Self { rules, levels: levels.collect(), links, cost_most })
    }

    /// How many columns.
    pub fn columns(&self) -> usize {
        self.rules.len()
    }

    /// What can be paid for one row.
    pub fn cost_most(&self) -> f64 {
        self.cost_most
    }

    /// Columns that can be moved from this row, totals apart.
    pub fn movable(&self, from: &[Cell]) -> Vec<usize> {
        let moves = |&at: &usize| match from.get(at) {
            Some(Cell::Number(_)) => self.ends(from, at).is_some_and(|(low, high)| low < high),
            Some(Cell::Text(_)) => !self.choices(from, at).is_empty(),
            Some(Cell::Missing) | None => false,
        };
        (0..self.columns()).filter(|at| !self.follows(*at)).filter(moves).collect()
    }

    fn follows(&self, column: usize) -> bool {
        self.links.iter().any(|link| matches!(link, Link::Sum(total, _) if *total == column))
    }

    /// The least and the greatest value that a number can be given, ends included, maybe infinite; relations apart.
    pub fn ends(&self, from: &[Cell], column: usize) -> Option<(f64, f64)> {
        let (rule, start) = (self.rules.get(column)?, from.get(column)?.number()?);
        let reach = match rule.reach {
            Reach::Any => f64::INFINITY,
            Reach::Absolute(reach) => reach,
            Reach::Relative(share) => share * start.abs(),
        };
        let (down, up) = match rule.moves {
            Moves::Immutable | Moves::Levels(_) => (0.0, 0.0),
            Moves::IncreaseOnly => (0.0, reach),
            Moves::DecreaseOnly => (reach, 0.0),
            Moves::Free => (reach, reach),
        };
        // A value that is outside of its range already need not move.
        let mut low = (start - down).max(rule.min.unwrap_or(f64::NEG_INFINITY)).min(start);
        let mut high = (start + up).min(rule.max.unwrap_or(f64::INFINITY)).max(start);
        if rule.integer {
            (low, high) = (low.ceil().min(start), high.floor().max(start));
        }
        Some((low, high))
    }

    /// As [`Self::ends`], but finite: how far it makes sense to try.
    pub fn proposals(&self, from: &[Cell], column: usize) -> Option<(f64, f64)> {
        let ((low, high), start) = (self.ends(from, column)?, from.get(column)?.number()?);
        let far = FREE_REACH * start.abs().max(1.0);
        Some((if low.is_finite() { low } else { start - far }, if high.is_finite() { high } else { start + far }))
    }

    /// Other levels that a category can be given.
    pub fn choices(&self, from: &[Cell], column: usize) -> Vec<&str> {
        let (Some(rule), Some(Cell::Text(start))) = (self.rules.get(column), from.get(column)) else { return Vec::new() };
        let of = match &rule.moves {
            Moves::Immutable | Moves::IncreaseOnly | Moves::DecreaseOnly => return Vec::new(),
            Moves::Free => &self.levels[column],
            Moves::Levels(levels) => levels,
        };
        of.iter().map(String::as_str).filter(|level| level != start).collect()
    }

    /// The wish, put right: each value as near to it as it can be, whole numbers whole, totals as their parts say.
    pub fn project(&self, from: &[Cell], wish: &[Cell]) -> Vec<Cell> {
        let mut out: Vec<Cell> = (0..self.columns()).map(|at| self.nearest(from, wish, at)).collect();
        for link in &self.links {
            if let Link::AtLeast(larger, smaller) = *link
                && !self.holds(from, &out, link)
                && self.holds(from, from, link)
            {
                // The smaller comes down to the larger; where it cannot, both stay where they were.
                let wished = out[larger].clone();
                out[smaller] = wished;
                out[smaller] = self.nearest(from, &out, smaller);
                if !self.holds(from, &out, link) {
                    for at in [larger, smaller] {
                        out[at] = from.get(at).cloned().unwrap_or(Cell::Missing);
                    }
                }
            }
        }
        for link in &self.links {
            if let Link::Sum(total, parts) = link {
                out[*total] = total_of(from, &out, *total, parts);
            }
        }
        out
    }

    fn nearest(&self, from: &[Cell], wish: &[Cell], at: usize) -> Cell {
        let start = from.get(at).cloned().unwrap_or(Cell::Missing);
        match (&start, wish.get(at)) {
            (Cell::Number(start), Some(Cell::Number(wish))) if !self.follows(at) && wish.is_finite() => {
                let (low, high) = self.ends(from, at).unwrap_or((*start, *start));
                let to = wish.clamp(low, high);
                if !self.rules[at].integer || to == *start {
                    return Cell::Number(to);
                }
                let whole = to.round();
                let inside = (low..=high).contains(&whole);
                Cell::Number(if inside { whole } else { *start })
            }
            (Cell::Text(_), Some(Cell::Text(wish))) if self.choices(from, at).contains(&wish.as_str()) => {
                Cell::Text(wish.clone())
            }
            _ => start,
        }
    }

    /// Whether an outsider can make the one row of the other, cost included.
    pub fn allows(&self, from: &[Cell], to: &[Cell]) -> bool {
        let sizes = from.len() == self.columns() && to.len() == self.columns();
        sizes
            && (0..self.columns()).all(|at| self.allows_cell(from, to, at))
            && self.links.iter().all(|link| self.holds(from, to, link) || !self.holds(from, from, link))
            && self.cost(from, to) <= self.cost_most
    }

    fn allows_cell(&self, from: &[Cell], to: &[Cell], at: usize) -> bool {
        if from[at] == to[at] {
            return true;
        }
        match (&from[at], &to[at]) {
            (Cell::Number(_), Cell::Number(value)) => {
                let rule = &self.rules[at];
                if self.follows(at) {
                    return rule.min.is_none_or(|min| *value >= min) && rule.max.is_none_or(|max| *value <= max);
                }
                let inside = self.ends(from, at).is_some_and(|(low, high)| (low..=high).contains(value));
                inside && (!rule.integer || value.fract() == 0.0)
            }
            (Cell::Text(_), Cell::Text(level)) => self.choices(from, at).contains(&level.as_str()),
            _ => false,
        }
    }

    /// Whether a relation holds in `row`; one that reads a missing value does.
    fn holds(&self, from: &[Cell], row: &[Cell], link: &Link) -> bool {
        match link {
            Link::Sum(total, parts) => match (total_of(from, row, *total, parts).number(), row[*total].number()) {
                (Some(wanted), Some(seen)) => (wanted - seen).abs() <= SUM_ROUNDING * (1.0 + wanted.abs()),
                (wanted, seen) => wanted.is_none() && seen.is_none(),
            },
            Link::AtLeast(larger, smaller) => match (row[*larger].number(), row[*smaller].number()) {
                (Some(larger), Some(smaller)) => larger >= smaller,
                (_, _) => true,
            },
        }
    }

    /// What the way from one row to the other costs: units times their price, and the price of other levels. Totals cost nothing: their
    /// parts are paid for.
    pub fn cost(&self, from: &[Cell], to: &[Cell]) -> f64 {
        let one = |(at, (from, to)): (usize, (&Cell, &Cell))| match (from, to) {
            _ if self.follows(at) => 0.0,
            (Cell::Number(from), Cell::Number(to)) => (to - from).abs() * self.rules[at].cost,
            _ if from == to => 0.0,
            _ => self.rules[at].cost,
        };
        from.iter().zip(to).take(self.columns()).enumerate().map(one).sum()
    }
}

/// What the total becomes as its parts move.
fn total_of(from: &[Cell], to: &[Cell], total: usize, parts: &[usize]) -> Cell {
    let start = from.get(total).cloned().unwrap_or(Cell::Missing);
    let Some(sum) = start.number() else { return start };
    let moved = |&part: &usize| match (from.get(part), to.get(part)) {
        (Some(Cell::Number(from)), Some(Cell::Number(to))) => to - from,
        (_, _) => 0.0,
    };
    Cell::Number(sum + parts.iter().map(moved).sum::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn columns() -> Vec<ColumnSpec> {
        let number = |name: &str| ColumnSpec { name: name.to_owned(), kind: ColumnKind::Number { log: false } };
        let levels = ["a", "b", "c"].map(str::to_owned).to_vec();
        let plan = ColumnSpec { name: "plan".to_owned(), kind: ColumnKind::Category { levels } };
        vec![number("total"), number("one"), number("two"), number("age"), plan]
    }

    fn rule(column: &str, moves: Moves, reach: Reach) -> Rule {
        Rule { column: column.to_owned(), moves, reach, cost: 2.0, ..Rule::default() }
    }

    fn relations() -> Vec<Relation> {
        let sum = Relation::Sum { total: "total".to_owned(), parts: vec!["one".to_owned(), "two".to_owned()] };
        vec![sum, Relation::AtLeast { larger: "one".to_owned(), smaller: "two".to_owned() }]
    }

    fn space() -> Space {
        let rules = vec![
            Rule { integer: true, ..rule("one", Moves::IncreaseOnly, Reach::Absolute(2.5)) },
            rule("two", Moves::Free, Reach::Relative(0.5)),
            rule("plan", Moves::Levels(vec!["b".to_owned()]), Reach::Any),
        ];
        Space::new(&columns(), rules, &relations(), 10.0).unwrap()
    }

    fn row(numbers: [f64; 4], plan: &str) -> Vec<Cell> {
        numbers.into_iter().map(Cell::Number).chain([Cell::Text(plan.to_owned())]).collect()
    }

    fn start() -> Vec<Cell> {
        row([6.0, 4.0, 2.0, 30.0], "a")
    }

    fn check(to: Vec<Cell>, allowed: bool) {
        assert_eq!(space().allows(&start(), &to), allowed, "{to:?}");
    }

    #[test]
    fn the_row_itself_is_allowed() {
        check(start(), true);
    }

    #[test]
    fn what_the_rules_say_is_allowed_and_nothing_else() {
        check(row([8.0, 6.0, 2.0, 30.0], "a"), true);
        check(row([7.0, 4.0, 3.0, 30.0], "b"), true);
        // Not whole, the wrong way, too far, immutable, a level that is not offered, a total that does not follow, too dear.
        check(row([7.5, 5.5, 2.0, 30.0], "a"), false);
        check(row([5.0, 3.0, 2.0, 30.0], "a"), false);
        check(row([9.0, 7.0, 2.0, 30.0], "a"), false);
        check(row([6.0, 4.0, 2.0, 31.0], "a"), false);
        check(row([6.0, 4.0, 2.0, 30.0], "c"), false);
        check(row([6.0, 5.0, 2.0, 30.0], "a"), false);
        check(row([9.0, 6.0, 3.0, 30.0], "b"), true);
        assert!(space().allows(&row([6.0, 4.0, 2.0, 30.0], "b"), &row([9.0, 6.0, 3.0, 30.0], "b")));
        let poor = Space { cost_most: 5.9, ..space() };
        assert!(
            !poor.allows(&start(), &row([9.0, 6.0, 3.0, 30.0], "a")) && poor.allows(&start(), &row([8.0, 6.0, 2.0, 30.0], "a"))
        );
    }

    #[test]
    fn relations_that_do_not_hold_are_not_asked_for() {
        // One is below two at the start, and the total is off by 1: it stays so.
        let from = row([9.0, 3.0, 5.0, 30.0], "a");
        assert!(space().allows(&from, &row([10.0, 4.0, 5.0, 30.0], "a")));
        assert!(!space().allows(&from, &row([9.0, 4.0, 5.0, 30.0], "a")));
    }

    #[test]
    fn missing_values_stay_missing() {
        let from = vec![Cell::Missing, Cell::Missing, Cell::Number(2.0), Cell::Number(1.0), Cell::Missing];
        assert_eq!(space().movable(&from), [2]);
        assert_eq!(space().project(&from, &start()), from);
        assert!(!space().allows(&from, &start()));
    }

    #[test]
    fn spaces_that_contradict_themselves_are_refused() {
        let made = |rules, relations: &[Relation]| Space::new(&columns(), rules, relations, 1.0);
        assert!(made(vec![rule("none", Moves::Free, Reach::Any)], &[]).is_err());
        assert!(made(vec![rule("plan", Moves::IncreaseOnly, Reach::Any)], &[]).is_err());
        assert!(made(vec![rule("one", Moves::Levels(Vec::new()), Reach::Any)], &[]).is_err());
        assert!(made(vec![rule("one", Moves::Free, Reach::Absolute(f64::NAN))], &[]).is_err());
        assert!(made(vec![rule("one", Moves::Free, Reach::Any), rule("one", Moves::Free, Reach::Any)], &[]).is_err());
        let sum = |total: &str, part: &str| Relation::Sum { total: total.to_owned(), parts: vec![part.to_owned()] };
        assert!(made(Vec::new(), &[sum("total", "total")]).is_err());
        assert!(made(Vec::new(), &[sum("total", "one"), sum("total", "two")]).is_err());
        assert!(made(Vec::new(), &[sum("plan", "one")]).is_err());
        assert!(made(Vec::new(), &[sum("total", "one")]).is_ok());
        assert!(Space::new(&columns(), Vec::new(), &[], f64::NAN).is_err());
    }

    #[test]
    fn rules_are_read_with_the_words_of_a_contract() {
        let text = r#"{"column":"one","moves":"increase-only","reach":{"absolute":3.0},"cost":1.5}"#;
        let read: Rule = serde_json::from_str(text).unwrap();
        assert_eq!(read, Rule { cost: 1.5, ..rule("one", Moves::IncreaseOnly, Reach::Absolute(3.0)) });
        assert!(serde_json::from_str::<Rule>(r#"{"column":"one","moove":"free"}"#).is_err());
    }

    proptest! {
        #[test]
        fn what_is_projected_is_allowed(
            from in prop::array::uniform4(-20.0f64..20.0), to in prop::array::uniform4(-50.0f64..50.0), plans in (0usize..3, 0usize..3),
            whole: bool,
        ) {
            let level = |at: usize| ["a", "b", "c"][at];
            let from = if whole { from.map(f64::round) } else { from };
            let (from, wish) = (row(from, level(plans.0)), row(to, level(plans.1)));
            let rich = Space { cost_most: f64::INFINITY, ..space() };
            let seen = rich.project(&from, &wish);
            prop_assert!(rich.allows(&from, &seen), "{from:?} {seen:?}");
            prop_assert_eq!(rich.project(&from, &seen), seen);
        }
    }
}
