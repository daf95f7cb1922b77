//! Customers' features by id, so that a caller can neither craft inputs nor probe strangers.

use std::collections::BTreeMap;

use artifact::Asking;
use frame::Frame;
use identity::CustomerScope;
use outlier::{InputGuard as Guard, Value};
use s09_input_guard::Facts;
use s10_predict::Served;
use tabular::contract::{Kind, Missing};
use tabular::{Contract, TypedTable};
use warehouse::Pseudonyms;

use crate::desk::Desk;
use crate::run::{Pointer, Settled};
use crate::{PipelineError, data};

/// Secret of the vault that keys the hashes of customers in the accounts of applications.
pub(crate) const ACCOUNT_KEY: &str = "account-hash-key";
/// As long as the hash's own output (RFC 2104, section 3).
const ACCOUNT_KEY_BYTES: usize = 32;

/// The customers of the data source, at the version that was settled.
pub(super) struct Customers {
    frame: Frame,
    rows: BTreeMap<String, usize>,
    segments: Vec<String>,
    guard: Guard,
    contract: Contract,
    key: aws_lc_rs::hmac::Key,
    pseudonyms: Option<Pseudonyms>,
}

impl Customers {
    pub(super) async fn open(desk: &Desk, served: &Served) -> Result<Self, PipelineError> {
        let value = desk.pointer(Settled::NAME).await?;
        let value =
            value.ok_or_else(|| PipelineError::wrong("the data source is empty", "run the pipeline with `stayward run`"))?;
        let settled: Settled = serde_json::from_value(value).map_err(PipelineError::internal)?;
        let table: TypedTable = crate::run::read_customers(&desk.project, &settled)?;
        let guard = served.surrounding("guard.json").ok_or_else(|| PipelineError::broken("the release has no `guard.json`"))?;
        let guard: Guard =
            serde_json::from_slice(guard).map_err(|error| PipelineError::broken(format!("guard.json: {error}")))?;
        let rows = data::latest_rows(&table);
        let segments = segment_names(served, &table)?;
        let key = desk.vault.get_or_put(ACCOUNT_KEY, || vault::random_bytes(ACCOUNT_KEY_BYTES), crate::desk::now())?;
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key);
        let (contract, pseudonyms) = (desk.project.contract.clone(), crate::internal::pseudonyms(&desk.project, &desk.vault)?);
        Ok(Self { frame: table.frame, rows, segments, guard, contract, key, pseudonyms })
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Callers name customers as they know them, whatever the data source calls them.
    fn row(&self, id: &str) -> Option<usize> {
        match &self.pseudonyms {
            Some(pseudonyms) => self.rows.get(&pseudonyms.of(id)).copied(),
            None => self.rows.get(id).copied(),
        }
    }

    /// The row of a customer: a number for each, as long as the service is up.
    pub(super) fn place(&self, id: &str) -> Option<u32> {
        self.row(id).and_then(|row| u32::try_from(row).ok())
    }

    /// A keyed hash: the accounts tell how many, not who.
    pub(super) fn keyed(&self, bytes: &[u8]) -> [u8; 32] {
        let mut out = [0; 32];
        out.iter_mut().zip(aws_lc_rs::hmac::sign(&self.key, bytes).as_ref()).for_each(|(to, from)| *to = *from);
        out
    }

    /// Unknown customers are outside of every scope.
    pub(super) fn in_scope(&self, id: &str, scope: &CustomerScope) -> bool {
        let Some(row) = self.row(id) else { return false };
        let region = self.frame.column("region").and_then(|column| data::text_of(column, row));
        scope.covers(id, self.segments.get(row).map(String::as_str), region.as_deref())
    }

    pub(super) fn features(&self, id: &str) -> Option<BTreeMap<String, Option<String>>> {
        self.row(id).map(|row| data::row_texts(&self.frame, row))
    }

    /// Whether a what-if may leave the column out.
    pub(super) fn optional(&self, name: &str) -> bool {
        self.contract.column(name).is_none_or(|rule| matches!(rule.missing, Missing::Allowed { .. }))
    }

    /// What input validation is told of a row. A row of the data source was judged when it came in.
    pub(super) fn input_facts(
        &self,
        served: &Served,
        values: &BTreeMap<String, Option<String>>,
        asking: Asking,
        alpha: f64,
    ) -> Facts {
        let p_value_least = self.guard.least_p_value();
        match asking {
            Asking::ByCustomer => Facts { violations: Vec::new(), outlier_p_value: None, p_value_least, alpha },
            Asking::WhatIf => {
                let violations = self.violations(served, values);
                let outlier_p_value = violations.is_empty().then(|| self.guarded(values));
                Facts { violations, outlier_p_value, p_value_least, alpha }
            }
        }
    }

    fn violations(&self, served: &Served, values: &BTreeMap<String, Option<String>>) -> Vec<String> {
        let mut out = Vec::new();
        for name in values.keys().filter(|name| !served.columns().any(|column| column == name.as_str())) {
            out.push(format!("column `{}` is not in the contract", name.chars().take(64).collect::<String>()));
        }
        for name in served.columns() {
            match values.get(name).and_then(Option::as_deref) {
                None if self.optional(name) => {}
                None => out.push(format!("column `{name}` is missing")),
                Some(text) => out.extend(self.breaks(name, text, served.is_number(name))),
            }
        }
        out
    }

    fn breaks(&self, name: &str, text: &str, number: bool) -> Option<String> {
        let parsed = text.trim().parse::<f64>().ok().filter(|value| value.is_finite());
        match self.contract.column(name).map(|rule| &rule.kind) {
            Some(Kind::Number { integer, min, max, .. }) => match parsed {
                None => Some(format!("column `{name}` is no number")),
                Some(value) if *integer && value.fract() != 0.0 => Some(format!("column `{name}` is no whole number")),
                Some(value) if min.is_some_and(|min| value < min) || max.is_some_and(|max| value > max) => {
                    Some(format!("column `{name}` is outside of its range"))
                }
                Some(_) => None,
            },
            Some(Kind::Category { levels }) => {
                (!levels.iter().any(|level| level == text)).then(|| format!("column `{name}` has an unknown level"))
            }
            Some(Kind::Time { .. } | Kind::Text) => None,
            // A column that a feed adds.
            None => (number && parsed.is_none()).then(|| format!("column `{name}` is no number")),
        }
    }

    fn guarded(&self, values: &BTreeMap<String, Option<String>>) -> f64 {
        let row: Vec<Value<'_>> = self
            .guard
            .columns()
            .iter()
            .map(|name| {
                let number = matches!(self.frame.column(name), Some(frame::Column::Number(_)));
                match values.get(name).and_then(Option::as_deref) {
                    None => Value::Missing,
                    Some(text) if number => text.trim().parse().map_or(Value::Missing, Value::Number),
                    Some(text) => Value::Level(text),
                }
            })
            .collect();
        self.guard.check(&row).p_value
    }
}

fn segment_names(served: &Served, table: &TypedTable) -> Result<Vec<String>, PipelineError> {
    let Some(segments) = served.segments() else { return Ok(Vec::new()) };
    let assigned = segments.assign_all(&table.frame).map_err(PipelineError::internal)?;
    Ok(assigned
        .into_iter()
        .map(|at| segments.segments().get(at).map_or_else(String::new, |segment| segment.name.clone()))
        .collect())
}
