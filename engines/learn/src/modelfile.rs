//! Writes a model as plain files and reads them back without trust: hostile bytes are refused, never executed and never a panic
//! (T3, T4; libxgboost lost its process on 15 of 106 lightly damaged files, our notes). Digests and signatures come before this.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::calibrate::VoteMap;
use crate::conformal::Conformal;
use crate::ensemble::Ensemble;
use crate::error::{LearnError, ModelError};
use crate::forest::Forest;
use crate::gbm::Booster;
use crate::preprocess::{ColumnSpec, Preprocess};
use crate::segments::Segments;
use crate::spec::{TrainSpec, Weights};
use crate::stack::Stack;
use crate::svm::Svm;

/// Format that this program writes and reads.
pub const FORMAT: u32 = 1;
/// What the model is and was made by.
pub const MANIFEST_FILE: &str = "manifest.json";
/// The booster, as XGBoost's JSON.
pub const BOOSTER_FILE: &str = "booster.json";
/// The forest.
pub const FOREST_FILE: &str = "forest.safetensors";
/// The support vector machine.
pub const SVM_FILE: &str = "svm.safetensors";
/// The encoding.
pub const PREPROCESS_FILE: &str = "preprocess.json";
/// The segments; optional.
pub const SEGMENTS_FILE: &str = "segments.json";
/// Most bytes of a file of tensors.
pub const TENSOR_BYTES_MAX: usize = 1 << 30;
/// Most bytes of the booster's JSON: room for 5,000 trees of depth 6, which take 22 MiB. To read them took 200 MiB, nine times as
/// much (of the worst text, 17 times), since the decoder holds the whole document. The default booster has 0.6 MB.
pub const BOOSTER_BYTES_MAX: usize = 32 << 20;
/// Most bytes of the other JSON files.
pub const JSON_BYTES_MAX: usize = 16 << 20;
/// Most pins of the environment.
pub const PINS_MAX: usize = 10_000;

/// The manifest. Columns are repeated from the encoding, so that a reader needs this file only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    spec: TrainSpec,
    columns: Vec<ColumnSpec>,
    encoded_columns: Vec<String>,
    weights: [f64; 3],
    calibration: VoteMap,
    threshold: f64,
    segments: bool,
    environment: BTreeMap<String, String>,
    /// Where members are stacked; `weights` are its shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stack: Option<Stack>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    conformal: Option<Conformal>,
}

fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>, LearnError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| LearnError::Write(error.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Refuses files that no model has, and files larger than any model's.
fn check_sizes(files: &BTreeMap<String, Vec<u8>>) -> Result<(), ModelError> {
    for (name, bytes) in files {
        let most = match name.as_str() {
            FOREST_FILE | SVM_FILE => TENSOR_BYTES_MAX,
            BOOSTER_FILE => BOOSTER_BYTES_MAX,
            MANIFEST_FILE | PREPROCESS_FILE | SEGMENTS_FILE => JSON_BYTES_MAX,
            _ => return Err(ModelError::Unknown(name.clone())),
        };
        if bytes.len() > most {
            return Err(ModelError::TooLarge { file: name.clone(), seen: bytes.len(), most });
        }
    }
    Ok(())
}

fn from_json<T: for<'a> Deserialize<'a>>(file: &'static str, bytes: &[u8]) -> Result<T, ModelError> {
    serde_json::from_slice(bytes).map_err(|error| ModelError::malformed(file, error.to_string()))
}

impl Ensemble {
    /// The files of the model, by name. Loaded again they answer bit for bit as this model does.
    ///
    /// # Errors
    /// A model larger than its formats allow.
    pub fn to_files(&self) -> Result<BTreeMap<String, Vec<u8>>, LearnError> {
        let manifest = Manifest {
            format: FORMAT,
            spec: self.spec.clone(),
            columns: self.preprocess.columns().to_vec(),
            encoded_columns: self.preprocess.encoded_names(),
            weights: self.weights,
            calibration: self.map.clone(),
            threshold: self.spec.threshold,
            segments: self.segments.is_some(),
            environment: self.environment.clone(),
            stack: self.stack,
            conformal: self.conformal.clone(),
        };
        let mut files = BTreeMap::from([
            (MANIFEST_FILE.to_owned(), to_json(&manifest)?),
            (BOOSTER_FILE.to_owned(), self.booster.to_json().to_vec()),
            (FOREST_FILE.to_owned(), self.forest.to_bytes()?),
            (SVM_FILE.to_owned(), self.svm.to_bytes()?),
            (PREPROCESS_FILE.to_owned(), to_json(&self.preprocess)?),
        ]);
        if let Some(segments) = &self.segments {
            files.insert(SEGMENTS_FILE.to_owned(), to_json(segments)?);
        }
        // What is written can be read: the same limits hold on both ways.
        check_sizes(&files).map_err(|error| LearnError::Write(error.to_string()))?;
        Ok(files)
    }

    /// Loads a model. Files that no model has are refused, so that nothing rides along unseen.
    ///
    /// # Errors
    /// Files that are missing, unknown, too large, malformed, of another format, or that do not fit each other.
    pub fn from_files(files: &BTreeMap<String, Vec<u8>>) -> Result<Self, ModelError> {
        check_sizes(files)?;
        let file = |name: &'static str| files.get(name).map(Vec::as_slice).ok_or(ModelError::Missing(name));
        let manifest = read_manifest(file(MANIFEST_FILE)?)?;
        let preprocess: Preprocess = from_json(PREPROCESS_FILE, file(PREPROCESS_FILE)?)?;
        preprocess.check().map_err(|why| ModelError::malformed(PREPROCESS_FILE, why))?;
        if preprocess.columns() != manifest.columns || preprocess.encoded_names() != manifest.encoded_columns {
            return Err(ModelError::malformed(MANIFEST_FILE, "its columns are not those of the encoding"));
        }
        let columns = preprocess.width();
        let segments = match (manifest.segments, files.get(SEGMENTS_FILE)) {
            (true, None) => return Err(ModelError::Missing(SEGMENTS_FILE)),
            (false, Some(_)) => return Err(ModelError::Unknown(SEGMENTS_FILE.to_owned())),
            (false, None) => None,
            (true, Some(bytes)) => {
                let segments: Segments = from_json(SEGMENTS_FILE, bytes)?;
                segments.check().map_err(|why| ModelError::malformed(SEGMENTS_FILE, why))?;
                Some(segments)
            }
        };
        Ok(Self {
            booster: Booster::from_json(file(BOOSTER_FILE)?, columns)?,
            forest: Forest::from_bytes(file(FOREST_FILE)?, columns)?,
            svm: Svm::from_bytes(file(SVM_FILE)?, columns)?,
            preprocess,
            spec: manifest.spec,
            weights: manifest.weights,
            map: manifest.calibration,
            environment: manifest.environment,
            segments,
            stack: manifest.stack,
            conformal: manifest.conformal,
        })
    }
}

/// Reads the manifest and checks what it claims by itself.
fn read_manifest(bytes: &[u8]) -> Result<Manifest, ModelError> {
    /// The one field that every format has.
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let format: Format = from_json(MANIFEST_FILE, bytes)?;
    if format.format != FORMAT {
        return Err(ModelError::Version { seen: format.format, known: FORMAT });
    }
    let manifest: Manifest = from_json(MANIFEST_FILE, bytes)?;
    let wrong = |why: String| ModelError::malformed(MANIFEST_FILE, why);
    manifest.spec.check().map_err(|error| wrong(error.to_string()))?;
    manifest.calibration.check().map_err(wrong)?;
    if manifest.threshold.to_bits() != manifest.spec.threshold.to_bits() {
        return Err(wrong("it has two thresholds".to_owned()));
    }
    let sum: f64 = manifest.weights.iter().sum();
    if !manifest.weights.iter().all(|weight| (0.0..=1.0).contains(weight)) || (sum - 1.0).abs() > 1e-9 {
        return Err(wrong("weights of the members are not shares of 1".to_owned()));
    }
    check_stack(&manifest).map_err(wrong)?;
    if let Some(conformal) = &manifest.conformal {
        conformal.check().map_err(wrong)?;
    }
    if manifest.environment.len() > PINS_MAX {
        return Err(wrong(format!("`{}` pins", manifest.environment.len())));
    }
    Ok(manifest)
}

/// A model has a stack where its settings ask for one, and the shares are the stack's.
fn check_stack(manifest: &Manifest) -> Result<(), String> {
    match (&manifest.stack, manifest.spec.weights) {
        (None, Weights::Equal | Weights::OutOfFold) => Ok(()),
        (Some(stack), Weights::Stacked) => {
            stack.check()?;
            if stack.shares() == manifest.weights { Ok(()) } else { Err("it has two sets of weights".to_owned()) }
        }
        (Some(_), Weights::Equal | Weights::OutOfFold) | (None, Weights::Stacked) => {
            Err("its settings and its stack of members do not fit".to_owned())
        }
    }
}
