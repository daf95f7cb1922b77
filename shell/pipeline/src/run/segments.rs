//! s04: K-Means segments of the customers' latest rows, named by size, value and churn rate.

use std::time::Instant;

use artifact::Segmentation;
use gate::Digest;
use learn::{SegmentSpec, Segments};
use s04_segment::Facts;
use store::control::Control;

use super::state::{LabelsState, Pointer, SegmentsState, Settled};
use super::{Rows, Run};
use crate::evidence::{Artefact, Links};
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
        let known: Option<SegmentsState> = self.left().await?;
        let same = |known: &SegmentsState| known.under == under && known.segmentation.source == source.digest;
        if let Some(known) = known.filter(|known| !again && same(known) && self.fitted_segments(known).is_ok()) {
            self.unchanged("s04-segments", "customers", "nothing that they follow from has changed", &known.receipt).await?;
            return Ok(known);
        }
        self.progress.begin("s04-segments", "customers");
        let began = Instant::now();
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
        let fitted = Segments::fit(&frame, &values, known.as_deref(), &spec).map_err(|error| {
            PipelineError::wrong(format!("segments cannot be made: {error}"), "change `[segments]` in stayward.toml")
        })?;
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
            customers_min: policy.customers_min,
        };
        let parents = vec![source.receipt.clone(), labels.receipt.clone()];
        let links = Links { parents, artefacts: vec![Artefact::object("segments", content)] };
        let count = u64::try_from(customers.rows()).unwrap_or(0);
        let note = format!("{} segments, stability {:.2}", segmentation.names.len(), facts.stability);
        let rows = Rows { came: count, went: count, began: Some(began), note, ..Rows::default() };
        let passed = self.pass(&self.houses.segments, "customers", (segmentation, &facts), links, rows).await?;
        let (segmentation, receipt) = (passed.cleared.subject().clone(), passed.cleared.receipt().clone());
        let state = SegmentsState { segmentation, receipt, under };
        crash::point("segments:logged");
        self.leave(&state).await?;
        Ok(state)
    }

    /// Segments as they were cleared.
    pub(crate) fn fitted_segments(&self, state: &SegmentsState) -> Result<Segments, PipelineError> {
        let digest: Digest = state.segmentation.content;
        serde_json::from_slice(&self.desk.objects.get(&digest)?).map_err(PipelineError::internal)
    }
}
