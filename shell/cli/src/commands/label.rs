//! `stayward label`: labels are proposed by one person, signed by others, and archived for good.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use identity::Action;
use pipeline::access::allow;
use pipeline::desk::rfc3339;
use pipeline::run::{
    LabelPattern, LabelReview, LabellerReview, SecondRow, Suspect, answer_second, approve_labels, label_proposal, may_still_sign,
    propose_labels, recount_labels, review_labels, second_rows,
};
use pipeline::{Desk, Office, PipelineError};
use serde::Serialize;

use super::{Ended, wrong};
use crate::output::{Output, many, table};

/// Labels that `review` shows.
const REVIEWED: usize = 20;

#[derive(Debug, Args)]
pub(crate) struct LabelArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Propose the labels of the project's file as a new version; it waits for signatures.
    Propose,
    /// Sign the proposed labels, by their digest, with your second factor.
    Approve,
    /// List the archived versions and the proposal that waits.
    Ls,
    /// Rank labels by how strongly a model contradicts them that did not see them. Look at these before you sign.
    Review {
        /// How many to show.
        #[arg(short, long, default_value_t = REVIEWED)]
        number: usize,
    },
    /// Label random rows of a colleague's proposal again, without seeing his labels (`blind` under `[labels]` of stayward.toml). The rows
    /// are drawn by a seed that comes from the log after the proposal, so nobody knew them.
    Second {
        /// Write the rows that wait into this file; fill in its last column with yes or no.
        #[arg(long, conflicts_with = "answers")]
        out: Option<PathBuf>,
        /// Hand the filled-in file in. The first answer for a row counts.
        #[arg(long)]
        answers: Option<PathBuf>,
    },
    /// Print the token of your session, for a program of yours that proposes labels at `POST /v1/labels/proposals`. Whoever has it is
    /// you until the session ends: hand it on by a file or a pipe, and `stayward logout` afterwards.
    Token,
    /// Compute the labels again from billing or activity events (`[labels.events]` of stayward.toml); list what they contradict.
    Recount,
}

pub(crate) async fn run(args: LabelArgs, root: &Path, out: &Output) -> Ended {
    match args.what {
        What::Propose => propose(root, out).await,
        What::Approve => approve(root, out).await,
        What::Ls => list(root, out).await,
        What::Review { number } => review(number, root, out).await,
        What::Second { out: file, answers } => second((file, answers), root, out).await,
        What::Token => token(root, out).await,
        What::Recount => recount(root, out).await,
    }
}

async fn propose(root: &Path, out: &Output) -> Ended {
    let desk = Desk::open(root).await?;
    let session = desk.session().await?;
    let content = propose_labels(&desk, &session).await?;
    let needed = desk.project.policy.labels.approvals_needed;
    let versions = desk.control.label_versions().await.map_err(internal)?;
    let last = versions.iter().max_by_key(|known| known.version).filter(|last| last.what.content == content);
    let approved = last.map(|last| last.version);
    let value =
        serde_json::json!({ "content": content, "author": session.person, "approvals_needed": needed, "approved_as": approved });
    out.result(&value, || match approved {
        Some(version) => format!(
            "labels {} are approved already, as version {version}\nnext:\n  stayward run --from label-qa",
            content.short()
        ),
        None => {
            let second = if desk.project.policy.labels.blind.is_some() {
                "\n  stayward label second --out FILE   (somebody else, blind)"
            } else {
                ""
            };
            format!(
                "labels {} are proposed by {}; they need {}\nnext:\n  stayward label review{second}\n  stayward label approve",
                content.short(),
                session.person,
                many(u64::from(needed), "signature", "signatures")
            )
        }
    });
    Ok(0)
}

