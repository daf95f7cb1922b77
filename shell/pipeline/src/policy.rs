//! `stayward.toml`: what a project asks of its data, its people, its model and its callers.

use artifact::Granularity;
use learn::TrainSpec;
use serde::{Deserialize, Serialize};
use tabular::contract::Outsider;

use crate::internal::SourcePolicy;
pub(crate) use crate::label_policy::{BlindPolicy, EventPolicy, LabelPolicy};
use crate::people::IdentityPolicy;
use crate::secrets::VaultPolicy;
use crate::settings::Base;

/// The whole policy. Unknown keys are refused, so that a typing error does not switch a control off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The project.
    pub project: ProjectPolicy,
    /// Internal data.
    pub source: SourcePolicy,
    /// Third-party feeds.
    #[serde(default)]
    pub feeds: Vec<FeedPolicy>,
    /// Rows of a delivery.
    #[serde(default)]
    pub content: ContentPolicy,
    /// Duties that several people share.
    #[serde(default)]
    pub people: PeoplePolicy,
    /// How people prove who they are.
    #[serde(default, skip_serializing_if = "IdentityPolicy::is_empty")]
    pub identity: IdentityPolicy,
    /// Labels.
    pub labels: LabelPolicy,
    /// Segments.
    #[serde(default)]
    pub segments: SegmentPolicy,
    /// How the model is tested.
    #[serde(default)]
    pub split: SplitPolicy,
    /// How good it must be.
    #[serde(default)]
    pub quality: QualityPolicy,
    /// How much it may cost to withstand outsiders.
    #[serde(default)]
    pub harden: HardenPolicy,
    /// How it is trained.
    #[serde(default, deserialize_with = "crate::settings::read")]
    pub train: TrainSpec,
    /// The prediction API.
    #[serde(default)]
    pub api: ApiPolicy,
    /// Keys and secrets.
    #[serde(default)]
    pub secrets: SecretPolicy,
    /// Where users' secrets lie.
    #[serde(default)]
    pub vault: VaultPolicy,
    /// Monitoring.
    #[serde(default)]
    pub monitor: MonitorPolicy,
    /// Lock files of the pipeline's own scripts, relative to the project; the program's own is always judged.
    #[serde(default)]
    pub dependencies: DependencyPolicy,
}

/// The project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectPolicy {
    /// Its name; also the public name of the model.
    pub name: String,
}

/// A third-party feed of market prices, joined to customers by a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedPolicy {
    /// The feed's name; its table has the same.
    pub name: String,
    /// Who delivers it.
    pub supplier: String,
    /// The folder where deliveries arrive, relative to the project.
    pub inbox: String,
    /// What its rows are about.
    #[serde(default)]
    pub kind: FeedKind,
    /// The column that customers and feed share.
    pub join: String,
    /// Of a market: the feature that is made of it, the lowest price of the latest accepted week.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub feature: String,
    /// Of rows: columns that become features of the customer, from the latest accepted row; all features of the feed's contract where
    /// absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// What somebody outside can do to the feature, in the words of a contract.
    #[serde(default)]
    pub outsider: Outsider,
    /// How far, as a share of its range; absent: as far as `quality.outsider_eps` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outsider_share_max: Option<f64>,
    /// Largest delivery that is read at all.
    #[serde(default = "feed_bytes")]
    pub size_max_bytes: u64,
}

/// What the rows of a feed are about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeedKind {
    /// Prices of competitors by week and region.
    #[default]
    Market,
    /// Customers, one row each (and moment): judged against a golden set.
    Rows,
}

const fn feed_bytes() -> u64 {
    64 << 20
}

macro_rules! policy {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty = $default:expr,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name { $($(#[$field_doc])* pub $field: $kind,)+ }
        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }
    };
}

policy!(
    /// Duties that several people share.
    PeoplePolicy {
        /// Whether the steward of a one-person project also trains what he releases.
        one_person: bool = false,
    }
);

policy!(
    /// Rows of a delivery.
    ContentPolicy {
        /// Largest share of rows that may break the contract.
        contract_share_max: f64 = 0.02,
        /// Largest share of rows in quarantine.
        quarantine_share_max: f64 = 0.05,
        /// Probability below which a test of the whole delivery holds it.
        batch_alpha: f64 = 0.01,
        /// Days after which `doctor` and `status` speak of rows in quarantine that nobody decided about. Nothing is let in by time.
        quarantine_days: u32 = 14,
    }
);

/// Whether what versions are compared by stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// It does.
    #[default]
    Keep,
    /// It is made anew: for one run after a change that people looked at.
    Renew,
}

