//! The words of who and what (T1, T4, T6): roles of people and machines, components of the pipeline, and the actions they ask for.

use std::fmt;

/// A named thing with a fixed text form.
macro_rules! names {
    ($(#[$about:meta])* $kind:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $kind { $($(#[$doc])* #[serde(rename = $text)] $variant,)+ }

        impl $kind {
            /// Every value, in the order of the threat model.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The text form: lower case, hyphens.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The value with this text form.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    };
}

names! {
    /// What somebody is to the pipeline. The first rights are none.
    Role {
        /// Sends third-party feeds.
        Supplier = "supplier",
        /// The machine that carries feeds into the data source.
        FeedPipeline = "feed-pipeline",
        /// Decides about quarantined rows.
        DataSteward = "data-steward",
        /// Proposes labels.
        Labeller = "labeller",
        /// Signs off labels of others.
        LabelApprover = "label-approver",
        /// Segments and trains.
        Trainer = "trainer",
        /// Stages, releases and rolls back.
        ReleaseManager = "release-manager",
        /// An application that asks the prediction service.
        ApiClient = "api-client",
        /// Reads all evidence, changes nothing.
        Auditor = "auditor",
        /// Manages people, suppliers, keys and secrets, and touches no data.
        Admin = "admin",
    }
}

names! {
    /// A part of the pipeline with an identity of its own.
    Component {
        /// Judges feeds at the door.
        FeedIntake = "feed-intake",
        /// The only writer of the machine learning data source.
        SourceWriter = "source-writer",
        /// Archives label sets that people signed off.
        LabelQa = "label-qa",
        /// K-Means.
        Segmenter = "segmenter",
        /// Fits the ensemble.
        Trainer = "trainer",
        /// Checks dependencies and stages.
        Stager = "stager",
        /// Deploys and rolls back.
        Releaser = "releaser",
        /// Answers callers.
        ApiServer = "api-server",
        /// Watches drift and query patterns.
        Monitor = "monitor",
    }
}

names! {
    /// What can be asked for.
    Action {
        /// Hand in a feed.
        WriteFeed = "write-feed",
        /// Start the intake: feeds from their inboxes, internal data by its connector, labels that were signed into the archive.
        BringData = "bring-data",
        /// Decide about quarantined rows.
        ReviewQuarantine = "review-quarantine",
        /// Propose to release or to discard quarantined rows.
        ProposeQuarantine = "propose-quarantine",
        /// Sign such a proposal of somebody else.
        ApproveQuarantine = "approve-quarantine",
        /// Append a version to the machine learning data source.
        WriteSource = "write-source",
        /// Read the machine learning data source.
        ReadSource = "read-source",
        /// Propose labels.
        ProposeLabels = "propose-labels",
        /// Sign off labels.
        ApproveLabels = "approve-labels",
        /// Append a signed-off label set to the archive.
        ArchiveLabels = "archive-labels",
        /// Segment customers.
        Segment = "segment",
        /// Train the ensemble.
        Train = "train",
        /// Sign off a dependency.
        ReviewDependencies = "review-dependencies",
        /// Move a model into staging.
        Stage = "stage",
        /// Release a model.
        Release = "release",
        /// Go back to an earlier release.
        Rollback = "rollback",
        /// Load the released model for serving.
        LoadModel = "load-model",
        /// Ask whether a customer will leave.
        AskChurn = "ask-churn",
        /// Ask what would change the answer.
        AskWhatIf = "ask-what-if",
        /// Read metrics.
        ReadMetrics = "read-metrics",
        /// Close an alert.
        AcknowledgeAlerts = "acknowledge-alerts",
        /// Read the ledger.
        ReadEvidence = "read-evidence",
        /// Append to the ledger.
        WriteEvidence = "write-evidence",
        /// Make, rotate and revoke API keys.
        ManageKeys = "manage-keys",
        /// Make people and give roles.
        ManagePeople = "manage-people",
        /// Register suppliers and their keys.
        ManageSuppliers = "manage-suppliers",
        /// Rotate secrets of the vault.
        RotateSecrets = "rotate-secrets",
    }
}

impl Role {
    /// Whether only machines hold this role.
    #[must_use]
    pub const fn is_machine(self) -> bool {
        match self {
            Self::Supplier | Self::FeedPipeline | Self::ApiClient => true,
            Self::DataSteward
            | Self::Labeller
            | Self::LabelApprover
            | Self::Trainer
            | Self::ReleaseManager
            | Self::Auditor
            | Self::Admin => false,
        }
    }
}
