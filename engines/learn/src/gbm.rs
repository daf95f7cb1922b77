//! Gradient boosting by a memory-safe XGBoost: no parser of a model file may take the process down (T3, T4), and a shipped tree
//! must not tell how many training rows fell into a leaf (T2; Ferry 2024).

mod grow;

use std::fmt::{self, Formatter};

use hessboost::prelude::{BoostedModel, ModelFormat};
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

use crate::calibrate::logistic;
use crate::error::{LearnError, ModelError};
use crate::fast::Boosted;
use crate::modelfile::{BOOSTER_BYTES_MAX, BOOSTER_FILE};
use crate::preprocess::Matrix;
use crate::robust;
use crate::spec::{BoosterSpec, TREES_MAX};
pub use grow::{Aids, directions};

/// Most nodes of one tree: a full one of depth 16.
pub(crate) const NODES_MAX: usize = 1 << 17;

/// A trained booster without statistics of its training rows.
#[derive(Clone, Debug)]
pub struct Booster {
    model: BoostedModel,
    json: Vec<u8>,
    fast: Boosted,
}

fn refused(error: impl std::fmt::Display) -> LearnError {
    LearnError::Booster(error.to_string())
}

impl Booster {
    /// Trains on encoded rows, `NaN` for missing. Same bytes for any number of threads.
    ///
    /// # Errors
    /// `spec.monotone` or `spec.robust`, which name columns that encoded rows do not have: [`Self::fit_with`] takes their
    /// directions and reaches.
    pub fn fit(rows: &Matrix, labels: &[bool], spec: &BoosterSpec, seed: u64) -> Result<Self, LearnError> {
        let named = spec.robust.as_ref().and_then(|robust| robust.columns.first());
        if let Some(name) = spec.monotone.keys().next().or(named) {
            return Err(LearnError::NoColumn(name.clone()));
        }
        Self::fit_with(rows, labels, &Aids::default(), spec, seed)
    }

    /// The same with weights of rows, directions of columns and, where `spec.robust` is, reaches of columns.
    ///
    /// # Errors
    /// Weights, directions or reaches of another number, weights that are negative, not finite or all 0.
    pub fn fit_with(rows: &Matrix, labels: &[bool], aids: &Aids<'_>, spec: &BoosterSpec, seed: u64) -> Result<Self, LearnError> {
        if let Some(robust) = &spec.robust {
            return robust::fit(rows, labels, aids, spec, robust, seed);
        }
        let model = grow::trained(rows, labels, aids, spec, seed)?;
        Self::kept(&model, rows.columns())
    }

    /// A booster of a document in XGBoost's JSON, kept in the bytes that the trainer's own would have.
    pub(crate) fn canonical(document: &[u8], columns: usize) -> Result<Self, LearnError> {
        let model = BoostedModel::decode(document, ModelFormat::XgboostJson).map_err(refused)?;
        Self::kept(&model, columns)
    }

    /// The model without statistics of its training rows.
    fn kept(model: &BoostedModel, columns: usize) -> Result<Self, LearnError> {
        let json = stripped(&model.encode(ModelFormat::XgboostJson).map_err(refused)?).map_err(refused)?;
        if json.len() > BOOSTER_BYTES_MAX {
            let why = format!(
                "it would have `{}` bytes, more than `{BOOSTER_BYTES_MAX}`; ask for fewer or less deep trees",
                json.len()
            );
            return Err(LearnError::Booster(why));
        }
        let model = BoostedModel::decode(&json, ModelFormat::XgboostJson).map_err(refused)?;
        let fast = Boosted::new(&model, columns).map_err(refused)?;
        Ok(Self { model, json, fast })
    }

    /// The model as XGBoost's JSON; `sum_hessian` and `loss_changes` are zeros.
    pub fn to_json(&self) -> &[u8] {
        &self.json
    }

    /// Loads XGBoost's JSON of a binary logistic tree model with so many columns. Never panics.
    pub fn from_json(bytes: &[u8], columns: usize) -> Result<Self, ModelError> {
        let wrong = |why: String| ModelError::malformed(BOOSTER_FILE, why);
        // Looked through without being kept: the one copy in memory is the decoder's.
        let mut document = serde_json::Deserializer::from_slice(bytes);
        Within(0).deserialize(&mut document).and_then(|()| document.end()).map_err(|error| wrong(error.to_string()))?;
        let model = BoostedModel::decode(bytes, ModelFormat::XgboostJson).map_err(|error| wrong(error.to_string()))?;
        check(&model, columns).map_err(wrong)?;
        let fast = Boosted::new(&model, columns).map_err(wrong)?;
        Ok(Self { model, json: bytes.to_vec(), fast })
    }

    /// Log odds of encoded rows, as XGBoost's `output_margin`, bit for bit.
    ///
    /// # Errors
    /// Another number of columns, or infinite values.
    pub fn margins(&self, rows: &Matrix) -> Result<Vec<f32>, LearnError> {
        self.check_row(rows.columns(), rows.values())?;
        Ok(self.fast.margins(rows.values()))
    }

    /// Mean over the boosting rounds of the log odds after each of them, one number a row: how early and how firmly the booster came to
    /// its answer, which tells a wrong label from a rare row (the area under the margin of Pleiss and others 2020, for boosting).
    ///
    /// # Errors
    /// As [`Self::margins`].
    pub fn mean_margins(&self, rows: &Matrix) -> Result<Vec<f32>, LearnError> {
        self.check_row(rows.columns(), rows.values())?;
        let mean = Boosted::mean_of_rounds(&self.model, self.model.n_features()).map_err(refused)?;
        Ok(mean.margins(rows.values()))
    }

