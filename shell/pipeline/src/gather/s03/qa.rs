//! What statistics say of a label set (T6): labels ranked by how likely they are wrong, and whether one labeller's, one value tier's or
//! one version's labels differ from the others' more than chance explains.

use std::collections::{BTreeMap, BTreeSet};

use frame::Frame;
use labelnoise::change::{self, Among, ChangeTest, History, Way};
use labelnoise::residual::{GroupTest, Pattern as Kind, group_tests, tiers};
use labelnoise::{BeliefSpec, LabelError, Ranking, Reason, out_of_fold, rank};
use s03_label_qa::{Pattern, Qa};
use tabular::TypedTable;

use crate::desk::rfc3339;
use crate::run::labels::LabelRows;
use crate::run::training::{labels_of, model_frame};
use crate::{PipelineError, Project};

/// A label is suspect when models that did not see it give it less than this probability.
pub(crate) const SUSPECT_PROBABILITY: f64 = 0.05;
/// Deals of the folds where a run only tests; people who review wait for the default's.
const DEALS_OF_RUN: u32 = 1;
/// Tiers of value that are compared.
const TIERS: u32 = 4;
/// Earlier versions whose corrections say how many are usual.
const VERSIONS_COMPARED: usize = 20;
/// Rows that a finding may name.
const FIRST: usize = 5;
/// Patterns that are kept as facts, most telling first.
const PATTERNS_KEPT: usize = 20;

/// Labels with what is known of each.
pub(crate) struct Known {
    frame: Frame,
    labels: Vec<bool>,
    /// The row of the table that each label is of.
    pub(crate) places: Vec<usize>,
    /// The value at stake; empty where the contract names none, or the model does not read it.
    values: Vec<f64>,
    /// Who labelled; empty where nobody says.
    labellers: Vec<Option<String>>,
    /// What the version before said; empty for the first.
    before: Vec<Option<bool>>,
    history: History,
    /// Customer and moment of each label, for people.
    names: Vec<String>,
}

impl Known {
    /// Joins labels to the customers they are of. `versions` are earlier ones, oldest first; the last so many count.
    pub(crate) fn new(table: &TypedTable, rows: &LabelRows, versions: &[LabelRows], project: &Project) -> Self {
        let versions = versions.get(versions.len().saturating_sub(VERSIONS_COMPARED)..).unwrap_or_default();
        let all = labels_of(table, rows);
        let places: Vec<usize> = all.iter().enumerate().filter(|(_, label)| label.is_some()).map(|(row, _)| row).collect();
        let key = |row: &usize| {
            let moment = table.time.as_ref().and_then(|all| all.get(*row).copied().flatten()).unwrap_or(0);
            (table.ids.get(*row).cloned().unwrap_or_default(), moment)
        };
        let frame = model_frame(table, project);
        let value = project.contract.of_role(tabular::contract::Role::Value);
        // Of a value that the model does not read honest differences would show as a pattern.
        let read = value.is_some_and(|rule| frame.column(&rule.name).is_some());
        let values = table.value.as_ref().filter(|_| read);
        let mut history = History::default();
        for (before, after) in versions.iter().zip(versions.iter().skip(1)) {
            let both = before.labels.iter().filter_map(|(key, old)| Some((*old, *after.labels.get(key)?)));
            let (old, new): (Vec<bool>, Vec<bool>) = both.unzip();
            history.add(&old, &new);
        }
        // Who does not say who labelled is a labeller like any other.
        let labeller = |row: &usize| Some(rows.labellers.get(&key(row)).cloned().unwrap_or_default());
        let earlier = |last: &LabelRows| places.iter().map(|row| last.labels.get(&key(row)).copied()).collect();
        Self {
            values: values.map_or_else(Vec::new, |all| places.iter().filter_map(|row| all.get(*row).copied()).collect()),
            labellers: if rows.labellers.is_empty() { Vec::new() } else { places.iter().map(labeller).collect() },
            before: versions.last().map_or_else(Vec::new, earlier),
            names: places.iter().map(|row| name_of(&key(row))).collect(),
            frame: frame.take(&places),
            labels: all.into_iter().flatten().collect(),
            places,
            history,
        }
    }

    /// What the gates of s03 are told; counts of strangers and contradictions are the caller's.
    pub(crate) fn quality(&self) -> Result<Qa, PipelineError> {
        self.judged(&BeliefSpec { deals: DEALS_OF_RUN, ..BeliefSpec::default() }).map(|(qa, _)| qa)
    }

