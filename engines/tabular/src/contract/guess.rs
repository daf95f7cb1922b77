//! Writes the first draft of a contract from what was seen. Every rule carries what was seen and why it was guessed so, since a
//! person must be able to disagree: a wrongly guessed role is how a leak becomes a feature.

use super::names;
use super::{ColumnRule, Contract, Duplicates, Kind, LabelRule, MISSING_MARKS, Missing, Outsider, Role};
use crate::number::show;
use crate::profile::{Cell, ColumnProfile, NumberProfile, Profile, share};
use crate::typed::time;
use std::collections::BTreeMap;

/// Levels up to which a column is a category.
pub const CATEGORY_LEVELS_MAX: usize = 100;
/// Whole numbers without gaps up to which a range is kept as it was seen: codes and flags.
const CODES_MAX: u64 = 20;
/// Share of numbers from which a column is one of numbers, the rest being faults.
const NUMBER_SHARE_MIN: f64 = 0.95;
/// A single column that ranks the label better than this is not to be believed: the best real column of our six sets has 0.89.
pub const LEAK_AUC_MIN: f64 = 0.98;
/// From here on a note asks whether the column was known at the cutoff.
const STRONG_AUC_MIN: f64 = 0.75;
/// Labels of each kind that a judgement on leaks needs.
const LEAK_LABELS_MIN: usize = 20;
/// Levels that a note shows.
const NOTE_LEVELS_MAX: usize = 6;

/// Why no contract can be guessed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuessError {
    /// The table has no columns or no rows.
    #[error("the table has no rows to guess from")]
    Empty,
    /// No such column.
    #[error("the table has no column `{0}`\nhelp: {1}")]
    Target(String, String),
    /// Not a label.
    #[error(
        "the column `{column}` has {}, a label has 2 to 100",
        if *levels == 0 { "too many different values".to_owned() } else { format!("{levels} level(s)") }
    )]
    Levels {
        /// The column.
        column: String,
        /// Its levels; 0 if there are too many to count.
        levels: usize,
    },
    /// The named level is none.
    #[error("`{positive}` is no level of `{column}`\nhelp: its levels are {levels}")]
    NoLevel {
        /// The column.
        column: String,
        /// The level that was named.
        positive: String,
        /// The first levels.
        levels: String,
    },
    /// The positive level is not clear.
    #[error("which level of `{column}` means churn is not clear: there are {levels}\nhelp: name the positive level")]
    Positive {
        /// The column.
        column: String,
        /// Its levels.
        levels: String,
    },
}

/// A role, and why.
struct Choice {
    role: Role,
    why: String,
}

fn choice(role: Role, why: impl Into<String>) -> Choice {
    Choice { role, why: why.into() }
}

/// What is known of the whole table while columns are judged.
struct Whole<'a> {
    profile: &'a Profile,
    target: Option<&'a str>,
    positive: Option<&'a str>,
    id: Option<&'a str>,
    time: Option<&'a str>,
    value: Option<&'a str>,
}

impl Contract {
    /// Guesses a contract. `target` is the label's column (`None`: the table has none), `positive` the level that means churn
    /// (`None`: guessed from words such as `yes`, `true`, `1`).
    pub fn guess(profile: &Profile, target: Option<&str>, positive: Option<&str>) -> Result<Self, GuessError> {
        if profile.rows == 0 || profile.columns.is_empty() {
            return Err(GuessError::Empty);
        }
        let label = target.map(|target| label(profile, target, positive)).transpose()?;
        let whole = Whole::of(profile, target, label.as_ref().map(|label| label.positive.as_str()));
        let columns = profile.columns.iter().zip(&profile.sample).map(|(column, cells)| whole.rule(column, cells)).collect();
        Ok(Self {
            name: "table".to_owned(),
            decimal: profile.decimal,
            missing_marks: MISSING_MARKS.iter().map(|&mark| mark.to_owned()).collect(),
            duplicates: Duplicates::Group,
            label,
            columns,
            outsider_budget: None,
            relations: Vec::new(),
        })
    }
}

