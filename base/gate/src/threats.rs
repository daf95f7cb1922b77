//! The seven threats and the 36 clauses: every mitigation that the threat model asks for, with the step where it belongs.

use serde::Serialize;

/// One of the seven threats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Threat {
    /// Data poisoning of external or third-party data sets.
    PoisonedFeeds,
    /// Inference attacks through the prediction API.
    Inference,
    /// Model theft through model replication.
    ModelTheft,
    /// Tampering through the CI/CD pipeline.
    PipelineTampering,
    /// Drift through adversarial inputs in production.
    AdversarialInputs,
    /// Insiders who tamper with labels.
    LabelTampering,
    /// Attacks through open-source components.
    SupplyChain,
}

impl Threat {
    /// All of them, in the threat model's order.
    pub const ALL: [Self; 7] = [
        Self::PoisonedFeeds,
        Self::Inference,
        Self::ModelTheft,
        Self::PipelineTampering,
        Self::AdversarialInputs,
        Self::LabelTampering,
        Self::SupplyChain,
    ];

    /// The threat model's number, 1 to 7.
    pub const fn number(self) -> u8 {
        match self {
            Self::PoisonedFeeds => 1,
            Self::Inference => 2,
            Self::ModelTheft => 3,
            Self::PipelineTampering => 4,
            Self::AdversarialInputs => 5,
            Self::LabelTampering => 6,
            Self::SupplyChain => 7,
        }
    }

    /// The threat model's heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::PoisonedFeeds => "Data poisoning of external or third-party data sets",
            Self::Inference => "Inference attacks via the prediction service API",
            Self::ModelTheft => "Model theft through model replication",
            Self::PipelineTampering => "Software vulnerabilities in the CI/CD pipeline",
            Self::AdversarialInputs => "Model drift due to adversarial inputs in production",
            Self::LabelTampering => "Insider threat or tampering with labels during training",
            Self::SupplyChain => "Supply chain attack via open-source components",
        }
    }
}

/// One mitigation of the threat model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clause {
    /// T1: incorporate anomaly detection before ingestion into the pipeline.
    AnomalyDetection,
    /// T1: data sanity checks for suspicious factors such as outliers in customer behaviour thresholds.
    SanityChecks,
    /// T1: enforce HTTPS/TLS or VPN tunneling for data in transit.
    TlsInTransit,
    /// T1: cryptographic signing of data feeds or checksums to ensure authenticity.
    SignedFeeds,
    /// T1: role-based access control so only authorized pipelines can write to data storage.
    AuthorisedWriters,
    /// T1: multi-factor authentication so only authorized pipelines can write to data storage.
    SecondFactor,
    /// T1: no external data proceeds to the rest of the pipeline without passing the necessary security filters.
    CannotBypass,
    /// T1: database access controls between internal customer data and the machine learning data source.
    InternalAccess,
    /// T2: throttling, so that applications query the model at a controlled pace.
    Throttling,
    /// T2: authentication tokens so only authorized applications can query the model.
    Tokens,
    /// T2: add differential privacy mechanisms to the API responses.
    DifferentialPrivacy,
    /// T2: return only top-level classification outcomes or minimal probability data.
    LimitedGranularity,
    /// T2: API security controls between deployment and service to limit and track API usage.
    TrackUse,
    /// T3: lock down APIs with throttling, sized to the extraction threat.
    ExtractionLimits,
    /// T3: avoid returning confidence scores or overly detailed responses in production.
    RestrictedDebugging,
    /// T3: track unusual API request patterns that could indicate a model extraction attempt.
    PatternAlerts,
    /// T4: assign each pipeline component only the minimum rights needed.
    LeastPrivilege,
    /// T4: rotate credentials frequently.
    CredentialRotation,
    /// T4: use a central key vault for storing passwords, API tokens, and encryption keys.
    KeyVault,
    /// T4: perform static security scans on all deployment scripts.
    StaticScans,
    /// T4: require developers to sign commits.
    SignedCommits,
    /// T4: set up secure builds.
    SecureBuild,
    /// T4: any code changes must pass automated security checks.
    AutomatedChecks,
    /// T4: an attacker could alter hyperparameters or manipulate the environment to introduce backdoors into the model.
    PinnedTraining,
    /// T5: train the ensemble model using adversarial training techniques.
    AdversarialTraining,
    /// T5: validate input to the prediction system to check incoming data for adversarial patterns.
    InputValidation,
    /// T5: adversarial inputs cause model drift and degrade its performance over time.
    DriftDetection,
    /// T6: enforce role-based access control and multifactor authentication for the machine learning data source.
    SourceRbac,
    /// T6: keep all labeled data under version control with append-only permissions.
    LabelArchive,
    /// T6: require multi-person sign-off or a separate QA step before finalizing labeled data.
    SignOff,
    /// T6: a label QA and approval step before the data is officially ingested into the training environment.
    LabelQa,
    /// T7: continuously scan for known vulnerabilities in libraries.
    VulnerabilityScanning,
    /// T7: pin library versions to a known-good hash.
    PinnedChecksums,
    /// T7: build and test each environment in an isolated container or VM.
    IsolatedBuilds,
    /// T7: for any major library updates, do a security review before rolling into production.
    ManualReview,
    /// T7: in the staging step include open-source vetting, dependency pinning, and vulnerability monitoring.
    Vetting,
}

