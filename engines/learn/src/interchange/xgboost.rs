//! Gives the booster and the forest to XGBoost and takes theirs, by a reader that no bytes can bring down (T3, T4; libxgboost lost
//! its process on 15 of 106 lightly damaged files).
//!
//! What is equal: a booster's margins, bit for bit, both ways. A forest becomes `num_parallel_tree` trees of one round under
//! `reg:squarederror`, whose leaves are `share / trees` in 32 bits: XGBoost's answer is their sum in 32 bits in the order of the
//! trees ([`forest_margin`], bit for bit), ours is the mean of the shares in 64 bits. The two differ by rounding only.

use std::fmt::Write;

use hessboost::prelude::{BoostedModel, ModelFormat};

use super::{Knot, Plain};
use crate::error::{LearnError, ModelError};
use crate::forest::{Forest, Step};
use crate::gbm::{Booster, NODES_MAX, stripped};
use crate::modelfile::BOOSTER_BYTES_MAX;
use crate::spec::TREES_MAX;

/// What a refused file is called.
const FILE: &str = "xgboost model";
/// Most bytes of a forest in XGBoost's JSON that we write: about 70 a node.
pub const FOREST_BYTES_MAX: usize = 512 << 20;
/// The XGBoost whose schema the forest is written in; others from 1.7 on read it.
const SCHEMA: &str = "[3,2,0]";
/// How far outside 0 to 1 a leaf of a foreign forest may lie by rounding.
const SHARE_ROUNDING: f64 = 1e-5;

/// How XGBoost keeps a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `save_model("m.json")`.
    Json,
    /// `save_model("m.ubj")`.
    Ubj,
}

impl Encoding {
    fn format(self) -> ModelFormat {
        match self {
            Self::Json => ModelFormat::XgboostJson,
            Self::Ubj => ModelFormat::XgboostUbjson,
        }
    }
}

fn wrong(why: impl ToString) -> ModelError {
    ModelError::malformed(FILE, why.to_string())
}

/// The booster for XGBoost. Its margins there are ours bit for bit.
///
/// # Errors
/// A model that the encoding cannot hold.
pub fn booster(booster: &Booster, encoding: Encoding) -> Result<Vec<u8>, LearnError> {
    match encoding {
        Encoding::Json => Ok(booster.to_json().to_vec()),
        Encoding::Ubj => booster.model().encode(encoding.format()).map_err(|error| LearnError::Booster(error.to_string())),
    }
}

/// A booster that XGBoost wrote, of so many columns; its statistics of training rows are thrown away. Never panics.
///
/// # Errors
/// Bytes that are no model, are more than [`BOOSTER_BYTES_MAX`], or are not a binary logistic model of plain trees.
pub fn read_booster(bytes: &[u8], encoding: Encoding, columns: usize) -> Result<Booster, ModelError> {
    let model = decode(bytes, encoding)?;
    let json = model.encode(ModelFormat::XgboostJson).and_then(|json| stripped(&json).map_err(Into::into)).map_err(wrong)?;
    Booster::from_json(&json, columns)
}

fn decode(bytes: &[u8], encoding: Encoding) -> Result<BoostedModel, ModelError> {
    if bytes.len() > BOOSTER_BYTES_MAX {
        return Err(ModelError::TooLarge { file: FILE.to_owned(), seen: bytes.len(), most: BOOSTER_BYTES_MAX });
    }
    BoostedModel::decode(bytes, encoding.format()).map_err(wrong)
}

