//! `stayward demo`.

use std::path::PathBuf;

use clap::Args;

use super::Ended;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Customers to generate.
    #[arg(long, default_value_t = 8_000)]
    customers: u64,
    /// Seed of everything that is generated.
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

pub(crate) async fn run(_: DemoArgs, _: Option<PathBuf>, _: &Output) -> Ended {
    Ok(0)
}
