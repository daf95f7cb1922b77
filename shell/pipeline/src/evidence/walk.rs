//! Checks evidence, offline and with the published keys alone: every statement, every proof, every file that a statement answers for.
//! The first broken link is named by file and entry.

use std::collections::{BTreeMap, BTreeSet};

use gate::{Digest, LedgerError, Receipt, Ruling, Witness};
use ledger::{EvidenceId, IdPrefix, P256Verifier, Statement};
use serde::Serialize;
use store::log::LogReader;

use super::record::ArchiveFile;
use super::statement::{Artefact, StaywardPart};
use crate::desk::{Published, published};
use crate::houses::Houses;
use crate::vault_state::STATE_KIND;
use crate::{PipelineError, Project};

/// Most entries that one walk visits.
const WALK_ENTRIES_MAX: usize = 100_000;
/// Largest file that a statement may answer for.
const ARTEFACT_BYTES_MAX: u64 = 8 << 30;

/// Whether a link holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "why")]
pub enum LinkState {
    /// Signature, proof, archive and files are as logged.
    Holds,
    /// They are not.
    Broken(String),
}

/// One entry on the way from an answer to the feeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Evidence id.
    pub id: String,
    /// Position in the log.
    pub index: u64,
    /// `answer`, `ruling`, `model`, `table`, ...
    pub kind: String,
    /// What it is about.
    pub name: String,
    /// Digest of what it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Digest>,
    /// Whether it is a pass; absent for something that was made.
    pub passed: Option<bool>,
    /// When, RFC 3339.
    pub at: String,
    /// Steps away from where the walk began.
    pub depth: usize,
    /// Files that it answers for.
    pub artefacts: Vec<Artefact>,
    /// What was ruled.
    pub rulings: Vec<Ruling>,
    /// The archive of what was judged.
    #[serde(skip)]
    pub archive: Option<Digest>,
    /// The statements that it rests on.
    #[serde(skip)]
    pub parents: Vec<Digest>,
    /// Whether it holds.
    #[serde(flatten)]
    pub state: LinkState,
}

/// A walk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// Entries that were visited, nearest first.
    pub links: Vec<Link>,
    /// The log's size under the signed head.
    pub log_entries: u64,
    /// The head's root hash, base64.
    pub log_root: String,
    /// What is wrong with the log itself.
    pub log_damage: Option<String>,
    /// What was not looked at: where it is said, that nothing is broken proves nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<String>,
}

impl Chain {
    /// Everything that does not hold.
    pub fn broken(&self) -> Vec<String> {
        let links = self.links.iter().filter_map(|link| match &link.state {
            LinkState::Holds => None,
            LinkState::Broken(why) => Some(format!("{} ({} {}): {why}", link.id, link.kind, link.name)),
        });
        self.log_damage.iter().map(|why| format!("ledger: {why}")).chain(links).collect()
    }
}

/// Walks from an entry (or over the whole log, where no id is given).
pub fn verify(project: &Project, id: Option<&str>) -> Result<Chain, PipelineError> {
    verify_within(project, id, WALK_ENTRIES_MAX)
}

/// The same with another limit than [`WALK_ENTRIES_MAX`].
pub(super) fn verify_within(project: &Project, id: Option<&str>, entries_max: usize) -> Result<Chain, PipelineError> {
    let evidence = published(project)?;
    let head = evidence.reader.head()?;
    let log_damage = evidence.reader.check_all(&evidence.statements).err().map(|error| error.to_string());
    let mut walk = Walk { project, evidence, checked: BTreeMap::new(), links: Vec::new(), seen: BTreeSet::new() };
    let unfinished = match id {
        Some(id) => walk.from(id, entries_max)?,
        None => walk.all(head.size),
    };
    Ok(Chain { links: walk.links, log_entries: head.size, log_root: head.root.to_base64(), log_damage, unfinished })
}

struct Walk<'a> {
    project: &'a Project,
    evidence: Published,
    /// Files that were hashed already in this walk.
    checked: BTreeMap<(String, Digest), Result<(), String>>,
    links: Vec<Link>,
    seen: BTreeSet<u64>,
}

