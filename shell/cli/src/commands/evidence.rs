//! `stayward evidence`: show, verify, log, prove. Reads only, offline, with the project's published keys.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use gate::{Decision, RulingOutcome};
use ledger::IdPrefix;
use pipeline::desk::published;
use pipeline::evidence::{Chain, Link, LinkState, RegisterState, RosterState, check_register, check_roster, replay_all, verify};
use serde::Serialize;

use super::{Ended, wrong};
use crate::output::{Output, many, table};

#[derive(Debug, Args)]
pub(crate) struct EvidenceArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Say what an entry decided, gate by gate, and why. With `--output json` or `--file`, its signed statement as a Sigstore bundle.
    Show {
        /// Evidence id, or its first digits (4 or more); a refusal's reference works too.
        id: String,
        /// The in-toto statement inside, instead of the bundle.
        #[arg(long)]
        statement: bool,
        /// Write the bundle here.
        #[arg(long)]
        file: Option<PathBuf>,
    },
    /// Walk from an entry to the feeds and check every link; without an id, check the whole log, and that the control database
    /// (labels, signatures, deliveries, deployments, people, keys) says what was logged and signed.
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

pub(crate) async fn run(args: EvidenceArgs, root: &Path, out: &Output) -> Ended {
    match args.what {
        What::Show { id, statement, file } => show(&id, statement, file.as_deref(), root, out),
        What::Verify { id, replay } => check(id.as_deref(), replay, root, out).await,
        What::Log { number } => log(number, root, out),
        What::Prove { id, file } => prove(&id, file.as_deref(), root, out),
    }
}

fn prefix(id: &str) -> Result<IdPrefix, pipeline::PipelineError> {
    id.parse().map_err(|error| wrong(format!("{error}"), "list entries with `stayward evidence log`"))
}

fn find(id: &str, root: &Path) -> Result<(pipeline::desk::Published, u64), pipeline::PipelineError> {
    let evidence = published(&super::open(root)?)?;
    let help = "list entries with `stayward evidence log`; what the service refused before it asked the pipeline stands only in its \
                own log, on standard error";
    let found = evidence.reader.find(&prefix(id)?).map_err(|error| wrong(error.to_string(), help))?;
    Ok((evidence, found.index))
}

fn show(id: &str, statement: bool, file: Option<&Path>, root: &Path, out: &Output) -> Ended {
    let (evidence, index) = find(id, root)?;
    let bundle = evidence.reader.bundle(index)?;
    let verified = bundle.verify(&evidence.statements).map_err(|error| broken(error.to_string()))?;
    let text = if statement {
        verified.to_canonical_json().map_err(|error| broken(error.to_string()))?
    } else {
        bundle.to_canonical_json().map_err(|error| broken(error.to_string()))?
    };
    if let Some(path) = file {
        store::disk::write_atomic(path, &text)?;
        out.say(&format!("wrote {}", path.display()));
        return Ok(0);
    }
    let value: serde_json::Value = serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?;
    if statement && out.format == crate::args::Format::Table {
        // Byte for byte what was signed, but for blanks: no word of it is for this reader alone.
        let text = serde_json::to_string_pretty(&value).map_err(|error| broken(error.to_string()))?;
        super::raw(out, format!("{text}\n").as_bytes())?;
        return Ok(0);
    }
    let words = told(&evidence, index)?;
    out.result(&value, || words);
    Ok(0)
}

/// An entry in words.
fn told(evidence: &pipeline::desk::Published, index: u64) -> Result<String, pipeline::PipelineError> {
    let brief = brief(evidence, index)?;
    let result = match brief.passed {
        Some(true) => "passed",
        Some(false) => "not passed",
        None => "made",
    };
    let Brief { id, kind, name, at, part, .. } = brief;
    let mut lines =
        vec![format!("{kind}   {name}\nid        {id}   (entry {index} of the log)\nwhen      {at}\nresult    {result}")];
    lines.extend(part.rulings.iter().map(ruling));
    let mut parents = Vec::new();
    for parent in &part.parents {
        let found = prefix(&parent.hex()).and_then(|prefix| {
            let found = evidence.reader.find(&prefix).map_err(|error| broken(error.to_string()))?;
            self::brief(evidence, found.index)
        });
        parents.push(match found {
            Ok(found) => format!("  {}  {:<10} {}", found.id, found.kind, found.name),
            Err(error) => format!("  {}  BROKEN: {error}", parent.short()),
        });
    }
    let artefacts = part.artefacts.iter().map(|one| format!("  {:<9} {}   {}", one.role, one.path, one.digest.short()));
    for (title, all) in [("rests on", parents), ("answers for", artefacts.collect())] {
        if !all.is_empty() {
            lines.push(format!("\n{title}\n{}", all.join("\n")));
        }
    }
    let archive = part.archive.map_or_else(|| "none".to_owned(), |archive| archive.to_string());
    lines.push(format!("\narchive   {archive}\nnext:\n  stayward evidence verify {id} --replay"));
    Ok(lines.join("\n"))
}

