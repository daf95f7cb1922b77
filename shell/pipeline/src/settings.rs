//! `[train]` of stayward.toml: settings to start from, and what a project changes of them (T2: what a model remembers of its people is
//! decided here).

use learn::TrainSpec;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

/// The key that names the settings to start from.
const BASE: &str = "base";

/// Reads `[train]`: `base` names the settings to start from (`accurate` where there is none), every other key replaces one of them.
///
/// # Errors
/// A name that is not known, unknown keys, values of another kind.
pub(crate) fn read<'de, D: Deserializer<'de>>(from: D) -> Result<TrainSpec, D::Error> {
    let mut asked = toml::Table::deserialize(from)?;
    let base = asked.remove(BASE);
    let base = match base.as_ref().map_or(Some("accurate"), toml::Value::as_str) {
        Some("accurate") => TrainSpec::default(),
        Some("guarded") => TrainSpec::guarded(),
        _ => return Err(D::Error::custom(format!("`train.{BASE}` can be \"guarded\" or \"accurate\""))),
    };
    let mut whole = serde_json::to_value(base).map_err(D::Error::custom)?;
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
        for spec in [TrainSpec::guarded(), TrainSpec::default()] {
            assert_eq!(read_text(&toml::to_string(&spec).unwrap()).unwrap(), spec);
        }
    }
}
