//! A service that is none: it answers by rules that a test can foresee, so that the sockets can be tried without a pipeline.
//! Also the people of a console that has no evidence. Never part of the program.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use artifact::{Granularity, Shown};
use console::view::controls::ControlsView;
use console::view::entry::{RefusedKind, RefusedView};
use console::view::evidence::EvidenceView;
use console::view::model::ModelView;
use console::view::passkeys::PasskeysView;
use console::view::pipeline::{PipelineView, RunView};
use identity::Right;
use identity::oidc::LoginRequest;
use pipeline::arrival::{ArrivalError, Deliverer, Inbox, Put, RefusedDelivery, Staged, Taken};
use pipeline::run::{Proposed, Upload};
use pipeline::serving::{Call, Counters, PublicColumn, PublicModel, RefusedStatus, Reply, Told};
use server::workload::WorkloadName;
use server::{Admitted, Asks, Back, ConsoleSource, Declined, Entry, Note, Presented, Seen, SessionCookie, Signed};

/// May do everything, and may have deciles.
pub(crate) const KEY_ALL: &str = "swk_all";
/// May ask about customers only.
pub(crate) const KEY_ASK: &str = "swk_ask";
/// May hand in feeds.
pub(crate) const INTAKE_TOKEN: &str = "swc_intake";
/// Bytes of a delivery at most.
pub(crate) const FEED_BYTES_MAX: u64 = 1000;
/// The one-time code and the password that are right.
pub(crate) const CODE: &str = "123456";
pub(crate) const PASSWORD: &str = "correct horse";
/// An unused link, for `ada`.
pub(crate) const LINK: &str = "link-of-ada";

/// Answers by the first letters of a customer: `panic`, `slow`, `unknown`, `many`, `down`, `fine` are special, else `yes` for
/// an even number of bytes. A what-if churns where column `tenure` is below 12; without it, or with a column that is not
/// known, it is refused.
#[derive(Clone, Default)]
pub(crate) struct Fake {
    pub(crate) notes: Arc<Mutex<Vec<Note>>>,
    pub(crate) calls: Arc<Mutex<Vec<Call>>>,
    pub(crate) turned_away: Arc<Mutex<Vec<RefusedDelivery>>>,
    sessions: Arc<Mutex<BTreeMap<String, Signed>>>,
    folder: Arc<OnceLock<tempfile::TempDir>>,
}

const COLUMNS: [(&str, bool); 3] = [("tenure", true), ("contract", false), ("charges", true)];

fn refused(status: RefusedStatus) -> Reply {
    let retry_after_seconds = (status == RefusedStatus::TooMany).then_some(7);
    Reply::Refused { status, reference: "8c21".to_owned(), retry_after_seconds }
}

fn rights(key: Option<&str>) -> &'static [Right] {
    match key {
        Some(KEY_ALL) => Right::ALL.as_slice(),
        Some(KEY_ASK) => &[Right::Ask],
        Some(_) | None => &[],
    }
}

