//! `stayward segment` and `stayward train`: one step of the diagram, and what came out of it.

use std::path::Path;

use gate::Digest;
use pipeline::progress::StepReport;
use pipeline::run::{Run, STAGES, current_segments};
use pipeline::{Desk, Houses, Office, PipelineError};

use super::{Ended, model, wrong};
use crate::interrupt;
use crate::output::{Live, Output};

/// What a part of the diagram left.
pub(crate) struct Played {
    /// Deliveries that were stopped.
    pub(crate) stopped: u64,
    /// Each step.
    pub(crate) steps: Vec<StepReport>,
    /// The delivery that was accepted.
    pub(crate) accepted: Option<Digest>,
}

/// What is done before the first step.
pub(crate) enum First<'a> {
    /// Nothing.
    Nothing,
    /// A held delivery is accepted: its feed, and first digits of its digest.
    Accept(&'a str, &'a str),
    /// These bytes are judged again, although nothing changed since they were refused.
    Again(Digest),
}

/// Runs from one place of [`STAGES`] to another.
pub(crate) async fn play(
    desk: &Desk,
    (from, to): (usize, usize),
    first: First<'_>,
    out: &Output,
) -> Result<Played, PipelineError> {
    let houses = Houses::open()?;
    let mut live = Live { out, reports: Vec::new() };
    let mut run = Run::begin(desk, &houses, &mut live).await?;
    let watched = interrupt::watch(*out);
    let accepted = match first {
        First::Accept(feed, content) => run.accept_delivery(feed, content).await.map(Some),
        First::Again(content) => {
            run.again = Some(content);
            Ok(None)
        }
        First::Nothing => Ok(None),
    };
    let result = match &accepted {
        Ok(_) => run.refresh(from, to).await,
        Err(_) => Ok(None),
    };
    let (accepted, result) = match accepted {
        Ok(accepted) => (accepted, result),
        Err(error) => (None, Err(error)),
    };
    run.finish(&result).await?;
    watched.abort();
    let stopped = run.stopped_deliveries;
    result?;
    Ok(Played { stopped, steps: live.reports, accepted })
}

fn place(name: &str) -> Result<usize, PipelineError> {
    STAGES
        .iter()
        .position(|stage| *stage == name)
        .ok_or_else(|| wrong(format!("there is no step `{name}`"), format!("steps are: {}", STAGES.join(", "))))
}

pub(crate) async fn segment(root: &Path, out: &Output) -> Ended {
    let at = place("segmentation")?;
    let desk = Desk::open(root).await?;
    play(&desk, (at, at), First::Nothing, out).await?;
    drop(desk);
    let office = Office::open(root).await?;
    let segments = current_segments(&office.project, &office.control).await?;
    out.result(&segments, || model::segments_table(&segments));
    Ok(0)
}

pub(crate) async fn train(root: &Path, out: &Output) -> Ended {
    let at = place("training")?;
    let desk = Desk::open(root).await?;
    play(&desk, (at, at), First::Nothing, out).await?;
    drop(desk);
    out.say("\nnext:\n  stayward run --from staging\n");
    model::show(&super::open(root)?, None, out).await
}