impl Walk<'_> {
    /// Says what was not looked at, as [`Self::all`].
    fn from(&mut self, id: &str, entries_max: usize) -> Result<Option<String>, PipelineError> {
        let help = "list entries with `stayward evidence log`";
        let prefix: IdPrefix = id.parse().map_err(|error| PipelineError::wrong(format!("{error}"), help))?;
        let found = self.evidence.reader.find(&prefix).map_err(|error| PipelineError::wrong(error.to_string(), help))?;
        let mut waiting = vec![(found.index, 0)];
        while let Some((index, depth)) = waiting.pop() {
            if self.seen.contains(&index) {
                continue;
            }
            if self.links.len() >= entries_max {
                let why =
                    format!("the walk ended after {entries_max} entries: entry {index} and what it rests on were not looked at");
                return Ok(Some(why));
            }
            self.seen.insert(index);
            for parent in self.visit(index, depth) {
                match self.index_of(&parent) {
                    Some(parent) => waiting.push((parent, depth + 1)),
                    None => self.links.push(missing_parent(&parent, depth + 1)),
                }
            }
        }
        Ok(None)
    }

    fn all(&mut self, size: u64) -> Option<String> {
        for index in 0..size {
            self.visit(index, 0);
        }
        // A new project has one entry, which says nothing of data or people.
        let nothing = self.links.iter().all(|link| link.kind == STATE_KIND && link.state == LinkState::Holds);
        nothing.then(|| "the log has no entries of a run: nothing was looked at".to_owned())
    }

    fn index_of(&self, statement: &Digest) -> Option<u64> {
        let prefix: IdPrefix = statement.hex().parse().ok()?;
        self.evidence.reader.find(&prefix).ok().map(|found| found.index)
    }

    /// Checks one entry and returns the statements that it rests on.
    fn visit(&mut self, index: u64, depth: usize) -> Vec<Digest> {
        let id = self.evidence.reader.digest(index).map_or_else(|_| "?".to_owned(), |digest| EvidenceId::of(&digest).to_string());
        match read(&self.evidence.reader, &self.evidence.statements, index) {
            Err(why) => {
                let link = Link { id, index, depth, state: LinkState::Broken(why), ..unknown() };
                self.links.push(link);
                Vec::new()
            }
            Ok((statement, part)) => {
                let damage = self.artefacts(&part).err().or_else(|| self.archive(&part).err());
                let (at, passed) = time_and_result(&statement);
                let name = statement.subject.first().map_or_else(String::new, |subject| subject.name.clone());
                let subject = statement.subject.first().map(|subject| subject.digest);
                let state = damage.map_or(LinkState::Holds, LinkState::Broken);
                let parents = part.parents.clone();
                let StaywardPart { kind, artefacts, rulings, archive, parents: rests_on } = part;
                let link = Link {
                    parents: rests_on,
                    id,
                    index,
                    kind,
                    name,
                    subject,
                    passed,
                    at,
                    depth,
                    artefacts,
                    rulings,
                    archive,
                    state,
                };
                self.links.push(link);
                parents
            }
        }
    }

    fn artefacts(&mut self, part: &StaywardPart) -> Result<(), String> {
        for artefact in &part.artefacts {
            let key = (artefact.path.clone(), artefact.digest);
            let known = self.checked.get(&key).cloned();
            let result = known.unwrap_or_else(|| check_artefact(self.project, artefact));
            self.checked.insert(key, result.clone());
            result?;
        }
        Ok(())
    }

    fn archive(&self, part: &StaywardPart) -> Result<(), String> {
        let Some(archive) = part.archive else { return Ok(()) };
        let objects = store::objects::Objects::open(&self.project.path("objects")).map_err(|error| error.to_string())?;
        objects.get(&archive).map(drop).map_err(|error| format!("the archived facts: {error}"))
    }
}

fn unknown() -> Link {
    Link {
        id: String::new(),
        index: 0,
        kind: "unknown".into(),
        name: String::new(),
        subject: None,
        passed: None,
        at: String::new(),
        depth: 0,
        artefacts: Vec::new(),
        rulings: Vec::new(),
        archive: None,
        parents: Vec::new(),
        state: LinkState::Holds,
    }
}

fn missing_parent(parent: &Digest, depth: usize) -> Link {
    let state = LinkState::Broken(format!("the log has no entry for statement {parent}"));
    Link { id: EvidenceId::of(parent).to_string(), depth, state, ..unknown() }
}

pub(super) fn read(reader: &LogReader, keys: &[P256Verifier], index: u64) -> Result<(Statement, StaywardPart), String> {
    let bundle = reader.bundle(index).map_err(|error| error.to_string())?;
    let statement = bundle.verify(keys).map_err(|error| error.to_string())?;
    reader.tlog_proof(index).map_err(|error| error.to_string())?;
    let part = StaywardPart::of(&statement).ok_or("the statement is not one of this program's")?;
    Ok((statement, part))
}

