//! What a step leaves for the next, by digest and receipt, so that a run can begin anywhere: it is proved again, never believed.

use std::collections::BTreeMap;

use gate::{Digest, Receipt};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Run, STAGES};
use crate::PipelineError;

/// Something that a step leaves behind under a fixed name.
pub trait Pointer: Serialize + DeserializeOwned {
    /// Its name.
    const NAME: &'static str;
    /// The stage that makes it, a place in [`STAGES`].
    const STAGE: usize;
}

/// Tables of the data source, each at a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Table name to version and digest.
    pub tables: BTreeMap<String, (u64, Digest)>,
    /// Digest of all of them.
    pub digest: Digest,
    /// The entry that made it.
    pub receipt: Receipt,
    /// Entries of s02 that let the rows in: what a model's lineage is proved by.
    pub cleared: Vec<Receipt>,
    /// Digest of the customers' delivery.
    pub content: Digest,
}

impl Pointer for Settled {
    const NAME: &'static str = "source";
    const STAGE: usize = 1;
}

/// The approved labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LabelsState {
    /// Version.
    pub version: u64,
    /// Digest of their bytes.
    pub content: Digest,
    /// The whole subject, as it was cleared.
    pub set: artifact::LabelSet,
    /// The entry that cleared them.
    pub receipt: Receipt,
}

impl Pointer for LabelsState {
    const NAME: &'static str = "labels";
    const STAGE: usize = 2;
}

/// The segments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentsState {
    /// The whole subject, as it was cleared.
    pub segmentation: artifact::Segmentation,
    /// The entry that cleared them.
    pub receipt: Receipt,
    /// Digest of everything else that they follow from: labels, policy, program.
    pub under: Digest,
    /// The data source that they were made of, so that the next version knows who is new; absent in what earlier programs left.
    #[serde(default)]
    pub source: Option<Settled>,
    /// The last source before it that was another.
    #[serde(default)]
    pub before: Option<Settled>,
}

impl Pointer for SegmentsState {
    const NAME: &'static str = "segments";
    const STAGE: usize = 3;
}

/// The trained candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainedState {
    /// The whole subject, as it was cleared.
    pub candidate: artifact::Candidate,
    /// The entry that cleared it.
    pub receipt: Receipt,
    /// The entry that says how it was made.
    pub made: Receipt,
    /// Digest of everything else that it follows from: policy, program.
    pub under: Digest,
}

impl Pointer for TrainedState {
    const NAME: &'static str = "trained";
    const STAGE: usize = 4;
}

/// What was released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Released {
    /// The whole subject, as it was cleared.
    pub release: artifact::Release,
    /// The entry that cleared it.
    pub receipt: Receipt,
}

impl Pointer for Released {
    const NAME: &'static str = "released";
    const STAGE: usize = 5;
}

/// What is deployed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployed {
    /// Digest that names the model.
    pub model: Digest,
    /// What was released.
    pub release: artifact::Release,
    /// The entry that cleared the release.
    pub receipt: Receipt,
    /// The entry of the deployment.
    pub deployment: Receipt,
}

impl Run<'_> {
    /// What an earlier run left.
    pub(crate) async fn known<P: Pointer>(&self) -> Result<P, PipelineError> {
        let stage = STAGES.get(P::STAGE).copied().unwrap_or_default();
        let missing = || {
            PipelineError::wrong(format!("step `{stage}` was never run"), format!("run it first: `stayward run --from {stage}`"))
        };
        let value = self.desk.pointer(P::NAME).await?.ok_or_else(missing)?;
        serde_json::from_value(value).map_err(PipelineError::internal)
    }

    /// The same, where there may be none, or one that an earlier version of this program left in another form.
    pub(crate) async fn left<P: Pointer>(&self) -> Result<Option<P>, PipelineError> {
        Ok(self.desk.pointer(P::NAME).await?.and_then(|value| serde_json::from_value(value).ok()))
    }

    pub(crate) async fn leave<P: Pointer>(&self, pointer: &P) -> Result<(), PipelineError> {
        let value = serde_json::to_value(pointer).map_err(PipelineError::internal)?;
        self.desk.set_pointer(P::NAME, &value).await
    }
}