/// What the diagram knows of a clause.
struct Entry {
    clause: Clause,
    id: &'static str,
    threat: Threat,
    home: &'static str,
    sentence: &'static str,
    aisvs: &'static [&'static str],
}

/// Every clause, in the order of the threat model.
pub const CLAUSES: [Clause; 36] = [
    Clause::AnomalyDetection,
    Clause::SanityChecks,
    Clause::TlsInTransit,
    Clause::SignedFeeds,
    Clause::AuthorisedWriters,
    Clause::SecondFactor,
    Clause::CannotBypass,
    Clause::InternalAccess,
    Clause::Throttling,
    Clause::Tokens,
    Clause::DifferentialPrivacy,
    Clause::LimitedGranularity,
    Clause::TrackUse,
    Clause::ExtractionLimits,
    Clause::RestrictedDebugging,
    Clause::PatternAlerts,
    Clause::LeastPrivilege,
    Clause::CredentialRotation,
    Clause::KeyVault,
    Clause::StaticScans,
    Clause::SignedCommits,
    Clause::SecureBuild,
    Clause::AutomatedChecks,
    Clause::PinnedTraining,
    Clause::AdversarialTraining,
    Clause::InputValidation,
    Clause::DriftDetection,
    Clause::SourceRbac,
    Clause::LabelArchive,
    Clause::SignOff,
    Clause::LabelQa,
    Clause::VulnerabilityScanning,
    Clause::PinnedChecksums,
    Clause::IsolatedBuilds,
    Clause::ManualReview,
    Clause::Vetting,
];

