//! `stayward evidence`: show, verify, log, prove. Reads only, offline, with the project's published keys.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use ledger::IdPrefix;
use pipeline::desk::published;
use pipeline::evidence::{Chain, Link, LinkState, replay_all, verify};
use serde::Serialize;

use super::{Ended, wrong};
use crate::output::{Output, table};

#[derive(Debug, Args)]
pub(crate) struct EvidenceArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print the signed statement of an entry as a Sigstore bundle.
    Show {
        /// Evidence id, or its first digits (4 or more); a refusal's reference works too.
        id: String,
        /// The in-toto statement inside, instead of the bundle.
        #[arg(long)]
        statement: bool,
    },
    /// Walk from an entry to the feeds and check every link; without an id, check the whole log.
    Verify {
        /// Evidence id, or its first digits.
        id: Option<String>,
        /// Judge the archived facts again; every ruling must come out as it was logged.
        #[arg(long)]
        replay: bool,
    },
    /// List entries, newest last.
    Log {
        /// How many.
        #[arg(short, long, default_value_t = 40)]
        number: u64,
    },
    /// Write the proof that an entry stands in the log: a .tlog-proof file that needs nothing of ours to check.
    Prove {
        /// Evidence id, or its first digits.
        id: String,
        /// Where to write; standard output where absent.
        #[arg(long)]
        file: Option<PathBuf>,
    },
}

pub(crate) fn run(args: EvidenceArgs, root: &Path, out: &Output) -> Ended {
    match args.what {
        What::Show { id, statement } => show(&id, statement, root, out),
        What::Verify { id, replay } => check(id.as_deref(), replay, root, out),
        What::Log { number } => log(number, root, out),
        What::Prove { id, file } => prove(&id, file.as_deref(), root, out),
    }
}

fn prefix(id: &str) -> Result<IdPrefix, pipeline::PipelineError> {
    id.parse().map_err(|error| wrong(format!("{error}"), "list entries with `stayward evidence log`"))
}

fn find(id: &str, root: &Path) -> Result<(pipeline::desk::Published, u64), pipeline::PipelineError> {
    let evidence = published(&super::open(root)?)?;
    let found = evidence
        .reader
        .find(&prefix(id)?)
        .map_err(|error| wrong(error.to_string(), "list entries with `stayward evidence log`"))?;
    Ok((evidence, found.index))
}

fn show(id: &str, statement: bool, root: &Path, out: &Output) -> Ended {
    let (evidence, index) = find(id, root)?;
    let bundle = evidence.reader.bundle(index)?;
    let verified = bundle.verify(&evidence.statements).map_err(|error| broken(error.to_string()))?;
    let text = if statement {
        verified.to_canonical_json().map_err(|error| broken(error.to_string()))?
    } else {
        bundle.to_canonical_json().map_err(|error| broken(error.to_string()))?
    };
    let value: serde_json::Value = serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?;
    out.result(&value, || serde_json::to_string_pretty(&value).unwrap_or_default());
    Ok(0)
}

fn broken(why: String) -> pipeline::PipelineError {
    pipeline::PipelineError::Broken { why, help: "see which links hold with `stayward evidence verify`".into() }
}

#[derive(Serialize)]
struct Verified<'a> {
    #[serde(flatten)]
    chain: &'a Chain,
    broken: Vec<String>,
    replay: Option<pipeline::evidence::Replay>,
}

fn check(id: Option<&str>, replay: bool, root: &Path, out: &Output) -> Ended {
    let project = super::open(root)?;
    let chain = verify(&project, id)?;
    let replayed = if replay { Some(replay_all(&project, &chain)?) } else { None };
    let mut broken = chain.broken();
    broken.extend(replayed.iter().flat_map(|replay| replay.different.iter().cloned()));
    let verified = Verified { chain: &chain, broken, replay: replayed };
    out.result(&verified, || spell(&verified, id.is_some()));
    Ok(match (&verified.chain.unfinished, verified.broken.is_empty()) {
        (_, false) => 5,
        (None, true) => 0,
        (Some(why), true) => {
            let help = if id.is_some() {
                "check the whole log, which has no such limit, with `stayward evidence verify`"
            } else {
                "nothing was logged yet: run the pipeline with `stayward run`; where it was run before, restore the log from a backup"
            };
            out.error(why, help);
            3
        }
    })
}