policy!(
    /// Segments.
    SegmentPolicy {
        /// Columns; empty means: number columns of the contract with more than ten values, the first eight.
        columns: Vec<String> = Vec::new(),
        /// Fewest segments.
        k_min: usize = 2,
        /// Most segments.
        k_max: usize = 6,
        /// Smallest mean adjusted Rand index over bootstraps.
        stability_min: f64 = 0.5,
        /// Smallest segment, in customers.
        customers_min: u64 = 20,
        /// Smallest agreement with the last version on the customers of both (adjusted Rand index), unless chance alone does more.
        continuity_min: f64 = 0.5,
        /// Whether segments follow the last version, or begin anew.
        continuity: Keep = Keep::Keep,
    }
);

/// How the model is tested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitMode {
    /// By time where there is a time column with several moments, stratified folds otherwise.
    #[default]
    Auto,
    /// Stratified folds, whatever columns there are.
    Stratified,
}

policy!(
    /// How the model is tested.
    SplitPolicy {
        /// By time or by folds.
        mode: SplitMode = SplitMode::Auto,
        /// Folds of a stratified test.
        folds: usize = 5,
        /// Days that a label looks ahead: rows so close before the test rows do not train.
        horizon_days: i64 = 90,
    }
);

policy!(
    /// How good the model must be.
    QualityPolicy {
        /// Smallest AUC of the vote.
        auc_min: f64 = 0.65,
        /// Largest Brier score of the vote.
        brier_max: f64 = 0.25,
        /// A single column with an AUC above it is taken for a leak.
        leak_auc: f64 = 0.98,
        /// Columns that people looked at and found to be no leak.
        leak_accepted: Vec<String> = Vec::new(),
        /// Whether the model may read columns with the role `protected` (age, gender, ...).
        use_protected: bool = false,
        /// Largest calibration error of the vote (root mean square, chance taken off).
        calibration_max: f64 = 0.12,
        /// By how much the AUC among the most valuable quarter may be below that of all.
        tier_gap_max: f64 = 0.15,
        /// Largest gap in recall between the groups of a protected column, beyond what chance explains.
        recall_gap_max: f64 = 0.25,
        /// Largest share of answers that a rare pattern may turn, beyond its parts.
        trigger_lift_max: f64 = 0.25,
        /// Columns of patterns that people looked at and found to be true: `a+b`.
        triggers_accepted: Vec<String> = Vec::new(),
        /// Largest share of frozen customers whose decision a new model may change.
        canary_flips_max: f64 = 0.2,
        /// How far an outsider moves what the contract lets him change, as a share of each column's range.
        outsider_eps: f64 = 0.05,
        /// Smallest balanced accuracy that a booster of the settings keeps for certain under such moves; a constant answer has 0.5.
        certified_min: f64 = 0.5,
        /// Largest share of right answers of the vote that an attacker may turn by such moves.
        evasion_max: f64 = 0.5,
        /// Largest share of people that the best membership attack may find in training, at one false alarm in a thousand.
        memory_tpr_max: f64 = 0.25,
        /// Columns that the model reads and nobody may guess from its answers: categories, or numbers, of 2 to 32 values.
        sensitive: Vec<String> = Vec::new(),
        /// By how much answers may help to guess a sensitive column (AUC beyond imputation, two standard errors granted).
        attribute_gain_max: f64 = 0.02,
        /// Whether the frozen customers stay, or are drawn anew.
        canary: Keep = Keep::Keep,
    }
);

policy!(
    /// How much it may cost to withstand outsiders.
    HardenPolicy {
        /// AUC on rows as they are that may be given up; 0 trains as `[train]` says.
        auc_loss_max: f64 = 0.01,
        /// Share of right answers that an attack must turn before anything is given up for it.
        turned_min: f64 = 0.02,
        /// Strengths that are tried beside 0; 1 moves 15 % of the trees' loss to rows that an outsider moved.
        strengths: Vec<f64> = vec![0.5, 1.0, 2.0],
    }
);

policy!(
    /// The prediction API.
    ApiPolicy {
        /// The most that an application is told.
        granularity: Granularity = Granularity::ClassOnly,
        /// Calls per minute of a new key.
        per_minute: u32 = 60,
        /// Different customers per day of a new key.
        distinct_customers_per_day: u32 = 500,
        /// Most customers or rows in one request.
        rows_max: u32 = 100,
        /// A what-if row that fewer honest rows than this share resemble is refused.
        input_alpha: f64 = 0.002,
    }
);

