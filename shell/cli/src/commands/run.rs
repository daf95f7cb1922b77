//! `stayward run`: the diagram, step by step, with live progress.

use std::path::Path;

use clap::Args;
use pipeline::run::{Run, STAGES};
use pipeline::{Desk, Houses};
use serde::Serialize;

use super::{Ended, wrong};
use crate::args::Format;
use crate::interrupt;
use crate::output::{Live, Output, many};

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// First step: data-validation, data-source, label-qa, segmentation, training, staging, deployment.
    #[arg(long, default_value = "data-validation")]
    from: String,
    /// Last step.
    #[arg(long, default_value = "deployment")]
    to: String,
}

#[derive(Serialize)]
struct Ran {
    run: String,
    model: Option<String>,
    evidence: Option<String>,
    stopped_deliveries: u64,
    steps: Vec<pipeline::progress::StepReport>,
}

pub(crate) async fn run(args: RunArgs, root: &Path, out: &Output) -> Ended {
    let place = |name: &str| {
        let found = STAGES.iter().position(|stage| *stage == name);
        found.ok_or_else(|| wrong(format!("there is no step `{name}`"), format!("steps are: {}", STAGES.join(", "))))
    };
    let (from, to) = (place(&args.from)?, place(&args.to)?);
    let desk = Desk::open(root).await?;
    let houses = Houses::open()?;
    let mut live = Live { out, reports: Vec::new() };
    let mut run = Run::begin(&desk, &houses, &mut live).await?;
    let watched = interrupt::watch(*out);
    let result = run.refresh(from, to).await;
    run.finish(&result).await?;
    watched.abort();
    let (id, stopped) = (run.id.clone(), run.stopped_deliveries);
    let deployed = match result {
        Ok(deployed) => deployed,
        Err(error) => {
            out.failure_after(&error, &live.reports);
            return Ok(error.exit_code());
        }
    };
    let ran = Ran {
        run: id,
        model: deployed.as_ref().map(|deployed| deployed.model.short()),
        evidence: deployed.as_ref().map(|deployed| deployed.deployment.id.clone()),
        stopped_deliveries: stopped,
        steps: live.reports,
    };
    if out.format != Format::Ndjson {
        out.result(&ran, || summary(&ran));
    }
    Ok(u8::from(stopped > 0))
}

fn summary(ran: &Ran) -> String {
    let stopped = if ran.stopped_deliveries == 0 {
        String::new()
    } else {
        let were = many(ran.stopped_deliveries, "delivery was", "deliveries were");
        format!("\n{were} stopped; the run went on without {}", if ran.stopped_deliveries == 1 { "it" } else { "them" })
    };
    match (&ran.model, &ran.evidence) {
        (Some(model), Some(evidence)) => format!(
            "model {model} is deployed{stopped}\nnext:\n  stayward model show\n  stayward serve\n  stayward evidence verify {evidence}"
        ),
        _ => format!("run {} is done{stopped}", ran.run),
    }
}
