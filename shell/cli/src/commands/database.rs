//! `stayward source check`: which rights the database role that reads the customers has too many, and the SQL that takes them away (T1).

use std::path::Path;

use clap::Args;
use identity::Action;
use pipeline::internal::{DatabaseFacts, Excess, database_facts, excess, script};
use pipeline::{Office, PipelineError};
use serde::Serialize;

use super::{Ended, raw};
use crate::output::{Output, many, table, wrapped};

/// Letters of a line of what was found, so that the table fits a terminal of 100.
const CELL_LETTERS: usize = 70;
/// The exit code of a check that could not be made.
const COULD_NOT_CHECK: u8 = 3;

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Print only the SQL that mends what was found, for `psql`; the database's owner runs it.
    #[arg(long)]
    sql: bool,
}

/// What was found.
#[derive(Serialize)]
pub(crate) struct Checked {
    pub(crate) ok: bool,
    complete: bool,
    pub(crate) found: Vec<Excess>,
    sql: Vec<String>,
    facts: DatabaseFacts,
}

impl Checked {
    /// Asks the database; changes nothing.
    pub(crate) async fn of(office: &Office) -> Result<Self, PipelineError> {
        let facts = database_facts(office).await?;
        let found = excess(&facts);
        let (complete, sql) = (facts.complete, script(&facts, &found));
        Ok(Self { ok: facts.proves(), complete, found, sql, facts })
    }

    /// All in one sentence.
    pub(crate) fn sum(&self) -> String {
        let relation = &self.facts.relation;
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let reach = many(count(self.facts.roles.len().saturating_sub(1)), "other role", "other roles");
        let verdict = match (self.complete, self.found.len()) {
            (false, _) => "the catalogue was not read to its end, so nothing is proved".to_owned(),
            (true, 0) => {
                format!("it may read {} and nothing else", many(count(self.facts.columns_wanted.len()), "column", "columns"))
            }
            (true, found) => many(count(found), "finding", "findings"),
        };
        format!(
            "role {} of database {}, table {}.{}, can reach {reach}: {verdict}",
            self.facts.role, self.facts.database, relation.schema, relation.name
        )
    }

    /// Ready for `psql`: all of it or nothing.
    fn psql(&self) -> String {
        if self.sql.is_empty() {
            return String::new();
        }
        let statements: String = self.sql.iter().map(|statement| format!("{statement};\n")).collect();
        format!("\\set ON_ERROR_STOP on\nBEGIN;\n{statements}COMMIT;\n")
    }
}

pub(crate) async fn check(args: &CheckArgs, root: &Path, out: &Output) -> Ended {
    let office = Office::open(root).await?;
    office.authorised(Action::ReadSource).await?;
    let checked = Checked::of(&office).await?;
    if args.sql {
        raw(out, checked.psql().as_bytes())?;
    } else {
        out.result(&checked, || spell(&checked));
    }
    Ok(if checked.complete { u8::from(!checked.ok) } else { COULD_NOT_CHECK })
}

fn spell(checked: &Checked) -> String {
    let sum = wrapped(&checked.sum(), CELL_LETTERS + 20).join("\n");
    if checked.found.is_empty() {
        return sum;
    }
    let lines = |one: &Excess| -> Vec<Vec<String>> {
        let mend = if one.mend.is_empty() { "no SQL mends this".to_owned() } else { one.mend.join("; ") };
        let words =
            wrapped(&one.what, CELL_LETTERS).into_iter().chain(wrapped(&format!("mend it: {mend}"), CELL_LETTERS)).enumerate();
        words.map(|(at, words)| vec![if at == 0 { one.role.clone() } else { String::new() }, words]).collect()
    };
    let rows: Vec<Vec<String>> = checked.found.iter().flat_map(lines).collect();
    format!(
        "{sum}\n\n{}\n\nnext:\n  stayward source check --sql    # what the database's owner gives to psql",
        table(&["from", "what"], &rows)
    )
}
