//! The command line: one program for supplier, data scientist, operator and auditor. Data goes to standard output, progress and
//! messages to standard error; exit codes are documented in `--help`.

mod address;
mod args;
mod client;
mod commands;
mod console;
mod interrupt;
mod loopback;
mod output;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    let out = output::Output::new(&args);
    // One crypto backend for every TLS connection of this process; a second call would fail, and there is none.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        out.error("internal error: a second TLS backend is linked", "report this");
        return ExitCode::from(70);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let code = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(args, &out)),
        Err(error) => {
            out.error(&format!("internal error: {error}"), "look at the limits of this user's processes");
            70
        }
    };
    ExitCode::from(code)
}
