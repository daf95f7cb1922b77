//! Judges the shipped rules by the shipped properties and says how long that took, for the figures of `shell/access` (T4).
//! `cargo run --release -p access --example prove [project's rules]`
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::time::Instant;

use access::{Access, OwnLabels, Principal, Properties, Request, Solver, prove};
use identity::Action;

/// Decisions that are timed.
const DECISIONS: u32 = 10_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let project = std::env::args().nth(1).map(std::fs::read_to_string).transpose()?;
    let started = Instant::now();
    let access = Access::load(project.as_deref(), OwnLabels::Forbidden)?;
    println!("read and checked in {:?}", started.elapsed());

    let request = Request::new(Principal::with_role(identity::Role::ApiClient), Action::AskChurn, None, 0);
    let started = Instant::now();
    let allowed = (0..DECISIONS).filter(|_| access.decide(&request).allowed).count();
    println!("{allowed} decisions, each {:?}", started.elapsed() / DECISIONS);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let solver = runtime.block_on(Solver::find());
    let started = Instant::now();
    let report = runtime.block_on(prove(&access, &Properties::load(None)?, solver.as_ref().map_err(Clone::clone)));
    println!("{report}\nproved in {:?}", started.elapsed());
    Ok(())
}
