//! Counts of the last day by application, in buckets of an hour: what was asked yesterday neither hides nor convicts anybody today,
//! and no caller can make the service remember without end (T2, T3).

use std::collections::BTreeMap;

use drift::Compared;
use s11_monitor::Pattern;

const HOUR_SECONDS: i64 = 3600;
/// Full hours that the window goes back, beside the one that runs: `monitor.coverage_max` is a share of customers in a day.
const WINDOW_HOURS: i64 = 24;
/// Customers that are remembered, over all applications: some 60 MB. Who asks about more counts as having asked about everybody.
const CUSTOMERS_MAX: usize = 2_000_000;
/// Applications that are counted by name; further ones are counted together, as one that asked about everybody.
const APPLICATIONS_MAX: usize = 10_000;
/// Under what name.
const FURTHER: &str = "(further applications)";

#[derive(Clone, Copy, Default)]
struct Hour {
    requests: u64,
    refused: u64,
    compared: u64,
    near: u64,
}

#[derive(Default)]
struct Asked {
    /// By hours since 1970.
    hours: BTreeMap<i64, Hour>,
    /// The last hour in which each customer was asked about.
    customers: BTreeMap<u32, i64>,
    /// The last hour in which somebody was asked about who could not be remembered.
    overfull: Option<i64>,
}

/// How applications asked in the last day. The clock comes from the caller.
pub(super) struct Rolling {
    /// When counting began.
    began: i64,
    /// First hour that counts.
    oldest: i64,
    requests: BTreeMap<i64, u64>,
    asked: BTreeMap<String, Asked>,
    /// Customers remembered.
    customers: usize,
    customers_max: usize,
    applications_max: usize,
}

impl Rolling {
    pub(super) fn new(now: i64) -> Self {
        Self {
            began: now,
            oldest: oldest_at(now),
            requests: BTreeMap::new(),
            asked: BTreeMap::new(),
            customers: 0,
            customers_max: CUSTOMERS_MAX,
            applications_max: APPLICATIONS_MAX,
        }
    }

    /// Counts an answer about customers; one without a place cannot be remembered.
    pub(super) fn answered(&mut self, application: &str, places: &[Option<u32>], now: i64) {
        let hour = self.count(now);
        let (mut left, before) = (self.customers_max.saturating_sub(self.customers), self.customers);
        let asked = self.of(application, hour);
        asked.hours.entry(hour).or_default().requests += 1;
        let known = asked.customers.len();
        for place in places {
            match place {
                Some(place) if left > 0 || asked.customers.contains_key(place) => {
                    left -= usize::from(asked.customers.insert(*place, hour).is_none());
                }
                Some(_) | None => asked.overfull = Some(hour),
            }
        }
        self.customers = before + (asked.customers.len() - known);
    }

    /// Counts a refusal; without an application where nobody knows who called.
    pub(super) fn refused(&mut self, application: Option<&str>, now: i64) {
        let hour = self.count(now);
        if let Some(application) = application {
            let counts = self.of(application, hour).hours.entry(hour).or_default();
            counts.requests += 1;
            counts.refused += 1;
        }
    }

    /// Counts how one row of an answered what-if stands to those before it.
    pub(super) fn compared(&mut self, application: &str, compared: Compared, now: i64) {
        let hour = now.div_euclid(HOUR_SECONDS);
        let counts = self.of(application, hour).hours.entry(hour).or_default();
        counts.compared += u64::from(compared != Compared::First);
        counts.near += u64::from(compared == Compared::Near);
    }

    /// First moment that counts: the start of the oldest hour, or of the counting.
    pub(super) fn from(&self, now: i64) -> i64 {
        self.began.max(self.oldest.max(oldest_at(now)).saturating_mul(HOUR_SECONDS)).min(now)
    }

    /// Requests in the window, as of the last call that was given a time.
    pub(super) fn requests(&self) -> u64 {
        self.requests.values().sum()
    }

    /// How each application asked, by name, against so many customers.
    pub(super) fn patterns(&mut self, base: usize, now: i64) -> Vec<Pattern> {
        self.forget(now);
        #[expect(clippy::cast_precision_loss, reason = "counts are far smaller than 2^53")]
        let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
        let pattern = |(application, asked): (&String, &Asked)| {
            let sum = |of: fn(&Hour) -> u64| asked.hours.values().map(of).sum::<u64>();
            let coverage = if asked.overfull.is_some() { 1.0 } else { share(asked.customers.len() as u64, base as u64) };
            Pattern {
                application: application.clone(),
                requests: sum(|hour| hour.requests),
                coverage,
                near_pairs: share(sum(|hour| hour.near), sum(|hour| hour.compared)),
                refused: sum(|hour| hour.refused),
            }
        };
        self.asked.iter().map(pattern).collect()
    }

    fn count(&mut self, now: i64) -> i64 {
        self.forget(now);
        let hour = now.div_euclid(HOUR_SECONDS);
        *self.requests.entry(hour).or_default() += 1;
        hour
    }

    fn of(&mut self, application: &str, hour: i64) -> &mut Asked {
        let known = self.asked.contains_key(application);
        let name = if known || self.asked.len() < self.applications_max { application } else { FURTHER };
        let asked = self.asked.entry(name.to_owned()).or_default();
        if name == FURTHER {
            asked.overfull = Some(hour);
        }
        asked
    }

