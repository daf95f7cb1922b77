//! Poison in small portions: no single delivery is strange, their sum is (T1).

use frame::Frame;

use crate::{Class, Delivery, PoisonError, Roles, poison};

/// The same attack over successive deliveries, its share growing evenly from `share / n` in the first of n to `share` in the
/// last. Every delivery has draws of its own.
///
/// # Errors
/// As [`poison`].
pub fn drip(
    history: &Frame,
    batches: &[Frame],
    roles: &Roles,
    class: Class,
    share: f64,
    seed: u64,
) -> Result<Vec<Delivery>, PoisonError> {
    let last = batches.len().max(1) as f64;
    batches
        .iter()
        .zip(0u64..)
        .map(|(batch, place)| {
            let part = share * (place + 1) as f64 / last;
            poison(history, batch, roles, class, part, seed.wrapping_add(place.wrapping_mul(0x9E37_79B9)))
        })
        .collect()
}
