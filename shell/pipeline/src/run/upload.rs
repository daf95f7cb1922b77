//! Labels that come over HTTPS instead of in a file (T6): the same proposal, by the same rights, waiting for the same signatures. Nothing
//! that comes this way approves anything.

use gate::Digest;
use identity::{Action, IdentityError, Session};
use serde::{Deserialize, Serialize};
use store::control::Control;
use vault::Vault;

use super::labels::{LabelRows, came, label_proposal, parse_labels, propose, read_labels};
use crate::access::allow;
use crate::desk::{Desk, now, rfc3339};
use crate::{PipelineError, Project, data, internal, office};

/// Labels in one proposal.
const ROWS_MAX: usize = 500_000;

/// Labels as a caller sends them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upload {
    /// A table with the columns of the labels' own file.
    Csv(Vec<u8>),
    /// `{"labels": [{"customer": "c1", "moment": "2026-01-31T00:00:00Z", "churned": true}]}`; `moment` where the table has a time.
    Json(Vec<u8>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    labels: Vec<SentLabel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SentLabel {
    customer: String,
    #[serde(default)]
    moment: Option<String>,
    churned: bool,
}

/// A proposal that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposed {
    /// Digest of the labels.
    pub labels: Digest,
    /// Who proposed these bytes first.
    pub author: String,
    /// Labels in it.
    pub rows: u64,
    /// Signatures that it waits for.
    pub approvals_needed: u32,
}

/// The living session of a token, with the end that the policy gives it.
async fn session_of(desk: &Desk, token: &str) -> Result<Session, PipelineError> {
    let refused = || PipelineError::NotAllowed {
        why: "no living session has this token".to_owned(),
        help: "log in, then `stayward label token`".to_owned(),
    };
    let session = match desk.identity.session(token, now()).await {
        Err(error @ IdentityError::Roster(_)) => return Err(error.into()),
        session => session.map_err(|_| refused())?,
    };
    office::within(&desk.project.policy.secrets, session, now()).ok_or_else(refused)
}

/// Whether the token is of a living session: asked before anything of a body is read.
pub async fn is_session(desk: &Desk, token: &str) -> bool {
    session_of(desk, token).await.is_ok()
}

/// Proposes labels that came over HTTPS, in the session of this token.
///
/// # Errors
/// [`PipelineError::NotAllowed`] for a token of nobody, or of somebody who may not propose; labels that cannot be read or contradict
/// each other.
pub async fn propose_upload(desk: &Desk, token: &str, upload: Upload) -> Result<Proposed, PipelineError> {
    let session = session_of(desk, token).await?;
    allow(&desk.project, &desk.identity, &session, Action::ProposeLabels).await?;
    let rows = rows_of(desk, &session, upload)?;
    if rows.labels.is_empty() || rows.labels.len() > ROWS_MAX {
        return Err(PipelineError::wrong(
            format!("`{}` labels came; a proposal has 1 to {ROWS_MAX}", rows.labels.len()),
            "send every label of the version, one per customer and moment",
        ));
    }
    if rows.contradictions > 0 {
        let why = format!("`{}` labels contradict another label of the same customer", rows.contradictions);
        return Err(PipelineError::wrong(why, "keep one label per customer and moment"));
    }
    let labels = propose(desk, &session, &rows.to_bytes(), true).await?;
    let author = label_proposal(&desk.control).await?.map_or_else(|| session.person.clone(), |waits| waits.author);
    let count = u64::try_from(rows.labels.len()).unwrap_or(u64::MAX);
    Ok(Proposed { labels, author, rows: count, approvals_needed: desk.project.policy.labels.approvals_needed })
}

fn rows_of(desk: &Desk, session: &Session, upload: Upload) -> Result<LabelRows, PipelineError> {
    let pseudonyms = internal::pseudonyms(&desk.project, &desk.vault)?;
    match upload {
        Upload::Csv(bytes) => {
            let loaded = data::load_bytes(bytes, "the labels that were sent")?;
            if let Some(first) = loaded.broken.first() {
                return Err(PipelineError::wrong(
                    format!("a line cannot be read: {first}"),
                    "mend it and send all of them again",
                ));
            }
            read_labels(&desk.project, &super::labels::Came { loaded, pseudonyms, separate: true })
        }
        Upload::Json(bytes) => {
            let sent: Sent = serde_json::from_slice(&bytes).map_err(|error| {
                let why = format!("the labels are not as described, line {} column {}", error.line(), error.column());
                PipelineError::wrong(why, "see the OpenAPI document")
            })?;
            let who = (!desk.project.policy.labels.labeller.is_empty()).then_some(session.person.as_str());
            let rename = |id: String| pseudonyms.as_ref().map_or(id.clone(), |all| all.of(&id));
            collect(sent, who, &rename)
        }
    }
}

fn collect(sent: Sent, who: Option<&str>, rename: &dyn Fn(String) -> String) -> Result<LabelRows, PipelineError> {
    let mut out = LabelRows::default();
    for one in sent.labels {
        let moment = match one.moment.as_deref() {
            None => 0,
            Some(text) => text
                .parse::<jiff::Timestamp>()
                .map(jiff::Timestamp::as_second)
                .map_err(|_| PipelineError::wrong("a moment is no RFC 3339 time", format!("write it like `{}`", rfc3339(0))))?,
        };
        if one.customer.is_empty() {
            return Err(PipelineError::wrong("a label names no customer", "give every label its customer's id"));
        }
        let key = (rename(one.customer), moment);
        if let Some(who) = who {
            out.labellers.insert(key.clone(), who.to_owned());
        }
        out.contradictions += u64::from(out.labels.insert(key, one.churned).is_some_and(|before| before != one.churned));
    }
    Ok(out)
}