    /// The same, and every label in the order in which people should look at them.
    pub(crate) fn review(&self) -> Result<(Qa, Ranking), PipelineError> {
        self.judged(&BeliefSpec::default())
    }

    fn judged(&self, spec: &BeliefSpec) -> Result<(Qa, Ranking), PipelineError> {
        let internal = |error: LabelError| PipelineError::internal(error);
        let beliefs = out_of_fold(&self.frame, &self.labels, spec).map_err(internal)?;
        let ranking = rank(&self.labels, &beliefs, None).map_err(internal)?;
        let chances: Vec<f64> = beliefs.iter().map(|belief| belief.chance).collect();
        let given = |(chance, label): (&f64, &bool)| if *label { *chance } else { 1.0 - chance };
        let suspects = chances.iter().zip(&self.labels).map(given).filter(|given| *given < SUSPECT_PROBABILITY).count();
        #[expect(clippy::cast_precision_loss, reason = "row counts stay far below 2^53")]
        let suspect_share = suspects as f64 / self.labels.len().max(1) as f64;
        let patterns = self.patterns(&chances, &ranking).map_err(internal)?;
        let rows = u64::try_from(self.labels.len()).unwrap_or(u64::MAX);
        let qa = Qa {
            rows,
            suspect_share,
            unknown_customers: 0,
            contradictions: 0,
            patterns: Some(patterns),
            first: self.first(&ranking, &|_| true),
        };
        Ok((qa, ranking))
    }

    /// The labels of a kind that people should look at first, in words.
    fn first(&self, ranking: &Ranking, of: &dyn Fn(usize) -> bool) -> Vec<String> {
        let words = |found: &labelnoise::Suspect| {
            let name = self.names.get(found.row).map_or("", String::as_str);
            let reasons: Vec<&str> = found.reasons.iter().map(reason).collect();
            let because = if reasons.is_empty() { String::new() } else { format!(", by {}", reasons.join(" and ")) };
            format!("{name}: `{}`, models give churn `{:.2}`{because}", said(found.label), found.chance)
        };
        ranking.suspects.iter().filter(|found| of(found.row)).take(FIRST).map(words).collect()
    }

    /// The labels that a test of a group is about: of that group, and said as the pattern has it.
    fn first_of_group(&self, ranking: &Ranking, groups: &[Option<u32>], test: &GroupTest) -> Vec<String> {
        let wanted = |row: usize| match test.pattern {
            Kind::Hidden => self.labels.get(row) == Some(&false),
            Kind::Invented => self.labels.get(row) == Some(&true),
            Kind::Turned => true,
        };
        self.first(ranking, &|row| groups.get(row) == Some(&Some(test.group)) && wanted(row))
    }

    /// The labels that a test of changes is about.
    fn first_of_change(
        &self,
        ranking: &Ranking,
        (labellers, tier): (&[Option<u32>], &[Option<u32>]),
        test: &ChangeTest,
    ) -> Vec<String> {
        let after = matches!(test.way, Way::ToChurned);
        let changed =
            |row: usize| self.labels.get(row) == Some(&after) && self.before.get(row).copied().flatten() == Some(!after);
        let among = |row: usize| match test.among {
            Among::All => true,
            Among::Labeller(number) => labellers.get(row) == Some(&Some(number)),
            Among::Tier(number) => tier.get(row) == Some(&Some(number)),
        };
        self.first(ranking, &|row| changed(row) && among(row))
    }

