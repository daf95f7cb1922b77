//! Facts of a feed whose rows are about customers (T1): the contract, and every layer of the content check against a golden set that no
//! third party ever fed.

use std::collections::BTreeSet;

use arrow_array::RecordBatch;
use s01_intake::{ColumnTest, ContentFacts, RowReason};
use screen::{BatchFinding, Delivery, Layer, PARTS, Profile, State};
use tabular::contract::Role;
use tabular::{Contract, TypedTable};

use super::{Breaches, breaches, flag, limits};
use crate::policy::ContentPolicy as Policy;
use crate::{PipelineError, data};

/// Customer and moment of every row that was accepted before.
pub(crate) type Accepted = BTreeSet<(String, i64)>;

/// A delivery of rows, read.
pub(crate) struct RowTable {
    /// Records, the broken ones included.
    pub(crate) rows: u64,
    typed: TypedTable,
    broken: (u64, Vec<String>),
    contract: Contract,
    pub(super) came: super::Came,
}

/// Reads bytes that the door let through.
pub(crate) fn read(bytes: &[u8], contract: &Contract, name: &str) -> Result<RowTable, PipelineError> {
    let loaded = data::load_bytes(bytes.to_vec(), name)?;
    let mut typed = data::typed(contract, &loaded.batches)?;
    if let Some(id) = contract.of_role(Role::Id) {
        typed.mark_ids_twice(&id.name);
    }
    data::fill_ids(&mut typed);
    let rows = u64::try_from(typed.rows()).unwrap_or(u64::MAX).saturating_add(loaded.broken_count);
    let came = super::Came::of(&loaded);
    Ok(RowTable { rows, typed, broken: (loaded.broken_count, loaded.broken), contract: contract.clone(), came })
}

impl RowTable {
    /// Where it and the contract differ.
    pub(super) fn breaches(&self) -> Breaches {
        breaches(&self.typed, (self.broken.0, &self.broken.1))
    }
}

/// Facts of a delivery; `trusted` is what was learnt from the feed's golden set, and what the last deliveries added up to.
pub(crate) fn content_facts(
    policy: &Policy,
    table: &RowTable,
    (trusted, known): (Option<&(Profile, State)>, &Accepted),
    accepted: bool,
    now: i64,
) -> Result<ContentFacts, PipelineError> {
    let found = table.breaches();
    let mut facts = ContentFacts {
        columns_missing: found.columns_missing,
        columns_unknown: found.columns_unknown,
        flags: found.flags,
        unlisted: 0,
        tests: Vec::new(),
        market: Vec::new(),
        reference_rows: 0,
        delivery_accepted: accepted,
        released: None,
        policy: limits(policy),
    };
    for (row, key) in keys(&table.typed).into_iter().enumerate() {
        if key.is_some_and(|key| known.contains(&key)) {
            facts.flags.push(flag(row, RowReason::Duplicate, "", "this customer and moment were accepted before".to_owned()));
        }
    }
    if let Some((profile, state)) = trusted {
        let (frame, _) = screen::of_typed(&table.typed, &table.contract);
        // What breaks the contract is flagged above, and must not use up the room for what is strange.
        let delivery = Delivery { frame: &frame, contract: Vec::new(), broken_records: table.broken.0, now: Some(now) };
        // Of a delivery that is too large to be judged no row can be named.
        let Ok(found) = profile.screen(&delivery, state) else {
            facts.unlisted = table.rows;
            return Ok(facts);
        };
        facts.unlisted = found.rows_flagged.saturating_sub(u64::try_from(found.rows.len()).unwrap_or(u64::MAX));
        facts.reference_rows = profile.trusted_rows();
        facts.tests = found.tests.iter().map(test).collect();
        // What breaks the contract stands there already, value by value.
        let strange = found.rows.iter().filter(|row| !matches!(row.layer, Layer::Contract | Layer::Records));
        facts.flags.extend(strange.map(|row| {
            let column = row.column.clone().unwrap_or_default();
            flag(usize::try_from(row.row).unwrap_or(usize::MAX), reason(row.layer), &column, row.seen.clone())
        }));
    }
    facts.flags.sort_by_key(|flag| (flag.row, flag.reason));
    Ok(facts)
}

/// Customer and moment of each row that has both; a table without moments may say the same of a customer again.
pub(crate) fn keys(table: &TypedTable) -> Vec<Option<(String, i64)>> {
    let moment = |row: usize| table.time.as_ref().and_then(|all| all.get(row).copied().flatten());
    table.ids.iter().enumerate().map(|(row, id)| Some((id.clone(), moment(row)?))).collect()
}

/// What cannot be stands for itself; what is only strange is for people where it comes in numbers.
fn reason(layer: Layer) -> RowReason {
    match layer {
        Layer::Contract | Layer::Records => RowReason::Contract,
        Layer::Duplicate => RowReason::Duplicate,
        Layer::Range | Layer::Time => RowReason::Threshold,
        Layer::Conditional
        | Layer::Critical
        | Layer::Covariance
        | Layer::Pair
        | Layer::Crowding
        | Layer::Clone
        | Layer::Isolation
        | Layer::Combined
        | Layer::Column
        | Layer::Label
        | Layer::Combination
        | Layer::Shift
        | Layer::Drip => RowReason::Joint,
    }
}

/// A test of the whole on the scale of the delivery's own false alarm rate: each group of tests may spend its part of it. Strange rows
/// are named after the layer that says most; their part is that of all row layers together.
fn test(found: &BatchFinding) -> ColumnTest {
    let part = |layer: Layer| PARTS.iter().find(|(known, _)| *known == layer).map(|(_, part)| *part);
    let part = part(found.layer).or_else(|| part(Layer::Combined)).unwrap_or(1.0);
    // What is no number is no reason to let it pass.
    let p_value = if found.p_value.is_finite() { (found.p_value / part).min(1.0) } else { 0.0 };
    ColumnTest { name: format!("{} ({})", found.what, found.seen), p_value }
}

/// Rows that go on, as they are stored.
pub(crate) fn arrow(table: &RowTable, held: &[u32]) -> Result<Vec<RecordBatch>, PipelineError> {
    let kept = |row: &usize| u32::try_from(*row).is_ok_and(|row| held.binary_search(&row).is_err());
    let kept: Vec<usize> = table.typed.clean_rows().into_iter().filter(kept).collect();
    Ok(vec![tabular::bridge::of_table(&table.typed.take(&kept), &table.contract).map_err(PipelineError::internal)?])
}

/// Columns of the stored table.
pub(crate) fn columns(contract: &Contract) -> Vec<String> {
    tabular::bridge::schema(contract).fields().iter().map(|field| field.name().clone()).collect()
}