/// In the order of [`Clause`].
static ENTRIES: [Entry; 36] = [
    Entry {
        clause: Clause::AnomalyDetection,
        id: "anomaly-detection",
        threat: Threat::PoisonedFeeds,
        home: "s01-content",
        sentence: "incorporate anomaly detection before ingestion into the pipeline",
        aisvs: &["C1.3.1"],
    },
    Entry {
        clause: Clause::SanityChecks,
        id: "sanity-checks",
        threat: Threat::PoisonedFeeds,
        home: "s01-content",
        sentence: "data sanity checks for suspicious factors such as outliers in customer behaviour thresholds",
        aisvs: &["C1.3.1", "C1.1.2"],
    },
    Entry {
        clause: Clause::TlsInTransit,
        id: "tls-in-transit",
        threat: Threat::PoisonedFeeds,
        home: "s01-door",
        sentence: "enforce HTTPS/TLS or VPN tunneling for data in transit",
        aisvs: &["C1.1.3"],
    },
    Entry {
        clause: Clause::SignedFeeds,
        id: "signed-feeds",
        threat: Threat::PoisonedFeeds,
        home: "s01-door",
        sentence: "cryptographic signing of data feeds or checksums to ensure authenticity",
        aisvs: &["C1.1.3", "C6.1.2"],
    },
    Entry {
        clause: Clause::AuthorisedWriters,
        id: "authorised-writers",
        threat: Threat::PoisonedFeeds,
        home: "s02-source",
        sentence: "role-based access control so only authorized pipelines can write to data storage",
        aisvs: &["C5.2.1"],
    },
    Entry {
        clause: Clause::SecondFactor,
        id: "second-factor",
        threat: Threat::PoisonedFeeds,
        home: "s02-source",
        sentence: "multi-factor authentication so only authorized pipelines can write to data storage",
        aisvs: &["C5.1.1"],
    },
    Entry {
        clause: Clause::CannotBypass,
        id: "cannot-bypass",
        threat: Threat::PoisonedFeeds,
        home: "s02-source",
        sentence: "no external data proceeds to the rest of the pipeline without passing the necessary security filters",
        aisvs: &["C1.1.4"],
    },
    Entry {
        clause: Clause::InternalAccess,
        id: "internal-access",
        threat: Threat::PoisonedFeeds,
        home: "s02-source",
        sentence: "database access controls between internal customer data and the machine learning data source",
        aisvs: &["C5.2.1", "C1.1.1"],
    },
    Entry {
        clause: Clause::Throttling,
        id: "throttling",
        threat: Threat::Inference,
        home: "s08-query",
        sentence: "throttling, so that applications query the model at a controlled pace",
        aisvs: &["C11.2.2"],
    },
    Entry {
        clause: Clause::Tokens,
        id: "tokens",
        threat: Threat::Inference,
        home: "s08-query",
        sentence: "authentication tokens so only authorized applications can query the model",
        aisvs: &["C5.2.1"],
    },
    Entry {
        clause: Clause::DifferentialPrivacy,
        id: "differential-privacy",
        threat: Threat::Inference,
        home: "s08-answer",
        sentence: "add differential privacy mechanisms to the API responses",
        aisvs: &["C11.2.4"],
    },
    Entry {
        clause: Clause::LimitedGranularity,
        id: "limited-granularity",
        threat: Threat::Inference,
        home: "s08-answer",
        sentence: "return only top-level classification outcomes or minimal probability data",
        aisvs: &["C11.3.2"],
    },
    Entry {
        clause: Clause::TrackUse,
        id: "track-use",
        threat: Threat::Inference,
        home: "s08-query",
        sentence: "API security controls between deployment and service to limit and track API usage",
        aisvs: &["C12.2.4"],
    },
    Entry {
        clause: Clause::ExtractionLimits,
        id: "extraction-limits",
        threat: Threat::ModelTheft,
        home: "s08-query",
        sentence: "lock down APIs with throttling, sized to the extraction threat",
        aisvs: &["C11.2.2"],
    },
    Entry {
        clause: Clause::RestrictedDebugging,
        id: "restricted-debugging",
        threat: Threat::ModelTheft,
        home: "s08-answer",
        sentence: "avoid returning confidence scores or overly detailed responses in production",
        aisvs: &["C11.3.2"],
    },
    Entry {
        clause: Clause::PatternAlerts,
        id: "pattern-alerts",
        threat: Threat::ModelTheft,
        home: "s11-monitoring",
        sentence: "track unusual API request patterns that could indicate a model extraction attempt",
        aisvs: &["C11.3.1", "C12.2.4"],
    },
    Entry {
        clause: Clause::LeastPrivilege,
        id: "least-privilege",
        threat: Threat::PipelineTampering,
        home: "s07-release",
        sentence: "assign each pipeline component only the minimum rights needed",
        aisvs: &["C5.2.1"],
    },
    Entry {
        clause: Clause::CredentialRotation,
        id: "credential-rotation",
        threat: Threat::PipelineTampering,
        home: "s07-release",
        sentence: "rotate credentials frequently",
        aisvs: &["C5.2.6"],
    },
    Entry {
        clause: Clause::KeyVault,
        id: "key-vault",
        threat: Threat::PipelineTampering,
        home: "s07-release",
        sentence: "use a central key vault for storing passwords, API tokens, and encryption keys",
        aisvs: &["C5.2.1"],
    },
    Entry {
        clause: Clause::StaticScans,
        id: "static-scans",
        threat: Threat::PipelineTampering,
        home: "s07-release",
        sentence: "perform static security scans on all deployment scripts",
        aisvs: &["C6.1.1"],
    },
    Entry {
        clause: Clause::SignedCommits,
        id: "signed-commits",
        threat: Threat::PipelineTampering,
        home: "s07-release",
        sentence: "require developers to sign commits",
        aisvs: &["C3.1.2"],
    },
    Entry {
        clause: Clause::SecureBuild,
        id: "secure-build",
        threat: Threat::PipelineTampering,
        home: "s07-release",
        sentence: "set up secure builds",
        aisvs: &["C3.1.3"],
    },
    Entry {
        clause: Clause::AutomatedChecks,
        id: "automated-checks",
        threat: Threat::PipelineTampering,
        home: "s07-release",
        sentence: "any code changes must pass automated security checks",
        aisvs: &["C6.1.4"],
    },
    Entry {
        clause: Clause::PinnedTraining,
        id: "pinned-training",
        threat: Threat::PipelineTampering,
        home: "s05-training",
        sentence: "an attacker could alter hyperparameters or manipulate the environment to introduce backdoors into the model",
        aisvs: &["C12.5.3"],
    },
    Entry {
        clause: Clause::AdversarialTraining,
        id: "adversarial-training",
        threat: Threat::AdversarialInputs,
        home: "s05-training",
        sentence: "train the ensemble model using adversarial training techniques",
        aisvs: &["C11.1.4"],
    },
    Entry {
        clause: Clause::InputValidation,
        id: "input-validation",
        threat: Threat::AdversarialInputs,
        home: "s09-input",
        sentence: "validate input to the prediction system to check incoming data for adversarial patterns",
        aisvs: &["C11.4.1", "C11.4.2"],
    },
    Entry {
        clause: Clause::DriftDetection,
        id: "drift-detection",
        threat: Threat::AdversarialInputs,
        home: "s11-monitoring",
        sentence: "adversarial inputs cause model drift and degrade its performance over time",
        aisvs: &["C12.3.1"],
    },
    Entry {
        clause: Clause::SourceRbac,
        id: "source-rbac",
        threat: Threat::LabelTampering,
        home: "s02-source",
        sentence: "enforce role-based access control and multifactor authentication for the machine learning data source",
        aisvs: &["C1.2.1", "C5.2.1"],
    },
    Entry {
        clause: Clause::LabelArchive,
        id: "label-archive",
        threat: Threat::LabelTampering,
        home: "s03-labels",
        sentence: "keep all labeled data under version control with append-only permissions",
        aisvs: &["C1.2.2", "C12.5.2"],
    },
    Entry {
        clause: Clause::SignOff,
        id: "sign-off",
        threat: Threat::LabelTampering,
        home: "s03-labels",
        sentence: "require multi-person sign-off or a separate QA step before finalizing labeled data",
        aisvs: &["C1.2.1"],
    },
    Entry {
        clause: Clause::LabelQa,
        id: "label-qa",
        threat: Threat::LabelTampering,
        home: "s03-labels",
        sentence: "a label QA and approval step before the data is officially ingested into the training environment",
        aisvs: &["C1.3.1"],
    },
    Entry {
        clause: Clause::VulnerabilityScanning,
        id: "vulnerability-scanning",
        threat: Threat::SupplyChain,
        home: "s06-dependencies",
        sentence: "continuously scan for known vulnerabilities in libraries",
        aisvs: &["C6.1.1"],
    },
    Entry {
        clause: Clause::PinnedChecksums,
        id: "pinned-checksums",
        threat: Threat::SupplyChain,
        home: "s06-dependencies",
        sentence: "pin library versions to a known-good hash",
        aisvs: &["C6.1.3"],
    },
    Entry {
        clause: Clause::IsolatedBuilds,
        id: "isolated-builds",
        threat: Threat::SupplyChain,
        home: "s06-dependencies",
        sentence: "build and test each environment in an isolated container or VM",
        aisvs: &["C4.1.1"],
    },
    Entry {
        clause: Clause::ManualReview,
        id: "manual-review",
        threat: Threat::SupplyChain,
        home: "s06-dependencies",
        sentence: "for any major library updates, do a security review before rolling into production",
        aisvs: &["C6.1.3"],
    },
    Entry {
        clause: Clause::Vetting,
        id: "vetting",
        threat: Threat::SupplyChain,
        home: "s06-dependencies",
        sentence: "in the staging step include open-source vetting, dependency pinning, and vulnerability monitoring",
        aisvs: &["C6.1.2"],
    },
];