/// The labels that are to be judged: those that came over HTTPS, where that was the last proposal; those of the project's file else.
pub(super) async fn current(project: &Project, vault: &Vault, control: &Control) -> Result<LabelRows, PipelineError> {
    if let Some(waits) = label_proposal(control).await?.filter(|waits| waits.by_api) {
        let objects = store::objects::Objects::open(&project.path("objects"))?;
        return Ok(parse_labels(&objects.get(&waits.content)?));
    }
    read_labels(project, &came(project, vault, control).await?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::setup;

    fn check(json: &str, who: Option<&str>) -> Result<LabelRows, String> {
        let sent: Sent = serde_json::from_str(json).map_err(|error| error.to_string())?;
        collect(sent, who, &|id| id).map_err(|error| error.to_string())
    }

    #[test]
    fn labels_are_read() {
        let json =
            r#"{"labels":[{"customer":"a","churned":true},{"customer":"b","moment":"1970-01-02T00:00:00Z","churned":false}]}"#;
        let rows = check(json, Some("lena")).unwrap();
        assert_eq!(rows.labels, BTreeMap::from([(("a".into(), 0), true), (("b".into(), 86_400), false)]));
        assert_eq!(rows.labellers[&("a".to_owned(), 0)], "lena");
        assert!(check(json, None).unwrap().labellers.is_empty());
    }

    #[test]
    fn what_is_no_label_is_refused() {
        for json in [
            r#"{"labels":[{"customer":"","churned":true}]}"#,
            r#"{"labels":[{"customer":"a","churned":"yes"}]}"#,
            r#"{"labels":[{"customer":"a","churned":true,"approved":true}]}"#,
            r#"{"labels":[{"customer":"a","moment":"yesterday","churned":true}]}"#,
            r#"{"labels":[],"approve":true}"#,
        ] {
            assert!(check(json, None).is_err(), "{json}");
        }
        let twice = r#"{"labels":[{"customer":"a","churned":true},{"customer":"a","churned":false}]}"#;
        assert_eq!(check(twice, None).unwrap().contradictions, 1);
    }

    #[test]
    fn a_labeller_proposes_and_nobody_else_does_and_nothing_is_approved() {
        let folder = tempfile::tempdir().unwrap();
        let (root, file) = (folder.path().join("p"), folder.path().join("customers.csv"));
        let row = |row: usize| format!("c{row},{},{}\n", row * 3 % 17, if row.is_multiple_of(2) { "yes" } else { "no" });
        std::fs::write(&file, format!("customer_id,tenure,churned\n{}", (0..40).map(row).collect::<String>())).unwrap();
        let loaded = data::load(&file).unwrap();
        let profile = tabular::profile::profile(&loaded.batches, loaded.decimal).unwrap();
        let contract = tabular::Contract::guess(&profile, Some("churned"), None).unwrap().to_toml();
        let policy = crate::template("p", &file.display().to_string(), "", false, 0.65);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let desk = setup::create_project(&root, &policy, &contract).await.unwrap();
            let accounts = setup::create_people(&desk, &setup::DEMO_PEOPLE).await.unwrap();
            let mut tokens = BTreeMap::new();
            for name in ["lena", "ben", "tara"] {
                let account = accounts.iter().find(|account| account.name == name).unwrap();
                tokens.insert(name, setup::log_in(&desk, account).await.unwrap().id.reveal().to_owned());
            }
            let json = || Upload::Json(br#"{"labels":[{"customer":"c1","churned":true}]}"#.to_vec());
            for token in ["", "nobody", &tokens["ben"], &tokens["tara"]] {
                let refused = propose_upload(&desk, token, json()).await;
                assert!(matches!(refused, Err(PipelineError::NotAllowed { .. })), "{refused:?}");
            }
            assert_eq!(label_proposal(&desk.control).await.unwrap(), None);
            let proposed = propose_upload(&desk, &tokens["lena"], json()).await.unwrap();
            assert_eq!((proposed.author.as_str(), proposed.rows, proposed.approvals_needed), ("lena", 1, 2));
            let csv = b"customer_id,churned\nc1,yes\nc2,no\n".to_vec();
            let other = propose_upload(&desk, &tokens["lena"], Upload::Csv(csv)).await.unwrap();
            assert!(other.labels != proposed.labels && other.rows == 2);
            let waits = label_proposal(&desk.control).await.unwrap().unwrap();
            assert!(waits.by_api && waits.content == other.labels && waits.author == "lena");
            assert_eq!(current(&desk.project, &desk.vault, &desk.control).await.unwrap().labels.len(), 2);
            // It waits: nobody has signed.
            assert!(desk.control.all_approvals().await.unwrap().is_empty());
            let broken = propose_upload(&desk, &tokens["lena"], Upload::Json(b"{}".to_vec())).await;
            assert!(matches!(broken, Err(PipelineError::Wrong { .. })), "{broken:?}");
        });
    }
}