/// The forest as XGBoost's JSON, for *filled* rows. See the head of this file for what is equal.
///
/// # Errors
/// A forest of more than [`FOREST_BYTES_MAX`] bytes, or one that cuts at the largest 32-bit number.
pub fn forest(forest: &Forest) -> Result<Vec<u8>, LearnError> {
    let plain = Plain::forest(forest);
    let count = plain.trees.len();
    let list = |values: &mut dyn Iterator<Item = String>| values.collect::<Vec<_>>().join(",");
    let mut text =
        String::from("{\"learner\":{\"attributes\":{},\"feature_names\":[],\"feature_types\":[],\"gradient_booster\":");
    let ones = list(&mut (0..count).map(|_| "0".to_owned()));
    text += &format!(
        "{{\"name\":\"gbtree\",\"model\":{{\"gbtree_model_param\":{{\"num_parallel_tree\":\"{count}\",\"num_trees\":\"{count}\"}},\
         \"iteration_indptr\":[0,{count}],\"tree_info\":[{ones}],\"trees\":["
    );
    for (id, tree) in plain.trees.iter().enumerate() {
        text.push_str(if id > 0 { "," } else { "" });
        write_tree(&mut text, id, tree, plain.columns, count)?;
        if text.len() > FOREST_BYTES_MAX {
            return Err(LearnError::Write(format!("the forest has more than `{FOREST_BYTES_MAX}` bytes in XGBoost's JSON")));
        }
    }
    text += &format!(
        "]}}}},\"learner_model_param\":{{\"base_score\":\"[0E0]\",\"boost_from_average\":\"0\",\"num_class\":\"0\",\
         \"num_feature\":\"{}\",\"num_target\":\"1\"}},\"objective\":{{\"name\":\"reg:squarederror\",\
         \"reg_loss_param\":{{\"scale_pos_weight\":\"1\"}}}}}},\"version\":{SCHEMA}}}",
        plain.columns
    );
    Ok(text.into_bytes())
}

/// One tree in the order of its nodes. Statistics are zeros, as in the booster (T2).
fn write_tree(text: &mut String, id: usize, tree: &[Knot], columns: usize, trees: usize) -> Result<(), LearnError> {
    // XGBoost's mark of a root's parent.
    const NO_PARENT: u32 = i32::MAX as u32;
    let mut parents = vec![NO_PARENT; tree.len()];
    let mut parts: [String; 6] = Default::default();
    let [conditions, indices, lefts, rights, defaults, zeros] = &mut parts;
    for (at, knot) in tree.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let (condition, column, left, right) = match *knot {
            Knot::Leaf(share) => (leaf(share, trees), 0, -1, -1),
            Knot::Split { column, cut, left, right, .. } => {
                for child in [left, right] {
                    if let Some(parent) = parents.get_mut(child as usize) {
                        *parent = at as u32;
                    }
                }
                (cut.next_up(), column, i64::from(left), i64::from(right))
            }
        };
        if !condition.is_finite() {
            return Err(LearnError::Write("a cut of the forest is too large for XGBoost".to_owned()));
        }
        // `{:e}` of a 32-bit number gives the fewest digits that come back as the same number.
        let written = write!(conditions, "{comma}{condition:e}")
            .and_then(|()| write!(indices, "{comma}{column}"))
            .and_then(|()| write!(lefts, "{comma}{left}"))
            .and_then(|()| write!(rights, "{comma}{right}"));
        written.map_err(|error| LearnError::Write(error.to_string()))?;
        defaults.push_str(if at > 0 { ",0" } else { "0" });
        zeros.push_str(if at > 0 { ",0E0" } else { "0E0" });
    }
    let parents: Vec<String> = parents.iter().map(u32::to_string).collect();
    let nodes = tree.len();
    *text += &format!(
        "{{\"base_weights\":[{zeros}],\"categories\":[],\"categories_nodes\":[],\"categories_segments\":[],\
         \"categories_sizes\":[],\"default_left\":[{defaults}],\"id\":{id},\"left_children\":[{lefts}],\
         \"loss_changes\":[{zeros}],\"parents\":[{}],\"right_children\":[{rights}],\"split_conditions\":[{conditions}],\
         \"split_indices\":[{indices}],\"split_type\":[{defaults}],\"sum_hessian\":[{zeros}],\"tree_param\":{{\
         \"num_deleted\":\"0\",\"num_feature\":\"{columns}\",\"num_nodes\":\"{nodes}\",\"size_leaf_vector\":\"1\"}}}}",
        parents.join(",")
    );
    Ok(())
}