async fn approve(root: &Path, out: &Output) -> Ended {
    let desk = Desk::open(root).await?;
    let session = desk.session().await?;
    allow(&desk.project, &desk.identity, &session, Action::ApproveLabels).await?;
    let content = approve_labels(&desk, &session).await?;
    let signed = desk.control.approvals(&content).await.map_err(internal)?;
    let needed = desk.project.policy.labels.approvals_needed;
    let evidence = signed
        .iter()
        .rev()
        .find(|approval| approval.what.person == session.person)
        .map(|approval| approval.what.evidence.clone());
    let value = serde_json::json!({ "content": content, "person": session.person, "signatures": signed.len(), "approvals_needed": needed, "evidence": evidence });
    out.result(&value, || {
        let next = if signed.len() >= usize::try_from(needed).unwrap_or(usize::MAX) {
            "\n  stayward run --from label-qa"
        } else {
            " have another person log in and sign"
        };
        format!(
            "{} signed labels {} ({} of {}, evidence {})\nnext:{next}",
            session.person,
            content.short(),
            signed.len(),
            many(u64::from(needed), "signature", "signatures"),
            evidence.as_deref().unwrap_or("-")
        )
    });
    Ok(0)
}

fn internal(error: store::control::ControlError) -> PipelineError {
    PipelineError::Internal(error.to_string())
}

#[derive(Serialize)]
struct Version {
    version: Option<u64>,
    content: String,
    author: String,
    rows: Option<u64>,
    positives: Option<u64>,
    signed_by: Vec<String>,
    may_sign: Vec<String>,
    at: Option<String>,
    evidence: Option<String>,
}

async fn list(root: &Path, out: &Output) -> Ended {
    let office = Office::open(root).await?;
    let mut versions = Vec::new();
    for one in office.control.label_versions().await.map_err(internal)? {
        let signed = office.control.approvals(&one.what.content).await.map_err(internal)?;
        versions.push(Version {
            version: Some(one.version),
            content: one.what.content.short(),
            author: one.what.author.clone(),
            rows: Some(one.what.rows),
            positives: Some(one.what.positives),
            signed_by: signed.into_iter().map(|approval| approval.what.person).collect(),
            may_sign: Vec::new(),
            at: Some(rfc3339(one.what.at_ms / 1000)),
            evidence: one.what.receipt.get("id").and_then(|id| id.as_str()).map(str::to_owned),
        });
    }
    versions.sort_by_key(|version| version.version);
    if let Some(waiting) = label_proposal(&office.control)
        .await?
        .filter(|waiting| !versions.iter().any(|known| known.content == waiting.content.short()))
    {
        let signed = office.control.approvals(&waiting.content).await.map_err(internal)?;
        let signed_by = signed.into_iter().map(|approval| approval.what.person).collect();
        let may_sign = may_still_sign(&office, &waiting.content, &waiting.author).await?;
        versions.push(Version {
            version: None,
            content: waiting.content.short(),
            author: waiting.author,
            rows: None,
            positives: None,
            signed_by,
            may_sign,
            at: None,
            evidence: None,
        });
    }
    out.result(&versions, || show(&versions));
    Ok(0)
}

fn show(versions: &[Version]) -> String {
    if versions.is_empty() {
        return "no labels yet: run `stayward label propose`".to_owned();
    }
    let count = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
    let row = |one: &Version| {
        let version = one.version.map_or_else(|| "waits".to_owned(), |version| format!("v{version}"));
        let (at, evidence) = (one.at.clone().unwrap_or_default(), one.evidence.clone().unwrap_or_default());
        vec![
            version,
            one.content.clone(),
            one.author.clone(),
            count(one.rows),
            count(one.positives),
            one.signed_by.join(" "),
            one.may_sign.join(" "),
            at,
            evidence,
        ]
    };
    table(
        &["version", "labels", "author", "rows", "churned", "signed by", "may sign", "at", "evidence"],
        &versions.iter().map(row).collect::<Vec<_>>(),
    )
}

async fn recount(root: &Path, out: &Output) -> Ended {
    let office = Office::open(root).await?;
    office.authorised(Action::ReadSource).await?;
    let found = recount_labels(&office).await?;
    out.result(&found, || {
        let counts: Vec<Vec<String>> =
            found.counts.iter().map(|(name, count)| vec![name.replace('_', " "), count.to_string()]).collect();
        let mut text = table(&["labels and events", ""], &counts);
        if !found.mismatches.is_empty() {
            text.push_str(&format!("\n\n{}", found.mismatches.join("\n")));
        }
        text
    });
    Ok(u8::from(!found.mismatches.is_empty()))
}

async fn token(root: &Path, out: &Output) -> Ended {
    let session = Office::open(root).await?.authorised(Action::ProposeLabels).await?;
    let (token, expires) = (session.id.reveal(), rfc3339(session.expires));
    out.result(&serde_json::json!({ "person": session.person, "token": token, "expires": expires }), || token.to_owned());
    Ok(0)
}

