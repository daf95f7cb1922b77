//! Checks a file before it is delivered (T1): every value that breaks the contract, and against trusted rows what no single value betrays.

use std::path::Path;

use screen::{BatchFinding, Delivery, Golden, Layer, Profile, ProfileSpec, RowFinding, State, Suggestion};
use serde::Serialize;
use store::control::Control;
use tabular::Contract;
use tabular::contract::{Kind, Role};
use tabular::typed::{TypedTable, Violation};

use crate::desk::now;
use crate::run::{LabelsState, Pointer, Settled, labels_of, parse_labels, read_customers};
use crate::{PipelineError, Project, data};

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

/// A row to set aside.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Strange {
    /// The row, from 1, as people count.
    pub row: usize,
    /// The line of the file, where it is known.
    pub line: Option<u64>,
    /// Who the row is about.
    pub id: String,
    /// The layer that says most.
    pub layer: Layer,
    /// The column that says most, where one does.
    pub column: Option<String>,
    /// How often a trusted row is as strange; 0 where it breaks a rule.
    pub p_value: f64,
    /// What was seen.
    pub seen: String,
}

/// What to do with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Advice {
    /// Take it in.
    Pass,
    /// Take it in without the rows that are to be set aside.
    Quarantine,
    /// People look at it first.
    Hold,
    /// It is not what was agreed.
    Refuse,
}

/// A file against trusted rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Screened {
    /// Whose rows are trusted.
    pub trusted: String,
    /// Trusted rows that were learnt from.
    pub trusted_rows: u64,
    /// What to do.
    pub advice: Advice,
    /// Whether a test of the whole alarms.
    pub alarm: bool,
    /// Rows to set aside at a false discovery rate of 5 %.
    pub rows_flagged: u64,
    /// The strangest of them first.
    pub rows: Vec<Strange>,
    /// Tests of the whole, those that alarm first.
    pub tests: Vec<BatchFinding>,
    /// How strange each row is, `-ln p` beyond what the trusted rows can show.
    #[serde(skip)]
    pub scores: Vec<f32>,
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

/// Rows that no third party fed, learnt once; deliveries are judged against them one after the other.
pub struct Trusted {
    /// The contract that reads them, and deliveries.
    pub contract: Contract,
    about: String,
    profile: Profile,
    state: State,
}

impl Trusted {
    /// Learns from a file. Without a contract one is guessed from it; `target` then names the label.
    ///
    /// # Errors
    /// The file cannot be read, or has too few rows to learn from.
    pub fn of_file(
        path: &Path,
        contract: Option<Contract>,
        (target, positive): (Option<&str>, Option<&str>),
    ) -> Result<Self, PipelineError> {
        let loaded = data::load(path)?;
        let contract = match contract {
            Some(contract) => contract,
            None => unbounded(guessed(&loaded, target, positive)?),
        };
        let mut table = data::typed(&contract, &loaded.batches)?;
        data::fill_ids(&mut table);
        // What breaks the contract teaches nothing.
        let table = table.take(&table.clean_rows());
        Self::learn(contract, &table, path.display().to_string())
    }

    /// Learns from the project's current customers and their approved labels; `None` where there are none, or too few.
    ///
    /// # Errors
    /// The data source cannot be read.
    pub async fn of_project(project: &Project, control: &Control) -> Result<Option<Self>, PipelineError> {
        let Some(pointer) = control.pointer(Settled::NAME).await.map_err(PipelineError::internal)? else { return Ok(None) };
        let source: Settled = serde_json::from_value(pointer.value).map_err(PipelineError::internal)?;
        let mut table = read_customers(project, &source)?;
        if table.rows() < screen::TRUSTED_ROWS_MIN {
            return Ok(None);
        }
        let contract = data::customers_contract(project);
        // Columns that feeds add are not in the file.
        let own: Vec<&str> = contract.columns.iter().map(|rule| rule.name.as_str()).collect();
        table.frame = table.frame.only(|name| own.contains(&name));
        if contract.of_role(Role::Label).is_some() {
            table.label = current_labels(project, control, &table).await?;
        }
        Self::learn(contract, &table, "the project's customers".to_owned()).map(Some)
    }

