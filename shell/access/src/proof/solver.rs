//! The solver, cvc5, as a process of its own (T4): found, asked for its version, given a time, and ended when it takes longer.

use std::path::PathBuf;
use std::time::Duration;

use cedar_policy_symcc::CedarSymCompiler;
use cedar_policy_symcc::solver::LocalSolver;
use tokio::process::Command;

use super::SolverInfo;

/// The variable that names the solver's file; without it, `cvc5` is looked for on the path.
const VARIABLE: &str = "CVC5";
/// Time for one question. All questions of the shipped properties together take less than a second
/// (`cargo run -p access --example prove`).
const QUESTION_TIME: Duration = Duration::from_secs(5);
/// Time beyond it in which the process itself may say that it gave up.
const GRACE: Duration = Duration::from_secs(1);
/// Time for the solver to say its version.
const VERSION_TIME: Duration = Duration::from_secs(5);
/// Bytes of its version that are kept.
const VERSION_BYTES_MAX: usize = 64;

/// A solver that answered.
#[derive(Debug, Clone)]
pub struct Solver {
    program: PathBuf,
    question_time: Duration,
    /// What it says of itself.
    pub info: SolverInfo,
}

impl Solver {
    /// The solver that `$CVC5` names, else `cvc5` on the path.
    ///
    /// # Errors
    /// Why there is none, in words for people.
    pub async fn find() -> Result<Self, String> {
        let program = std::env::var_os(VARIABLE).map_or_else(|| PathBuf::from("cvc5"), PathBuf::from);
        Self::at(program).await
    }

    /// The solver with this file.
    ///
    /// # Errors
    /// Why it is none, in words for people.
    pub async fn at(program: PathBuf) -> Result<Self, String> {
        let shown = program.display().to_string();
        let mut command = Command::new(&program);
        command.arg("--version").env_clear().stdin(std::process::Stdio::null()).kill_on_drop(true);
        let asked = tokio::time::timeout(VERSION_TIME, command.output()).await;
        let output = match asked {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => return Err(format!("no solver: `{shown}` does not start ({error})")),
            Err(_) => return Err(format!("no solver: `{shown}` did not tell its version")),
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.lines().next().and_then(|line| line.split_once("version ")).map(|(_, version)| version.trim());
        match version {
            Some(version) if output.status.success() && text.contains("cvc5") => {
                let version = version.chars().take(VERSION_BYTES_MAX).collect();
                Ok(Self { program, question_time: QUESTION_TIME, info: SolverInfo { name: "cvc5".to_owned(), version } })
            }
            Some(_) | None => Err(format!("no solver: `{shown}` is not cvc5")),
        }
    }

    /// The same solver with another time for each question.
    #[must_use]
    pub fn with_question_time(self, question_time: Duration) -> Self {
        Self { question_time, ..self }
    }

    /// When a question counts as not answered.
    pub(super) const fn patience(&self) -> Duration {
        self.question_time.saturating_add(GRACE)
    }

    /// Starts it; it ends when the handle is dropped.
    pub(super) fn start(&self) -> Result<CedarSymCompiler<LocalSolver>, String> {
        let mut command = Command::new(&self.program);
        command
            .args(["--lang", "smt"])
            .arg(format!("--tlimit-per={}", self.question_time.as_millis()))
            .env_clear()
            .kill_on_drop(true);
        let process = LocalSolver::from_command(&mut command).map_err(|error| format!("the solver does not start: {error}"))?;
        CedarSymCompiler::new(process).map_err(|error| format!("the solver does not start: {error}"))
    }
}
