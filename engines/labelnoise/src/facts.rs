//! A churn label is no opinion: it follows from what the customer did and when the contract ended. So labels are computed again from
//! billing and activity events, and whoever turned one around is contradicted by the events themselves (T6).
//!
//! Events may come in any order and any number: memory grows with labels only. Nothing here is a guess; what cannot be known yet is
//! said to be open, never right.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Most labels of one recount, about 1.5 GB.
pub const LABELS_MAX: usize = 10_000_000;
/// Most labels of one customer.
pub const CUTOFFS_MAX: usize = 1_000;
/// Most kinds of events that a rule names.
pub const KINDS_MAX: usize = 1_000;
const DAY_SECONDS: i64 = 86_400;

/// When a customer counts as churned. All times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Days after a label's cutoff that decide: events from the cutoff on, and before the end of the last day.
    pub horizon_days: u32,
    /// Kinds of events that show an active customer. Where there are any, a customer without one of them in the horizon has churned.
    #[serde(default)]
    pub activity: BTreeSet<String>,
    /// Kinds of events that end the contract: one of them in the horizon is churn, whatever else happens.
    #[serde(default)]
    pub ending: BTreeSet<String>,
    /// Days after which an event is in the books at the latest.
    #[serde(default)]
    pub delay_days: u32,
}

/// Why labels cannot be computed again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactError {
    /// A rule by which nothing follows from any event.
    #[error("the rule of churn {0}")]
    Rule(&'static str),
    /// Too many labels.
    #[error("`{seen}` labels {of} are more than `{most}`")]
    Many {
        /// Whose labels.
        of: &'static str,
        /// How many came.
        seen: usize,
        /// The most.
        most: usize,
    },
    /// Two labels of one customer and cutoff.
    #[error("customer `{customer}` has two labels of cutoff `{cutoff}`")]
    Twice {
        /// The customer.
        customer: String,
        /// The cutoff, Unix seconds.
        cutoff: i64,
    },
}

/// A label as it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// The customer.
    pub customer: String,
    /// The moment from which the horizon runs, Unix seconds.
    pub cutoff: i64,
    /// What the label says.
    pub churned: bool,
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// To whom.
    pub customer: &'a str,
    /// When, Unix seconds.
    pub time: i64,
    /// What; kinds that the rule does not name are read past.
    pub kind: &'a str,
}

/// An event that proves something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// When, Unix seconds.
    pub time: i64,
    /// What.
    pub kind: String,
}

/// What follows from the events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "fact")]
pub enum Fact {
    /// The contract ended in the horizon.
    Ended {
        /// The first event that ended it.
        by: Proof,
    },
    /// The customer was active in the horizon, and the contract did not end.
    Active {
        /// The first activity.
        by: Proof,
    },
    /// Nothing of what the rule asks for happened in the horizon, which is over and in the books.
    Silent {
        /// Whether that is churn (no activity), or staying (no end, by a rule that names no activity).
        churned: bool,
        /// The last named event before the cutoff.
        before: Option<Proof>,
        /// The first named event after the horizon.
        after: Option<Proof>,
    },
    /// Nobody can know yet.
    Open {
        /// From this moment on it will be known, Unix seconds.
        until: i64,
    },
}

impl Fact {
    /// The label that follows; `None` where nobody can know yet.
    pub fn churned(&self) -> Option<bool> {
        match self {
            Self::Ended { .. } => Some(true),
            Self::Active { .. } => Some(false),
            Self::Silent { churned, .. } => Some(*churned),
            Self::Open { .. } => None,
        }
    }
}

/// A label that the events contradict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// The label.
    pub given: Given,
    /// What contradicts it.
    pub fact: Fact,
}

/// All labels against the events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Labels that the events confirm.
    pub agree: u64,
    /// Labels that they contradict, by customer and cutoff.
    pub mismatches: Vec<Mismatch>,
    /// Labels that nobody can know yet, by customer and cutoff: whoever gave them guessed.
    pub open: Vec<Given>,
    /// Labels of customers without any named event: a wrong id, or a silent customer.
    pub without_events: u64,
    /// Events that came.
    pub events: u64,
    /// Of these, events of kinds that the rule names and customers that have a label.
    pub events_used: u64,
}

/// An event: its time, and its kind as a place among [`Recount::kinds`].
type Seen = (i64, u32);

/// What is kept of one label.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    cutoff: i64,
    churned: bool,
    ended: Option<Seen>,
    active: Option<Seen>,
    before: Option<Seen>,
    after: Option<Seen>,
}

/// Labels that are computed again while events come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recount {
    rule: Rule,
    /// Kinds that the rule names, sorted.
    kinds: Vec<String>,
    /// Labels of each customer, by cutoff.
    rows: BTreeMap<String, Vec<Row>>,
    events: u64,
    events_used: u64,
}

