//! One folder holds everything of a project; nothing else on the machine is touched.

use std::path::{Path, PathBuf};

use gate::Digest;
use tabular::Contract;

use crate::{PipelineError, Policy};

/// Largest policy or contract file that is read.
const CONFIG_BYTES_MAX: u64 = 8 << 20;

/// A project folder with its policy and contract.
#[derive(Clone, Debug)]
pub struct Project {
    root: PathBuf,
    /// `stayward.toml`.
    pub policy: Policy,
    /// Digest of its bytes.
    pub policy_digest: Digest,
    /// `contract.toml`.
    pub contract: Contract,
    /// Digest of its bytes.
    pub contract_digest: Digest,
}

impl Project {
    /// Reads policy and contract of a folder.
    pub fn open(root: &Path) -> Result<Self, PipelineError> {
        let policy_path = root.join("stayward.toml");
        if !policy_path.is_file() {
            let why = format!("`{}` is no project: it has no stayward.toml", root.display());
            return Err(PipelineError::wrong(
                why,
                "make one with `stayward init --data FILE --target COLUMN`, or see it work with `stayward demo`",
            ));
        }
        let policy_bytes = store::disk::read_limited(&policy_path, CONFIG_BYTES_MAX)?;
        let contract_bytes = store::disk::read_limited(&root.join("contract.toml"), CONFIG_BYTES_MAX)?;
        let policy = Policy::parse(&String::from_utf8_lossy(&policy_bytes))
            .map_err(|why| PipelineError::wrong(format!("stayward.toml: {why}"), "mend the file"))?;
        let contract = Contract::parse(&String::from_utf8_lossy(&contract_bytes))
            .map_err(|error| PipelineError::wrong(error.to_string(), "mend contract.toml"))?;
        let (policy_digest, contract_digest) = (Digest::of(&policy_bytes), Digest::of(&contract_bytes));
        Ok(Self { root: root.to_owned(), policy, policy_digest, contract, contract_digest })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path below the folder.
    pub fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// A path of the policy: absolute, or relative to the folder.
    pub fn resolve(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Digest of `stayward.toml` as it is now.
    pub fn policy_digest_now(&self) -> Result<Digest, PipelineError> {
        Ok(Digest::of(&store::disk::read_limited(&self.path("stayward.toml"), CONFIG_BYTES_MAX)?))
    }
}
