//! `stayward completions`: a script that completes the commands in a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Ended, wrong};
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs, out: &Output) -> Ended {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::args::Args::command(), "stayward", &mut script);
    out.raw(&script)
        .map_err(|error| wrong(error.to_string(), "write it to a file: `stayward completions bash > stayward.bash`"))?;
    Ok(0)
}
