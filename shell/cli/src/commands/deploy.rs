//! `stayward deploy` and `stayward rollback`.

use std::path::Path;

use clap::Args;
use pipeline::{Desk, Houses};

use super::Ended;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// First digits of the model to go back to; the one before, where absent.
    model: Option<String>,
}

pub(crate) async fn deploy(root: &Path, out: &Output) -> Ended {
    let desk = Desk::open(root).await?;
    let deployed = desk.deploy_released(&Houses::open()?).await?;
    out.result(&deployed, || {
        format!("model {} is deployed (evidence {})\nnext:\n  stayward serve", deployed.model.short(), deployed.deployment.id)
    });
    Ok(0)
}

pub(crate) async fn rollback(args: RollbackArgs, root: &Path, out: &Output) -> Ended {
    let desk = Desk::open(root).await?;
    let deployed = desk.roll_back(&Houses::open()?, args.model.as_deref()).await?;
    out.result(&deployed, || {
        format!(
            "model {} is deployed again (evidence {})\nnext: start the service again, if it runs\n  stayward serve",
            deployed.model.short(),
            deployed.deployment.id
        )
    });
    Ok(0)
}