fn label(profile: &Profile, target: &str, positive: Option<&str>) -> Result<LabelRule, GuessError> {
    let Some(column) = profile.column(target) else {
        let names: Vec<String> = profile.columns.iter().map(|column| format!("`{}`", column.name)).collect();
        let like = profile.columns.iter().find(|column| column.name.eq_ignore_ascii_case(target.trim()));
        let help = match like {
            Some(like) => format!("did you mean `{}`?", like.name),
            None => format!("it has {}", names.join(", ")),
        };
        return Err(GuessError::Target(target.to_owned(), help));
    };
    let levels = &column.levels;
    if levels.len() < 2 || levels.len() > CATEGORY_LEVELS_MAX {
        return Err(GuessError::Levels { column: target.to_owned(), levels: levels.len() });
    }
    // With more levels than two, which of them are churn is for people to say.
    let positive_needed = positive.is_none() && levels.len() > 2;
    let matching: Vec<&(String, u64)> = match positive {
        Some(positive) => levels.iter().filter(|(level, _)| level == positive).collect(),
        None if positive_needed => Vec::new(),
        None => levels.iter().filter(|(level, _)| names::positive(level)).collect(),
    };
    if let (Some(positive), []) = (positive, matching.as_slice()) {
        let levels: Vec<String> = levels.iter().take(NOTE_LEVELS_MAX).map(|(level, _)| format!("`{level}`")).collect();
        let (column, positive) = (target.to_owned(), positive.to_owned());
        return Err(GuessError::NoLevel { column, positive, levels: levels.join(", ") });
    }
    let [(positive, count)] = matching.as_slice() else {
        let levels: Vec<String> = levels.iter().take(NOTE_LEVELS_MAX).map(|(level, _)| format!("`{level}`")).collect();
        return Err(GuessError::Positive { column: target.to_owned(), levels: levels.join(", ") });
    };
    let rate = share(*count, column.present());
    let (rate_min, rate_max) = ((rate * 50.0).floor() / 100.0, ((rate * 200.0).ceil() / 100.0).min(1.0));
    Ok(LabelRule { positive: positive.clone(), rate_min, rate_max })
}

