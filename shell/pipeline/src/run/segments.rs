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

/// The last version, and which of the customers it knew.
struct Last {
    segments: Segments,
    seen: Vec<bool>,
}

/// Numbers segments as those of the last version, and says how far they agree on the customers of both.
fn follow(fitted: Segments, last: Result<Option<Last>, String>, customers: &Frame) -> (Segments, Continuity) {
    let last = match last {
        Ok(Some(last)) => last,
        Ok(None) => return (fitted, Continuity::First),
        Err(why) => return (fitted, Continuity::Broken(why)),
    };
    let both: Vec<usize> = (0..customers.rows()).filter(|row| last.seen.get(*row).copied().unwrap_or(false)).collect();
    match fitted.clone().following(&last.segments, &customers.take(&both)) {
        Ok((fitted, rand)) => {
            let chosen = fitted.choices().iter().find(|choice| choice.segments == fitted.segments().len());
            let least = chosen.map_or(f64::NAN, |choice| choice.least);
            let bound = fitted.segments().iter().map(|segment| segment.bound).fold(0.0, f64::max);
            let rows = u64::try_from(both.len()).unwrap_or(u64::MAX);
            (fitted, Continuity::Compared { rand, least, rows, bound })
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
        let (fitted, continuity, customers) = self.fit(source, labels, left.as_ref())?;
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
        if let Continuity::Compared { rand, bound, .. } = &facts.continuity {
            let _ = write!(note, "; as the last to {rand:.2}, new customers move a centre by at most {bound:.2} sd");
        }
        let rows = Rows { came: count, went: count, began: Some(began), note, ..Rows::default() };
        let passed = self.pass(&self.houses.segments, "customers", (segmentation, &facts), links, rows).await?;
        let (segmentation, receipt) = (passed.cleared.subject().clone(), passed.cleared.receipt().clone());
        let state = SegmentsState { segmentation, receipt, under, source: Some(source.clone()) };
        crash::point("segments:logged");
        self.leave(&state).await?;
        Ok(state)
    }

    /// Segments of the customers' latest rows, how far they follow the last version (`left` is what that one left), and how many
    /// customers there are.
    fn fit(
        &self,
        source: &Settled,
        labels: &LabelsState,
        left: Option<&SegmentsState>,
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
        let last = self.last_segments((left, source), &customers.ids);
        let seen = last.as_ref().ok().and_then(Option::as_ref).map(|last| last.seen.as_slice());
        let fitted = Segments::fit_trusting(&frame, seen, &values, known.as_deref(), &spec).map_err(wrong)?;
        let (fitted, continuity) = follow(fitted, last, &frame);
        Ok((fitted, continuity, customers.rows()))
    }

    /// The last version that the log proves, and who of these customers it knew; nothing where there is none, or where the policy asks for
    /// new segments. The error says why it cannot be known.
    fn last_segments(&self, (left, source): (Option<&SegmentsState>, &Settled), ids: &[String]) -> Result<Option<Last>, String> {
        if self.desk.project.policy.segments.continuity == Keep::Renew {
            return Ok(None);
        }
        let Some((_, newest)) = proof::last_cleared::<artifact::Segments>(self.desk)? else { return Ok(None) };
        // What the control database says of a source counts only as far as a digest in the log binds it. A killed run may have logged
        // segments of this very source and left nothing; else the last ones that were left stand in.
        let bound = |proved: &Segmentation| {
            let known = left.and_then(|left| left.source.as_ref()).into_iter().chain([source]);
            let is_it = |known: &&Settled| known.digest == proved.source && Digest::of_json(&known.tables) == proved.source;
            known.into_iter().find(is_it).cloned()
        };
        let older = || {
            let proved = proof::cleared::<artifact::Segments>(self.desk, &left?.receipt).ok()?;
            Some((bound(&proved)?, proved))
        };
        let found = bound(&newest).map(|source| (source, newest)).or_else(older);
        let (source, proved) = found.ok_or("the data source of the last segments is not known")?;
        let bytes = self.desk.objects.get(&proved.content).map_err(|error| error.to_string())?;
        let segments: Segments = serde_json::from_slice(&bytes).map_err(|error| format!("the last segments: {error}"))?;
        let customers = self.customers(&source).map_err(|error| error.to_string())?;
        let before: BTreeSet<&String> = customers.ids.iter().collect();
        Ok(Some(Last { segments, seen: ids.iter().map(|id| before.contains(id)).collect() }))
    }

    /// Segments as they were cleared.
    pub(crate) fn fitted_segments(&self, state: &SegmentsState) -> Result<Segments, PipelineError> {
        let digest: Digest = state.segmentation.content;
        serde_json::from_slice(&self.desk.objects.get(&digest)?).map_err(PipelineError::internal)
    }
}
