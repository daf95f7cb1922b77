//! Each labeller's new labels of every version against the others' (T6): who turns a few in each stays below the limits of every single
//! one, and is found by all together.
//!
//! A version is a period, and only its new labels count: a label that was there before is a correction, which other tests look at, and
//! none is counted twice. Chances come from a model of the versions before, which holds nothing of these labels; in the first version
//! each labeller is judged by a model of the others. The state goes into the facts of the version, which the log binds, and from there to
//! the next; it can be computed again from the archived versions.

use std::collections::{BTreeMap, BTreeSet};

use frame::Frame;
use labelnoise::{BeliefSpec, Judge, LabelError, Labels, Watch, without_labeller};
use learn::BoosterSpec;
use s03_label_qa::{Watched, Watches};
use tabular::TypedTable;

use super::qa::{name_of, said};
use crate::Project;
use crate::run::labels::LabelRows;
use crate::run::training::model_frame;

/// Rows of a labeller that a finding may name.
const FIRST: usize = 5;
/// What is taken for a chance where no model can be made: of one class, for instance. Any number will do that no label decides.
const CHANCE_UNKNOWN: f64 = 0.5;
/// The name of those who do not say who labelled.
pub(crate) const NAMELESS: &str = "(nobody is named)";

/// Customer and moment.
type Key = (String, i64);

/// Watches every labeller over all versions up to this candidate. `earlier` are all versions before it, oldest first; `before` is what
/// the last of them left, and is computed again where it left nothing.
///
/// # Errors
/// An archive that lacks versions; rows that cannot be judged.
pub(crate) fn watched(
    project: &Project,
    table: &TypedTable,
    (rows, version): (&LabelRows, u64),
    earlier: &[LabelRows],
    before: Option<Watches>,
) -> Result<Watches, LabelError> {
    let versions: Vec<&LabelRows> = earlier.iter().chain([rows]).collect();
    let named = versions.iter().any(|one| !one.labellers.is_empty());
    let mut state = before.filter(|state| state.version + 1 == version).unwrap_or_default();
    if !named {
        return Ok(Watches { version, ..state });
    }
    if u64::try_from(versions.len()).unwrap_or(u64::MAX) != version {
        return Err(LabelError::Count {
            what: "versions of labels",
            expected: usize::try_from(version).unwrap_or(0),
            seen: versions.len(),
        });
    }
    let first = usize::try_from(state.version).unwrap_or(0);
    for at in first..versions.len() {
        let past = versions.get(..at).unwrap_or_default();
        if let Some(one) = versions.get(at) {
            Period::new(project, table, past, one).watch(project, &mut state)?;
        }
    }
    Ok(state)
}

/// The new labels of a version, by labeller.
struct Period {
    names: Vec<Key>,
    chances: Vec<f64>,
    labels: Vec<bool>,
    labellers: Vec<String>,
}

impl Period {
    fn new(project: &Project, table: &TypedTable, past: &[&LabelRows], rows: &LabelRows) -> Self {
        let moment = |row: usize| table.time.as_ref().and_then(|all| all.get(row).copied().flatten()).unwrap_or(0);
        let place: BTreeMap<Key, usize> =
            table.ids.iter().enumerate().map(|(row, id)| ((id.clone(), moment(row)), row)).collect();
        // What each label said last, before this version.
        let mut known: BTreeMap<&Key, bool> = BTreeMap::new();
        for one in past {
            known.extend(one.labels.iter().map(|(key, churned)| (key, *churned)));
        }
        let new: Vec<(&Key, bool, usize)> = rows
            .labels
            .iter()
            .filter(|(key, _)| !known.contains_key(*key))
            .filter_map(|(key, churned)| Some((key, *churned, *place.get(key)?)))
            .collect();
        let named = |key: &Key| rows.labellers.get(key).cloned().unwrap_or_else(|| NAMELESS.to_owned());
        let labels: Vec<bool> = new.iter().map(|(_, churned, _)| *churned).collect();
        let labellers: Vec<String> = new.iter().map(|(key, ..)| named(key)).collect();
        let frame = model_frame(table, project);
        let places: Vec<usize> = new.iter().map(|(.., row)| *row).collect();
        let own = frame.take(&places);
        let (seen, said): (Vec<usize>, Vec<bool>) =
            known.iter().filter_map(|(key, churned)| Some((*place.get(*key)?, *churned))).unzip();
        let chances =
            if past.is_empty() { by_others(&own, &labels, &labellers) } else { by_the_past(&frame.take(&seen), &said, &own) };
        let chances = chances.unwrap_or_else(|_| vec![CHANCE_UNKNOWN; labels.len()]);
        Self { names: new.into_iter().map(|(key, ..)| key.clone()).collect(), chances, labels, labellers }
    }