impl<'a> Whole<'a> {
    fn of(profile: &'a Profile, target: Option<&'a str>, positive: Option<&'a str>) -> Self {
        let others = || profile.columns.iter().filter(move |column| Some(column.name.as_str()) != target);
        let best = |score: &dyn Fn(&ColumnProfile) -> u32| {
            let scored = others().map(|column| (score(column), column.name.as_str())).filter(|&(score, _)| score > 0);
            scored.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, name)| name)
        };
        // An identifier of customers may come again (a row a month), but it is no flag.
        let id = best(&|column| if column.distinct > 20 || column.distinct == column.present() { id_score(column) } else { 0 });
        let unique = others().find(|column| unique(column) && column.numbers.is_none() && column.time.is_none());
        let time = best(&|column| match &column.time {
            Some(_) => 1 + u32::from(names::when(&names::words(&column.name))),
            None => u32::from(is_stamp(column)),
        });
        let value = best(&|column| {
            let words = names::words(&column.name);
            if all_numbers(column) && column.distinct > 2 && names::later(&words).is_none() {
                names::value_score(&words)
            } else {
                0
            }
        });
        Self { profile, target, positive, id: id.or(unique.map(|column| column.name.as_str())), time, value }
    }

    fn rule(&self, column: &ColumnProfile, cells: &[Cell]) -> ColumnRule {
        let auc = self.auc(column, cells);
        let Choice { role, why } = self.choose(column, auc);
        let kind = kind(column, role);
        let mut notes = vec![seen(column), format!("guessed {}: {why}", word(role))];
        if let (Some(auc), Role::Feature | Role::ThirdParty | Role::Protected | Role::Value) = (auc, role)
            && auc >= STRONG_AUC_MIN
        {
            notes.push(format!("alone it ranks the label with AUC {auc:.3}: make sure that it was known at the cutoff"));
        }
        if let Kind::Number { .. } = kind
            && column.numbers.as_ref().is_some_and(|numbers| numbers.count < column.present())
        {
            notes.push(format!("some values are no numbers, such as `{}`: they will be refused", column.odd));
        }
        if let Some(time) = column.time.as_ref().filter(|time| !time.also.is_empty()) {
            notes.push(format!("`{}` reads every value too: make sure which is day and which is month", time.also.join("`, `")));
        }
        let also_feature = role == Role::Value;
        ColumnRule {
            name: column.name.clone(),
            role,
            kind,
            missing: missing(column),
            outsider: Outsider::Immutable,
            outsider_share_max: None,
            outsider_cost: None,
            also_feature,
            notes,
        }
    }

    fn choose(&self, column: &ColumnProfile, auc: Option<f64>) -> Choice {
        let name = column.name.as_str();
        let words = names::words(name);
        if self.target == Some(name) {
            return choice(
                Role::Label,
                format!("it was named as the target; `{}` means churn", self.positive.unwrap_or_default()),
            );
        }
        if self.id == Some(name) {
            return if id_score(column) > 0 {
                choice(Role::Id, "its name is that of an identifier")
            } else {
                choice(Role::Id, "every value differs")
            };
        }
        if column.present() == 0 {
            return choice(Role::Ignore, "no value was seen");
        }
        if column.distinct <= 1 {
            return choice(Role::Ignore, "it is constant");
        }
        if let Some(later) = names::later(&words) {
            return choice(Role::Ignore, format!("`{later}` in its name: it looks like a leak of what is to be foretold"));
        }
        if self.time == Some(name) {
            return choice(Role::Time, "its values are moments");
        }
        if let Some(auc) = auc.filter(|&auc| auc >= LEAK_AUC_MIN) {
            return choice(Role::Ignore, format!("alone it ranks the label with AUC {auc:.3}: it looks like a leak"));
        }
        if column.time.is_some() {
            return choice(Role::Ignore, "its values are moments, and another column is the time; a model needs durations");
        }
        if id_score(column) > 0 && column.distinct > 20 {
            return choice(Role::Ignore, "it looks like another identifier");
        }
        if running(column) {
            return choice(Role::Ignore, "it is a running number");
        }
        if !all_numbers(column) && (column.levels.is_empty() || column.levels.len() > CATEGORY_LEVELS_MAX) {
            return choice(Role::Ignore, format!("it is text with more than {CATEGORY_LEVELS_MAX} distinct values"));
        }
        if let Some(word) = names::protected(&words) {
            return choice(Role::Protected, format!("`{word}` in its name: it stands for a protected attribute"));
        }
        if let Some(word) = names::outside(&words) {
            return choice(Role::ThirdParty, format!("`{word}` in its name: it seems to come from outside"));
        }
        if self.value == Some(name) {
            return choice(Role::Value, "its name is that of money at stake; it stays a feature as well");
        }
        choice(Role::Feature, "nothing speaks against it")
    }

    /// How well the column alone ranks the label: the area under the ROC curve, 0.5..=1, of its numbers or of its levels' label rates,
    /// missing values being a level of their own. `None` where there are too few labels or too many levels.
    fn auc(&self, column: &ColumnProfile, cells: &[Cell]) -> Option<f64> {
        let positive = self.positive?;
        let place = self.profile.columns.iter().position(|column| Some(column.name.as_str()) == self.target)?;
        let labels: Vec<Option<bool>> =
            self.profile.sample.get(place)?.iter().map(|cell| cell.text().map(|text| text == positive)).collect();
        let of_numbers = || {
            let scored =
                cells.iter().zip(&labels).filter_map(|(cell, label)| Some((cell.number(self.profile.decimal)?, (*label)?)));
            area(scored.collect())
        };
        let of_levels = || {
            let mut levels: BTreeMap<Option<String>, (u32, u32)> = BTreeMap::new();
            let key = |cell: &Cell| {
                if all_numbers(column) { cell.text().map(|_| String::new()) } else { cell.text().map(String::from) }
            };
            for (cell, label) in cells.iter().zip(&labels).filter_map(|(cell, label)| Some((cell, (*label)?))) {
                let (ups, all) = levels.entry(key(cell)).or_default();
                *ups += u32::from(label);
                *all += 1;
            }
            let rate = |cell: &Cell| levels.get(&key(cell)).map_or(0.0, |&(ups, all)| f64::from(ups) / f64::from(all.max(1)));
            area(cells.iter().zip(&labels).filter_map(|(cell, label)| Some((rate(cell), (*label)?))).collect())
        };
        if all_numbers(column) {
            [of_numbers(), of_levels()].into_iter().flatten().reduce(f64::max)
        } else if !column.levels.is_empty() && column.levels.len() <= CATEGORY_LEVELS_MAX {
            of_levels()
        } else {
            None
        }
    }
}

