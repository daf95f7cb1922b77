//! `[train]` of stayward.toml: settings to start from, and what a project changes of them (T2: what a model remembers of its people is
//! decided here).

use std::str::FromStr;

use frame::Frame;
use learn::{LearnError, Member, Split, TrainSpec, cross_validate};
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;
use tabular::TypedTable;

use crate::data;
use crate::run::last_moment;

/// The key that names the settings to start from.
const BASE: &str = "base";
/// AUC that settings may lose against the best before others that remember more are taken.
const PRICE_MAX: f64 = 0.005;
/// Folds of a trial.
const FOLDS: usize = 3;
/// Rows of a trial, at most.
const ROWS_MAX: usize = 20_000;
/// Added to the seed of training, so that the folds of a trial are not those of the test.
const SEED_STEP: u64 = 1;

/// Settings to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Base {
    /// Remembers least of each person.
    Guarded,
    /// Between the two.
    Balanced,
    /// The most accurate by the protocol of public baselines; remembers people.
    Accurate,
}

impl Base {
    /// All, those that remember least first.
    pub const ALL: [Self; 3] = [Self::Guarded, Self::Balanced, Self::Accurate];

    /// As stayward.toml names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guarded => "guarded",
            Self::Balanced => "balanced",
            Self::Accurate => "accurate",
        }
    }

    fn spec(self) -> TrainSpec {
        match self {
            Self::Guarded => TrainSpec::guarded(),
            Self::Balanced => TrainSpec::balanced(),
            Self::Accurate => TrainSpec::default(),
        }
    }

    /// The largest share of people that these settings may let membership attacks find.
    pub const fn memory_tpr_max(self) -> f64 {
        match self {
            Self::Guarded | Self::Balanced => 0.01,
            Self::Accurate => 0.2,
        }
    }
}

impl FromStr for Base {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|known| known.name() == name);
        known
            .ok_or_else(|| format!("`{name}` is no settings to start from; there are \"guarded\", \"balanced\" and \"accurate\""))
    }
}

/// What a trial of settings found.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Trial {
    /// The settings that remember least among those that lose little.
    pub base: Base,
    /// AUC of each by folds of the rows that were tried, in the order of [`Base::ALL`].
    pub auc: [f64; 3],
    /// Rows that were tried.
    pub rows: usize,
}

/// Tries all settings on the labelled rows of a table, without those by which a model of it would be judged by time.
///
/// # Errors
/// Too few rows or churners to try.
pub fn try_bases(table: &TypedTable, horizon_days: i64, tell: &mut dyn FnMut(Base, f64)) -> Result<Trial, LearnError> {
    let (frame, labels) = tried(table, horizon_days);
    let seed = TrainSpec::default().seed + SEED_STEP;
    let mut auc = |base: Base| -> Result<f64, LearnError> {
        let found = cross_validate(&frame, &labels, &base.spec(), &Split::Stratified { folds: FOLDS, seed })?;
        let auc = found.members.get(&Member::Vote).map_or(f64::NAN, |vote| vote.auc.mean);
        tell(base, auc);
        Ok(auc)
    };
    let auc = [auc(Base::Guarded)?, auc(Base::Balanced)?, auc(Base::Accurate)?];
    let best = auc.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let good = Base::ALL.into_iter().zip(auc).find(|(_, auc)| *auc >= best - PRICE_MAX);
    Ok(Trial { base: good.map_or(Base::Guarded, |(base, _)| base), auc, rows: labels.len() })
}

/// Frame and labels of the rows of a trial.
fn tried(table: &TypedTable, horizon_days: i64) -> (Frame, Vec<bool>) {
    let label = |row: usize| table.label.as_ref().and_then(|all| all.get(row).copied().flatten());
    #[expect(clippy::cast_precision_loss, reason = "seconds of any calendar year are below 2^53")]
    let moment =
        |row: usize| table.time.as_ref().and_then(|all| all.get(row).copied().flatten()).map_or(f64::NAN, |at| at as f64);
    let whole = |row: &usize| !table.row_mask.get(*row).copied().unwrap_or(true);
    let mut rows: Vec<usize> = (0..table.rows()).filter(whole).filter(|row| label(*row).is_some()).collect();
    let moments: Vec<f64> = rows.iter().map(|row| moment(*row)).collect();
    if let Some((train_to, _)) = last_moment(&moments, horizon_days) {
        rows.retain(|row| moment(*row) <= train_to);
    }
    // A customer must not stand on both sides of a fold: of each the latest row.
    let places = data::latest_places(&table.take(&rows));
    let rows: Vec<usize> = places.into_iter().filter_map(|at| rows.get(at).copied()).collect();
    let step = rows.len().div_ceil(ROWS_MAX).max(1);
    let rows: Vec<usize> = rows.into_iter().step_by(step).collect();
    let frame = table.frame.only(|name| !table.protected.iter().any(|protected| protected == name)).take(&rows);
    (frame, rows.iter().filter_map(|row| label(*row)).collect())
}

