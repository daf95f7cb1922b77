//! How a command ends when it does not end well: one type, with the exit code and the next command.

use gate::{Certainty, Finding, LedgerError, Receipt, Unproven};

/// Why the pipeline stopped.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// A gate said no.
    #[error("{step}: gate `{gate}` refused: {}", finding.why)]
    Refused {
        /// The step's id.
        step: &'static str,
        /// The gate's id.
        gate: String,
        /// Why, and what to do.
        finding: Finding,
        /// The ledger entry.
        receipt: Receipt,
    },
    /// People must decide.
    #[error("{step}: gate `{gate}` waits for a person: {}", finding.why)]
    Held {
        /// The step's id.
        step: &'static str,
        /// The first gate that holds.
        gate: String,
        /// Why, and what to do.
        finding: Finding,
        /// The ledger entry.
        receipt: Receipt,
    },
    /// Nobody is logged in, or the person has not the right.
    #[error("{why}")]
    NotAllowed {
        /// What was asked for.
        why: String,
        /// The next command.
        help: String,
    },
    /// Evidence or an artefact is not what the log proves.
    #[error("{why}")]
    Broken {
        /// Which link.
        why: String,
        /// The next command.
        help: String,
    },
    /// The project, a file or an argument is not as it must be.
    #[error("{why}")]
    Wrong {
        /// What.
        why: String,
        /// The next command.
        help: String,
    },
    /// Something that is not the user's doing.
    #[error("internal error: {0}")]
    Internal(String),
}

impl PipelineError {
    /// A denial with words before its reason and after its help; any other error as it is.
    pub(crate) fn in_need(self, before: &str, after: &str) -> Self {
        let Self::NotAllowed { why, help } = self else { return self };
        Self::NotAllowed { why: format!("{before}{why}"), help: format!("{help}{after}") }
    }

    /// The documented exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused { finding, .. } => match finding.certainty {
                Certainty::Seen => 1,
                Certainty::Inconclusive => 3,
            },
            Self::Held { .. } => 6,
            Self::NotAllowed { .. } => 4,
            Self::Broken { .. } => 5,
            Self::Wrong { .. } => 2,
            Self::Internal(_) => 70,
        }
    }

    /// What to do next.
    pub fn help(&self) -> String {
        match self {
            Self::Refused { finding, .. } | Self::Held { finding, .. } => finding.help.clone(),
            Self::NotAllowed { help, .. } | Self::Broken { help, .. } | Self::Wrong { help, .. } => help.clone(),
            Self::Internal(_) => "run `stayward doctor`; if it finds nothing, report the message above".to_owned(),
        }
    }

    /// The ledger entry, where there is one.
    pub fn evidence(&self) -> Option<&str> {
        match self {
            Self::Refused { receipt, .. } | Self::Held { receipt, .. } => Some(&receipt.id),
            Self::NotAllowed { .. } | Self::Broken { .. } | Self::Wrong { .. } | Self::Internal(_) => None,
        }
    }

    /// The step and the gate that said no, or want people to decide.
    pub fn gate(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Refused { step, gate, .. } | Self::Held { step, gate, .. } => Some((step, gate)),
            Self::NotAllowed { .. } | Self::Broken { .. } | Self::Wrong { .. } | Self::Internal(_) => None,
        }
    }

    pub(crate) fn wrong(why: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Wrong { why: why.into(), help: help.into() }
    }

    pub(crate) fn broken(why: impl Into<String>) -> Self {
        Self::Broken { why: why.into(), help: "see which links hold with `stayward evidence verify`".into() }
    }

    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<LedgerError> for PipelineError {
    fn from(error: LedgerError) -> Self {
        Self::internal(error)
    }
}

impl From<Unproven> for PipelineError {
    fn from(error: Unproven) -> Self {
        Self::broken(error.to_string())
    }
}

impl From<store::log::LogError> for PipelineError {
    fn from(error: store::log::LogError) -> Self {
        if matches!(error, store::log::LogError::Locked(_)) {
            let help = "wait for it, or stop it (`stayward serve` holds the project while it runs)";
            return Self::wrong("another stayward process works on this project", help);
        }
        Self::broken(format!("the ledger is damaged: {error}"))
    }
}

impl From<store::disk::DiskError> for PipelineError {
    fn from(error: store::disk::DiskError) -> Self {
        Self::internal(error)
    }
}

impl From<store::objects::ObjectError> for PipelineError {
    fn from(error: store::objects::ObjectError) -> Self {
        Self::broken(error.to_string())
    }
}

impl From<vault::VaultError> for PipelineError {
    fn from(error: vault::VaultError) -> Self {
        let help = error.help();
        Self::wrong(error.to_string(), help)
    }
}

impl From<identity::IdentityError> for PipelineError {
    fn from(error: identity::IdentityError) -> Self {
        use identity::IdentityError as E;
        let (why, help) = (error.to_string(), error.help());
        match error {
            E::LoginRefused | E::LockedOut { .. } | E::NotValid(_) | E::NotFresh { .. } | E::ProviderLogin(_) | E::Denied(_) => {
                Self::NotAllowed { why, help }
            }
            E::Database(_) | E::Disk { .. } | E::Sealer(_) | E::Crypto(_) => Self::Internal(why),
            E::Corrupt(_) | E::Roster(_) => Self::Broken { why, help },
            E::OpenToOthers { .. }
            | E::Schema { .. }
            | E::Name(_)
            | E::Text { .. }
            | E::Range { .. }
            | E::Password(_)
            | E::Exists { .. }
            | E::Missing { .. }
            | E::RolesConflict(..)
            | E::MachineRole(_)
            | E::LastAdmin(_)
            | E::Provider(_)
            | E::Passkey(_)
            | E::PublicKey
            | E::SignerKey(_)
            | E::Replay { .. } => Self::Wrong { why, help },
        }
    }
}
