//! What passes through the steps, and the markers of the steps.
//!
//! Subjects are small: they name bytes and rows by digest. The bytes themselves stay in the shell's stores, so that a decision can
//! be archived and judged again without copying a feed into the archive.

mod data;
mod model;
mod query;
mod steps;

pub use data::{Append, Batch, Feed, FeedClaim, LabelSet, Origin};
pub use model::{Candidate, Figures, Parts, Release, Segmentation};
pub use query::{Answer, Asking, Granularity, Input, Prediction, Query, RawScore, Shown, Window};
pub use steps::{
    AnswerGuard, Content, Dependencies, Door, InputGuard, Labels, Monitoring, Predicting, QueryGuard, ReleaseStep, STEPS,
    Segments, Source, StepInfo, Training,
};
