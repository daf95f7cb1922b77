//! `stayward segment` and `stayward train`: one step of the diagram, and what came out of it.

use std::path::Path;

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
}

/// Runs from one place of [`STAGES`] to another; with `accept` (feed, digits of a digest) a held delivery is accepted first.
pub(crate) async fn play(
    desk: &Desk,
    (from, to): (usize, usize),
    accept: Option<(&str, &str)>,
    out: &Output,
) -> Result<Played, PipelineError> {
    let houses = Houses::open()?;
    let mut live = Live { out, reports: Vec::new() };
    let mut run = Run::begin(desk, &houses, &mut live).await?;
    let watched = interrupt::watch(*out);
    let accepted = match accept {
        Some((feed, content)) => run.accept_delivery(feed, content).await,
        None => Ok(()),
    };
    let result = match accepted {
        Ok(()) => run.refresh(from, to).await,
        Err(error) => Err(error),
    };
    run.finish(&result).await?;
    watched.abort();
    let stopped = run.stopped_deliveries;
    result?;
    Ok(Played { stopped, steps: live.reports })
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
    play(&desk, (at, at), None, out).await?;
    drop(desk);
    let office = Office::open(root).await?;
    let segments = current_segments(&office.project, &office.control).await?;
    out.result(&segments, || model::segments_table(&segments));
    Ok(0)
}

pub(crate) async fn train(root: &Path, out: &Output) -> Ended {
    let at = place("training")?;
    let desk = Desk::open(root).await?;
    play(&desk, (at, at), None, out).await?;
    drop(desk);
    out.say("\nnext:\n  stayward run --from staging\n");
    model::show(&super::open(root)?, None, out).await
}
