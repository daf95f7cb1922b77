//! Runs targets: in children, by seed, for a time; says what was found and how to see it again.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::mutate::{Draw, damaged};
use crate::targets::{self, Target};

/// The seed unless `STAYWARD_FUZZ_SEED` says another.
const SEED: u64 = 20_261_123;
/// Inputs of the pool at most.
const POOL_MAX: usize = 512;
/// One input may take so long; a parser that needs more for 64 KiB can be kept busy by its caller.
const INPUT_SECONDS_MAX: f64 = 2.0;
/// A child that lives so much longer than it was told hangs.
const GRACE: Duration = Duration::from_secs(60);
/// Characters of an outcome that count as new or known.
const OUTCOME_CHARS: usize = 80;

/// Where crashes and scratch files go.
fn folder(name: &str) -> Result<PathBuf, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/fuzz").join(name);
    fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

fn say(text: &str) {
    // A reader that is gone does not stop the search.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is not a whole number"))
}

fn open(name: &str) -> Result<Target, String> {
    targets::open(name, &folder("work")?.join(name))
}

/// Runs every target, or those named; whether all went well.
pub(crate) fn all(seconds: &str, wanted: &[&str]) -> Result<bool, String> {
    let seconds = number(seconds)?;
    let seed = std::env::var("STAYWARD_FUZZ_SEED").map_or(Ok(SEED), |text| number(&text))?;
    if let Some(stranger) = wanted.iter().find(|name| !targets::NAMES.contains(name)) {
        return Err(format!("there is no target `{stranger}`; there are {}", targets::NAMES.join(", ")));
    }
    let chosen = targets::NAMES.iter().filter(|name| wanted.is_empty() || wanted.contains(name));
    let (mut passed, mut failed) = (0, 0);
    for name in chosen {
        if parent(name, seed, seconds)? { passed += 1 } else { failed += 1 }
    }
    say(&format!("{passed} passed, {failed} failed"));
    Ok(failed == 0)
}

/// Starts a child and waits; an abort, a stack overflow or a hang leaves only its number behind.
fn parent(name: &str, seed: u64, seconds: u64) -> Result<bool, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let arguments = ["--child", name, &seed.to_string(), &seconds.to_string()];
    let mut child =
        Command::new(program).args(arguments).stdin(Stdio::null()).spawn().map_err(|error| format!("no child: {error}"))?;
    let until = Instant::now() + Duration::from_secs(seconds) + GRACE;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            break Some(status);
        }
        if Instant::now() > until {
            child.kill().and_then(|()| child.wait()).map_err(|error| error.to_string())?;
            break None;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    match status {
        Some(status) if status.success() => return Ok(true),
        // The child has said why.
        Some(status) if status.code() == Some(1) => {}
        Some(status) => say(&format!("FAIL  {name}: the process died ({status}); {}", last_input(name)?)),
        None => say(&format!("FAIL  {name}: hangs; {}", last_input(name)?)),
    }
    Ok(false)
}

fn last_input(name: &str) -> Result<String, String> {
    let kept = folder("work")?.join(name).join("number");
    let last = fs::read_to_string(&kept).unwrap_or_else(|_| "unknown".to_owned());
    Ok(format!("`--again` with the seed above and a number soon after {last}"))
}

/// How often the number of the input is written down for the case that the process dies.
const NOTED_EVERY: u64 = 256;

/// Searches for so many seconds.
pub(crate) fn child(name: &str, seed: &str, seconds: &str) -> Result<bool, String> {
    let (seed, limit) = (number(seed)?, Duration::from_secs(number(seconds)?));
    catch_words();
    let target = open(name)?;
    let mut search = Search::new(&target, seed);
    let note = folder("work")?.join(name).join("number");
    let start = Instant::now();
    while start.elapsed() < limit {
        if search.number.is_multiple_of(NOTED_EVERY) {
            fs::write(&note, search.number.to_string()).map_err(|error| error.to_string())?;
        }
        if !search.step(false)? {
            return Ok(false);
        }
    }
    let Search { number, outcomes, slowest, .. } = search;
    say(&format!("PASS  {name}: {number} inputs, {} outcomes, slowest {:.0} ms, seed {seed}", outcomes.len(), slowest * 1e3));
    Ok(true)
}

