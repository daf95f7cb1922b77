//! `[labels]` of the policy: who signs, what is looked at, and what an insider would have to get past (T6).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelPolicy {
    /// How many different people must sign.
    pub approvals_needed: u32,
    /// Whether the author's own signature counts.
    pub author_may_approve: bool,
    /// Largest share of labels that a new version may change.
    #[serde(default = "change_share")]
    pub change_share_max: f64,
    /// Largest share of labels that the model may contradict strongly.
    #[serde(default = "suspect_share")]
    pub suspect_share_max: f64,
    /// Probability of a false alarm when a labeller's, a value tier's or a version's labels are held against the others'.
    #[serde(default = "pattern_alpha")]
    pub pattern_alpha: f64,
    /// Whether only people of another team than the author's sign, and give second labels.
    #[serde(default)]
    pub other_team: bool,
    /// Random rows that somebody else labels again without a look at the label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blind: Option<BlindPolicy>,
    /// Probability that the watch over all versions ever accuses any honest labeller.
    #[serde(default = "watch_alpha")]
    pub watch_alpha: f64,
    /// Labellers whose watch begins anew with a version, because people looked at what came before.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub watch_from: BTreeMap<String, u64>,
    /// The column of the labels' own file that says who labelled; empty where none does.
    #[serde(default)]
    pub labeller: String,
    /// Billing or activity events that labels are computed again from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<EventPolicy>,
}

/// How many random rows are labelled again: so many that a version with this share of wrong labels shows at least one of them among
/// the drawn, but with probability `miss` (exact, by the hypergeometric law).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlindPolicy {
    /// The share of wrong labels that must be ruled out, above 0 to 1.
    pub share: f64,
    /// Probability that so many are there all the same, above 0 and below 1.
    pub miss: f64,
}

/// Events that decide who churned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventPolicy {
    /// The file: CSV (plain or gz) or Parquet, one row an event.
    pub data: String,
    /// Its column with the customer's id.
    pub customer: String,
    /// Its column with the moment.
    pub time: String,
    /// Its column with the kind of event.
    pub kind: String,
    /// Labels that events may contradict before the version is refused.
    #[serde(default)]
    pub mismatches_max: u64,
    /// When a customer counts as churned: `horizon_days`, `activity`, `ending`, `delay_days`.
    pub rule: labelnoise::facts::Rule,
}

const fn pattern_alpha() -> f64 {
    0.01
}

const fn watch_alpha() -> f64 {
    0.01
}

const fn change_share() -> f64 {
    0.05
}

const fn suspect_share() -> f64 {
    0.15
}

impl LabelPolicy {
    /// Refuses shares that no draw can rule out.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Some(blind) = &self.blind else { return Ok(()) };
        // What is not a number is in no range.
        if !(blind.share > 0.0 && blind.share <= 1.0) {
            return Err(format!("`labels.blind.share` is `{}`; it must be above 0, up to 1", blind.share));
        }
        if !(blind.miss > 0.0 && blind.miss < 1.0) {
            return Err(format!("`labels.blind.miss` is `{}`; it must be above 0 and below 1", blind.miss));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::{Policy, template};

    fn check(more: &str) -> Result<Policy, String> {
        Policy::parse(&template("a", "x", "", false, 0.65).replace("[labels]\n", &format!("[labels]\n{more}\n")))
    }

    #[test]
    fn second_labels_are_read_under_limits() {
        let policy = check("blind = { share = 0.02, miss = 0.05 }\nother_team = true\nwatch_from = { ben = 3 }").unwrap().labels;
        assert!(policy.other_team && policy.blind.is_some_and(|blind| blind.share < 0.03) && policy.watch_from["ben"] == 3);
        for wrong in
            ["share = 0.0, miss = 0.05", "share = 1.5, miss = 0.05", "share = nan, miss = 0.05", "share = 0.1, miss = 0.0"]
        {
            assert!(check(&format!("blind = {{ {wrong} }}")).unwrap_err().contains("labels.blind"), "{wrong}");
        }
        assert!(check("blind = { share = 0.02 }").is_err() && check("watch_alpha = 2.0").unwrap_err().contains("watch_alpha"));
    }
}
