//! Counts how each application asks: how many customers, how often the same one, how close together, how much of the base.
//! An extraction or a probe looks like one of these long before its answers look like anything (T2, T3).

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

/// Customers remembered per application; beyond, `customers` is a lower bound and `saturated` says so.
pub const CUSTOMERS_MAX: usize = 200_000;
/// Recent queries that a new one is compared with.
pub const RECENT_MAX: usize = 256;
/// Features of a query that are compared; further ones are not read.
pub const FEATURES_MAX: usize = 256;
/// Recent arrival times kept for the rate.
const ARRIVALS_MAX: usize = 4_096;
/// Applications that are counted; beyond, the one that was silent longest is forgotten.
pub const APPLICATIONS_MAX: usize = 10_000;
/// A pair is near when its distance per feature is below this share of the scale of the features (one deviation).
const NEAR: f64 = 0.1;

/// One query, as the service saw it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Query<'a> {
    /// The customer asked about, as any stable number (a keyed hash, not a name); none where the row belongs to no customer.
    pub customer: Option<u64>,
    /// Standardised features, the same count each time.
    pub features: &'a [f32],
    /// Milliseconds since any fixed point; must not fall.
    pub at_milliseconds: u64,
}

/// How a query stands to the recent ones of its application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// There was none to compare it with.
    First,
    /// It is equal to one, or near none.
    Apart,
    /// It comes near to one, but is not equal.
    Near,
}

/// Counters of one application.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    queries: u64,
    unknown: u64,
    near: u64,
    compared: u64,
    customers: BTreeMap<u64, u32>,
    saturated: bool,
    recent: VecDeque<Vec<f32>>,
    arrivals: VecDeque<u64>,
    last: u64,
}

/// What the counters say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pattern {
    /// Queries.
    pub queries: u64,
    /// Distinct customers asked about.
    pub customers: u64,
    /// Whether more customers were asked about than are remembered.
    pub saturated: bool,
    /// Most queries about one customer: repeats wear down noise.
    pub repeats_most: u32,
    /// Mean queries per customer.
    pub repeats_mean: f64,
    /// Share of queries about no customer of the base: made-up rows.
    pub unknown_share: f64,
    /// Share of queries that come near, but not equal, to one of the last [`RECENT_MAX`]: a search along a boundary.
    pub near_share: f64,
    /// Share of the customer base asked about.
    pub coverage: f64,
    /// Queries in the last minute.
    pub queries_last_minute: u64,
}

/// Counters of all applications.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QueryLog {
    applications: BTreeMap<String, Asked>,
}

impl Asked {
    fn add(&mut self, query: &Query<'_>) -> Compared {
        self.queries += 1;
        self.last = self.last.max(query.at_milliseconds);
        match query.customer {
            None => self.unknown += 1,
            Some(customer) => {
                if let Some(count) = self.customers.get_mut(&customer) {
                    *count = count.saturating_add(1);
                } else if self.customers.len() < CUSTOMERS_MAX {
                    self.customers.insert(customer, 1);
                } else {
                    self.saturated = true;
                }
            }
        }
        let features: Vec<f32> =
            query.features.iter().take(FEATURES_MAX).map(|value| if value.is_finite() { *value } else { 0.0 }).collect();
        let compared = if self.recent.is_empty() {
            Compared::First
        } else if self.recent.iter().any(|known| is_near(known, &features)) {
            Compared::Near
        } else {
            Compared::Apart
        };
        self.compared += u64::from(compared != Compared::First);
        self.near += u64::from(compared == Compared::Near);
        self.recent.push_back(features);
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
        self.arrivals.push_back(query.at_milliseconds);
        if self.arrivals.len() > ARRIVALS_MAX {
            self.arrivals.pop_front();
        }
        compared
    }

    /// The pattern at a time, against a base of so many customers.
    pub fn pattern(&self, customers_in_base: u64, now_milliseconds: u64) -> Pattern {
        let customers = self.customers.len() as u64;
        let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let since = now_milliseconds.saturating_sub(60_000);
        Pattern {
            queries: self.queries,
            customers,
            saturated: self.saturated,
            repeats_most: self.customers.values().copied().max().unwrap_or(0),
            repeats_mean: share(self.queries - self.unknown, customers),
            unknown_share: share(self.unknown, self.queries),
            near_share: share(self.near, self.compared),
            coverage: share(customers, customers_in_base).min(1.0),
            queries_last_minute: self.arrivals.iter().filter(|&&at| at > since && at <= now_milliseconds).count() as u64,
        }
    }
}

/// Near, and not the same: an honest retry is equal.
fn is_near(a: &[f32], b: &[f32]) -> bool {
    if a.len() != b.len() || a.is_empty() {
        return false;
    }
    let square: f64 = a.iter().zip(b).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum();
    square > 0.0 && square < NEAR * NEAR * a.len() as f64
}

impl QueryLog {
    /// Counts one query of an application, and says how it stands to the recent ones: for who keeps counts by the hour.
    pub fn add(&mut self, application: &str, query: &Query<'_>) -> Compared {
        if !self.applications.contains_key(application) && self.applications.len() >= APPLICATIONS_MAX {
            let silent = self.applications.iter().min_by_key(|(_, asked)| asked.last).map(|(name, _)| name.clone());
            if let Some(silent) = silent {
                self.applications.remove(&silent);
            }
        }
        self.applications.entry(application.to_owned()).or_default().add(query)
    }

    /// Forgets applications that asked nothing since.
    pub fn forget_silent(&mut self, since_milliseconds: u64) {
        self.applications.retain(|_, asked| asked.last >= since_milliseconds);
    }

    /// The counters of one application.
    pub fn application(&self, application: &str) -> Option<&Asked> {
        self.applications.get(application)
    }

    /// The pattern of each application, by name.
    pub fn patterns(&self, customers_in_base: u64, now_milliseconds: u64) -> impl Iterator<Item = (&str, Pattern)> {
        self.applications.iter().map(move |(name, asked)| (name.as_str(), asked.pattern(customers_in_base, now_milliseconds)))
    }
}