/// The area under the ROC curve (Mann and Whitney 1947, ties at half), turned so that it is at least 0.5.
fn area(mut scored: Vec<(f64, bool)>) -> Option<f64> {
    scored.sort_unstable_by(|one, two| one.0.total_cmp(&two.0));
    let ups = scored.iter().filter(|(_, label)| *label).count();
    let downs = scored.len() - ups;
    if ups < LEAK_LABELS_MIN || downs < LEAK_LABELS_MIN {
        return None;
    }
    let (mut below, mut twice) = (0, 0);
    for tie in scored.chunk_by(|one, two| one.0 == two.0) {
        let up = tie.iter().filter(|(_, label)| *label).count();
        twice += up * (2 * below + (tie.len() - up));
        below += tie.len() - up;
    }
    #[expect(clippy::cast_precision_loss, reason = "at most 65,536 squared, which is below 2^53")]
    let area = twice as f64 / (2 * ups * downs) as f64;
    Some(area.max(1.0 - area))
}

fn id_score(column: &ColumnProfile) -> u32 {
    // A fraction is no identifier, whatever its name.
    let whole = column.numbers.as_ref().is_none_or(|numbers| numbers.whole);
    if whole { names::id_score(&names::words(&column.name)) } else { 0 }
}

fn unique(column: &ColumnProfile) -> bool {
    column.missing == 0 && column.rows > 20 && (column.distinct == column.rows || (!column.distinct_exact && near(column)))
}

/// Whether an estimate of distinct values is within five standard errors of the rows.
fn near(column: &ColumnProfile) -> bool {
    (share(column.distinct, column.rows) - 1.0).abs() < 0.025
}

fn all_numbers(column: &ColumnProfile) -> bool {
    column.numbers.is_some() && column.number_share() >= NUMBER_SHARE_MIN
}

fn is_stamp(column: &ColumnProfile) -> bool {
    // Seconds between 2001-09-09 and 2065-01-24.
    let plausible = |numbers: &NumberProfile| numbers.whole && numbers.min >= 1e9 && numbers.max <= 3e9;
    all_numbers(column) && column.numbers.as_ref().is_some_and(plausible) && names::stamp(&names::words(&column.name))
}

/// Whether the values are the whole numbers from some first one on, each once.
fn running(column: &ColumnProfile) -> bool {
    let steps = column.numbers.as_ref().filter(|numbers| numbers.whole).map(|numbers| numbers.max - numbers.min + 1.0);
    #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
    let rows = column.rows as f64;
    unique(column) && steps == Some(rows)
}