    /// Log odds of one encoded row, equal to [`Self::margins`] bit for bit; takes no thread.
    ///
    /// # Errors
    /// As [`Self::margins`].
    pub fn margin_row(&self, row: &[f32]) -> Result<f32, LearnError> {
        self.margin_with(row, &mut Vec::new())
    }

    /// The same with a buffer of the caller.
    pub(crate) fn margin_with(&self, row: &[f32], wide: &mut Vec<u32>) -> Result<f32, LearnError> {
        self.check_row(row.len(), row)?;
        Ok(self.fast.margin(row, wide))
    }

    /// The trainer does not know infinite values: it would have refused them.
    fn check_row(&self, columns: usize, values: &[f32]) -> Result<(), LearnError> {
        if columns != self.model.n_features() {
            return Err(LearnError::Count { what: "columns of the rows", expected: self.model.n_features(), seen: columns });
        }
        // Without a way out in the middle, so that many values are looked at together.
        if values.iter().fold(false, |found, value| found | value.is_infinite()) {
            return Err(LearnError::Booster("values of rows must be finite or missing".to_owned()));
        }
        Ok(())
    }

    /// The probability of a margin.
    pub fn chance(margin: f32) -> f64 {
        logistic(f64::from(margin))
    }

    /// The trees, for engines that search or bound them.
    pub fn model(&self) -> &BoostedModel {
        &self.model
    }
}

/// Where XGBoost's JSON keeps its trees.
const TREES: [&str; 4] = ["learner", "gradient_booster", "model", "trees"];
/// What a tree tells of its training rows, one number a node.
const STATISTICS: [&str; 2] = ["sum_hessian", "loss_changes"];

/// Reads past a part of the document, so many members deep on the way to the trees, and finds fault with statistics that are not
/// zeros. Of a member that stands there twice both are looked at.
#[derive(Clone, Copy)]
struct Within(usize);

impl<'de> DeserializeSeed<'de> for Within {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        if self.0 == TREES.len() { from.deserialize_seq(self) } else { from.deserialize_map(self) }
    }
}

impl<'de> Visitor<'de> for Within {
    type Value = ();

    fn expecting(&self, text: &mut Formatter<'_>) -> fmt::Result {
        text.write_str("a model in XGBoost's JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<String>()? {
            if TREES.get(self.0) == Some(&name.as_str()) {
                members.next_value_seed(Within(self.0 + 1))?;
            } else if self.0 > TREES.len() && STATISTICS.contains(&name.as_str()) {
                members.next_value::<Zeros>()?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut trees: A) -> Result<(), A::Error> {
        while trees.next_element_seed(Within(self.0 + 1))?.is_some() {}
        Ok(())
    }
}

/// An array of zeros.
struct Zeros;

impl<'de> Deserialize<'de> for Zeros {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Zeros;

            fn expecting(&self, text: &mut Formatter<'_>) -> fmt::Result {
                text.write_str("an array of zeros")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Zeros, A::Error> {
                while let Some(number) = numbers.next_element::<f64>()? {
                    if number != 0.0 {
                        return Err(de::Error::custom("it tells how many rows fell into its leaves"));
                    }
                }
                Ok(Zeros)
            }
        }
        from.deserialize_seq(Each)
    }
}

/// The document with zeros for the statistics of training rows.
pub(crate) fn stripped(json: &[u8]) -> serde_json::Result<Vec<u8>> {
    let mut document: Json = serde_json::from_slice(json)?;
    if let Some(Json::Array(trees)) = document.pointer_mut(&format!("/{}", TREES.join("/"))) {
        for tree in trees {
            for statistic in STATISTICS {
                if let Some(Json::Array(values)) = tree.get_mut(statistic) {
                    values.fill(Json::from(0.0));
                }
            }
        }
    }
    serde_json::to_vec(&document)
}

/// What a booster of ours looks like.
fn check(model: &BoostedModel, columns: usize) -> Result<(), String> {
    if model.n_features() != columns || model.n_outputs() != 1 {
        return Err(format!("`{}` columns where the encoding has `{columns}`", model.n_features()));
    }
    if model.objective().name() != "binary:logistic" || model.linear().is_some() {
        return Err("not a binary logistic tree model".to_owned());
    }
    if model.num_trees() == 0 || model.num_trees() > TREES_MAX as usize || model.num_parallel_tree() != 1 {
        return Err(format!("`{}` trees", model.num_trees()));
    }
    if !model.base_scores().iter().all(|score| score.is_finite()) {
        return Err("the base score is not finite".to_owned());
    }
    for tree in model.trees() {
        let nodes = tree.nodes();
        if nodes.len() > NODES_MAX || tree.has_categorical_splits() || tree.linear_leaves().is_some() {
            return Err("a tree that we do not write".to_owned());
        }
        if !nodes.iter().all(|node| node.leaf_value.is_finite() && node.split_cond.is_finite()) {
            return Err("a number is not finite".to_owned());
        }
        if !nodes.iter().all(|node| node.is_leaf() || (node.split_feature as usize) < columns) {
            return Err("a split reads a column that is not there".to_owned());
        }
    }
    Ok(())
}
