//! Which labels people should look at before they sign, and how every labeller stands (T6). Changes nothing.

use std::collections::BTreeMap;

use labelnoise::Ranking;
use s03_label_qa::{Pattern, Watched, Watches};
use serde::Serialize;
use tabular::TypedTable;

use super::labels::{LabelRows, earlier, settled};
use super::read_customers;
use super::upload::current;
use crate::gather::s03::qa::{self, Known};
use crate::gather::s03::watch;
use crate::{Office, PipelineError};

/// A label that a model contradicts which did not see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suspect {
    /// The customer.
    pub customer: String,
    /// The label's moment, RFC 3339; absent where the table has no time.
    pub moment: Option<String>,
    /// What the label says.
    pub churned: bool,
    /// The probability that the label is wrong; an estimate.
    pub wrong: f64,
    /// The probability that the customer churned by models that did not see the label.
    pub chance: f64,
    /// The likelier label, all things together: whether the customer churned.
    pub believed: bool,
    /// The rankings that contradict the label: `margin`, `self-confidence`, `golden model`.
    pub reasons: Vec<&'static str>,
    /// Who labelled, where that is known.
    pub labeller: Option<String>,
}

/// One labeller against the others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabellerReview {
    /// Who.
    pub labeller: String,
    /// His labels that were compared.
    pub labels: u64,
    /// Those that say churned.
    pub churned: u64,
    /// Those of which the opposite is likelier.
    pub doubted: u64,
    /// Versions in which he gave new labels.
    pub versions: u64,
    /// His new labels of all versions.
    pub watched: u64,
    /// Probability that an honest labeller's labels of all versions ever look so, one labeller looked at.
    pub p_value: f64,
    /// Whether the watch over all versions accuses him, at the policy's rate.
    pub alarm: bool,
}

/// Labels to look at first, the least believed first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelReview {
    /// Rows that were compared.
    pub rows: u64,
    /// Share of labels that models which did not see them give less than 5 %.
    pub suspect_share: f64,
    /// Labellers, value tiers and changes against the others, most telling first.
    pub patterns: Vec<Pattern>,
    /// Every labeller, most telling first; none where nobody says who labelled.
    pub labellers: Vec<LabellerReview>,
    /// The least believed.
    pub suspects: Vec<Suspect>,
}

/// Ranks the labels of the project's file by how strongly a model contradicts them that did not see them; changes nothing.
/// Reads the customers of the last settled data source.
pub async fn review_labels(office: &Office, most: usize) -> Result<LabelReview, PipelineError> {
    let Office { project, vault, control, .. } = office;
    let rows = current(project, vault, control).await?;
    let source = settled(control).await?;
    let customers = read_customers(project, &source)?;
    let mut versions = control.label_versions().await.map_err(PipelineError::internal)?;
    versions.sort_by_key(|version| version.version);
    let objects = store::objects::Objects::open(&project.path("objects"))?;
    let earlier = earlier(&objects, &versions)?;
    let known = Known::new(&customers, &rows, &earlier, project);
    let few = |error: PipelineError| {
        let why = error.to_string();
        let why = why.strip_prefix("internal error: ").unwrap_or(&why);
        PipelineError::wrong(
            format!("the labels cannot be compared with a model: {why}"),
            "bring more customers, and enough of both kinds: churned and stayed",
        )
    };
    let (qa, ranking) = known.review().map_err(few)?;
    let suspect = |found: &labelnoise::Suspect| {
        let row = known.places.get(found.row).copied()?;
        let moment = customers.time.as_ref().and_then(|all| all.get(row).copied().flatten());
        let customer = customers.ids.get(row)?.clone();
        let labeller = rows.labellers.get(&(customer.clone(), moment.unwrap_or(0))).cloned();
        let moment = moment.map(crate::desk::rfc3339);
        let reasons = found.reasons.iter().map(qa::reason).collect();
        let (churned, wrong, chance, believed) = (found.label, found.wrong, found.chance, found.believed);
        Some(Suspect { customer, moment, churned, wrong, chance, believed, reasons, labeller })
    };
    let version = u64::try_from(earlier.len()).unwrap_or(u64::MAX).saturating_add(1);
    let watches = watch::watched(project, &customers, (&rows, version), &earlier, None).map_err(PipelineError::internal)?;
    Ok(LabelReview {
        labellers: labellers(&customers, (&rows, &known), &ranking, &watches, project.policy.labels.watch_alpha),
        rows: qa.rows,
        suspect_share: qa.suspect_share,
        patterns: qa.patterns.unwrap_or_default(),
        suspects: ranking.suspects.iter().take(most).filter_map(suspect).collect(),
    })
}

fn labellers(
    customers: &TypedTable,
    (rows, known): (&LabelRows, &Known),
    ranking: &Ranking,
    watches: &Watches,
    watch_alpha: f64,
) -> Vec<LabellerReview> {
    let mut counts: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
    for found in &ranking.suspects {
        let Some(row) = known.places.get(found.row).copied() else { continue };
        let moment = customers.time.as_ref().and_then(|all| all.get(row).copied().flatten()).unwrap_or(0);
        let Some(id) = customers.ids.get(row) else { continue };
        let who = rows.labellers.get(&(id.clone(), moment)).map_or(watch::NAMELESS, String::as_str);
        let (labels, churned, doubted) = counts.entry(who).or_default();
        *labels += 1;
        *churned += u64::from(found.label);
        *doubted += u64::from(found.believed != found.label);
    }
    let number = u32::try_from(watches.labellers.len()).unwrap_or(u32::MAX);
    let review = |(name, one): (&String, &Watched)| {
        let (labels, churned, doubted) = counts.get(name.as_str()).copied().unwrap_or_default();
        LabellerReview {
            labeller: name.clone(),
            labels,
            churned,
            doubted,
            versions: one.watch.periods(),
            watched: one.watch.rows(),
            p_value: one.watch.p_value(),
            alarm: one.watch.alarm(watch_alpha, number),
        }
    };
    let mut all: Vec<LabellerReview> = watches.labellers.iter().map(review).collect();
    all.sort_by(|left, right| left.p_value.total_cmp(&right.p_value).then_with(|| left.labeller.cmp(&right.labeller)));
    all
}
