//! What a person did (T1, T6): a proposal, a signature, an acceptance. The log carries digests; the archive beside it says who. What
//! the control database says of people is an index only: nothing counts but what the log proves.

use gate::{Digest, Receipt};
use identity::{Factor, Session};
use ledger::P256Verifier;
use serde::{Deserialize, Serialize};
use store::log::LogReader;
use store::objects::Objects;

use super::proof;
use super::record::receipt;
use super::statement::{Artefact, Links, provenance};
use crate::PipelineError;
use crate::desk::{Desk, now, random_hex};

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DeedKind {
    /// Labels were proposed.
    Proposal,
    /// Labels were signed.
    Approval,
    /// A held delivery was accepted.
    Acceptance,
    /// Trusted rows became a feed's golden set.
    Golden,
    /// Somebody had random rows of proposed labels drawn.
    Draw,
    /// Somebody gave second labels to drawn rows.
    Second,
    /// It was proposed what becomes of rows in quarantine.
    QuarantineProposal,
    /// Such a proposal was signed.
    QuarantineApproval,
}

impl DeedKind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Proposal => "proposal",
            Self::Approval => "approval",
            Self::Acceptance => "acceptance",
            Self::Golden => "golden-set",
            Self::Draw => "blind-draw",
            Self::Second => "second-labels",
            Self::QuarantineProposal => "quarantine-proposal",
            Self::QuarantineApproval => "quarantine-approval",
        }
    }
}

/// A deed as it stands in the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Deed {
    /// What.
    pub(crate) kind: DeedKind,
    /// Digest of the bytes that it is about.
    pub(crate) content: Digest,
    /// Who.
    pub(crate) person: String,
    /// That person's team.
    pub(crate) team: String,
    /// How the person had logged in (RFC 8176).
    pub(crate) amr: Vec<String>,
    /// Unix seconds.
    pub(crate) at: i64,
    /// The statement that it answers: a signature names the proposal that it signs.
    pub(crate) about: Option<Digest>,
    /// Keeps the archive's digest, which the log has, from telling who it was.
    salt: String,
}

impl Deed {
    /// Whether it was done in a session with a second factor.
    pub(crate) fn second_factor(&self) -> bool {
        self.amr.iter().filter_map(|word| Factor::parse(word)).any(Factor::is_second)
    }
}

impl Desk {
    /// Signs and appends what the person of a session did; the caller has asked whether the person may.
    pub(crate) async fn record_deed(
        &self,
        kind: DeedKind,
        session: &Session,
        (role, content): (&str, Digest),
        about: Option<&Receipt>,
    ) -> Result<Receipt, PipelineError> {
        let deed = Deed {
            kind,
            content,
            person: session.person.clone(),
            team: self.identity.person(&session.person).await?.team,
            amr: session.amr.iter().map(|factor| factor.as_str().to_owned()).collect(),
            at: now(),
            about: about.map(|receipt| receipt.statement),
            salt: random_hex(16)?,
        };
        let archive = self.objects.put_json(&deed)?;
        let links = Links { parents: about.into_iter().cloned().collect(), artefacts: vec![Artefact::object(role, content)] };
        let parameters = serde_json::json!({ "secondFactor": session.second_factor_at.is_some() });
        let parameters = parameters.as_object().cloned().unwrap_or_default();
        let statement = provenance((kind.as_str(), role, content), parameters, &links, Some(archive), ("", now(), now()))?;
        let appended = self.log.append(&self.sign(&statement)?)?;
        Ok(receipt(&appended))
    }

    /// The deed that an evidence id names, if the log proves it and it is of this kind and about these bytes.
    pub(crate) fn proved_deed(&self, id: &str, kind: DeedKind, content: Digest) -> Result<(Receipt, Deed), String> {
        proved_deed((&self.reader, &self.statement_keys()), &self.objects, id, (kind, content))
    }
}

/// The same, for who only reads.
pub(crate) fn proved_deed(
    (reader, keys): (&LogReader, &[P256Verifier]),
    objects: &Objects,
    id: &str,
    (kind, content): (DeedKind, Digest),
) -> Result<(Receipt, Deed), String> {
    let entry = proof::entry_in(reader, keys, id)?;
    if !entry.is_about(kind.as_str(), content) {
        return Err(format!("evidence {id} is no {} of {}", kind.as_str(), content.short()));
    }
    let deed: Deed = entry.archive_in(objects)?;
    if deed.kind != kind || deed.content != content || deed.about != entry.part.parents.first().copied() {
        return Err(format!("evidence {id} and its archive do not agree"));
    }
    Ok((entry.receipt, deed))
}