/// The same inputs again, each written down before it is tried.
pub(crate) fn again(name: &str, seed: &str, last: &str) -> Result<bool, String> {
    catch_words();
    let target = open(name)?;
    let mut search = Search::new(&target, number(seed)?);
    let last = number(last)?;
    while search.number <= last {
        if !search.step(true)? {
            return Ok(false);
        }
    }
    say(&format!("{} inputs, none failed", search.number));
    Ok(true)
}

struct Search<'a> {
    target: &'a Target,
    seed: u64,
    draw: Draw,
    pool: Vec<Vec<u8>>,
    outcomes: BTreeSet<String>,
    number: u64,
    slowest: f64,
}

impl<'a> Search<'a> {
    fn new(target: &'a Target, seed: u64) -> Self {
        let (pool, outcomes) = (target.seeds.clone(), BTreeSet::new());
        Self { target, seed, draw: Draw::new(seed), pool, outcomes, number: 0, slowest: 0.0 }
    }

    /// Tries the next input; `false` if it was a finding. The undamaged seeds come first.
    fn step(&mut self, trace: bool) -> Result<bool, String> {
        let seeds = self.target.seeds.len();
        let at = usize::try_from(self.number).unwrap_or(usize::MAX);
        let input = match self.target.seeds.get(at) {
            Some(seed) if at < seeds => seed.clone(),
            Some(_) | None => damaged(&self.pool, &mut self.draw, self.target.words),
        };
        if trace {
            self.keep(&input)?;
        }
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.target.run)(&input)));
        let took = start.elapsed().as_secs_f64();
        self.slowest = self.slowest.max(took);
        let fault = match outcome {
            Err(_) => Some(last_panic().clone()),
            Ok(Err(broken)) => Some(broken),
            Ok(Ok(_)) if took > INPUT_SECONDS_MAX => Some(format!("took {took:.1} s")),
            Ok(Ok(outcome)) => {
                if self.outcomes.len() < POOL_MAX && self.outcomes.insert(shape(&outcome)) {
                    self.pool.push(input.clone());
                }
                None
            }
        };
        if let Some(fault) = fault {
            let path = self.keep(&input)?;
            let (name, seed, number) = (self.target.name, self.seed, self.number);
            say(&format!("FAIL  {name}: {fault}\n      input {}\n      again: --again {name} {seed} {number}", path.display()));
            return Ok(false);
        }
        self.number += 1;
        Ok(true)
    }

    fn keep(&self, input: &[u8]) -> Result<PathBuf, String> {
        let path = folder("crashes")?.join(format!("{}-{}", self.target.name, self.seed));
        fs::write(&path, input).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path.canonicalize().unwrap_or(path))
    }
}

/// The last panic, with its place; parsers may catch panics of libraries below them, so none is printed at once.
static PANIC: Mutex<String> = Mutex::new(String::new());

fn last_panic() -> MutexGuard<'static, String> {
    PANIC.lock().unwrap_or_else(PoisonError::into_inner)
}

fn catch_words() {
    std::panic::set_hook(Box::new(|panic| *last_panic() = panic.to_string()));
}

/// An outcome without its numbers and quotations, so that two of a kind are one.
fn shape(outcome: &str) -> String {
    let mut quoted = false;
    let mut out = String::new();
    for c in outcome.chars() {
        quoted ^= matches!(c, '`' | '"');
        if !quoted && !c.is_ascii_digit() && c.is_ascii() {
            out.push(c);
        }
        if out.len() == OUTCOME_CHARS {
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::shape;

    #[test]
    fn outcomes_of_a_kind_are_one() {
        assert_eq!(shape("line 12: `abc` is bad"), shape("line 7: `x` is bad"));
        assert_ne!(shape("is bad"), shape("is worse"));
    }
}
