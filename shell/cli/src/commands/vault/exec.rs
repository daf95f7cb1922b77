//! `stayward vault exec`: a program gets its secrets as files in memory, and nothing of them in its arguments or environment (T4).

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use pipeline::secrets;
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};
use vault::{CREDENTIALS_VARIABLE, Handout};

use crate::commands::{Ended, wrong};

/// Between two looks at whether the program has ended.
const LOOK: Duration = Duration::from_millis(50);
/// How long a program that was told to end may take for it.
const ENDING_MAX: Duration = Duration::from_secs(10);
/// What a shell adds to the number of the signal that ended a program.
const BY_SIGNAL: i32 = 128;

pub(super) async fn run(names: &[String], program: &[OsString], root: &Path) -> Ended {
    let Some((program, arguments)) = program.split_first() else {
        return Err(wrong("no program is named", "write it after `--`"));
    };
    let shown = Path::new(program).display().to_string();
    let read = secrets::get_for_program(root, names, &shown).await?;
    let files: Vec<(&str, &[u8])> = read.iter().map(|(name, secret)| (name.as_str(), secret.bytes.as_slice())).collect();
    let failed = |error: std::io::Error| wrong(format!("`{shown}`: {error}"), "name a program that can be started");
    let listen = |kind: SignalKind| signal(kind).map_err(failed);
    // From here on a signal ends the program, not this process: it has files to wipe.
    let (mut interrupt, mut quit) = (listen(SignalKind::interrupt())?, listen(SignalKind::quit())?);
    let (mut terminate, mut hang_up) = (listen(SignalKind::terminate())?, listen(SignalKind::hangup())?);
    let handout = Handout::new(&files)?;
    drop(files);
    drop(read);
    let mut child = Command::new(program).args(arguments).env(CREDENTIALS_VARIABLE, handout.folder()).spawn().map_err(failed)?;
    let mut told: Option<Instant> = None;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if told.is_some_and(|told| told.elapsed() >= ENDING_MAX) {
            child.kill().map_err(failed)?;
        }
        let passed_on = tokio::select! {
            // A terminal sends these to the program too.
            _ = interrupt.recv() => None,
            _ = quit.recv() => None,
            _ = terminate.recv() => Some(Signal::TERM),
            _ = hang_up.recv() => Some(Signal::HUP),
            () = tokio::time::sleep(LOOK) => None,
        };
        if let Some(signal) = passed_on {
            // Nobody but this loop waits for the program, so its number is still its own.
            kill_process(Pid::from_child(&child), signal).map_err(|error| failed(error.into()))?;
            told.get_or_insert_with(Instant::now);
        }
    };
    drop(handout);
    let code = status.code().unwrap_or_else(|| BY_SIGNAL + status.signal().unwrap_or_default());
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}
