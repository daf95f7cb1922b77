//! s04: K-Means segments of the customers' latest rows, named by size, value and churn rate.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Instant;

use artifact::Segmentation;
use frame::Frame;
use gate::Digest;
use learn::{SegmentSpec, Segments};
use s04_segment::{Continuity, Facts};
use store::control::Control;

use super::source::source_proved;
use super::state::{LabelsState, Pointer, SegmentsState, Settled};
use super::{Rows, Run};
use crate::evidence::{Artefact, Links, proof};
use crate::policy::Keep;
use crate::{PipelineError, Project, crash, data};

/// Columns that segments are made of where the policy names none.
const COLUMNS_GUESSED: usize = 8;

/// The segments that the last run left, as they were cleared.
pub async fn current_segments(project: &Project, control: &Control) -> Result<Segments, PipelineError> {
    let pointer = control.pointer(SegmentsState::NAME).await.map_err(PipelineError::internal)?;
    let missing = || PipelineError::wrong("there are no segments yet", "make them with `stayward run --to segmentation`");
    let state: SegmentsState = serde_json::from_value(pointer.ok_or_else(missing)?.value).map_err(PipelineError::internal)?;
    let bytes = store::objects::Objects::open(&project.path("objects"))?.get(&state.segmentation.content)?;
    serde_json::from_slice(&bytes).map_err(PipelineError::internal)
}

/// Fewer customers tell nothing about two versions.
const COMPARED_MIN: usize = 20;

/// The last version, and which of the customers an earlier source had; absent where none is known: then all customers count alike.
struct Last {
    segments: Segments,
    seen: Option<Vec<bool>>,
}

/// Numbers segments as those of the last version, and says how far they agree on the customers of both.
fn follow(fitted: Segments, last: Result<Option<Last>, String>, customers: &Frame) -> (Segments, Continuity) {
    let last = match last {
        Ok(Some(last)) => last,
        Ok(None) => return (fitted, Continuity::First),
        Err(why) => return (fitted, Continuity::Broken(why)),
    };
    let known = |row: &usize| last.seen.as_ref().is_none_or(|seen| seen.get(*row).copied().unwrap_or(false));
    let both: Vec<usize> = (0..customers.rows()).filter(known).collect();
    if both.len() < COMPARED_MIN {
        let why = format!("only {} customers were known before, too few to compare segments by", both.len());
        return (fitted, Continuity::Broken(why));
    }
    match fitted.clone().following(&last.segments, &customers.take(&both)) {
        Ok((fitted, rand)) => {
            let chosen = fitted.choices().iter().find(|choice| choice.segments == fitted.segments().len());
            let least = chosen.map(|choice| choice.least).filter(|least| least.is_finite() && rand.is_finite());
            let Some(least) = least else {
                return (fitted, Continuity::Broken("the agreement with the last segments is no number".to_owned()));
            };
            // Where too few customers are known, all count alike, and nothing is bounded.
            let bound = fitted.segments().iter().map(|segment| segment.bound).fold(0.0, f64::max);
            let rows = u64::try_from(both.len()).unwrap_or(u64::MAX);
            (fitted, Continuity::Compared { rand, least, rows, bound: (bound > 0.0).then_some(bound) })
        }
        Err(error) => (fitted, Continuity::Broken(format!("the last segments cannot sort these customers: {error}"))),
    }
}

