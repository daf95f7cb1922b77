//! `stayward completions`: a script that completes the commands in a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Ended, raw};
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs, out: &Output) -> Ended {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::args::Args::command(), "stayward", &mut script);
    raw(out, &script)?;
    Ok(0)
}
