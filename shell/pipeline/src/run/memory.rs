//! s05, what models of these settings remember of their people (T2): membership attacks on models of random halves of the rows.

use frame::Frame;
use leak::{AuditSpec, LeakError, Rate};
use learn::rng::{Rng, derive};
use learn::{Member, TrainSpec};
use s05_train::Memory;

/// The rate of false alarms that is judged.
const FALSE_ALARMS: f64 = 0.001;
/// Rows that are audited, at most.
const ROWS_MAX: usize = 20_000;
/// Models, at most.
const MODELS_MAX: usize = 64;
/// The use of the training seed.
const SEED: u64 = 66;

/// Audits settings: as many models as the rate of false alarms needs to be seen, each attacked by all others.
pub(super) fn memory(frame: &Frame, labels: &[bool], spec: &TrainSpec) -> Result<Vec<Memory>, LeakError> {
    let mut places: Vec<usize> = (0..frame.rows()).collect();
    Rng::new(derive(spec.seed, SEED, 0)).shuffle(&mut places);
    places.truncate(ROWS_MAX);
    places.sort_unstable();
    let labels: Vec<bool> = places.iter().filter_map(|row| labels.get(*row).copied()).collect();
    // Half of the rows of each target are no members.
    let needed = usize::try_from(leak::needed(FALSE_ALARMS)).unwrap_or(usize::MAX).saturating_mul(2);
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
