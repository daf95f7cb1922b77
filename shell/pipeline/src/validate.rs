//! Checks a file against a contract before it is delivered (T1): every value that breaks it, and rows that no single value betrays.

use std::path::Path;

use outlier::{BATCH_ROWS_MAX, OutlierError, Reference, Spec};
use serde::Serialize;
use store::control::Control;
use tabular::Contract;
use tabular::typed::{TypedTable, Violation};

use crate::run::{Pointer, Settled, read_customers};
use crate::{PipelineError, Project, data};

/// Rows of the data source that outliers are judged by need a seed; any would do, it must only stay the same.
const REFERENCE_SEED: u64 = 1;
/// Rows that are shown as strange.
const STRANGE_ROWS: usize = 10;
/// False discoveries among rows that are called strange, at most.
const FALSE_DISCOVERY_RATE: f64 = 0.05;

/// What was found in a file.
#[derive(Debug)]
pub struct Validated {
    /// Rows that were read.
    pub rows: u64,
    /// Records that could not be read: how many, and the first of them.
    pub unreadable: (u64, Vec<String>),
    /// Rows that break the contract, the unreadable ones included.
    pub rows_broken: u64,
    /// Everything that was found, as far as it is kept.
    pub violations: Vec<Violation>,
    /// How much was found.
    pub violations_count: u64,
    /// The line of each row; empty for Parquet.
    pub lines: Vec<u64>,
    /// The typed table.
    pub table: TypedTable,
}

impl Validated {
    /// Whether the file as a whole and each of its rows keep the contract.
    pub fn keeps(&self) -> bool {
        self.rows_broken == 0 && self.violations_count == 0
    }

    /// The line of a row, from 1, where it is known.
    pub fn line(&self, row: usize) -> Option<u64> {
        self.lines.get(row).copied()
    }
}

/// A row that is strange as a whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Strange {
    /// The row, from 1, as people count.
    pub row: usize,
    /// The customer.
    pub id: String,
    /// How often a trusted row is as strange.
    pub p_value: f64,
    /// The column that drove it.
    pub column: Option<String>,
    /// Whether it is set apart at a false discovery rate of 5 %.
    pub flagged: bool,
}

/// Rows against the trusted ones.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Jointly {
    /// Trusted rows that were learnt from.
    pub trusted_rows: u64,
    /// How often a clean batch has so many strange rows.
    pub batch_p_value: f64,
    /// The strangest rows.
    pub strangest: Vec<Strange>,
}

/// The contract of a named feed of the project.
pub fn feed_contract(project: &Project, feed: &str) -> Result<Contract, PipelineError> {
    if !project.policy.feeds.iter().any(|known| known.name == feed) {
        let names: Vec<&str> = project.policy.feeds.iter().map(|known| known.name.as_str()).collect();
        let help = if names.is_empty() {
            "the project has no feeds; add one under `[[feeds]]` in stayward.toml".to_owned()
        } else {
            format!("feeds are: {}", names.join(", "))
        };
        return Err(PipelineError::wrong(format!("there is no feed `{feed}`"), help));
    }
    read_contract(&project.path(&format!("feeds/{feed}.contract.toml")))
}

/// A contract from a file.
pub fn read_contract(path: &Path) -> Result<Contract, PipelineError> {
    let most = u64::try_from(tabular::contract::CONTRACT_BYTES_MAX).unwrap_or(u64::MAX);
    let bytes =
        store::disk::read_limited(path, most).map_err(|error| PipelineError::wrong(error.to_string(), "check the path"))?;
    Contract::parse(&String::from_utf8_lossy(&bytes))
        .map_err(|error| PipelineError::wrong(format!("`{}`: {error}", path.display()), "mend the file"))
}

/// Types a file by a contract.
pub fn validate(path: &Path, contract: &Contract) -> Result<Validated, PipelineError> {
    let loaded = data::load(path)?;
    let mut table = data::typed(contract, &loaded.batches)?;
    if let Some(id) = contract.of_role(tabular::contract::Role::Id) {
        table.mark_ids_twice(&id.name);
    }
    data::fill_ids(&mut table);
    let rows = u64::try_from(table.rows()).unwrap_or(u64::MAX);
    let clean = u64::try_from(table.clean_rows().len()).unwrap_or(0);
    let (violations, violations_count) = (table.violations.clone(), table.violations_count());
    let unreadable = (loaded.broken_count, loaded.broken);
    Ok(Validated {
        rows,
        rows_broken: rows - clean + unreadable.0,
        unreadable,
        violations,
        violations_count,
        lines: loaded.lines,
        table,
    })
}

/// Scores a file's clean rows against the project's current customers; `None` where there are too few or none to compare with.
pub async fn jointly(project: &Project, control: &Control, validated: &Validated) -> Result<Option<Jointly>, PipelineError> {
    let Some(pointer) = control.pointer(Settled::NAME).await.map_err(PipelineError::internal)? else { return Ok(None) };
    let source: Settled = serde_json::from_value(pointer.value).map_err(PipelineError::internal)?;
    let trusted = read_customers(project, &source)?;
    let rows: Vec<usize> = validated.table.clean_rows().into_iter().take(BATCH_ROWS_MAX).collect();
    let judged = validated.table.frame.take(&rows);
    // Columns that feeds add are not in the file.
    let trusted = trusted.frame.only(|name| judged.column(name).is_some());
    let reference = match Reference::fit(&trusted, &Spec::default(), REFERENCE_SEED) {
        Ok(reference) => reference,
        Err(OutlierError::TooFewRows(_) | OutlierError::Columns(_)) => return Ok(None),
        Err(error) => return Err(PipelineError::internal(error)),
    };
    let score = reference.score(&judged).map_err(PipelineError::internal)?;
    let flags = score.flags(FALSE_DISCOVERY_RATE);
    let mut order: Vec<usize> = (0..score.rows.len()).collect();
    let strangeness = |at: &usize| score.rows.get(*at).map_or(0.0, |row| row.strangeness);
    order.sort_by(|left, right| strangeness(right).total_cmp(&strangeness(left)).then(left.cmp(right)));
    let strange = |at: usize| {
        let (scored, row) = (score.rows.get(at)?, rows.get(at).copied()?);
        let id = validated.table.ids.get(row).cloned().unwrap_or_default();
        let flagged = flags.get(at).copied().unwrap_or(false);
        Some(Strange { row: row + 1, id, p_value: scored.p_value, column: score.column_name(scored).map(str::to_owned), flagged })
    };
    let strangest = order.into_iter().take(STRANGE_ROWS).filter_map(strange).collect();
    Ok(Some(Jointly { trusted_rows: reference.trusted_rows(), batch_p_value: score.batch.p_value, strangest }))
}