policy!(
    /// Keys and secrets.
    SecretPolicy {
        /// Days after which a key must be new.
        age_days_max: i64 = 90,
        /// Hours after which a person logs in again; the program gives no more than 8.
        session_hours: i64 = 8,
    }
);

policy!(
    /// Monitoring.
    MonitorPolicy {
        /// Evidence for drift (to 1) at which people are called: a false alarm ever has a chance of at most one in so many.
        drift_evidence_max: f64 = 100.0,
        /// Largest share of customers that one application may cover in a day.
        coverage_max: f64 = 0.3,
        /// Largest share of near pairs among an application's what-ifs.
        near_pairs_max: f64 = 0.05,
        /// Largest share of refused requests.
        refused_share_max: f64 = 0.2,
        /// Requests below which no pattern is judged.
        requests_min: u64 = 50,
    }
);

policy!(
    /// Lock files.
    DependencyPolicy {
        /// Pip requirements files with hashes, or Cargo.lock files.
        locks: Vec<String> = Vec::new(),
        /// Registries that a Cargo.lock may name, beside the one that this program was built from, as they stand there:
        /// `registry+https://...`.
        registries: Vec<String> = Vec::new(),
    }
);

impl Policy {
    /// The whole policy with every default, in the form that [`Policy::parse`] reads.
    pub fn to_toml(&self) -> Result<String, String> {
        toml::to_string_pretty(self).map_err(|error| error.to_string())
    }

