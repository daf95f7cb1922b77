//! Loads a released model and asks it. A plain model does not fit: both parameters prove that they were judged.

use std::collections::{BTreeMap, BTreeSet};

use artifact::{InputGuard, RawScore, ReleaseStep};
use gate::{Cleared, Digest};
use learn::{ColumnKind, ColumnSpec, Ensemble, Value};

/// Released files that belong to the model's surroundings, not to the ensemble: what ordinary inputs and scores look like.
pub const SURROUNDINGS: [&str; 4] = ["canary.json", "drift.json", "guard.json", "report.json"];

/// A model that was loaded from exactly the files that were released.
#[derive(Debug)]
pub struct Served {
    release: Cleared<ReleaseStep>,
    ensemble: Ensemble,
    surroundings: BTreeMap<String, Vec<u8>>,
}

/// Why a model is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotServed {
    /// A file is missing or there is one too many.
    Files {
        /// Names that were released.
        released: Vec<String>,
        /// Names that are there.
        found: Vec<String>,
    },
    /// A file is not the one that was released.
    Changed {
        /// Its name.
        file: String,
        /// Digest that was released.
        released: Digest,
        /// Digest of what is there.
        found: Digest,
    },
    /// The released files cannot be read as a model.
    Unreadable(String),
}

impl std::fmt::Display for NotServed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Files { released, found } => {
                write!(out, "the model has files `{}`, released were `{}`", found.join(", "), released.join(", "))
            }
            Self::Changed { file, released, found } => {
                write!(out, "model file `{file}` is {found}, released was {released}")
            }
            Self::Unreadable(why) => write!(out, "the released model cannot be read: {why}"),
        }
    }
}

impl std::error::Error for NotServed {}

impl Served {
    /// Checks every file's digest against the release, and only then lets a parser see them.
    pub fn load(release: Cleared<ReleaseStep>, files: BTreeMap<String, Vec<u8>>) -> Result<Self, NotServed> {
        let released = &release.subject().files;
        let names: BTreeSet<&String> = released.keys().collect();
        if names != files.keys().collect::<BTreeSet<_>>() {
            let (released, found) = (released.keys().cloned().collect(), files.keys().cloned().collect());
            return Err(NotServed::Files { released, found });
        }
        for (file, bytes) in &files {
            let found = Digest::of(bytes);
            if let Some(released) = released.get(file).filter(|released| **released != found) {
                return Err(NotServed::Changed { file: file.clone(), released: *released, found });
            }
        }
        let (surroundings, model): (BTreeMap<_, _>, BTreeMap<_, _>) =
            files.into_iter().partition(|(file, _)| SURROUNDINGS.contains(&file.as_str()));
        let ensemble = Ensemble::from_files(&model).map_err(|error| NotServed::Unreadable(error.to_string()))?;
        Ok(Self { release, ensemble, surroundings })
    }

    /// The released bytes of one of [`SURROUNDINGS`].
    pub fn surrounding(&self, file: &str) -> Option<&[u8]> {
        self.surroundings.get(file).map(Vec::as_slice)
    }

    /// The release that is served.
    pub fn release(&self) -> &Cleared<ReleaseStep> {
        &self.release
    }

    /// Columns that the model reads, in order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.ensemble.columns().iter().map(|column| column.name.as_str())
    }

    /// Whether a column holds numbers (or levels).
    pub fn is_number(&self, name: &str) -> bool {
        self.ensemble.columns().iter().any(|column| column.name == name && matches!(column.kind, ColumnKind::Number { .. }))
    }

    /// The segments that were released with it.
    pub fn segments(&self) -> Option<&learn::Segments> {
        self.ensemble.segments()
    }

    fn row<'v>(&self, values: &'v BTreeMap<String, Option<String>>) -> Vec<Value<'v>> {
        let value = |column: &ColumnSpec| match values.get(&column.name).and_then(Option::as_deref) {
            None => Value::Missing,
            Some(text) if matches!(column.kind, ColumnKind::Number { .. }) => {
                text.trim().parse().map_or(Value::Missing, Value::Number)
            }
            Some(text) => Value::Text(text),
        };
        self.ensemble.columns().iter().map(value).collect()
    }

    /// A row as the model sees it, standardised: for monitoring, which looks for rows that nearly repeat each other.
    pub fn standardised(&self, values: &BTreeMap<String, Option<String>>) -> Vec<f32> {
        let preprocess = self.ensemble.preprocess();
        let mut row = preprocess.encode_row(&self.row(values));
        preprocess.fill(&mut row);
        preprocess.scale(&mut row);
        row
    }

    /// A vote of at least this is called churn.
    pub fn threshold(&self) -> f64 {
        self.ensemble.threshold()
    }
}

/// The vote on one row. A number that does not parse counts as missing: input validation has refused it where the contract
/// does not allow that.
pub fn predict(model: &Served, row: &Cleared<InputGuard>) -> Result<RawScore, NotServed> {
    let scores = model
        .ensemble
        .predict_row(&model.row(&row.subject().values))
        .map_err(|error| NotServed::Unreadable(error.to_string()))?;
    Ok(RawScore::new(scores.vote))
}