    /// Adds this version to what is known of everybody.
    fn watch(&self, project: &Project, state: &mut Watches) -> Result<(), LabelError> {
        state.version += 1;
        for one in state.labellers.values_mut() {
            (one.labels, one.first) = (0, Vec::new());
        }
        // People looked at what came before, and wrote so into the policy; whether the person gave labels since or not.
        for (name, _) in project.policy.labels.watch_from.iter().filter(|(_, from)| **from == state.version) {
            if let Some(one) = state.labellers.get_mut(name) {
                one.watch = Watch::default();
            }
        }
        for name in self.labellers.iter().collect::<BTreeSet<_>>() {
            self.of(name, state.labellers.entry(name.clone()).or_default())?;
        }
        Ok(())
    }

    fn of(&self, name: &str, one: &mut Watched) -> Result<(), LabelError> {
        let (own, others): (Vec<usize>, Vec<usize>) =
            (0..self.labels.len()).partition(|row| self.labellers.get(*row).is_some_and(|who| who == name));
        let take = |rows: &[usize]| -> (Vec<f64>, Vec<bool>) {
            rows.iter().filter_map(|row| Some((*self.chances.get(*row)?, *self.labels.get(*row)?))).unzip()
        };
        let ((chances, labels), (other_chances, other_labels)) = (take(&own), take(&others));
        let his = Labels { chances: &chances, labels: &labels };
        one.watch.period(his, Labels { chances: &other_chances, labels: &other_labels })?;
        one.labels = u64::try_from(own.len()).unwrap_or(u64::MAX);
        let off = |row: usize| Some(f64::from(u8::from(*self.labels.get(row)?)) - self.chances.get(row)?);
        // Of the kind that he gives too often, those that the model contradicts most.
        let too_many_churned = own.iter().filter_map(|row| off(*row)).sum::<f64>() > 0.0;
        let mut far: Vec<(f64, usize)> = own
            .iter()
            .filter(|row| self.labels.get(**row) == Some(&too_many_churned))
            .filter_map(|row| Some((off(*row)?.abs(), *row)))
            .collect();
        far.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
        let words = |(_, row): &(f64, usize)| {
            let label = said(*self.labels.get(*row)?);
            Some(format!("{}: `{label}`, models give churn `{:.2}`", name_of(self.names.get(*row)?), self.chances.get(*row)?))
        };
        one.first = far.iter().take(FIRST).filter_map(words).collect();
        Ok(())
    }
}

/// What a model of the versions before says.
fn by_the_past(seen: &Frame, said: &[bool], own: &Frame) -> Result<Vec<f64>, LabelError> {
    let spec = BeliefSpec::default();
    let judge = Judge::fit(seen, said, &BoosterSpec { ..spec.booster }, spec.seed)?;
    Ok(judge.beliefs(own)?.into_iter().map(|belief| belief.chance).collect())
}

/// What models of the other labellers say of each.
fn by_others(own: &Frame, labels: &[bool], labellers: &[String]) -> Result<Vec<f64>, LabelError> {
    let names: BTreeSet<&String> = labellers.iter().collect();
    let numbers: BTreeMap<&String, u32> = names.into_iter().zip(0..).collect();
    let numbers: Vec<Option<u32>> = labellers.iter().map(|name| numbers.get(name).copied()).collect();
    let beliefs = without_labeller(own, labels, &numbers, &BeliefSpec::default())?;
    Ok(beliefs.into_iter().map(|belief| belief.chance).collect())
}

#[cfg(test)]
mod tests;
