//! One commit of a table as JSON lines (T6): what we write, and the refusal of everything that we would not have written.
//!
//! A commit is sealed twice: `staywardSeal` is the digest of the commit itself without the seal, `staywardPrevious` the address of
//! the version before. So a changed byte shows even without the ledger, and a rewritten chain shows against the version's address
//! in the ledger.

use std::collections::BTreeMap;

use gate::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::violation::ViolationKind;

/// Bytes of one commit at most: a schema of 4,096 columns fits.
pub const COMMIT_BYTES_MAX: u64 = 4 << 20;
/// Lines of one commit at most; ours have two or three.
pub const COMMIT_LINES_MAX: usize = 16;
/// Bytes of a receipt's or an origin's name at most.
pub const INFO_TEXT_BYTES_MAX: usize = 1_024;
/// The largest whole number that every JSON reader keeps exactly (RFC 8785, section 3.2.2.3).
pub const JSON_INTEGER_MAX: i64 = 9_007_199_254_740_991;

pub(super) const CREATE: &str = "CREATE TABLE";
pub(super) const WRITE: &str = "WRITE";
const ENGINE: &str = concat!("stayward/", env!("CARGO_PKG_VERSION"));
const DATA_SUFFIX: &str = ".parquet";
const APPEND_ONLY: &str = "delta.appendOnly";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Info {
    pub(super) timestamp: i64,
    pub(super) operation: String,
    pub(super) operation_parameters: BTreeMap<String, String>,
    pub(super) engine_info: String,
    pub(super) is_blind_append: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stayward_content: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stayward_receipt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stayward_origin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stayward_previous: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stayward_seal: Option<Digest>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Protocol {
    min_reader_version: u8,
    min_writer_version: u8,
}

/// The oldest protocol that knows `delta.appendOnly`: every reader of Delta tables reads it.
const PROTOCOL: Protocol = Protocol { min_reader_version: 1, min_writer_version: 2 };

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Metadata {
    id: String,
    pub(super) name: String,
    format: Format,
    pub(super) schema_string: String,
    partition_columns: [String; 0],
    created_time: i64,
    configuration: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Format {
    provider: String,
    options: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Add {
    path: String,
    partition_values: BTreeMap<String, String>,
    pub(super) size: u64,
    modification_time: i64,
    data_change: bool,
    stats: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Stats {
    num_records: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    CommitInfo(Info),
    Protocol(Protocol),
    MetaData(Metadata),
    Add(Add),
}

/// What a commit of ours says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) info: Info,
    pub(super) body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Create(Metadata),
    Write(Data),
}

/// The one data file of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Data {
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) rows: u64,
}

impl Data {
    pub(super) fn file_name(&self) -> String {
        file_name(&self.digest)
    }
}

pub(super) fn file_name(digest: &Digest) -> String {
    format!("{}{DATA_SUFFIX}", digest.hex())
}

/// The digest that a data file's name promises; none if the name is not of our kind.
pub(super) fn digest_of_name(name: &str) -> Option<Digest> {
    Digest::from_hex(name.strip_suffix(DATA_SUFFIX)?).ok()
}

pub(super) fn create(name: &str, schema: String, now_ms: i64) -> Commit {
    // An identity of the form that Delta wants, made of what the table is, so that equal inputs make equal tables.
    let digest = Digest::of_parts([name.as_bytes(), schema.as_bytes(), &now_ms.to_be_bytes()]).hex();
    let part = |from: usize, to: usize| digest.get(from..to).unwrap_or_default();
    // RFC 9562, section 5.8: version 8 and the variant of that RFC; the other 122 bits are ours.
    let id = format!("{}-{}-8{}-8{}-{}", part(0, 8), part(8, 12), part(12, 15), part(15, 18), part(18, 30));
    let body = Body::Create(Metadata {
        id,
        name: name.to_owned(),
        format: Format { provider: "parquet".to_owned(), options: BTreeMap::new() },
        schema_string: schema,
        partition_columns: [],
        created_time: now_ms,
        configuration: configuration(),
    });
    Commit { info: info(CREATE, now_ms, BTreeMap::new()), body }
}

pub(super) fn write(given: &super::AppendInfo, previous: Digest, data: Data) -> Commit {
    let parameters = BTreeMap::from([("mode".to_owned(), "Append".to_owned())]);
    let info = Info {
        stayward_content: Some(given.content),
        stayward_receipt: Some(given.receipt.clone()),
        stayward_origin: Some(given.origin.clone()),
        stayward_previous: Some(previous),
        ..info(WRITE, given.now_ms, parameters)
    };
    Commit { info, body: Body::Write(data) }
}

fn info(operation: &str, timestamp: i64, operation_parameters: BTreeMap<String, String>) -> Info {
    Info {
        timestamp,
        operation: operation.to_owned(),
        operation_parameters,
        engine_info: ENGINE.to_owned(),
        is_blind_append: true,
        stayward_content: None,
        stayward_receipt: None,
        stayward_origin: None,
        stayward_previous: None,
        stayward_seal: None,
    }
}

fn configuration() -> BTreeMap<String, String> {
    BTreeMap::from([(APPEND_ONLY.to_owned(), "true".to_owned())])
}

impl Commit {
    /// The lines of the file, sealed.
    pub(super) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let seal = Digest::of(&self.lines(None)?);
        self.lines(Some(seal))
    }

    fn lines(&self, seal: Option<Digest>) -> Result<Vec<u8>, serde_json::Error> {
        let info = Info { stayward_seal: seal, ..self.info.clone() };
        let mut lines = vec![Line::CommitInfo(info.clone())];
        match &self.body {
            Body::Create(metadata) => lines.extend([Line::Protocol(PROTOCOL), Line::MetaData(metadata.clone())]),
            Body::Write(data) => {
                let stats = serde_json::to_string(&Stats { num_records: data.rows })?;
                lines.push(Line::Add(Add {
                    path: data.file_name(),
                    partition_values: BTreeMap::new(),
                    size: data.size,
                    modification_time: info.timestamp,
                    data_change: true,
                    stats,
                }));
            }
        }
        let mut out = Vec::new();
        for line in &lines {
            serde_json::to_writer(&mut out, line)?;
            out.push(b'\n');
        }
        Ok(out)
    }

    /// Reads the file of version `version`. Everything that our writer would not have written, byte for byte, is a violation.
    pub(super) fn decode(version: u64, bytes: &[u8]) -> Result<Self, ViolationKind> {
        let unlike = |why: &str| ViolationKind::Unlike(why.to_owned());
        let text = std::str::from_utf8(bytes).map_err(|_| unlike("it is no text"))?;
        let lines: Vec<&str> = text.lines().take(COMMIT_LINES_MAX + 1).collect();
        if lines.len() > COMMIT_LINES_MAX {
            return Err(unlike("it has too many lines"));
        }
        for line in &lines {
            name_forbidden(version, line)?;
        }
        let lines: Result<Vec<Line>, serde_json::Error> = lines.into_iter().map(serde_json::from_str).collect();
        let mut lines = lines.map_err(|error| ViolationKind::Unlike(error.to_string()))?.into_iter();
        let Some(Line::CommitInfo(info)) = lines.next() else { return Err(unlike("it does not begin with commitInfo")) };
        let body = match (version, info.operation.as_str(), lines.next(), lines.next(), lines.next()) {
            (0, CREATE, Some(Line::Protocol(_)), Some(Line::MetaData(metadata)), None) => Body::Create(metadata),
            (1.., WRITE, Some(Line::Add(add)), None, None) => Body::Write(read_add(&add)?),
            _ => return Err(unlike("its actions are not those of its operation")),
        };
        if let Body::Create(metadata) = &body
            && metadata.configuration != configuration()
        {
            return Err(ViolationKind::NotAppendOnly);
        }
        let commit = Self { info, body };
        let again = commit.encode().map_err(|error| ViolationKind::Unlike(error.to_string()))?;
        if again == bytes { Ok(commit) } else { Err(ViolationKind::Seal) }
    }
}