/// What one step ruled: each gate, and for those that did not pass the reason and the way out.
fn ruling(ruling: &gate::Ruling) -> String {
    let outcome = match ruling.outcome {
        RulingOutcome::Cleared => "cleared",
        RulingOutcome::Held => "held",
        RulingOutcome::Refused => "refused; gates behind the one that refused were not asked",
    };
    let gates = ruling.gates.iter().map(|ruled| {
        let word = match ruled.decision {
            Decision::Pass => "pass",
            Decision::Hold => "HELD",
            Decision::Refuse => "REFUSED",
        };
        let finding = ruled.finding.as_ref();
        let finding = finding.map(|finding| format!("\n            why   {}\n            help  {}", finding.why, finding.help));
        format!("\n  {word:<8}  {}{}", ruled.gate, finding.unwrap_or_default())
    });
    format!("\n{}: {outcome}{}", ruling.step, gates.collect::<String>())
}

/// One entry, its signature checked.
struct Brief {
    id: String,
    kind: String,
    name: String,
    at: String,
    passed: Option<bool>,
    part: pipeline::evidence::StaywardPart,
}

fn brief(evidence: &pipeline::desk::Published, index: u64) -> Result<Brief, pipeline::PipelineError> {
    let bundle = evidence.reader.bundle(index)?;
    let statement = bundle.verify(&evidence.statements).map_err(|error| broken(error.to_string()))?;
    let part = pipeline::evidence::StaywardPart::of(&statement).unwrap_or_default();
    let text =
        |pointer: &str| statement.predicate.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    let verified = text("/timeVerified");
    Ok(Brief {
        id: bundle.id().to_string(),
        kind: part.kind.clone(),
        name: statement.subject.first().map_or_else(String::new, |subject| subject.name.clone()),
        at: if verified.is_empty() { text("/runDetails/metadata/finishedOn") } else { verified },
        passed: statement.predicate.get("verificationResult").and_then(|value| value.as_str()).map(|value| value == "PASSED"),
        part,
    })
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
    #[serde(flatten)]
    beside: Option<Beside>,
}

/// What stands beside the log.
#[derive(Serialize)]
struct Beside {
    roster: RosterState,
    register: RegisterState,
}

async fn check(id: Option<&str>, replay: bool, root: &Path, out: &Output) -> Ended {
    let project = super::open(root)?;
    let chain = verify(&project, id)?;
    let replayed = if replay { Some(replay_all(&project, &chain)?) } else { None };
    let mut broken = chain.broken();
    // What stands beside the log is looked at with the whole log only: an entry's own walk says nothing of it.
    let beside = match id {
        None => {
            let (roster, register) = (check_roster(&project, &chain).await?, check_register(&project, &chain).await?);
            broken.extend(roster.broken.iter().chain(&register.broken).cloned());
            Some(Beside { roster, register })
        }
        Some(_) => None,
    };
    broken.extend(replayed.iter().flat_map(|replay| replay.different.iter().cloned()));
    let verified = Verified { chain: &chain, broken, replay: replayed, beside };
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
    let links = many(u64::try_from(chain.links.len()).unwrap_or(u64::MAX), "link", "links");
    let entries = many(chain.log_entries, "entry", "entries");
    lines.push(format!("{links}, log of {entries}, root {}", chain.log_root));
    if let Some(replay) = &verified.replay {
        lines.push(format!(
            "{} judged again and came out the same, {} did not",
            many(replay.same, "ruling was", "rulings were"),
            replay.different.len()
        ));
    }
    if let Some(Beside { roster, register }) = &verified.beside {
        lines.push(format!("who is who: {}", many(roster.changes, "signed change", "signed changes")));
        if roster.unlogged > 0 {
            lines.push(format!("not in the log yet, its next writer does: {}", many(roster.unlogged, "change", "changes")));
        }
        lines.extend(roster.reconciled.iter().map(|what| format!("  looked at and taken for right: {what}")));
        lines.extend(register.unbooked.iter().map(|what| format!("not booked yet, `stayward run` does: {what}")));
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
        let Brief { id, kind, name, at, passed, .. } = brief(&evidence, index)?;
        entries.push(Entry { index, id, at, kind, name, passed });
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
