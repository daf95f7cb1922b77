//! What the gates of s10 are told.

use gate::Digest;
use serde::{Deserialize, Serialize};

/// Facts of a prediction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The model that is deployed now; absent where none is.
    pub deployed: Option<Digest>,
}

impl Facts {
    /// One model is deployed.
    pub fn ordinary() -> Self {
        Self { deployed: Some(Digest::of(b"model")) }
    }
}

#[cfg(test)]
pub(crate) fn prediction() -> artifact::Prediction {
    artifact::Prediction { request: "00ff".into(), model: Digest::of(b"model") }
}
