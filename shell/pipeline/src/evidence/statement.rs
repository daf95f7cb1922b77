//! The two forms of statement that we write, and what we add to them.
//!
//! - SLSA verification summary v1 for what was judged; - SLSA provenance v1 for what was made.
//!
//! Both carry a further member `stayward`, which other readers ignore: the ruling, the archive's digest, and which files on disk the
//! statement answers for. No personal data: subjects of requests are digests over random request ids, archives over a random salt.

use gate::{Digest, Receipt, Ruling};
use ledger::slsa::{
    BuildDefinition, Named, Provenance, Resource, RunDetails, RunMetadata, VerificationResult, VerificationSummary,
};
use ledger::{Statement, Subject};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::desk::rfc3339;
use crate::{PipelineError, Project};

/// Predicate types that this program writes.
pub const STATEMENT_TYPES: [&str; 2] = [ledger::slsa::SUMMARY_TYPE, ledger::slsa::PROVENANCE_TYPE];

/// A file or table on disk that a statement answers for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artefact {
    /// `feed`, `table`, `labels`, `segments`, `model`, `policy`, ...
    pub role: String,
    /// Where it is, below the project folder; a table is `source/NAME@VERSION`.
    pub path: String,
    /// SHA-256 of its bytes (of a table: of its version).
    pub digest: Digest,
}

impl Artefact {
    /// A stored object.
    pub(crate) fn object(role: &str, digest: Digest) -> Self {
        let hex = digest.hex();
        let (head, tail) = hex.split_at_checked(2).unwrap_or(("", &hex));
        Self { role: role.to_owned(), path: format!("objects/sha256/{head}/{tail}"), digest }
    }
}

/// What a statement rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// Earlier entries.
    pub parents: Vec<Receipt>,
    /// Files that it answers for.
    pub artefacts: Vec<Artefact>,
}

/// Our member of the predicate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StaywardPart {
    /// What was decided, gate by gate; several for one request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rulings: Vec<Ruling>,
    /// Digest of the archive of subjects and facts (salted).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<Digest>,
    /// Files that the statement answers for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artefacts: Vec<Artefact>,
    /// Earlier entries: digests of their statements.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<Digest>,
    /// What it is, in a word: `ruling`, `table`, `model`, `deployment`, `answer`, ...
    #[serde(default)]
    pub kind: String,
}

impl StaywardPart {
    /// Reads our member of a statement's predicate.
    pub fn of(statement: &Statement) -> Option<Self> {
        serde_json::from_value(statement.predicate.get("stayward")?.clone()).ok()
    }
}

fn verifier() -> Named {
    Named { id: format!("https://stayward.dev/gatehouse/{}", env!("CARGO_PKG_VERSION")) }
}

fn resources(parents: &[Receipt]) -> Vec<Resource> {
    parents.iter().map(|receipt| Resource { uri: format!("evidence:{}", receipt.id), digest: receipt.statement }).collect()
}

/// A summary of one or several rulings.
pub(crate) fn summary(
    project: &Project,
    (kind, resource, subject): (&str, String, Digest),
    passed: bool,
    part: StaywardPart,
    parents: &[Receipt],
    now: i64,
) -> Result<Statement, PipelineError> {
    let result = if passed { VerificationResult::Passed } else { VerificationResult::Failed };
    let summary = VerificationSummary {
        verifier: verifier(),
        time_verified: rfc3339(now),
        resource_uri: resource.clone(),
        policy: Resource { uri: "stayward.toml".into(), digest: project.policy_digest },
        input_attestations: resources(parents),
        verification_result: result,
        verified_levels: if passed { vec!["STAYWARD_CLEARED".into()] } else { Vec::new() },
        stayward: Value::Null,
    };
    let mut statement = summary.of(vec![Subject { name: resource, digest: subject }]).map_err(PipelineError::internal)?;
    attach(&mut statement, StaywardPart { kind: kind.to_owned(), ..part }, parents)?;
    Ok(statement)
}

/// Provenance of something that was made; `archive` is what stands outside of the log about it. Times in Unix seconds.
pub(crate) fn provenance(
    (kind, name, digest): (&str, &str, Digest),
    parameters: Map<String, Value>,
    links: &Links,
    archive: Option<Digest>,
    (run, started, finished): (&str, i64, i64),
) -> Result<Statement, PipelineError> {
    let mut dependencies = resources(&links.parents);
    dependencies.extend(links.artefacts.iter().map(|artefact| Resource { uri: artefact.path.clone(), digest: artefact.digest }));
    let provenance = Provenance {
        build_definition: BuildDefinition {
            build_type: format!("https://stayward.dev/{kind}/v1"),
            external_parameters: parameters,
            internal_parameters: Map::new(),
            resolved_dependencies: dependencies,
        },
        run_details: RunDetails {
            builder: verifier(),
            metadata: RunMetadata { invocation_id: run.to_owned(), started_on: rfc3339(started), finished_on: rfc3339(finished) },
        },
    };
    let mut statement = provenance.of(vec![Subject { name: name.to_owned(), digest }]).map_err(PipelineError::internal)?;
    let part = StaywardPart { kind: kind.to_owned(), archive, artefacts: links.artefacts.clone(), ..StaywardPart::default() };
    attach(&mut statement, part, &links.parents)?;
    Ok(statement)
}

fn attach(statement: &mut Statement, mut part: StaywardPart, parents: &[Receipt]) -> Result<(), PipelineError> {
    part.parents = parents.iter().map(|receipt| receipt.statement).collect();
    let value = serde_json::to_value(part).map_err(PipelineError::internal)?;
    let Value::Object(predicate) = &mut statement.predicate else {
        return Err(PipelineError::Internal("a predicate is no object".into()));
    };
    predicate.insert("stayward".into(), value);
    Ok(())
}
