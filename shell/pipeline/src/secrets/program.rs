//! A rotation whose steps `set` and `test` are a program of the user's (T4): it gets the values as files in memory, and nothing of
//! them in its arguments or environment.
//!
//! It is called as AWS calls a rotation function: `PROGRAM set NAME`, then `PROGRAM test NAME`, with the files `current` and
//! `pending` in the folder `CREDENTIALS_DIRECTORY`. It must be idempotent: after a kill it is called again with the same values.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use vault::{CREDENTIALS_VARIABLE, Handout, Replacement, Rotator, Secret, Step};
use zeroize::Zeroizing;

/// Seconds that a step may take.
const STEP_SECONDS_MAX: u64 = 120;
/// Between two looks at whether it has ended.
const LOOK_MS: u64 = 50;

/// Rotates with a program.
pub struct RotationProgram {
    program: PathBuf,
    value: Replacement,
}

impl RotationProgram {
    /// `value` makes the new value; `program` has the other side accept it.
    #[must_use]
    pub fn new(program: &Path, value: Replacement) -> Self {
        Self { program: program.to_owned(), value }
    }

    fn run(&self, step: Step, name: &str, current: &Secret, pending: &Secret) -> Result<(), String> {
        let files: [(&str, &[u8]); 2] = [("current", &current.bytes), ("pending", &pending.bytes)];
        let handout = Handout::new(&files).map_err(|error| error.to_string())?;
        let shown = self.program.display();
        let mut child = Command::new(&self.program)
            .args([step.as_str(), name])
            .env(CREDENTIALS_VARIABLE, handout.folder())
            // What it says could hold a value; whether it went well is all that is wanted.
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("`{shown}` does not start: {error}"))?;
        let began = std::time::Instant::now();
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(format!("`{shown}` ended with {status}")),
                Ok(None) if began.elapsed().as_secs() >= STEP_SECONDS_MAX => {
                    let (_killed, _reaped) = (child.kill(), child.wait());
                    return Err(format!("`{shown}` did not end in {STEP_SECONDS_MAX} seconds"));
                }
                Ok(None) => std::thread::sleep(std::time::Duration::from_millis(LOOK_MS)),
                Err(error) => return Err(format!("`{shown}`: {error}")),
            }
        }
    }
}

impl Rotator for RotationProgram {
    fn create(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        self.value.create(name)
    }

    fn goes_on_with(&self, pending: &Secret) -> Result<(), String> {
        self.value.goes_on_with(pending)
    }

    fn set(&self, name: &str, current: &Secret, pending: &Secret) -> Result<(), String> {
        self.run(Step::Set, name, current, pending)
    }

    fn test(&self, name: &str, current: &Secret, pending: &Secret) -> Result<(), String> {
        self.run(Step::Test, name, current, pending)
    }
}