impl Clause {
    /// The clause of that id.
    pub fn by_id(id: &str) -> Option<Self> {
        ENTRIES.iter().find(|entry| entry.id == id).map(|entry| entry.clause)
    }

    /// Unique, kebab-case.
    pub fn id(self) -> &'static str {
        self.entry().id
    }

    /// The threat that it is a mitigation of.
    pub fn threat(self) -> Threat {
        self.entry().threat
    }

    /// The id of the step where it belongs.
    pub fn home(self) -> &'static str {
        self.entry().home
    }

    /// The sentence of the threat model that it comes from.
    pub fn sentence(self) -> &'static str {
        self.entry().sentence
    }

    /// Requirements of the OWASP AI Security Verification Standard 1.0 that it answers.
    pub fn aisvs(self) -> &'static [&'static str] {
        self.entry().aisvs
    }

    fn entry(self) -> &'static Entry {
        // INVARIANT: ENTRIES has one entry per variant, in their order; the test below compares them.
        &ENTRIES[self as usize]
    }
}

/// Clauses that have no gate yet, with the reason. The list only shrinks (checks/tidy keeps a snapshot).
pub const EXCEPTIONS: &[(Clause, &str)] = &[
    (
        Clause::DifferentialPrivacy,
        "honest noise needs a model that was trained with differential privacy; noise on one model's score is no guarantee",
    ),
    (Clause::StaticScans, "the scanner of deployment scripts is not written yet"),
    (Clause::SignedCommits, "the verifier of commit signatures is not written yet"),
    (Clause::SecureBuild, "builds are not yet made in the sandbox, so their provenance would be a claim"),
    (Clause::VulnerabilityScanning, "no advisory database ships with the program, and a scan without one would be empty"),
    (Clause::IsolatedBuilds, "the sandbox for steps is not written yet"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_are_unique_and_every_threat_has_some() {
        let ids: std::collections::BTreeSet<_> = CLAUSES.iter().map(|clause| clause.id()).collect();
        assert_eq!(ids.len(), CLAUSES.len());
        assert!(CLAUSES.iter().all(|clause| clause.entry().clause == *clause));
        assert!(Threat::ALL.iter().all(|threat| CLAUSES.iter().filter(|clause| clause.threat() == *threat).count() >= 3));
    }
}
