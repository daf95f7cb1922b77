//! The parsers under attack: each with good inputs to damage, words of its language, and what must hold whatever comes in.

mod evidence;
mod models;
mod storage;
mod tables;
mod texts;

use std::path::Path;

/// Says what happened in words that tell kinds of outcomes apart; `Err` is a finding.
pub(crate) type Run = Box<dyn Fn(&[u8]) -> Result<String, String>>;

pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) seeds: Vec<Vec<u8>>,
    pub(crate) words: &'static [&'static str],
    pub(crate) run: Run,
}

pub(crate) const NAMES: &[&str] = &[
    "csv",
    "contract",
    "typed",
    "note",
    "checkpoint",
    "proof",
    "tile",
    "bundle",
    "model-signature",
    "key",
    "model-files",
    "lockfile",
    "requirements",
    "advisories",
    "reviews",
    "policy",
    "parquet",
    "table",
];

/// Prepares a target; `scratch` is a folder of its own.
pub(crate) fn open(name: &str, scratch: &Path) -> Result<Target, String> {
    std::fs::create_dir_all(scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
    match name {
        "csv" => Ok(tables::csv()),
        "contract" => Ok(tables::contract()),
        "typed" => tables::typed(),
        "note" => evidence::note(),
        "checkpoint" => evidence::checkpoint(),
        "proof" => evidence::proof(),
        "tile" => Ok(evidence::tile()),
        "bundle" => evidence::bundle(),
        "model-signature" => evidence::model_signature(),
        "key" => Ok(evidence::key()),
        "model-files" => models::files(),
        "lockfile" => Ok(texts::lockfile()),
        "requirements" => Ok(texts::requirements()),
        "advisories" => Ok(texts::advisories()),
        "reviews" => Ok(texts::reviews()),
        "policy" => Ok(texts::policy()),
        "parquet" => storage::parquet(scratch),
        "table" => storage::table(scratch),
        other => Err(format!("there is no target `{other}`; there are {}", NAMES.join(", "))),
    }
}

/// The outcome of a parser as text: `what` it made, or its error.
fn told<T, E: std::fmt::Display>(result: Result<T, E>, what: impl FnOnce(&T) -> String) -> String {
    match result {
        Ok(value) => what(&value),
        Err(error) => format!("refused: {error}"),
    }
}

/// A parser that takes text: other bytes reach it as a reader of files would give them, or not at all.
fn on_text(parse: impl Fn(&str) -> Result<String, String> + 'static) -> Run {
    Box::new(move |bytes| std::str::from_utf8(bytes).map_or_else(|_| Ok("not UTF-8".to_owned()), &parse))
}