async fn second((file, answers): (Option<PathBuf>, Option<PathBuf>), root: &Path, out: &Output) -> Ended {
    let desk = Desk::open(root).await?;
    let session = desk.session().await?;
    let rows = match &answers {
        Some(answers) => answer_second(&desk, &session, answers).await?,
        None => second_rows(&desk, &session).await?,
    };
    if let Some(file) = &file {
        if file.exists() {
            return Err(wrong(format!("`{}` is there already", file.display()), "name another file"));
        }
        let written = std::fs::write(file, rows.to_csv());
        written.map_err(|error| wrong(format!("`{}` cannot be written: {error}", file.display()), "name another file"))?;
    }
    out.result(&rows, || {
        let (open, head) = (rows.rows.len(), format!("labels {}: {} rows drawn ({})", rows.labels.short(), rows.drawn, rows.evidence));
        if open == 0 {
            return format!("{head}, all answered\nnext:\n  stayward run --from label-qa");
        }
        match &file {
            Some(file) => format!(
                "{head}; {open} of them wait in {}\nnext: fill in yes or no from what you know of each customer, then\n  stayward label second --answers {}",
                file.display(),
                file.display()
            ),
            None => {
                let row = |one: &SecondRow| {
                    vec![one.row.to_string(), one.customer.clone(), one.moment.clone().unwrap_or_default()]
                };
                let rows: Vec<Vec<String>> = rows.rows.iter().map(row).collect();
                format!("{head}; {open} of them wait\n\n{}", table(&["row", "customer", "moment"], &rows))
            }
        }
    });
    Ok(0)
}

async fn review(number: usize, root: &Path, out: &Output) -> Ended {
    let office = Office::open(root).await?;
    office.authorised(Action::ReadSource).await?;
    out.say("training models on parts of the labels, to look at the others");
    let review = review_labels(&office, number).await?;
    out.result(&review, || {
        let head = format!(
            "{} labels; models that did not see them contradict {:.1} % of them strongly (more than 0.95)",
            review.rows,
            review.suspect_share * 100.0
        );
        let parts = [head, patterns(&review), labellers(&review), suspects(&review)];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
    });
    Ok(0)
}

const fn said(churned: bool) -> &'static str {
    if churned { "churned" } else { "stayed" }
}

fn suspects(review: &LabelReview) -> String {
    let row = |one: &Suspect| {
        vec![
            one.customer.clone(),
            one.moment.clone().unwrap_or_default(),
            said(one.churned).to_owned(),
            said(one.believed).to_owned(),
            format!("{:.3}", one.wrong),
            format!("{:.3}", one.chance),
            one.reasons.join(" "),
            one.labeller.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<Vec<String>> = review.suspects.iter().map(row).collect();
    table(&["customer", "moment", "label", "models believe", "wrong", "churn by models", "reasons", "labeller"], &rows)
}

fn patterns(review: &LabelReview) -> String {
    let row = |one: &LabelPattern| {
        let expected = one.expected.map_or_else(|| "-".to_owned(), |expected| format!("{expected:.1}"));
        let (seen, p_value) = (format!("{} of {}", one.seen, one.rows), format!("{:.1e}", one.p_value));
        vec![one.whose.clone(), one.what.clone(), seen, expected, p_value]
    };
    let rows: Vec<Vec<String>> = review.patterns.iter().map(row).collect();
    if rows.is_empty() { String::new() } else { table(&["whose", "against the others", "seen", "expected", "p"], &rows) }
}

fn labellers(review: &LabelReview) -> String {
    let row = |one: &LabellerReview| {
        let state = if one.alarm { "look at his labels" } else { "" };
        vec![
            one.labeller.clone(),
            one.labels.to_string(),
            one.churned.to_string(),
            one.doubted.to_string(),
            format!("{} in {}", one.watched, one.versions),
            format!("{:.1e}", one.p_value),
            state.to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = review.labellers.iter().map(row).collect();
    let head = ["labeller", "labels", "churned", "doubted", "watched in versions", "p over time", ""];
    if rows.is_empty() { String::new() } else { table(&head, &rows) }
}
