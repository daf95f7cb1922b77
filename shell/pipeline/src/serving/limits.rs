//! Calls per minute, per application: a sliding count over two minutes' buckets.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Applications whose counts are kept; more make room by forgetting the oldest minute.
const APPLICATIONS_MAX: usize = 100_000;

/// Counts of this minute and the one before.
#[derive(Clone, Copy, Default)]
struct Minute {
    minute: i64,
    calls: u64,
    before: u64,
}

/// Counts by application.
#[derive(Default)]
pub(super) struct Limits {
    minutes: Mutex<BTreeMap<String, Minute>>,
}

impl Limits {
    /// Reserves one call and returns how many fall into the last 60 seconds, this one counted. The minute before counts by the
    /// share of it that the last 60 seconds still cover, rounded up.
    pub(super) fn call(&self, application: &str, now: i64) -> u64 {
        let minute = now.div_euclid(60);
        let mut minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        if minutes.len() >= APPLICATIONS_MAX {
            minutes.retain(|_, known| known.minute >= minute - 1);
        }
        let known = minutes.entry(application.to_owned()).or_default();
        if known.minute != minute {
            let before = if known.minute == minute - 1 { known.calls } else { 0 };
            *known = Minute { minute, calls: 0, before };
        }
        known.calls += 1;
        let left = u64::try_from(60 - now.rem_euclid(60)).unwrap_or(60);
        known.calls + (known.before * left).div_ceil(60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_the_last_minute_are_counted() {
        let limits = Limits::default();
        assert_eq!([limits.call("a", 0), limits.call("a", 1), limits.call("b", 1)], [1, 2, 1]);
        assert_eq!(limits.call("a", 60), 3);
        assert_eq!(limits.call("a", 90), 3);
        assert_eq!(limits.call("a", 300), 1);
    }
}