impl Recount {
    /// Takes the rule and the labels, in any order.
    ///
    /// # Errors
    /// A rule without a horizon, without kinds or with a kind of both meanings; too many labels; two labels of one customer and cutoff.
    pub fn new(rule: Rule, labels: impl IntoIterator<Item = Given>) -> Result<Self, FactError> {
        if rule.horizon_days == 0 {
            return Err(FactError::Rule("has a horizon of no days"));
        }
        if !rule.activity.is_disjoint(&rule.ending) {
            return Err(FactError::Rule("names a kind both as activity and as the contract's end"));
        }
        let kinds: Vec<String> = rule.activity.union(&rule.ending).cloned().collect();
        if !(1..=KINDS_MAX).contains(&kinds.len()) {
            return Err(FactError::Rule("must name 1 to 1,000 kinds of events"));
        }
        let mut rows: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        for (at, given) in labels.into_iter().enumerate() {
            if at >= LABELS_MAX {
                return Err(FactError::Many { of: "in all", seen: at + 1, most: LABELS_MAX });
            }
            let own = rows.entry(given.customer).or_default();
            if own.len() >= CUTOFFS_MAX {
                return Err(FactError::Many { of: "of one customer", seen: own.len() + 1, most: CUTOFFS_MAX });
            }
            let Given { cutoff, churned, .. } = given;
            own.push(Row { cutoff, churned, ended: None, active: None, before: None, after: None });
        }
        for (customer, own) in &mut rows {
            own.sort_by_key(|row| row.cutoff);
            if let Some([row, _]) = own.array_windows().find(|[left, right]| left.cutoff == right.cutoff) {
                return Err(FactError::Twice { customer: customer.clone(), cutoff: row.cutoff });
            }
        }
        Ok(Self { rule, kinds, rows, events: 0, events_used: 0 })
    }

    fn horizon(&self) -> i64 {
        i64::from(self.rule.horizon_days) * DAY_SECONDS
    }

    /// Takes an event; events may come in any order, and more than once.
    pub fn event(&mut self, event: Event<'_>) {
        self.events += 1;
        let horizon = self.horizon();
        let Ok(kind) = self.kinds.binary_search_by(|kind| kind.as_str().cmp(event.kind)) else { return };
        let Some(own) = self.rows.get_mut(event.customer) else { return };
        self.events_used += 1;
        let seen = (event.time, u32::try_from(kind).unwrap_or(u32::MAX));
        let ends = self.rule.ending.contains(event.kind);
        for row in own {
            let place = if event.time < row.cutoff {
                // The latest of those before; of two at once the first by name, as everywhere.
                let later = |old: Seen| old.0 < seen.0 || (old.0 == seen.0 && old.1 > seen.1);
                if row.before.is_none_or(later) {
                    row.before = Some(seen);
                }
                continue;
            } else if event.time >= row.cutoff.saturating_add(horizon) {
                &mut row.after
            } else if ends {
                &mut row.ended
            } else {
                &mut row.active
            };
            *place = Some(place.map_or(seen, |old| old.min(seen)));
        }
    }

    /// What follows from the events so far, at the moment `now`: all that happened up to `rule.delay_days` before it is in the books.
    pub fn report(&self, now: i64) -> Report {
        let mut out = Report { events: self.events, events_used: self.events_used, ..Report::default() };
        for (customer, own) in &self.rows {
            for row in own {
                let given = || Given { customer: customer.clone(), cutoff: row.cutoff, churned: row.churned };
                let fact = self.fact(row, now);
                if [row.ended, row.active, row.before, row.after].iter().all(Option::is_none) {
                    out.without_events += 1;
                }
                match fact.churned() {
                    None => out.open.push(given()),
                    Some(churned) if churned == row.churned => out.agree += 1,
                    Some(_) => out.mismatches.push(Mismatch { given: given(), fact }),
                }
            }
        }
        out
    }

    /// What the events say of each label, by customer and cutoff.
    pub fn facts(&self, now: i64) -> impl Iterator<Item = (&str, i64, Fact)> {
        self.rows
            .iter()
            .flat_map(move |(customer, own)| own.iter().map(move |row| (customer.as_str(), row.cutoff, self.fact(row, now))))
    }

    fn fact(&self, row: &Row, now: i64) -> Fact {
        let proof = |(time, kind): Seen| Proof { time, kind: self.kinds.get(kind as usize).cloned().unwrap_or_default() };
        let delay = i64::from(self.rule.delay_days) * DAY_SECONDS;
        let until = row.cutoff.saturating_add(self.horizon()).saturating_add(delay);
        match (row.ended, row.active) {
            (Some(ended), _) => Fact::Ended { by: proof(ended) },
            // An end of the contract may still come.
            (None, Some(active)) if self.rule.ending.is_empty() || now >= until => Fact::Active { by: proof(active) },
            _ if now < until => Fact::Open { until },
            _ => Fact::Silent {
                churned: !self.rule.activity.is_empty(),
                before: row.before.map(proof),
                after: row.after.map(proof),
            },
        }
    }
}

#[cfg(test)]
mod tests;