impl Asks for Fake {
    async fn ask(&self, call: Call) -> Reply {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call.clone());
        let right =
            if call.rows.is_empty() && call.asking != Some(artifact::Asking::WhatIf) { Right::Ask } else { Right::WhatIf };
        let known = rights(call.key.as_deref());
        if known.is_empty() {
            return refused(RefusedStatus::Unauthorised);
        }
        if !known.contains(&right) {
            return refused(RefusedStatus::Forbidden);
        }
        let mut rows = Vec::new();
        for customer in call.customers {
            let shown = match customer.as_str() {
                name if name.starts_with("panic") => panic_inside(&customer),
                name if name.starts_with("slow") => {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    Shown::Class(true)
                }
                name if name.starts_with("unknown") => return refused(RefusedStatus::Forbidden),
                name if name.starts_with("many") => return refused(RefusedStatus::TooMany),
                name if name.starts_with("down") => return refused(RefusedStatus::Unavailable),
                name if name.starts_with("fine") => Shown::Decile(3),
                name => shown(name.len().is_multiple_of(2), call.granularity, call.key.as_deref()),
            };
            rows.push(Told { customer: Some(customer), shown });
        }
        for row in call.rows {
            let tenure = row.get("tenure").and_then(|value| value.as_deref()).and_then(|value| value.parse::<f64>().ok());
            let strange = row.keys().any(|name| !COLUMNS.iter().any(|(known, _)| known == name));
            let Some(tenure) = tenure.filter(|_| !strange) else { return refused(RefusedStatus::Unprocessable) };
            rows.push(Told { customer: None, shown: shown(tenure < 12.0, call.granularity, call.key.as_deref()) });
        }
        Reply::Told { rows, model: "churn".to_owned(), version: "1f2e3d".to_owned(), evidence: "e7a1".to_owned() }
    }

    fn model(&self) -> PublicModel {
        let columns =
            COLUMNS.iter().map(|(name, number)| PublicColumn { name: (*name).to_owned(), number: *number, optional: true });
        PublicModel { name: "churn".to_owned(), version: "1f2e3d".to_owned(), columns: columns.collect() }
    }

    fn counters(&self) -> Counters {
        Counters { answered: 42, ..Counters::default() }
    }

    fn may(&self, key: Option<&str>, right: Right) -> bool {
        rights(key).contains(&right)
    }

    async fn workload_may(&self, workload: &server::workload::Workload, action: identity::Action) -> bool {
        workload.name.to_string() == "component/monitor" && action == identity::Action::ReadMetrics
    }

    async fn component_may(&self, token: &str, action: identity::Action) -> bool {
        token == "swc_monitor" && action == identity::Action::ReadMetrics
    }

    async fn open_inbox(&self, shown: Presented<'_>, feed: &str) -> Result<Admitted, String> {
        let who = match shown {
            Presented::Certificate(workload) => match &workload.name {
                WorkloadName::Supplier(name) => Deliverer::Supplier { name: name.clone(), serial: workload.serial.clone() },
                WorkloadName::Component(component) => {
                    Deliverer::Component { component: *component, serial: Some(workload.serial.clone()) }
                }
            },
            Presented::Token(INTAKE_TOKEN) => Deliverer::Component { component: identity::Component::FeedIntake, serial: None },
            Presented::Token(_) | Presented::Nothing => return Err("nobody".to_owned()),
        };
        let fits = ["supplier/acme", "component/feed-intake"].contains(&who.name().as_str());
        if !fits || feed != "market" {
            return Err("not his feed".to_owned());
        }
        let inbox = Inbox::open(feed, "acme", &self.inbox(), FEED_BYTES_MAX).map_err(|error| error.to_string())?;
        Ok(Admitted { inbox, who })
    }

    async fn take_delivery(&self, inbox: Inbox, _: Deliverer, staged: Staged) -> Result<Taken, ArrivalError> {
        let put = inbox.put(&staged, &|_| false, |_| Ok(()))?;
        let (feed, name, content, bytes) = (inbox.feed.clone(), staged.name.clone(), staged.sha256, staged.bytes);
        Ok(Taken { feed, name, content, bytes, new: put == Put::New, evidence: Some("e7a1".to_owned()) })
    }

    async fn refuse_delivery(&self, refused: RefusedDelivery) -> Option<String> {
        self.turned_away.lock().unwrap_or_else(PoisonError::into_inner).push(refused);
        Some("8c21aa00ffff".to_owned())
    }

    async fn is_session(&self, token: &str) -> bool {
        ["labeller", "trainer"].contains(&token)
    }

    async fn propose_labels(&self, token: &str, labels: Upload) -> Result<Proposed, Declined> {
        if token != "labeller" {
            return Err(Declined::Forbidden("a trainer proposes no labels".to_owned()));
        }
        let (Upload::Csv(bytes) | Upload::Json(bytes)) = labels;
        let digest = format!("sha256:{}", "0".repeat(64));
        let proposed = serde_json::json!({ "labels": digest, "author": "lena", "rows": bytes.len(), "approvals_needed": 2 });
        serde_json::from_value(proposed).map_err(|error| Declined::Failed(error.to_string()))
    }

    fn note(&self, note: &Note) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note.clone());
    }
}

