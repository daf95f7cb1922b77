//! Makes hostile versions of honest tables, with a list of what was touched, so that every defence of a third-party delivery is
//! measured on any customer table and not on one made-up world (T1, T6).
//!
//! An attacker has a trusted history, as much of it as he could learn, and an honest delivery. [`poison`] turns these, a
//! [`Class`] of attack, a share and a seed into a [`Delivery`]: the rows as they arrive and the [`Truth`] about them. A delivery
//! has as many rows as the honest one; a touched row takes the place of an honest one and keeps its identifier and time unless
//! the attack is on these. Same input, class, share and seed: same bytes.

mod backdoor;
mod class;
mod clusters;
mod copies;
mod damage;
mod design;
mod draw;
mod drip;
mod labels;
mod laws;
mod market;
mod scene;
mod schema;
mod shapes;
mod sheet;
mod split;
mod text;
mod times;
mod units;
mod values;

#[cfg(test)]
mod tests;

pub use class::Class;
pub use drip::drip;
pub use split::{Split, halves, later};
pub use text::csv;

use frame::Frame;
use scene::Scene;
use serde::{Deserialize, Serialize};

/// What the columns of a table are for. Every other column is a feature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// Identifier of a row.
    pub id: Option<String>,
    /// When the row was true: a number that grows, or text that begins with `YYYY-MM-DD`.
    pub time: Option<String>,
    /// The label that a model learns.
    pub label: Option<String>,
    /// The label's text for `yes`; without it `1`, `yes`, `true` or `y` in any case, or else the rarest value of the history.
    pub positive: Option<String>,
    /// What a customer is worth, in money.
    pub value: Option<String>,
    /// Further columns in the same money.
    pub money: Vec<String>,
}

/// What is hostile in a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "hostile", content = "rows")]
pub enum Truth {
    /// Nothing.
    Nothing,
    /// These rows, sorted; they differ from the honest ones, and all others are equal to them.
    Rows(Vec<usize>),
    /// The delivery as a whole: its columns, or every row.
    Batch,
}

impl Truth {
    /// Touched rows where single rows were touched, else none.
    pub fn rows(&self) -> &[usize] {
        match self {
            Self::Rows(rows) => rows,
            Self::Nothing | Self::Batch => &[],
        }
    }
}

/// A delivery as it arrives.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The rows. Where only bytes were damaged, the rows before the damage.
    pub frame: Frame,
    /// What is hostile.
    pub truth: Truth,
    /// The bytes, where the attack is on bytes.
    damaged: Option<Vec<u8>>,
}

impl Delivery {
    /// The delivery as a comma-separated file; see [`csv`]. Damaged where the attack is on bytes.
    pub fn csv(&self) -> Vec<u8> {
        self.damaged.clone().unwrap_or_else(|| csv(&self.frame))
    }

    /// Whether the bytes differ from what the rows would be written as.
    pub fn is_damaged(&self) -> bool {
        self.damaged.is_some()
    }
}

/// Why nothing could be poisoned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoisonError {
    /// The class needs something that the table does not have.
    #[error("`{class}` needs {what}, which this table does not have")]
    Needs {
        /// The class.
        class: &'static str,
        /// What is missing.
        what: &'static str,
    },
    /// A role names a column that is not there.
    #[error("column `{0}` has a role, but the table does not have it")]
    Role(String),
    /// History and delivery do not have the same columns.
    #[error("column `{0}` of the delivery is missing in the history, or of another kind there")]
    Columns(String),
}

/// Makes the delivery of one attack.
///
/// `share` is the part of rows to touch, clamped to 0..=1 (no number counts as 0) and rounded to whole rows; where fewer rows
/// qualify (churners, say), fewer are touched. For the classes of a market feed it is the size of the move, see [`Class`]. For
/// attacks on the whole file any share above 0 is the attack. With share 0 the delivery is the honest one.
///
/// # Errors
/// A role without its column, a history with other columns, or a class that the table has no columns for.
pub fn poison(
    history: &Frame,
    batch: &Frame,
    roles: &Roles,
    class: Class,
    share: f64,
    seed: u64,
) -> Result<Delivery, PoisonError> {
    let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
    let scene = Scene::new(history, batch, roles, class, share, seed)?;
    if share == 0.0 || batch.rows() == 0 {
        return Ok(Delivery { frame: batch.clone(), truth: Truth::Nothing, damaged: None });
    }
    match class {
        Class::ControlHalves | Class::ControlLater => Ok(Delivery { frame: batch.clone(), truth: Truth::Nothing, damaged: None }),
        Class::FlipRandom | Class::FlipDirected | Class::FlipBoundary | Class::FlipSegment | Class::HideTopChurners => {
            labels::poison(&scene).map(|rows| scene.delivered(rows))
        }
        Class::DisguisedValue | Class::DisguisedValueLabel | Class::ValueExchange | Class::DisguisedValueAdaptive => {
            values::poison(&scene).map(|rows| scene.delivered(rows))
        }
        Class::BackdoorDirty | Class::BackdoorClean => backdoor::poison(&scene).map(|rows| scene.delivered(rows)),
        Class::CentroidPull | Class::NewCluster | Class::Bridge | Class::CentroidPullAdaptive => {
            clusters::poison(&scene).map(|rows| scene.delivered(rows))
        }
        Class::Beyond | Class::Mimic | Class::MimicAdaptive | Class::DenseBlock => {
            shapes::poison(&scene).map(|rows| scene.delivered(rows))
        }
        Class::ExactDuplicates | Class::Replay | Class::NearClones => Ok(scene.delivered(copies::poison(&scene))),
        Class::Cents | Class::Percent | Class::Currency => units::poison(&scene).map(|rows| scene.delivered(rows)),
        Class::TimeFuture | Class::TimeBackdated | Class::TimeConstant | Class::TimeShuffled => {
            times::poison(&scene).map(|rows| scene.delivered(rows))
        }
        Class::ColumnDropped
        | Class::ColumnRenamed
        | Class::ColumnsSwapped
        | Class::TypeChanged
        | Class::LabelsInverted
        | Class::LevelsRenamed
        | Class::ExtraColumn => schema::poison(&scene),
        Class::ConflictMarks
        | Class::BrokenQuotes
        | Class::NulBytes
        | Class::InvalidUtf8
        | Class::Truncated
        | Class::EmbeddedNewlines => Ok(damage::poison(&scene)),
        Class::MarketShares | Class::MarketRegion | Class::MarketDrift | Class::MarketCompetitor => {
            market::poison(&scene).map(|rows| scene.delivered(rows))
        }
    }
}