fn kind(column: &ColumnProfile, role: Role) -> Kind {
    let levels = || {
        let mut levels: Vec<String> = column.levels.iter().map(|(level, _)| level.clone()).collect();
        levels.sort_unstable();
        Kind::Category { levels }
    };
    if role == Role::Label {
        return levels();
    }
    if role == Role::Id {
        return Kind::Text;
    }
    if let Some(time) = &column.time {
        return Kind::Time { format: time.format.clone() };
    }
    if is_stamp(column) {
        return Kind::Time { format: time::UNIX.to_owned() };
    }
    match &column.numbers {
        Some(numbers) if all_numbers(column) => {
            let (min, max) = widened(numbers, column);
            Kind::Number { integer: numbers.whole, min: Some(min), max: Some(max), unit: None }
        }
        _ if !column.levels.is_empty() && column.levels.len() <= CATEGORY_LEVELS_MAX => levels(),
        _ => Kind::Text,
    }
}

/// The range that is allowed: see the head of the file that `to_toml` writes.
fn widened(numbers: &NumberProfile, column: &ColumnProfile) -> (f64, f64) {
    let (min, max) = (numbers.min, numbers.max);
    let width = max - min;
    #[expect(clippy::cast_precision_loss, reason = "at most 20")]
    let codes = numbers.whole && column.distinct <= CODES_MAX && width + 1.0 == column.distinct as f64;
    if codes || width <= 0.0 || !width.is_finite() {
        return (min, max);
    }
    if !numbers.whole && min >= 0.0 && max <= 1.0 {
        return (0.0, 1.0);
    }
    // A round figure is a multiple of half the power of ten below the width: 5 for a width of 72.
    #[expect(clippy::cast_possible_truncation, reason = "a decimal exponent")]
    let exponent = width.log10().floor() as i32;
    let step = if numbers.whole { (10_f64.powi(exponent) / 2.0).max(1.0) } else { 10_f64.powi(exponent) / 2.0 };
    let places = usize::try_from((1 - exponent).max(0)).unwrap_or(0).min(300);
    let round = |value: f64| format!("{:.places$}", value * step).parse().unwrap_or(value * step);
    let low: f64 = round(((min - width / 4.0) / step).floor());
    let high: f64 = round(((max + width / 4.0) / step).ceil());
    (if min >= 0.0 { low.max(0.0) } else { low }, if max <= 0.0 { high.min(0.0) } else { high })
}

/// Missing values are refused where none were seen; else twice the share that was seen may be missing, 1 % at least.
fn missing(column: &ColumnProfile) -> Missing {
    if column.missing == 0 {
        return Missing::Refused;
    }
    Missing::Allowed { share_max: ((column.missing_share() * 200.0).ceil() / 100.0).clamp(0.01, 1.0) }
}

fn seen(column: &ColumnProfile) -> String {
    let about = if column.distinct_exact { "" } else { "about " };
    let mut out = format!("seen: {} values, {about}{} distinct", column.present(), column.distinct);
    match column.missing {
        0 => out.push_str(", none missing"),
        missing => out.push_str(&format!(", {missing} missing ({:.2} %)", column.missing_share() * 100.0)),
    }
    if let Some(numbers) = column.numbers.as_ref().filter(|_| all_numbers(column)) {
        let (mean, sd) = (numbers.mean, numbers.sd);
        out.push_str(&format!("; {} to {}, mean {mean:.4}, sd {sd:.4}", show(numbers.min), show(numbers.max)));
    } else if column.levels.is_empty() {
        out.push_str(&format!("; such as `{}`", column.example));
    } else {
        let most = column.levels.iter().take(NOTE_LEVELS_MAX);
        let shown: Vec<String> =
            most.map(|(level, count)| format!("`{level}` {:.1} %", share(*count, column.present()) * 100.0)).collect();
        out.push_str(&format!("; {}{}", shown.join(", "), if column.levels.len() > NOTE_LEVELS_MAX { ", .." } else { "" }));
    }
    out
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Id => "id",
        Role::Label => "label",
        Role::Time => "time",
        Role::Value => "value",
        Role::ThirdParty => "third-party",
        Role::Protected => "protected",
        Role::Ignore => "ignore",
        Role::Feature => "feature",
    }
}