fn read_add(add: &Add) -> Result<Data, ViolationKind> {
    let digest =
        digest_of_name(&add.path).ok_or_else(|| ViolationKind::Unlike("its data file is not named by a digest".to_owned()))?;
    let stats: Stats = serde_json::from_str(&add.stats).map_err(|error| ViolationKind::Unlike(error.to_string()))?;
    Ok(Data { digest, size: add.size, rows: stats.num_records })
}

/// Names the actions that an append-only table must never show, before the strict reading says only that a commit is not ours.
fn name_forbidden(version: u64, line: &str) -> Result<(), ViolationKind> {
    let value: Value = serde_json::from_str(line).map_err(|error| ViolationKind::Unlike(error.to_string()))?;
    let Value::Object(actions) = value else { return Err(ViolationKind::Unlike("a line is no action".to_owned())) };
    for (action, value) in &actions {
        match action.as_str() {
            "commitInfo" => {
                let operation = value.get("operation").and_then(Value::as_str).unwrap_or_default();
                let wanted = if version == 0 { CREATE } else { WRITE };
                if operation != wanted {
                    return Err(ViolationKind::Operation(short(operation)));
                }
            }
            "remove" => return Err(ViolationKind::Remove),
            "metaData" if version > 0 => return Err(ViolationKind::SecondMetadata),
            "protocol" if version > 0 => return Err(ViolationKind::SecondProtocol),
            "metaData" | "protocol" | "add" => {}
            other => return Err(ViolationKind::Action(short(other))),
        }
    }
    Ok(())
}

/// Outside text for a message: short, and without control characters.
fn short(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}
