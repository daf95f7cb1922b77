//! `stayward serve`: predictions and console over HTTPS.

use std::path::Path;

use clap::Args;

use super::Ended;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Port.
    #[arg(long, default_value_t = 8443)]
    port: u16,
}

pub(crate) async fn run(args: ServeArgs, root: &Path, out: &Output) -> Ended {
    let project = super::open(root)?;
    let service = pipeline::serving::Service::open(&project).await?;
    out.say(&format!("model {} would be served on port {}", service.model().version, args.port));
    Ok(0)
}