fn time_and_result(statement: &Statement) -> (String, Option<bool>) {
    let predicate = &statement.predicate;
    let text = |value: Option<&serde_json::Value>| value.and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    let result = predicate.get("verificationResult").and_then(|value| value.as_str()).map(|result| result == "PASSED");
    let verified = text(predicate.get("timeVerified"));
    let finished = text(predicate.pointer("/runDetails/metadata/finishedOn"));
    (if verified.is_empty() { finished } else { verified }, result)
}

fn check_artefact(project: &Project, artefact: &Artefact) -> Result<(), String> {
    let Artefact { role, path, digest } = artefact;
    if let Some((table, version)) = path.strip_prefix("source/").and_then(|rest| rest.split_once('@')) {
        let version: u64 = version.parse().map_err(|_| format!("{role} `{path}` names no version"))?;
        return check_table(project, table, version, digest).map_err(|why| format!("{role} `{path}`: {why}"));
    }
    if path.split('/').any(|part| part == "..") || path.starts_with('/') {
        return Err(format!("{role} `{path}` is outside of the project"));
    }
    let bytes = store::disk::read_limited(&project.path(path), ARTEFACT_BYTES_MAX).map_err(|error| format!("{role} {error}"))?;
    let found = Digest::of(&bytes);
    if found == *digest {
        Ok(())
    } else {
        Err(format!("{role} `{path}` was changed: it is {}, logged was {}", found.short(), digest.short()))
    }
}

fn check_table(project: &Project, name: &str, version: u64, digest: &Digest) -> Result<(), String> {
    let table = store::table::Table::open(&project.path("source").join(name)).map_err(|error| error.to_string())?;
    if let Some(first) = table.check().map_err(|error| error.to_string())?.first() {
        return Err(first.to_string());
    }
    let found = table.version_digest(version).map_err(|error| error.to_string())?;
    if found == *digest { Ok(()) } else { Err(format!("version {version} is {}, logged was {}", found.short(), digest.short())) }
}

/// Proves receipts against the log.
pub struct LogWitness<'a> {
    /// The log.
    pub reader: &'a LogReader,
    /// Keys that statements may be signed with.
    pub keys: &'a [P256Verifier],
}

impl Witness for LogWitness<'_> {
    fn ruling(&self, receipt: &Receipt) -> Result<Ruling, LedgerError> {
        let prefix: IdPrefix = receipt.statement.hex().parse().map_err(|error| LedgerError(format!("{error}")))?;
        let found = self.reader.find(&prefix).map_err(|error| LedgerError(error.to_string()))?;
        let (_, part) = read(self.reader, self.keys, found.index).map_err(LedgerError)?;
        part.rulings.into_iter().next_back().ok_or_else(|| LedgerError("the entry rules nothing".into()))
    }
}

/// What judging the archive again showed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Replay {
    /// Rulings that came out the same.
    pub same: u64,
    /// Rulings that did not, and why.
    pub different: Vec<String>,
}

/// Judges the archived facts of a chain again; every ruling must come out as it was logged.
pub fn replay_all(project: &Project, chain: &Chain) -> Result<Replay, PipelineError> {
    let houses = Houses::open()?;
    let evidence = published(project)?;
    let objects = store::objects::Objects::open(&project.path("objects"))?;
    let mut replay = Replay::default();
    for link in chain.links.iter().filter(|link| !link.rulings.is_empty()) {
        match replay_link(&houses, &evidence, &objects, link) {
            Ok(count) => replay.same += count,
            Err(why) => replay.different.push(format!("{} ({}): {why}", link.id, link.name)),
        }
    }
    Ok(replay)
}

fn replay_link(houses: &Houses, evidence: &Published, objects: &store::objects::Objects, link: &Link) -> Result<u64, String> {
    let (_, part) = read(&evidence.reader, &evidence.statements, link.index)?;
    let archive = part.archive.ok_or("there is no archive")?;
    let bytes = objects.get(&archive).map_err(|error| error.to_string())?;
    let file: ArchiveFile = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    if file.judged.len() != part.rulings.len() {
        return Err("the archive has another number of rulings".into());
    }
    for (ruling, (subject, facts)) in part.rulings.iter().zip(&file.judged) {
        let bytes = |value| serde_json::to_vec(value).map_err(|error: serde_json::Error| error.to_string());
        let again = houses.replay(ruling, &bytes(subject)?, &bytes(facts)?).map_err(|error| error.to_string())?;
        if again != *ruling {
            return Err(format!("step `{}` rules differently today", ruling.step));
        }
    }
    Ok(u64::try_from(part.rulings.len()).unwrap_or(0))
}