fn shown(churns: bool, granularity: Option<Granularity>, key: Option<&str>) -> Shown {
    if granularity == Some(Granularity::Decile) && key == Some(KEY_ALL) {
        Shown::Decile(if churns { 9 } else { 2 })
    } else {
        Shown::Class(churns)
    }
}

#[expect(clippy::panic, reason = "the server must keep a fault inside a request, so a test needs one")]
fn panic_inside(customer: &str) -> Shown {
    panic!("secret of {customer} at src/secret.rs");
}

impl ConsoleSource for Fake {
    async fn login(&self, name: &str, password: &str, code: &str) -> Entry {
        match name {
            "locked" => Entry::LockedOut { retry_after_seconds: 30 },
            "ada" if password == PASSWORD && code == CODE => self.enter(name),
            _ => Entry::Refused,
        }
    }

    async fn link_person(&self, token: &str) -> Option<String> {
        (token == LINK).then(|| "ada".to_owned())
    }

    async fn use_link(&self, token: &str, code: &str) -> Entry {
        if token == LINK && code == CODE { self.enter("ada") } else { Entry::Refused }
    }

    fn has_provider(&self) -> bool {
        true
    }

    async fn provider_url(&self, request: LoginRequest) -> Option<String> {
        Some(format!("https://id.example/authorize?state={}", request.state()))
    }

    async fn provider_login(&self, _: LoginRequest, back: Back) -> Entry {
        match back {
            Back::Code { code, .. } if code == CODE => self.enter("ada"),
            Back::Code { .. } | Back::Error(_) => Entry::Refused,
        }
    }

    async fn passkey_challenge(&self) -> Option<serde_json::Value> {
        Some(serde_json::json!({ "challenge": "AAAA" }))
    }

    async fn passkey_login(&self, answer: serde_json::Value) -> Entry {
        if answer["id"] == CODE { self.enter("ada") } else { Entry::Refused }
    }

    async fn passkey_options(&self, _: &str) -> Result<serde_json::Value, String> {
        Ok(serde_json::json!({ "challenge": "BBBB" }))
    }

    async fn passkey_add(&self, _: &str, answer: serde_json::Value) -> Result<(), String> {
        if answer["label"] == "good" { Ok(()) } else { Err("not this one".to_owned()) }
    }

    async fn passkeys(&self, who: &Signed) -> Seen<PasskeysView> {
        Ok(PasskeysView { person: who.person.clone(), ..PasskeysView::default() })
    }

    async fn session(&self, cookie: &str) -> Option<Signed> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).get(cookie).cloned()
    }

    async fn logout(&self, cookie: &str) {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(cookie);
    }

    async fn pipeline(&self, _: &Signed) -> Seen<PipelineView> {
        Ok(PipelineView::default())
    }

    async fn run(&self, _: &Signed, id: Option<&str>) -> Seen<RunView> {
        match id {
            Some("forbidden") => Err(Box::new(RefusedView { kind: RefusedKind::NotAllowed, ..RefusedView::default() })),
            Some(_) => Err(Box::default()),
            None => Ok(RunView::default()),
        }
    }

    async fn model(&self, _: &Signed, _: Option<&str>) -> Seen<ModelView> {
        Ok(ModelView::default())
    }

    async fn evidence(&self, _: &Signed, id: Option<&str>) -> Seen<EvidenceView> {
        Ok(EvidenceView { asked: id.unwrap_or_default().to_owned(), ..EvidenceView::default() })
    }

    async fn controls(&self, _: &Signed) -> Seen<ControlsView> {
        Ok(ControlsView::default())
    }
}

impl Fake {
    /// The folder where files of the feed arrive.
    #[expect(clippy::expect_used, reason = "without a folder there is nothing to try")]
    pub(crate) fn inbox(&self) -> std::path::PathBuf {
        let folder = self.folder.get_or_init(|| tempfile::tempdir().expect("a folder for a moment"));
        folder.path().join("inbox")
    }

    fn enter(&self, name: &str) -> Entry {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let value = format!("session-{}", sessions.len());
        sessions.insert(value.clone(), Signed { person: name.to_owned(), role: "auditor".to_owned() });
        Entry::In(SessionCookie { value, seconds: 3600 })
    }
}