/// Reads `[train]`: `base` names the settings to start from (`accurate` where there is none), every other key replaces one of them.
///
/// # Errors
/// A name that is not known, unknown keys, values of another kind.
pub(crate) fn read<'de, D: Deserializer<'de>>(from: D) -> Result<TrainSpec, D::Error> {
    let mut asked = toml::Table::deserialize(from)?;
    let base = match asked.remove(BASE) {
        None => Base::Accurate,
        Some(toml::Value::String(name)) => name.parse().map_err(|why| D::Error::custom(format!("`train.{BASE}`: {why}")))?,
        Some(other) => return Err(D::Error::custom(format!("`train.{BASE}` is {other}, which is no text"))),
    };
    let mut whole = serde_json::to_value(base.spec()).map_err(D::Error::custom)?;
    overlay(&mut whole, serde_json::to_value(asked).map_err(D::Error::custom)?);
    serde_json::from_value(whole).map_err(|error| D::Error::custom(format!("`[train]`: {error}")))
}

/// Keys of the upper replace those of the lower, table by table.
fn overlay(lower: &mut Value, upper: Value) {
    match (lower, upper) {
        (Value::Object(lower), Value::Object(upper)) => {
            for (key, value) in upper {
                overlay(lower.entry(key).or_insert(Value::Null), value);
            }
        }
        (lower, upper) => *lower = upper,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<TrainSpec, String> {
        read(toml::Deserializer::parse(text).map_err(|error| error.to_string())?).map_err(|error| error.to_string())
    }

    #[test]
    fn a_base_is_changed_key_by_key() {
        let spec = read_text("base = \"guarded\"\nseed = 5\nbooster = { trees = 7 }").unwrap();
        let mut wanted = TrainSpec { seed: 5, ..TrainSpec::guarded() };
        wanted.booster.trees = 7;
        assert_eq!(spec, wanted);
        assert_eq!(read_text("base = \"accurate\"").unwrap(), TrainSpec::default());
        assert_eq!(read_text("").unwrap(), TrainSpec::default());
        assert_eq!(read_text("svm = { gamma = { value = 0.5 } }").unwrap().svm.gamma, learn::Gamma::Value(0.5));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert!(read_text("base = \"gaurded\"").unwrap_err().contains("train.base"));
        assert!(read_text("base = 5").unwrap_err().contains("train.base"));
        assert!(read_text("boster = { trees = 7 }").unwrap_err().contains("boster"));
        assert!(read_text("booster = { tree = 7 }").unwrap_err().contains("tree"));
        assert!(read_text("seed = \"x\"").is_err());
    }

    #[test]
    fn whole_settings_read_as_they_were_written() {
        for spec in Base::ALL.map(Base::spec) {
            assert_eq!(read_text(&toml::to_string(&spec).unwrap()).unwrap(), spec);
        }
    }

    /// Two columns that tell churners, a label, and, for every other row, another moment.
    fn table(rows: usize) -> TypedTable {
        let csv: String = (0..rows)
            .map(|row| format!("{row},{},{},{}\n", row % 7, row % 11, if row * 7 % 10 + row % 7 > 9 { "yes" } else { "no" }))
            .collect();
        let loaded = crate::data::load_bytes(format!("id,a,b,churned\n{csv}").into_bytes(), "x").unwrap();
        let profile = tabular::profile::profile(&loaded.batches, loaded.decimal).unwrap();
        let contract = tabular::Contract::guess(&profile, Some("churned"), None).unwrap();
        crate::data::typed(&contract, &loaded.batches).unwrap()
    }

    #[test]
    fn the_settings_that_remember_least_are_taken_where_they_lose_little() {
        let found = try_bases(&table(600), 90, &mut |_, _| ()).unwrap();
        assert_eq!(found.rows, 600);
        let best = found.auc.iter().copied().fold(0.0, f64::max);
        let at = Base::ALL.iter().position(|base| *base == found.base).unwrap();
        assert!(found.auc[at] >= best - PRICE_MAX && found.auc[..at].iter().all(|auc| *auc < best - PRICE_MAX), "{found:?}");
        assert!(try_bases(&table(12), 90, &mut |_, _| ()).is_err());
    }

    #[test]
    fn rows_that_judge_by_time_are_not_tried() {
        let mut table = table(600);
        let day = 86_400;
        table.time = Some((0..600).map(|row| Some(i64::from(row % 3) * 100 * day)).collect());
        assert_eq!(tried(&table, 90).1.len(), 400);
        assert_eq!(tried(&table, 150).1.len(), 200);
        // Of a customer who comes at two moments the later row.
        table.ids = (0..600).map(|row| (row / 3).to_string()).collect();
        assert_eq!(tried(&table, 90).1.len(), 200);
    }
}