impl Run<'_> {
    /// `again`: also where nothing has changed.
    pub(crate) async fn segments(
        &mut self,
        source: &Settled,
        labels: &LabelsState,
        again: bool,
    ) -> Result<SegmentsState, PipelineError> {
        let under = Digest::of_json(&(
            labels.content,
            self.desk.project.policy_digest,
            self.desk.project.contract_digest,
            super::environment(),
        ));
        let left: Option<SegmentsState> = self.left().await?;
        let same = |known: &SegmentsState| known.under == under && known.segmentation.source == source.digest;
        if let Some(known) = left.clone().filter(|known| !again && same(known) && self.fitted_segments(known).is_ok()) {
            self.unchanged("s04-segments", "customers", "nothing that they follow from has changed", &known.receipt).await?;
            return Ok(known);
        }
        self.progress.begin("s04-segments", "customers");
        let began = Instant::now();
        // Who was known: by the last source that was another, so that a second run on the same one does not trust what was new in it.
        let earlier = left
            .as_ref()
            .and_then(|left| left.source.clone().filter(|known| known.digest != source.digest).or(left.before.clone()));
        let before = earlier.filter(|known| known.digest != source.digest);
        let (fitted, continuity, customers) = self.fit(source, labels, before.as_ref())?;
        let policy = &self.desk.project.policy.segments;
        let bytes = serde_json::to_vec(&fitted).map_err(PipelineError::internal)?;
        let content = self.desk.objects.put(&bytes)?;
        let segmentation = Segmentation {
            content,
            source: source.digest,
            names: fitted.segments().iter().map(|segment| segment.name.clone()).collect(),
            sizes: fitted.segments().iter().map(|segment| segment.size).collect(),
        };
        let chosen = fitted.choices().iter().find(|choice| choice.segments == fitted.segments().len());
        let facts = Facts {
            // Without a measured stability the gate must say no.
            stability: chosen.map_or(-1.0, |choice| choice.stability),
            stability_min: policy.stability_min,
            continuity,
            continuity_min: policy.continuity_min,
            customers_min: policy.customers_min,
        };
        let parents = vec![source.receipt.clone(), labels.receipt.clone()];
        let links = Links { parents, artefacts: vec![Artefact::object("segments", content)] };
        let count = u64::try_from(customers).unwrap_or(0);
        let mut note = format!("{} segments, stability {:.2}", segmentation.names.len(), facts.stability);
        if policy.continuity == Keep::Renew {
            note.push_str("; not compared with the last: `segments.continuity` is `renew`");
        }
        if let Continuity::Compared { rand, bound, .. } = &facts.continuity {
            let _ = write!(note, "; known customers sorted as before to {rand:.2}");
            if let Some(bound) = bound {
                let _ = write!(note, ", new ones can move a centre by at most {bound:.2} sd");
            }
        }
        let rows = Rows { came: count, went: count, began: Some(began), note, ..Rows::default() };
        let passed = self.pass(&self.houses.segments, "customers", (segmentation, &facts), links, rows).await?;
        let (segmentation, receipt) = (passed.cleared.subject().clone(), passed.cleared.receipt().clone());
        let state = SegmentsState { segmentation, receipt, under, source: Some(source.clone()), before };
        crash::point("segments:logged");
        self.leave(&state).await?;
        Ok(state)
    }

    /// Segments of the customers' latest rows, how far they follow the last version (`before` is the source before this one), and how
    /// many customers there are.
    fn fit(
        &self,
        source: &Settled,
        labels: &LabelsState,
        before: Option<&Settled>,
    ) -> Result<(Segments, Continuity, usize), PipelineError> {
        let policy = &self.desk.project.policy.segments;
        let customers = self.customers(source)?;
        let latest: Vec<usize> = data::latest_rows(&customers).into_values().collect();
        let customers = customers.take(&latest);
        let frame = super::training::model_frame(&customers, &self.desk.project);
        let columns =
            if policy.columns.is_empty() { data::broad_numbers(&frame, COLUMNS_GUESSED) } else { policy.columns.clone() };
        if columns.is_empty() {
            let why = "no number column has more than ten values, so there is nothing to segment by";
            return Err(PipelineError::wrong(why, "name columns under `segments.columns` in stayward.toml"));
        }
        let values: Vec<f64> = customers.value.clone().unwrap_or_else(|| vec![f64::NAN; customers.rows()]);
        let rows = super::labels::parse_labels(&self.desk.objects.get(&labels.content)?);
        let churned: Vec<Option<bool>> = super::training::labels_of(&customers, &rows);
        let known: Option<Vec<bool>> = churned.iter().copied().collect();
        let spec = SegmentSpec {
            columns,
            least: policy.k_min,
            most: policy.k_max,
            seed: self.desk.project.policy.train.seed,
            ..SegmentSpec::default()
        };
        let wrong = |error: learn::LearnError| {
            PipelineError::wrong(format!("segments cannot be made: {error}"), "change `[segments]` in stayward.toml")
        };
        let last = self.last_segments(before, &customers.ids);
        let seen = last.as_ref().ok().and_then(Option::as_ref).and_then(|last| last.seen.as_deref());
        let fitted = Segments::fit_trusting(&frame, seen, &values, known.as_deref(), &spec).map_err(wrong)?;
        let (fitted, continuity) = follow(fitted, last, &frame);
        Ok((fitted, continuity, customers.rows()))
    }

    /// The last version that the log proves, and which of these customers an earlier source had; nothing where there is no version, or where
    /// the policy asks for new segments. The error says why it cannot be known.
    fn last_segments(&self, before: Option<&Settled>, ids: &[String]) -> Result<Option<Last>, String> {
        if self.desk.project.policy.segments.continuity == Keep::Renew {
            return Ok(None);
        }
        let Some((_, proved)) = proof::last_cleared::<artifact::Segments>(self.desk)? else { return Ok(None) };
        let bytes = self.desk.objects.get(&proved.content).map_err(|error| error.to_string())?;
        let segments: Segments = serde_json::from_slice(&bytes).map_err(|error| format!("the last segments: {error}"))?;
        let Some(before) = before else { return Ok(Some(Last { segments, seen: None })) };
        // The control database says where the earlier source stands, the log whether its rows were let in.
        source_proved(self.desk, before).map_err(|error| error.to_string())?;
        let customers = self.customers(before).map_err(|error| error.to_string())?;
        let known: BTreeSet<&String> = customers.ids.iter().collect();
        Ok(Some(Last { segments, seen: Some(ids.iter().map(|id| known.contains(id)).collect()) }))
    }

    /// Segments as they were cleared.
    pub(crate) fn fitted_segments(&self, state: &SegmentsState) -> Result<Segments, PipelineError> {
        let digest: Digest = state.segmentation.content;
        serde_json::from_slice(&self.desk.objects.get(&digest)?).map_err(PipelineError::internal)
    }
}