    /// Learns from the golden set that was adopted last for a feed; `None` where none was.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn of_feed(project: &Project, control: &Control, feed: &str) -> Result<Option<Self>, PipelineError> {
        let objects = store::objects::Objects::open(&project.path("objects"))?;
        let Some((bytes, name)) = crate::run::golden_bytes(control, &objects, feed).await? else { return Ok(None) };
        let contract = feed_contract(project, feed)?;
        let loaded = data::load_bytes(bytes, &name)?;
        let mut table = data::typed(&contract, &loaded.batches)?;
        data::fill_ids(&mut table);
        let table = table.take(&table.clean_rows());
        Self::learn(contract, &table, format!("the golden set of feed `{feed}`")).map(Some)
    }

    fn learn(contract: Contract, table: &TypedTable, about: String) -> Result<Self, PipelineError> {
        let profile = learned(table, &contract, &about)?;
        Ok(Self { contract, about, profile, state: State::default() })
    }

    /// Judges a file; what is taken in is remembered, so that drops too small for one file add up over several.
    ///
    /// # Errors
    /// Too many rows.
    pub fn judge(&mut self, validated: &Validated) -> Result<Screened, PipelineError> {
        let (frame, contract) = screen::of_typed(&validated.table, &self.contract);
        let delivery = Delivery { frame: &frame, contract, broken_records: validated.unreadable.0, now: Some(now()) };
        let found = self.profile.screen(&delivery, &self.state);
        let found = found.map_err(|error| PipelineError::wrong(error.to_string(), "deliver it in several files"))?;
        let strange = |row: RowFinding| {
            let place = usize::try_from(row.row).unwrap_or(usize::MAX);
            Strange {
                row: place.saturating_add(1),
                line: validated.line(place),
                id: validated.table.ids.get(place).cloned().unwrap_or_default(),
                layer: row.layer,
                column: row.column,
                p_value: row.p_value,
                seen: row.seen,
            }
        };
        let advice = match found.verdict {
            Suggestion::Pass => Advice::Pass,
            Suggestion::Quarantine(_) => Advice::Quarantine,
            Suggestion::Hold => Advice::Hold,
            Suggestion::Refuse => Advice::Refuse,
        };
        if advice <= Advice::Quarantine {
            self.state = found.state;
        }
        let mut tests = found.tests;
        tests.sort_by(|left, right| right.alarm.cmp(&left.alarm).then(left.p_value.total_cmp(&right.p_value)));
        Ok(Screened {
            trusted: self.about.clone(),
            trusted_rows: self.profile.trusted_rows(),
            advice,
            alarm: found.alarm,
            rows_flagged: found.rows_flagged,
            rows: found.rows.into_iter().map(strange).collect(),
            tests,
            scores: found.row_scores,
        })
    }
}

/// Learns from trusted rows; `about` says whose they are.
pub(crate) fn learned(table: &TypedTable, contract: &Contract, about: &str) -> Result<Profile, PipelineError> {
    let (frame, _) = screen::of_typed(table, contract);
    Profile::learn(&Golden { frame: &frame }, &ProfileSpec::of(contract, &frame)).map_err(|error| {
        PipelineError::wrong(format!("{about}: {error}"), "bring more trusted rows, of all columns that deliveries have")
    })
}

fn guessed(loaded: &data::Loaded, target: Option<&str>, positive: Option<&str>) -> Result<Contract, PipelineError> {
    let profile = tabular::profile::profile(&loaded.batches, loaded.decimal)
        .map_err(|error| PipelineError::wrong(error.to_string(), "give a CSV or Parquet file"))?;
    Contract::guess(&profile, target, positive)
        .map(|contract| Contract { name: "guessed from the trusted rows".to_owned(), ..contract })
        .map_err(|error| PipelineError::wrong(error.to_string(), "name the label with --target, or a contract with --contract"))
}

/// A guessed range is what was seen, and no rule: how far beyond it a value may lie is judged against the trusted rows.
fn unbounded(mut contract: Contract) -> Contract {
    for rule in &mut contract.columns {
        if let Kind::Number { min, max, .. } = &mut rule.kind {
            (*min, *max) = (None, None);
        }
    }
    contract
}

/// The approved label of each row.
async fn current_labels(
    project: &Project,
    control: &Control,
    table: &TypedTable,
) -> Result<Option<Vec<Option<bool>>>, PipelineError> {
    let Some(pointer) = control.pointer(LabelsState::NAME).await.map_err(PipelineError::internal)? else { return Ok(None) };
    let known: LabelsState = serde_json::from_value(pointer.value).map_err(PipelineError::internal)?;
    let objects = store::objects::Objects::open(&project.path("objects"))?;
    let bytes = objects.get(&known.content)?;
    Ok(Some(labels_of(table, &parse_labels(&bytes))))
}
