//! The two SLSA predicates that we write: how a thing was made, and that it passed a gate (T4, T7).
//!
//! `https://slsa.dev/provenance/v1` and `https://slsa.dev/verification_summary/v1`, field names as in SLSA 1.2. Times are RFC 3339
//! text in UTC that the caller brings; digests are SHA-256.

use gate::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::statement::{Statement, StatementError, Subject, digest_set};

/// Predicate type of build provenance.
pub const PROVENANCE_TYPE: &str = "https://slsa.dev/provenance/v1";
/// Predicate type of a verification summary.
pub const SUMMARY_TYPE: &str = "https://slsa.dev/verification_summary/v1";

/// A resource by address and digest (in-toto ResourceDescriptor).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// Where it is, or what names it.
    pub uri: String,
    /// Its bytes.
    #[serde(with = "digest_set")]
    pub digest: Digest,
}

/// How a thing was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// Inputs of the build.
    pub build_definition: BuildDefinition,
    /// The run.
    pub run_details: RunDetails,
}

/// Inputs of a build.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildDefinition {
    /// URI that says how to read the parameters.
    pub build_type: String,
    /// What the person who started it chose.
    pub external_parameters: Map<String, Value>,
    /// What the builder set.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub internal_parameters: Map<String, Value>,
    /// What went in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolved_dependencies: Vec<Resource>,
}

/// One run of a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunDetails {
    /// Who vouches for the run.
    pub builder: Named,
    /// When and which run.
    #[serde(default)]
    pub metadata: RunMetadata,
}

/// Something with an `id` that is a URI: a builder, a verifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The URI.
    pub id: String,
}

/// When and which run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunMetadata {
    /// Names the run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub invocation_id: String,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub started_on: String,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub finished_on: String,
}

/// Whether the subject passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum VerificationResult {
    /// Every gate passed.
    Passed,
    /// It did not.
    Failed,
}

/// That a subject was judged by a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerificationSummary {
    /// Who judged.
    pub verifier: Named,
    /// RFC 3339.
    pub time_verified: String,
    /// What was judged.
    pub resource_uri: String,
    /// The rules.
    pub policy: Resource,
    /// What the judgement rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input_attestations: Vec<Resource>,
    /// The judgement.
    pub verification_result: VerificationResult,
    /// SLSA levels or our own words for what was reached; empty when it failed.
    pub verified_levels: Vec<String>,
    /// What SLSA has no word for: gates, findings, salted digests. Other readers pass over it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub stayward: Value,
}

impl Provenance {
    /// A statement about the things that this run made.
    pub fn of(&self, subject: Vec<Subject>) -> Result<Statement, StatementError> {
        statement(subject, PROVENANCE_TYPE, self)
    }
}

impl VerificationSummary {
    /// A statement about the subject that was judged.
    pub fn of(&self, subject: Vec<Subject>) -> Result<Statement, StatementError> {
        statement(subject, SUMMARY_TYPE, self)
    }
}

fn statement<T: Serialize>(subject: Vec<Subject>, predicate_type: &str, predicate: &T) -> Result<Statement, StatementError> {
    let predicate = serde_json::to_value(predicate).map_err(|error| StatementError::Json(error.to_string()))?;
    Ok(Statement { subject, predicate_type: predicate_type.to_owned(), predicate })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn subject() -> Vec<Subject> {
        vec![Subject { name: "model".into(), digest: Digest::of(b"model") }]
    }

    fn summary() -> VerificationSummary {
        VerificationSummary {
            verifier: Named { id: "https://example.com/stayward".into() },
            time_verified: "2026-11-20T10:00:00Z".into(),
            resource_uri: "batch:7".into(),
            policy: Resource { uri: "policy:intake".into(), digest: Digest::of(b"policy") },
            input_attestations: vec![],
            verification_result: VerificationResult::Passed,
            verified_levels: vec!["STAYWARD_INTAKE".into()],
            stayward: json!({ "gates": ["sequence"] }),
        }
    }

    #[test]
    fn a_summary_has_the_names_of_the_specification() {
        let statement = summary().of(subject()).unwrap();
        let hex = Digest::of(b"policy").hex();
        assert_eq!(
            statement.predicate,
            json!({
                "verifier": { "id": "https://example.com/stayward" }, "timeVerified": "2026-11-20T10:00:00Z",
                "resourceUri": "batch:7", "policy": { "uri": "policy:intake", "digest": { "sha256": hex } },
                "verificationResult": "PASSED", "verifiedLevels": ["STAYWARD_INTAKE"], "stayward": { "gates": ["sequence"] },
            })
        );
        assert_eq!(statement.predicate_as::<VerificationSummary>(SUMMARY_TYPE).unwrap(), summary());
        assert!(statement.predicate_as::<Provenance>(PROVENANCE_TYPE).is_err());
    }

    #[test]
    fn provenance_has_the_names_of_the_specification() {
        let provenance = Provenance {
            build_definition: BuildDefinition {
                build_type: "https://example.com/train/v1".into(),
                external_parameters: Map::from_iter([("seed".to_owned(), json!(7))]),
                internal_parameters: Map::new(),
                resolved_dependencies: vec![Resource { uri: "batch:7".into(), digest: Digest::of(b"batch") }],
            },
            run_details: RunDetails {
                builder: Named { id: "https://example.com/stayward".into() },
                metadata: RunMetadata {
                    invocation_id: "run-1".into(),
                    started_on: "2026-11-20T10:00:00Z".into(),
                    ..RunMetadata::default()
                },
            },
        };
        let statement = provenance.of(subject()).unwrap();
        assert_eq!(
            statement.predicate,
            json!({
                "buildDefinition": {
                    "buildType": "https://example.com/train/v1", "externalParameters": { "seed": 7 },
                    "resolvedDependencies": [{ "uri": "batch:7", "digest": { "sha256": Digest::of(b"batch").hex() } }],
                },
                "runDetails": {
                    "builder": { "id": "https://example.com/stayward" },
                    "metadata": { "invocationId": "run-1", "startedOn": "2026-11-20T10:00:00Z" },
                },
            })
        );
        assert_eq!(statement.predicate_as::<Provenance>(PROVENANCE_TYPE).unwrap(), provenance);
    }
}
