//! `stayward vault exec`: a program gets its secrets as files in memory, and nothing of them in its arguments or environment (T4).

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use pipeline::secrets;
use tokio::signal::unix::{SignalKind, signal};
use vault::{CREDENTIALS_VARIABLE, Handout};

use crate::commands::{Ended, wrong};

/// Between two looks at whether the program has ended.
const LOOK: Duration = Duration::from_millis(50);
/// What a shell adds to the number of the signal that ended a program.
const BY_SIGNAL: i32 = 128;

pub(super) async fn run(names: &[String], program: &[OsString], root: &Path) -> Ended {
    let Some((program, arguments)) = program.split_first() else {
        return Err(wrong("no program is named", "write it after `--`"));
    };
    let shown = Path::new(program).display().to_string();
    let read = secrets::get_for_program(root, names, &shown).await?;
    let files: Vec<(&str, &[u8])> = read.iter().map(|(name, secret)| (name.as_str(), secret.bytes.as_slice())).collect();
    let handout = Handout::new(&files)?;
    drop(files);
    drop(read);
    // From here on a signal ends the program, not this process: it has files to wipe.
    let failed = |error: std::io::Error| wrong(format!("`{shown}`: {error}"), "name a program that can be started");
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt()).map_err(failed)?, signal(SignalKind::terminate()).map_err(failed)?);
    let mut child = Command::new(program).args(arguments).env(CREDENTIALS_VARIABLE, handout.folder()).spawn().map_err(failed)?;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        tokio::select! {
            // A terminal sends it to the program too.
            _ = interrupt.recv() => {}
            _ = terminate.recv() => child.kill().map_err(failed)?,
            () = tokio::time::sleep(LOOK) => {}
        }
    };
    drop(handout);
    let code = status.code().unwrap_or_else(|| BY_SIGNAL + status.signal().unwrap_or_default());
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}