    /// Drops what is older than the window. A clock that is set back brings nothing back.
    fn forget(&mut self, now: i64) {
        let oldest = oldest_at(now);
        if oldest <= self.oldest {
            return;
        }
        self.oldest = oldest;
        self.requests.retain(|hour, _| *hour >= oldest);
        self.asked.retain(|_, asked| {
            asked.hours.retain(|hour, _| *hour >= oldest);
            asked.customers.retain(|_, last| *last >= oldest);
            asked.overfull = asked.overfull.filter(|hour| *hour >= oldest);
            !asked.hours.is_empty()
        });
        self.customers = self.asked.values().map(|asked| asked.customers.len()).sum();
    }
}

fn oldest_at(now: i64) -> i64 {
    now.div_euclid(HOUR_SECONDS).saturating_sub(WINDOW_HOURS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_795_348_800;
    const DAY: i64 = 24 * HOUR_SECONDS;

    fn of(rolling: &mut Rolling, application: &str, now: i64) -> Option<Pattern> {
        rolling.patterns(10, now).into_iter().find(|pattern| pattern.application == application)
    }

    fn places(places: impl IntoIterator<Item = u32>) -> Vec<Option<u32>> {
        places.into_iter().map(Some).collect()
    }

    #[test]
    fn what_is_older_than_a_day_no_longer_counts() {
        let mut rolling = Rolling::new(NOON);
        rolling.answered("crm", &places([0, 1, 2]), NOON + 10);
        rolling.refused(Some("crm"), NOON + 20);
        rolling.refused(None, NOON + 30);
        rolling.answered("crm", &places([2, 3]), NOON + 2 * HOUR_SECONDS);
        assert_eq!((rolling.from(NOON + 3 * HOUR_SECONDS), rolling.requests()), (NOON, 4));
        let pattern = of(&mut rolling, "crm", NOON + DAY).unwrap();
        assert_eq!((pattern.requests, pattern.refused, pattern.coverage), (3, 1, 0.4));
        // An hour later the first hour is gone; customer 2 was asked about again since.
        let pattern = of(&mut rolling, "crm", NOON + DAY + HOUR_SECONDS).unwrap();
        assert_eq!((pattern.requests, pattern.refused, pattern.coverage), (1, 0, 0.2));
        assert_eq!((rolling.requests(), rolling.customers), (1, 2));
        assert_eq!(rolling.from(NOON + DAY + HOUR_SECONDS), NOON + HOUR_SECONDS);
        assert_eq!(of(&mut rolling, "crm", NOON + 3 * DAY), None);
        assert_eq!((rolling.requests(), rolling.customers), (0, 0));
        // A clock that is set back neither counts twice nor names a moment after the present one.
        assert!(rolling.from(NOON) <= NOON);
        rolling.answered("crm", &places([1]), NOON);
        assert_eq!(of(&mut rolling, "crm", NOON).unwrap().requests, 1);
    }

    #[test]
    fn a_customer_counts_once_however_often_it_is_asked_about() {
        let mut rolling = Rolling::new(NOON);
        (0..100).for_each(|at| rolling.answered("crm", &places([7]), NOON + at * 60));
        rolling.answered("shop", &places([7]), NOON);
        assert_eq!(of(&mut rolling, "crm", NOON + 6000).unwrap().coverage, 0.1);
        assert_eq!(of(&mut rolling, "shop", NOON + 6000).unwrap().coverage, 0.1);
        assert_eq!(rolling.customers, 2);
    }

    #[test]
    fn over_the_bound_everybody_was_asked_about_until_the_hour_is_forgotten() {
        let mut rolling = Rolling { customers_max: 4, ..Rolling::new(NOON) };
        rolling.answered("crm", &places(0..3), NOON);
        rolling.answered("shop", &places([1, 2, 3]), NOON);
        assert_eq!(rolling.customers, 4);
        assert_eq!(of(&mut rolling, "crm", NOON).unwrap().coverage, 0.3);
        assert_eq!(of(&mut rolling, "shop", NOON).unwrap().coverage, 1.0);
        // One that is known still counts as known.
        rolling.answered("crm", &places([0]), NOON + DAY);
        assert_eq!(of(&mut rolling, "crm", NOON + DAY).unwrap().coverage, 0.3);
        let later = NOON + DAY + HOUR_SECONDS;
        rolling.answered("shop", &places([4]), later);
        assert_eq!(of(&mut rolling, "shop", later).unwrap().coverage, 0.1);
        assert_eq!(rolling.customers, 2);
        rolling.answered("shop", &[None], later);
        assert_eq!(of(&mut rolling, "shop", later).unwrap().coverage, 1.0);
    }

    #[test]
    fn too_many_applications_are_counted_together_and_never_as_less() {
        let mut rolling = Rolling { applications_max: 2, ..Rolling::new(NOON) };
        for application in ["a", "b", "c", "d", "a"] {
            rolling.answered(application, &places([1]), NOON);
        }
        rolling.refused(Some("d"), NOON);
        let patterns = rolling.patterns(10, NOON);
        let seen: Vec<_> = patterns.iter().map(|one| (one.application.as_str(), one.requests, one.coverage)).collect();
        assert_eq!(seen, [(FURTHER, 3, 1.0), ("a", 2, 0.1), ("b", 1, 0.1)]);
    }

    #[test]
    fn near_rows_are_a_share_of_those_compared() {
        let mut rolling = Rolling::new(NOON);
        rolling.answered("crm", &[], NOON);
        [Compared::First, Compared::Near, Compared::Apart].into_iter().for_each(|one| rolling.compared("crm", one, NOON));
        assert_eq!(of(&mut rolling, "crm", NOON).unwrap().near_pairs, 0.5);
        assert_eq!(of(&mut rolling, "crm", NOON + 2 * DAY), None);
    }
}
