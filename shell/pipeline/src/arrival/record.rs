//! How a file came, as an entry of the log (T1): who handed it in and how that was proved. A note beside the file says where the entry
//! is; it proves nothing by itself, so nobody gains by writing one. What was turned away is an entry, too.

use std::collections::BTreeSet;
use std::path::Path;

use access::{Principal, Request, Resource};
use gate::Digest;
use identity::{Action, Component};
use s01_intake::Arrival;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::control::DeliveryOutcome;
use store::disk;

use super::{ArrivalError, Inbox, Put, Staged, note_path};
use crate::PipelineError;
use crate::access::rules;
use crate::desk::{Desk, now};
use crate::evidence::{Links, proof};

/// The kinds of entries.
const ARRIVED: &str = "feed-arrival";
const REFUSED: &str = "feed-arrival-refused";
/// Bytes of a note at most.
const NOTE_BYTES_MAX: u64 = 4096;
/// Bytes of a name in the evidence of a refusal: a stranger chose it.
const NAME_BYTES_MAX: usize = 200;

/// Who hands in, once that was proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deliverer {
    /// A supplier, by the certificate with this serial number.
    Supplier {
        /// Its name.
        name: String,
        /// The certificate.
        serial: String,
    },
    /// A part of the pipeline, by the certificate with this serial number, or by a token.
    Component {
        /// Which.
        component: Component,
        /// The certificate, where it was one.
        serial: Option<String>,
    },
}

impl Deliverer {
    /// `supplier/NAME` or `component/NAME`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Supplier { name, .. } => format!("supplier/{name}"),
            Self::Component { component, .. } => format!("component/{component}"),
        }
    }

    fn proof(&self) -> String {
        match self {
            Self::Supplier { serial, .. } | Self::Component { serial: Some(serial), .. } => format!("certificate {serial}"),
            Self::Component { serial: None, .. } => "token".to_owned(),
        }
    }
}

/// A file that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// The feed.
    pub feed: String,
    /// The file's name in the inbox.
    pub name: String,
    /// SHA-256.
    pub content: Digest,
    /// How many bytes.
    pub bytes: u64,
    /// Whether it was not there before.
    pub new: bool,
    /// The entry that says how it came; none where the file was put there otherwise.
    pub evidence: Option<String>,
}

/// A file that was turned away.
#[derive(Clone, Debug, Default)]
pub struct RefusedDelivery {
    /// The feed that was named.
    pub feed: String,
    /// The file's name.
    pub name: String,
    /// Who handed it in, where that was proved.
    pub by: Option<String>,
    /// Which rule refused.
    pub rule: &'static str,
    /// Why, for the operator.
    pub why: String,
}

/// Beside a file that came over a network.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ArrivalNote {
    content: Digest,
    evidence: String,
}

/// How a file came, as it is signed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    feed: String,
    file: String,
    bytes: u64,
    /// `pushed` or `fetched`.
    way: String,
    /// Who handed it in, or where it was fetched from.
    by: String,
    /// How that was proved.
    proof: String,
}

impl Desk {
    /// Opens the inbox of a feed for somebody who may hand in there now; the caller has checked that the certificate or token lives.
    ///
    /// # Errors
    /// [`PipelineError::NotAllowed`] where there is no such feed, it is another supplier's, or the rules say no: from outside the same.
    pub async fn open_inbox(&self, who: &Deliverer, feed: &str) -> Result<Inbox, PipelineError> {
        let refused =
            |why: String| PipelineError::NotAllowed { why, help: "see `stayward feed ls` and `stayward access matrix`".into() };
        let policy = self.project.policy.feeds.iter().find(|known| known.name == feed);
        let policy = policy.ok_or_else(|| refused(format!("there is no feed `{}`", cut(feed))))?;
        let principal = match who {
            Deliverer::Supplier { name, .. } => {
                if *name != policy.supplier {
                    return Err(refused(format!("feed `{feed}` is not `{}`'s", who.name())));
                }
                let keys = self.identity.supplier_keys().await?;
                if !keys.iter().any(|key| key.supplier == *name && !key.supplier_disabled) {
                    return Err(refused(format!("`{}` is no supplier with a key on record", who.name())));
                }
                Principal::Supplier { name: name.clone() }
            }
            Deliverer::Component { component, .. } => Principal::Component(*component),
        };
        let request = Request::new(principal, Action::WriteFeed, None, now()).over(Resource::Named(feed.to_owned()));
        if !rules(&self.project)?.allows(&request) {
            return Err(refused(format!("`{}` may not hand in feed `{feed}`", who.name())));
        }
        let folder = self.project.resolve(&policy.inbox);
        Ok(Inbox::open(&policy.name, &policy.supplier, &folder, policy.size_max_bytes)?)
    }