/// A share as a leaf among so many trees.
fn leaf(share: f32, trees: usize) -> f32 {
    (f64::from(share) / trees.max(1) as f64) as f32
}

/// What XGBoost answers to [`forest`] for a filled row, bit for bit: leaves added in 32 bits, in the order of the trees.
pub fn forest_margin(forest: &Forest, row: &[f32]) -> f32 {
    let trees = forest.trees();
    (0..trees).map(|tree| leaf(forest.share(tree, row), trees)).fold(0.0, |sum, leaf| sum + leaf)
}

/// A forest that XGBoost wrote, of so many columns: one round of parallel trees under `reg:squarederror` (`XGBRFRegressor` on
/// labels 0 and 1). A tree's share is the base score plus its leaf times the trees. Never panics.
///
/// The default direction of missing values is not read: our forest only sees filled rows. A forest under `binary:logistic` adds
/// log odds, which is no mean of shares; it is refused.
///
/// # Errors
/// Bytes that are no model, are more than [`BOOSTER_BYTES_MAX`], or are not such a forest.
pub fn read_forest(bytes: &[u8], encoding: Encoding, columns: usize) -> Result<Forest, ModelError> {
    let model = decode(bytes, encoding)?;
    let count = model.num_trees();
    if model.objective().name() != "reg:squarederror" || model.n_outputs() != 1 || model.linear().is_some() {
        return Err(wrong("not trees under `reg:squarederror`: other objectives do not add up shares"));
    }
    if count == 0 || count > TREES_MAX as usize || model.num_parallel_tree() != count {
        return Err(wrong(format!("`{count}` trees that are not one round of parallel trees")));
    }
    if model.n_features() != columns || model.best_iteration().is_some() || !model.tree_weights().all(|weight| weight == 1.0) {
        return Err(wrong(format!("another number of columns than `{columns}`, or trees that do not count equally")));
    }
    let base = model.base_scores().first().map_or(0.0, |&base| f64::from(base));
    let mut trees = Vec::with_capacity(count);
    for tree in model.trees() {
        if tree.has_categorical_splits() || tree.linear_leaves().is_some() || tree.is_vector_leaf() {
            return Err(wrong("a tree with sets, vectors or lines"));
        }
        trees.push(read_tree(tree.nodes(), base, count).map_err(wrong)?);
    }
    Forest::from_steps(columns, &trees).map_err(wrong)
}

/// A tree with its nodes in our order: children are neighbours and come after their parents.
fn read_tree(nodes: &[hessboost::tree::Node], base: f64, trees: usize) -> Result<Vec<Step>, &'static str> {
    if nodes.is_empty() || nodes.len() > NODES_MAX {
        return Err("nodes of a tree are none or too many");
    }
    let mut order = vec![0usize];
    let mut out = Vec::with_capacity(nodes.len());
    // `out` follows `order`, which grows by two at each split and never beyond the tree's own nodes.
    while let Some(node) = order.get(out.len()).and_then(|&at| nodes.get(at)) {
        if node.is_leaf() {
            let share = base + f64::from(node.leaf_value) * trees as f64;
            if !(-SHARE_ROUNDING..=1.0 + SHARE_ROUNDING).contains(&share) {
                return Err("a leaf is not a share of positives");
            }
            out.push(Step::Leaf(share.clamp(0.0, 1.0) as f32));
            continue;
        }
        let (Ok(left), Ok(right)) = (usize::try_from(node.left), usize::try_from(node.right)) else {
            return Err("a split has one child only");
        };
        if order.len() + 2 > nodes.len() {
            return Err("a node is the child of two");
        }
        let most = node.split_cond.next_down();
        out.push(Step::Split { column: node.split_feature, most, left: order.len() as u32 });
        order.extend([left, right]);
    }
    if out.len() == order.len() { Ok(out) } else { Err("a child is not there") }
}