    /// Every test that could be made, most telling first; p-values count all of them (Bonferroni over kinds of tests).
    fn patterns(&self, chances: &[f64], ranking: &Ranking) -> Result<Vec<Pattern>, LabelError> {
        let (numbers, names) = numbered(&self.labellers);
        let tier = tiers(&self.values, TIERS);
        let mut kinds: Vec<Vec<Pattern>> = Vec::new();
        // One tier has no other to be held against.
        if tier.iter().flatten().collect::<BTreeSet<_>>().len() > 1 {
            let found = group_tests(chances, &self.labels, &tier)?;
            let words = |test: &GroupTest| {
                let first = self.first_of_group(ranking, &tier, test);
                of_group(test, &format!("value tier {} of {TIERS}", test.group + 1), first)
            };
            kinds.push(found.iter().map(words).collect());
        }
        if names.len() > 1 {
            let found = group_tests(chances, &self.labels, &numbers)?;
            let words =
                |test: &GroupTest| of_group(test, &labeller(&names, test.group), self.first_of_group(ranking, &numbers, test));
            kinds.push(found.iter().map(words).collect());
        }
        let both: Vec<usize> = (0..self.before.len()).filter(|row| self.before.get(*row).copied().flatten().is_some()).collect();
        if !both.is_empty() {
            let take = |all: &[Option<u32>]| both.iter().filter_map(|row| all.get(*row).copied()).collect::<Vec<_>>();
            let before: Vec<bool> = both.iter().filter_map(|row| self.before.get(*row).copied().flatten()).collect();
            let after: Vec<bool> = both.iter().filter_map(|row| self.labels.get(*row).copied()).collect();
            let found = change::changes(&before, &after, &take(&numbers), &take(&tier), &self.history)?;
            let words = |test: &ChangeTest| of_change(test, &names, self.first_of_change(ranking, (&numbers, &tier), test));
            kinds.push(found.iter().map(words).collect());
        }
        #[expect(clippy::cast_precision_loss, reason = "at most three")]
        let corrected = kinds.len() as f64;
        let mut out: Vec<Pattern> = kinds
            .into_iter()
            .flatten()
            .map(|pattern| {
                // What is no number is no reason to let it pass.
                let p_value = if pattern.p_value.is_finite() { (pattern.p_value * corrected).min(1.0) } else { 0.0 };
                Pattern { p_value, ..pattern }
            })
            .collect();
        out.sort_by(|left, right| left.p_value.total_cmp(&right.p_value).then_with(|| left.whose.cmp(&right.whose)));
        out.truncate(PATTERNS_KEPT);
        Ok(out)
    }
}

/// Labellers as numbers, by name.
fn numbered(labellers: &[Option<String>]) -> (Vec<Option<u32>>, Vec<String>) {
    let names: BTreeSet<&String> = labellers.iter().flatten().collect();
    let numbers: BTreeMap<&String, u32> = names.iter().copied().zip(0..).collect();
    let number = |name: &Option<String>| name.as_ref().and_then(|name| numbers.get(name).copied());
    (labellers.iter().map(number).collect(), names.into_iter().cloned().collect())
}

fn labeller(names: &[String], number: u32) -> String {
    let name = usize::try_from(number).ok().and_then(|at| names.get(at));
    format!("labeller `{}`", name.map_or("unknown", String::as_str))
}

fn of_group(test: &GroupTest, whose: &str, first: Vec<String>) -> Pattern {
    let what = match test.pattern {
        Kind::Hidden => "fewer say `churned` than of like customers elsewhere",
        Kind::Invented => "more say `churned` than of like customers elsewhere",
        Kind::Turned => "more contradict what like customers did, both ways",
    };
    Pattern {
        whose: whose.to_owned(),
        what: what.to_owned(),
        rows: test.rows,
        seen: test.churned,
        expected: Some(test.expected),
        p_value: test.p_value,
        first,
    }
}

fn of_change(test: &ChangeTest, names: &[String], first: Vec<String>) -> Pattern {
    let whose = match test.among {
        Among::All => "all labels".to_owned(),
        Among::Labeller(number) => labeller(names, number),
        Among::Tier(tier) => format!("value tier {} of {TIERS}", tier + 1),
    };
    let way = match test.way {
        Way::ToStayed => "from `churned` to `stayed`",
        Way::ToChurned => "from `stayed` to `churned`",
    };
    Pattern {
        whose,
        what: format!("changed {way} since the last version"),
        rows: test.labels,
        seen: test.changed,
        expected: None,
        p_value: test.p_value(),
        first,
    }
}

/// A label's customer and moment, for people.
pub(crate) fn name_of((customer, moment): &(String, i64)) -> String {
    if *moment == 0 { format!("customer `{customer}`") } else { format!("customer `{customer}` at `{}`", rfc3339(*moment)) }
}

/// A label, for people.
pub(crate) const fn said(churned: bool) -> &'static str {
    if churned { "churned" } else { "stayed" }
}

/// A ranking that contradicts a label, for people.
pub(crate) fn reason(reason: &Reason) -> &'static str {
    match reason {
        Reason::Margin => "margin",
        Reason::Threshold => "self-confidence",
        Reason::Golden => "golden model",
    }
}