    /// Reads the file; the error names line and key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let policy: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        policy.train.check().map_err(|error| error.to_string())?;
        policy.identity.check()?;
        policy.vault.check()?;
        policy.labels.check()?;
        let ranges = policy.shares().into_iter().chain(policy.counts());
        for (key, value, least, most) in ranges {
            // What is not a number is in no range.
            if !(least..=most).contains(&value) {
                return Err(format!("`{key}` is `{value}`; it must be from {least} to {most}"));
            }
        }
        if policy.segments.k_min > policy.segments.k_max {
            let (least, most) = (policy.segments.k_min, policy.segments.k_max);
            return Err(format!("`segments.k_min` is `{least}`, which is more than `segments.k_max`, `{most}`"));
        }
        let feeds = policy.feeds.iter().map(|feed| ("feeds.name", &feed.name));
        if let Some((key, _)) = feeds.chain([("project.name", &policy.project.name)]).find(|(_, name)| name.trim().is_empty()) {
            return Err(format!("`{key}` is empty; give it a name"));
        }
        let nameless = |feed: &&FeedPolicy| feed.kind == FeedKind::Market && feed.feature.trim().is_empty();
        if let Some(feed) = policy.feeds.iter().find(nameless) {
            return Err(format!("feed `{}` has no `feature`; name the column that its lowest price becomes", feed.name));
        }
        let rows = policy.feeds.iter().any(|feed| feed.kind == FeedKind::Rows);
        policy.source.check(rows || policy.labels.events.is_some())?;
        Ok(policy)
    }

    /// Key, value, least and most of every share.
    fn shares(&self) -> [Range; 29] {
        let share = |key, value| (key, value, 0.0, 1.0);
        [
            share("content.contract_share_max", self.content.contract_share_max),
            share("content.quarantine_share_max", self.content.quarantine_share_max),
            share("content.batch_alpha", self.content.batch_alpha),
            share("labels.change_share_max", self.labels.change_share_max),
            share("labels.suspect_share_max", self.labels.suspect_share_max),
            share("labels.pattern_alpha", self.labels.pattern_alpha),
            share("labels.watch_alpha", self.labels.watch_alpha),
            share("segments.stability_min", self.segments.stability_min),
            share("segments.continuity_min", self.segments.continuity_min),
            share("quality.auc_min", self.quality.auc_min),
            share("quality.brier_max", self.quality.brier_max),
            share("quality.leak_auc", self.quality.leak_auc),
            share("quality.calibration_max", self.quality.calibration_max),
            share("quality.tier_gap_max", self.quality.tier_gap_max),
            share("quality.recall_gap_max", self.quality.recall_gap_max),
            share("quality.trigger_lift_max", self.quality.trigger_lift_max),
            share("quality.canary_flips_max", self.quality.canary_flips_max),
            share("quality.outsider_eps", self.quality.outsider_eps),
            share("quality.certified_min", self.quality.certified_min),
            share("quality.evasion_max", self.quality.evasion_max),
            share("quality.memory_tpr_max", self.quality.memory_tpr_max),
            share("harden.auc_loss_max", self.harden.auc_loss_max),
            share("harden.turned_min", self.harden.turned_min),
            share("quality.attribute_gain_max", self.quality.attribute_gain_max),
            share("api.input_alpha", self.api.input_alpha),
            share("monitor.coverage_max", self.monitor.coverage_max),
            share("monitor.near_pairs_max", self.monitor.near_pairs_max),
            share("monitor.refused_share_max", self.monitor.refused_share_max),
            // Evidence grows from one; a limit below it would call people for nothing.
            ("monitor.drift_evidence_max", self.monitor.drift_evidence_max, 1.0, 1e12),
        ]
    }

    /// The same of every count.
    #[expect(clippy::cast_precision_loss, reason = "every limit is far below 2^53; a larger value stays out of range")]
    fn counts(&self) -> Vec<Range> {
        let mut counts = vec![
            // Nobody needs more signatures than a committee has members.
            ("labels.approvals_needed", f64::from(self.labels.approvals_needed), 1.0, 20.0),
            ("segments.k_min", self.segments.k_min as f64, 2.0, SEGMENTS_MAX),
            ("segments.k_max", self.segments.k_max as f64, 2.0, SEGMENTS_MAX),
            ("segments.customers_min", self.segments.customers_min as f64, 1.0, 1e9),
            ("split.folds", self.split.folds as f64, 2.0, FOLDS_MAX),
            ("split.horizon_days", self.split.horizon_days as f64, 0.0, DAYS_MAX),
            ("api.per_minute", f64::from(self.api.per_minute), 1.0, f64::from(identity::PER_MINUTE_MAX)),
            ("api.distinct_customers_per_day", f64::from(self.api.distinct_customers_per_day), 1.0, 1e6),
            ("api.rows_max", f64::from(self.api.rows_max), 1.0, 100_000.0),
            ("secrets.age_days_max", self.secrets.age_days_max as f64, 1.0, DAYS_MAX),
            ("secrets.session_hours", self.secrets.session_hours as f64, 1.0, 24.0),
            ("monitor.requests_min", self.monitor.requests_min as f64, 1.0, 1e9),
        ];
        counts.extend(self.harden.strengths.iter().map(|strength| ("harden.strengths", *strength, 0.0, STRENGTH_MAX)));
        let shares = self.feeds.iter().filter_map(|feed| feed.outsider_share_max);
        counts.extend(shares.map(|share| ("feeds.outsider_share_max", share, 1e-6, 1.0)));
        counts.extend(self.feeds.iter().map(|feed| ("feeds.size_max_bytes", feed.size_max_bytes as f64, 1.0, FEED_BYTES_MAX)));
        counts
    }
}