fn spell(verified: &Verified<'_>, walk: bool) -> String {
    let chain = verified.chain;
    let mut lines = Vec::new();
    let shown: &[Link] = if walk { &chain.links } else { &[] };
    for link in shown {
        let mark = if link.state == LinkState::Holds { "ok    " } else { "BROKEN" };
        let passed = match link.passed {
            Some(true) => "passed",
            Some(false) => "not passed",
            None => "made",
        };
        lines.push(format!(
            "{mark} {:indent$}{} {:<10} {:<34} {:<10} {}",
            "",
            link.id,
            link.kind,
            link.name,
            passed,
            link.at,
            indent = link.depth.min(8) * 2
        ));
        for artefact in &link.artefacts {
            lines.push(format!("       {:indent$}  {} {}", "", artefact.role, artefact.path, indent = link.depth.min(8) * 2));
        }
    }
    lines.push(format!("{} links, log of {} entries, root {}", chain.links.len(), chain.log_entries, chain.log_root));
    if let Some(replay) = &verified.replay {
        lines.push(format!(
            "{} rulings were judged again and came out the same, {} did not",
            replay.same,
            replay.different.len()
        ));
    }
    if verified.broken.is_empty() {
        let all =
            if chain.unfinished.is_none() { "everything holds" } else { "NOT EVERYTHING WAS CHECKED; what was checked holds" };
        lines.push(all.to_owned());
    } else {
        lines.push("EVIDENCE BROKEN".to_owned());
        lines.extend(verified.broken.iter().map(|why| format!("  {why}")));
    }
    lines.join("\n")
}

#[derive(Serialize)]
struct Entry {
    index: u64,
    id: String,
    at: String,
    kind: String,
    name: String,
    passed: Option<bool>,
}

fn log(number: u64, root: &Path, out: &Output) -> Ended {
    let evidence = published(&super::open(root)?)?;
    let size = evidence.reader.head()?.size;
    let mut entries = Vec::new();
    for index in size.saturating_sub(number)..size {
        let bundle = evidence.reader.bundle(index)?;
        let statement = bundle.verify(&evidence.statements).map_err(|error| broken(error.to_string()))?;
        let part = pipeline::evidence::StaywardPart::of(&statement).unwrap_or_default();
        let text =
            |pointer: &str| statement.predicate.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        let verified = text("/timeVerified");
        entries.push(Entry {
            index,
            id: bundle.id().to_string(),
            at: if verified.is_empty() { text("/runDetails/metadata/finishedOn") } else { verified },
            kind: part.kind,
            name: statement.subject.first().map_or_else(String::new, |subject| subject.name.clone()),
            passed: statement.predicate.get("verificationResult").and_then(|value| value.as_str()).map(|value| value == "PASSED"),
        });
    }
    out.result(&entries, || {
        let word = |passed: Option<bool>| match passed {
            Some(true) => "passed",
            Some(false) => "not passed",
            None => "made",
        };
        let rows: Vec<Vec<String>> = entries
            .iter()
            .map(|entry| {
                vec![
                    entry.index.to_string(),
                    entry.id.clone(),
                    entry.at.clone(),
                    entry.kind.clone(),
                    word(entry.passed).to_owned(),
                    entry.name.clone(),
                ]
            })
            .collect();
        table(&["entry", "id", "when", "kind", "result", "about"], &rows)
    });
    Ok(0)
}

fn prove(id: &str, file: Option<&Path>, root: &Path, out: &Output) -> Ended {
    let (evidence, index) = find(id, root)?;
    let proof = evidence.reader.tlog_proof(index)?.to_text();
    match file {
        Some(path) => {
            store::disk::write_atomic(path, proof.as_bytes())?;
            out.say(&format!(
                "wrote {}; check it with any C2SP tlog-proof verifier and the key {}",
                path.display(),
                evidence.checkpoint.to_text()
            ));
        }
        None => out.raw(proof.as_bytes()).map_err(|error| broken(error.to_string()))?,
    }
    Ok(0)
}