    /// Puts a file that was handed in into the inbox; how it came is in the log before.
    ///
    /// # Errors
    /// [`ArrivalError`].
    pub async fn take_pushed(&self, inbox: &Inbox, who: &Deliverer, staged: &Staged) -> Result<Taken, ArrivalError> {
        self.take(inbox, staged, ("pushed", who.name(), who.proof())).await
    }

    async fn take(
        &self,
        inbox: &Inbox,
        staged: &Staged,
        (way, by, proof): (&str, String, String),
    ) -> Result<Taken, ArrivalError> {
        let internal = |why: String| ArrivalError::Internal(why);
        let known = self.control.deliveries(&inbox.feed).await.map_err(|error| internal(error.to_string()))?;
        let judged = known.iter().filter(|one| one.what.outcome != DeliveryOutcome::Held);
        let judged: BTreeSet<Digest> = judged.map(|one| one.what.content).collect();
        let settled = |path: &Path| read_note(path).is_some_and(|note| judged.contains(&note.content));
        let mut evidence = None;
        let put = inbox.put(staged, &settled, |staged| {
            let (feed, file) = (inbox.feed.clone(), staged.name.clone());
            let signed = Signed { feed, file, bytes: staged.bytes, way: way.to_owned(), by, proof };
            let parameters = serde_json::to_value(signed).map_err(|error| internal(error.to_string()))?;
            let about = (ARRIVED, format!("{}/{}", inbox.feed, staged.name), staged.sha256);
            let id = self.note(about, parameters).map_err(|error| internal(error.to_string()))?;
            let note = ArrivalNote { content: staged.sha256, evidence: id.clone() };
            let note = serde_json::to_vec(&note).map_err(|error| internal(error.to_string()))?;
            disk::write_atomic(&inbox.note_of(&staged.name), &note)?;
            evidence = Some(id);
            Ok(())
        })?;
        if put == Put::Same {
            let known = read_note(&inbox.folder.join(&staged.name)).filter(|note| note.content == staged.sha256);
            evidence = known.map(|note| note.evidence);
        }
        let (feed, name) = (inbox.feed.clone(), staged.name.clone());
        Ok(Taken { feed, name, content: staged.sha256, bytes: staged.bytes, new: put == Put::New, evidence })
    }

    /// Writes down that a file was turned away at the door; the evidence id.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn refuse_delivery(&self, refused: &RefusedDelivery) -> Result<String, PipelineError> {
        let (feed, name) = (cut(&refused.feed), cut(&refused.name));
        let parameters =
            json!({ "feed": feed, "file": name, "by": refused.by, "rule": refused.rule, "why": refused.why, "at": now() });
        let digest = Digest::of_json(&parameters);
        self.note((REFUSED, format!("{feed}/{name}"), digest), parameters)
    }

    fn note(&self, (kind, name, digest): (&str, String, Digest), parameters: Value) -> Result<String, PipelineError> {
        let parameters = parameters.as_object().cloned().unwrap_or_default();
        Ok(self.record_made((kind, &name, digest), parameters, &Links::default(), "", now())?.id)
    }
}

/// How the file at `path` came, as the log proves it; a file without a note, or with one that proves nothing, came by the folder.
/// The words say what is wrong with a note.
pub(crate) fn arrival_of(desk: &Desk, feed: &str, path: &Path, content: Digest) -> (Arrival, Option<String>) {
    let Some(note) = read_note(path).filter(|note| note.content == content) else { return (Arrival::Folder, None) };
    match proved(desk, feed, &note) {
        Ok(arrival) => (arrival, None),
        Err(why) => (Arrival::Folder, Some(why)),
    }
}

fn proved(desk: &Desk, feed: &str, note: &ArrivalNote) -> Result<Arrival, String> {
    let entry = proof::entry(desk, &note.evidence)?;
    if !entry.is_about(ARRIVED, note.content) {
        return Err(format!("evidence {} is about no arrival of these bytes", entry.receipt.id));
    }
    let signed = entry.statement.predicate.pointer("/buildDefinition/externalParameters").cloned().unwrap_or_default();
    let signed: Signed = serde_json::from_value(signed).map_err(|error| error.to_string())?;
    if signed.feed != feed {
        return Err(format!("evidence {} is about feed `{}`", entry.receipt.id, signed.feed));
    }
    let evidence = entry.receipt.id;
    match signed.way.as_str() {
        "pushed" => Ok(Arrival::Pushed { by: signed.by, proof: signed.proof, evidence }),
        "fetched" => Ok(Arrival::Fetched { from: signed.by, evidence }),
        _ => Err(format!("evidence {evidence} tells of a way that is not known")),
    }
}

fn read_note(path: &Path) -> Option<ArrivalNote> {
    serde_json::from_slice(&disk::read_limited(&note_path(path), NOTE_BYTES_MAX).ok()?).ok()
}

/// The beginning of a name that a stranger chose.
fn cut(name: &str) -> String {
    let mut end = name.len().min(NAME_BYTES_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or_default().to_owned()
}
