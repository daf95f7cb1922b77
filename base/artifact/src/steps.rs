//! The markers of the steps, in the order of the threat model's diagram.

use gate::Step;

use crate::{Answer, Append, Batch, Candidate, Feed, Input, LabelSet, Parts, Prediction, Query, Release, Segmentation, Window};

/// What the diagram draws of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepInfo {
    /// The step's id.
    pub id: &'static str,
    /// The step's title.
    pub title: &'static str,
}

macro_rules! step {
    ($(#[$doc:meta])* $name:ident, $id:literal, $title:literal, $subject:ty) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;
        impl Step for $name {
            const ID: &'static str = $id;
            const TITLE: &'static str = $title;
            type Subject = $subject;
        }
    };
}

step!(
    /// s01 at the door: raw bytes, before anything parses them.
    Door, "s01-door", "Data validation & anomaly detection: the door", Feed
);
step!(
    /// s01 behind the door: parsed rows.
    Content, "s01-content", "Data validation & anomaly detection: the rows", Batch
);
step!(
    /// s02: what may be written to the machine learning data source, and by whom.
    Source, "s02-source", "Machine learning data source: access controls", Append
);
step!(
    /// s03: labels from people.
    Labels, "s03-labels", "Label QA & approval", LabelSet
);
step!(
    /// s04: K-Means segments.
    Segments, "s04-segments", "K-Means segmentation", Segmentation
);
step!(
    /// s05: the trained ensemble.
    Training, "s05-training", "Model training", Candidate
);
step!(
    /// s06: what the program and the pipeline are made of.
    Dependencies, "s06-dependencies", "Dependency security (staging)", Parts
);
step!(
    /// s07: what goes to deployment.
    ReleaseStep, "s07-release", "Secure orchestration & repository", Release
);
step!(
    /// s08 on the way in.
    QueryGuard, "s08-query", "API security controls: the query", Query
);
step!(
    /// s09: the features that the model is asked about.
    InputGuard, "s09-input", "Input validation", Input
);
step!(
    /// s10: the prediction itself.
    Predicting, "s10-prediction", "Customer churn prediction service", Prediction
);
step!(
    /// s08 on the way out.
    AnswerGuard, "s08-answer", "API security controls: the answer", Answer
);
step!(
    /// s11: a window of events.
    Monitoring, "s11-monitoring", "Monitoring, alerting, drift", Window
);

/// Every step, in the order of the diagram.
pub const STEPS: [StepInfo; 13] = [
    StepInfo { id: Door::ID, title: Door::TITLE },
    StepInfo { id: Content::ID, title: Content::TITLE },
    StepInfo { id: Source::ID, title: Source::TITLE },
    StepInfo { id: Labels::ID, title: Labels::TITLE },
    StepInfo { id: Segments::ID, title: Segments::TITLE },
    StepInfo { id: Training::ID, title: Training::TITLE },
    StepInfo { id: Dependencies::ID, title: Dependencies::TITLE },
    StepInfo { id: ReleaseStep::ID, title: ReleaseStep::TITLE },
    StepInfo { id: QueryGuard::ID, title: QueryGuard::TITLE },
    StepInfo { id: InputGuard::ID, title: InputGuard::TITLE },
    StepInfo { id: Predicting::ID, title: Predicting::TITLE },
    StepInfo { id: AnswerGuard::ID, title: AnswerGuard::TITLE },
    StepInfo { id: Monitoring::ID, title: Monitoring::TITLE },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clause_has_a_home_in_the_diagram() {
        for clause in gate::CLAUSES {
            assert!(STEPS.iter().any(|step| step.id == clause.home()), "{} lives nowhere", clause.id());
        }
    }
}
