//! s05, what models of these settings remember of their people (T2): membership attacks on models of random halves of the rows.

use std::collections::BTreeMap;

use frame::{Column, Frame};
use leak::{AttributeSpec, AuditSpec, LeakError, Rate, Sensitive};
use learn::rng::{Rng, derive};
use learn::{Member, TrainSpec};
use s05_train::{AttributeGain, Memory};

use crate::Project;

/// The rate of false alarms that is judged.
const FALSE_ALARMS: f64 = 0.001;
/// Rows that are audited, at most.
const ROWS_MAX: usize = 20_000;
/// Models, at most.
const MODELS_MAX: usize = 64;
/// Targets of an attack on a sensitive column.
const REPEATS: usize = 5;
/// The uses of the training seed.
const SEED: u64 = 66;
const SEED_ATTRIBUTE: u64 = 67;

/// Audits settings: as many models as the rate of false alarms needs to be seen, each attacked by all others.
pub(super) fn memory(frame: &Frame, labels: &[bool], spec: &TrainSpec) -> Result<Vec<Memory>, LeakError> {
    let mut places: Vec<usize> = (0..frame.rows()).collect();
    Rng::new(derive(spec.seed, SEED, 0)).shuffle(&mut places);
    places.truncate(ROWS_MAX);
    places.sort_unstable();
    let labels: Vec<bool> = places.iter().filter_map(|row| labels.get(*row).copied()).collect();
    // About half of the rows of each target are no members; a twentieth more, so that the draw cannot leave too few (7 deviations).
    let needed = usize::try_from(leak::needed(FALSE_ALARMS)).unwrap_or(usize::MAX).saturating_mul(21).div_ceil(10);
    let models = needed.div_ceil(places.len().max(1)).clamp(leak::MODELS_MIN, MODELS_MAX);
    let audit = AuditSpec { models, targets: models, seed: derive(spec.seed, SEED, 1), member: None };
    let found = leak::audit(&frame.take(&places), &labels, spec, &audit, &mut |_| ())?;
    let of = |(member, leak): (&Member, &leak::Leak)| {
        let worst = leak.worst(FALSE_ALARMS);
        Memory {
            member: serde_json::to_value(member).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default(),
            models: audit.models as u64,
            rows: found.rows as u64,
            attack: worst.as_ref().map_or_else(String::new, |(attack, _)| attack.name().to_owned()),
            tpr: worst.as_ref().and_then(|(_, rate)| Rate::tpr(rate)),
            tpr_high: leak.high(FALSE_ALARMS),
        }
    };
    Ok(found.members.iter().map(of).collect())
}

/// How far answers help to guess the columns that the policy calls sensitive. Of each, the rarest value that a tenth of the rows have is
/// guessed.
pub(super) fn attributes(
    project: &Project,
    (frame, labels): (&Frame, &[bool]),
    spec: &TrainSpec,
) -> Result<Vec<AttributeGain>, LeakError> {
    let mut out = Vec::new();
    for column in &project.policy.quality.sensitive {
        let wrong = |why| LeakError::Sensitive { column: column.clone(), why };
        let level = guessed(frame, column)
            .ok_or_else(|| wrong("is not read by the model, or has no value that a tenth of the rows have"))?;
        let sensitive = Sensitive { column: column.clone(), level: level.clone() };
        let how = AttributeSpec { sensitive, repeats: REPEATS, seed: derive(spec.seed, SEED_ATTRIBUTE, 0), member: Member::Vote };
        let found = leak::attribute(frame, labels, spec, &how)?;
        let gain = (found.members.mean, found.members.error);
        if !(gain.0.is_finite() && gain.1.is_finite() && found.imputation.mean.is_finite()) {
            return Err(wrong("could not be guessed often enough to measure it"));
        }
        out.push(AttributeGain { column: column.clone(), level, imputation: found.imputation.mean, gain });
    }
    Ok(out)
}

/// The rarest value of a column that at least a tenth of the rows have, where not all have it.
fn guessed(frame: &Frame, column: &str) -> Option<String> {
    let text = |row: usize| match frame.column(column)? {
        Column::Number(values) => values.get(row).filter(|value| value.is_finite()).map(f64::to_string),
        Column::Category(categories) => categories.text(row).map(str::to_owned),
    };
    let mut counts = BTreeMap::<String, usize>::new();
    (0..frame.rows()).filter_map(text).for_each(|text| *counts.entry(text).or_default() += 1);
    let common = counts.into_iter().filter(|(_, count)| count * 10 >= frame.rows() && *count < frame.rows());
    common.min_by_key(|(_, count)| *count).map(|(text, _)| text)
}
