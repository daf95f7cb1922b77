//! What the routes ask of the pipeline (T2, T3): one question, one reply; every decision is made behind this trait.

use std::future::Future;

use identity::{Action, Right};
use pipeline::arrival::{ArrivalError, Deliverer, Inbox, RefusedDelivery, Staged, Taken};
use pipeline::run::{Proposed, Upload};
use pipeline::serving::{Call, Counters, PublicModel, Reply};
use serde_json::Value;

use crate::workload::Workload;

/// What a sender of a feed shows.
#[derive(Clone, Copy, Debug)]
pub enum Presented<'a> {
    /// A certificate, proved in the handshake; it may have been ended since.
    Certificate(&'a Workload),
    /// A component's token, as it came.
    Token(&'a str),
    /// Nothing, or more than one thing.
    Nothing,
}

/// A sender who may hand in.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The feed's inbox.
    pub inbox: Inbox,
    /// Who it is.
    pub who: Deliverer,
}

/// The prediction service, as the routes see it.
pub trait Asks: Send + Sync + 'static {
    /// Answers a call, or refuses it; the evidence is durable before this returns. It is run to its end even where the caller
    /// has gone, so that what was reserved is settled.
    fn ask(&self, call: Call) -> impl Future<Output = Reply> + Send;

    /// What callers may know of the model.
    fn model(&self) -> PublicModel;

    /// Counters since start.
    fn counters(&self) -> Counters;

    /// Whether this key, as it came, has this right now. No evidence is written; must be quick (an index in memory).
    fn may(&self, key: Option<&str>, right: Right) -> bool;

    /// Whether this token, as it came, is a component's that has this right now.
    fn component_may(&self, _token: &str, _action: Action) -> impl Future<Output = bool> + Send {
        async { false }
    }

    /// Whether a machine that proved itself by a certificate has this right now; its certificate may have been ended since.
    fn workload_may(&self, _workload: &Workload, _action: Action) -> impl Future<Output = bool> + Send {
        async { false }
    }

    /// Whether this token, as it came, is of a person's living session.
    fn is_session(&self, _token: &str) -> impl Future<Output = bool> + Send {
        async { false }
    }

    /// Proposes labels in the session of this token; approves nothing.
    fn propose_labels(&self, _token: &str, _labels: Upload) -> impl Future<Output = Result<Proposed, Declined>> + Send {
        async { Err(Declined::Forbidden("nobody may propose labels here".to_owned())) }
    }

    /// The public keys of components' tokens, as a key set (RFC 7517).
    fn token_keys(&self) -> Value {
        serde_json::json!({ "keys": [] })
    }

    /// Opens the inbox of a feed for a sender who may hand in there now; the words say why not, for the operator.
    fn open_inbox(&self, _shown: Presented<'_>, _feed: &str) -> impl Future<Output = Result<Admitted, String>> + Send {
        async { Err("no feeds are taken here".to_owned()) }
    }

    /// Puts a whole file into the inbox; how it came is in the log before. Run to its end even where the sender has gone.
    fn take_delivery(
        &self,
        _inbox: Inbox,
        _who: Deliverer,
        _staged: Staged,
    ) -> impl Future<Output = Result<Taken, ArrivalError>> + Send {
        async { Err(ArrivalError::Internal("no feeds are taken here".to_owned())) }
    }

    /// Writes down that a file was turned away; the evidence id, or none where that could not be written.
    fn refuse_delivery(&self, _refused: RefusedDelivery) -> impl Future<Output = Option<String>> + Send {
        async { None }
    }

    /// Whether questions can be answered now.
    fn ready(&self) -> bool {
        true
    }

    /// Takes down, for the operator, that something was refused: by the server itself with the reason, by the pipeline with the
    /// reference of its evidence. Must not block.
    fn note(&self, _note: &Note) {}
}

/// Why labels were not taken as a proposal; the words are the operator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Declined {
    /// The person may not propose labels, or not with this second factor.
    Forbidden(String),
    /// They cannot be read, or contradict each other.
    Unfit(String),
    /// Something that is not the caller's doing.
    Failed(String),
}

/// The operator's face of a refusal; the caller reads only the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The reference that the caller was given.
    pub reference: String,
    /// The HTTP status that the caller was given.
    pub status: u16,
    /// Why, in one line; never holds a key, a customer or a value.
    pub why: String,
}