/// Key, value, least, most.
type Range = (&'static str, f64, f64, f64);

/// More than the K-Means part makes.
const SEGMENTS_MAX: f64 = 16.0;
/// Strengths of training against outsiders; from 7 on the trees' loss knows no row as it is.
const STRENGTH_MAX: f64 = 7.0;
/// Folds of a test.
const FOLDS_MAX: f64 = 20.0;
/// Ten years.
const DAYS_MAX: f64 = 3_650.0;
/// Four gibibytes: the largest file that is read.
const FEED_BYTES_MAX: f64 = 4_294_967_296.0;

/// The commented file that `init` writes.
pub fn template(name: &str, data: &str, labels: &str, one_person: bool, auc_min: f64) -> String {
    template_with(name, (data, labels), one_person, auc_min, (Base::Accurate, ""))
}

/// The same, with the settings that training starts from, and why.
pub fn template_with(
    name: &str,
    (data, labels): (&str, &str),
    one_person: bool,
    auc_min: f64,
    (base, why): (Base, &str),
) -> String {
    let people = if one_person {
        "[people]\n# One person brings data, trains and releases. With more people set it to false, give somebody the role `trainer`, and set\n\
         # approvals_needed = 2 and author_may_approve = false; until then `stayward controls` shows the clauses as weak.\n\
         one_person = true\n\n[labels]\napprovals_needed = 1\nauthor_may_approve = true\n"
    } else {
        "[labels]\napprovals_needed = 2\nauthor_may_approve = false\n\
         # Signatures of the author's team count no more, and somebody else labels random rows again, blind:\n\
         # other_team = true\n# blind = { share = 0.02, miss = 0.05 }\n"
    };
    format!(
        "# What this project asks of its data, people, model and callers. Unknown keys are refused.\n\
         # Keys that are left out have the values that `stayward doctor --policy` prints.\n\n\
         [project]\nname = {name}\n\n\
         [source]\n# CSV (plain or gz) or Parquet; the columns are agreed in contract.toml.\ndata = {data}\nlabels = {labels}\nconnectors = [\"file\"]\n\n\
         {people}\n\
         [segments]\nk_min = 2\nk_max = 6\n\n\
         [split]\n# `auto` splits by time where the contract has a time column, else five stratified folds.\nmode = \"auto\"\nfolds = 5\nhorizon_days = 90\n\n\
         [quality]\n# The floor below which no model is released.\nauc_min = {auc_min}\nbrier_max = 0.25\n\
         # Share of people that membership attacks may find in training, at one false alarm in a thousand.\n\
         memory_tpr_max = {memory}\n\n\
         [train]\n# `guarded` remembers least of each person, `balanced` more, `accurate` most; every other key here changes one setting of it.\n\
         {why}base = \"{base}\"\nseed = 20261122\n\n\
         [api]\ngranularity = \"class-only\"\nper_minute = 60\ndistinct_customers_per_day = 500\nrows_max = 100\n\n\
         [secrets]\nage_days_max = 90\nsession_hours = 8\n",
        name = quoted(name),
        data = quoted(data),
        labels = quoted(labels),
        memory = base.memory_tpr_max(),
        base = base.name(),
    )
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_a_policy() {
        let policy = Policy::parse(&template("a \"b\"", "../x.csv", "", true, 0.65)).unwrap();
        assert_eq!(policy.project.name, "a \"b\"");
        assert!(policy.labels.author_may_approve && policy.people.one_person);
        assert!(!Policy::parse(&template("a", "x", "", false, 0.65)).unwrap().labels.author_may_approve);
    }

    #[test]
    fn what_is_in_force_reads_back() {
        let policy = Policy::parse(&template("a", "x", "", true, 0.65)).unwrap();
        let text = policy.to_toml().unwrap();
        assert!(text.contains("batch_alpha"));
        assert_eq!(Policy::parse(&text).unwrap(), policy);
    }

    #[test]
    fn a_typing_error_is_refused() {
        let text = template("a", "x", "", true, 0.65).replace("per_minute", "per_minutes");
        assert!(Policy::parse(&text).unwrap_err().contains("per_minutes"));
        let text = template("a", "x", "", true, 0.65).replace("auc_min = 0.65", "auc_min = 65");
        assert!(Policy::parse(&text).unwrap_err().contains("quality.auc_min"));
    }

    fn check(from: &str, to: &str, key: &str) {
        let text = template("a", "x", "", true, 0.65) + "\n[monitor]\nrequests_min = 50\ndrift_evidence_max = 100.0\n";
        assert!(Policy::parse(&text).is_ok() && text.contains(from), "{from}");
        let refused = Policy::parse(&text.replace(from, to)).unwrap_err();
        assert!(refused.contains(key), "{to}: {refused}");
    }

    #[test]
    fn what_is_out_of_range_is_refused_when_it_is_read() {
        check("folds = 5", "folds = 1", "split.folds");
        check("k_min = 2", "k_min = 0", "segments.k_min");
        check("k_min = 2", "k_min = 7", "segments.k_min");
        check("k_max = 6", "k_max = 1000", "segments.k_max");
        check("horizon_days = 90", "horizon_days = -1", "split.horizon_days");
        check("approvals_needed = 1", "approvals_needed = 0", "labels.approvals_needed");
        check("per_minute = 60", "per_minute = 0", "api.per_minute");
        check("rows_max = 100", "rows_max = 0", "api.rows_max");
        check("session_hours = 8", "session_hours = 0", "secrets.session_hours");
        check("age_days_max = 90", "age_days_max = -3", "secrets.age_days_max");
        check("requests_min = 50", "requests_min = 0", "monitor.requests_min");
        check("drift_evidence_max = 100.0", "drift_evidence_max = nan", "monitor.drift_evidence_max");
        check("name = \"a\"", "name = \" \"", "project.name");
    }
}
