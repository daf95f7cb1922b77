//! Drives every parser of outside bytes with damaged input: nothing may panic, hang, or accept what was not signed (T1 to T4, T7).
//!
//! ```text
//! fuzz SECONDS [TARGET..]          every target, or those named, for so many seconds each
//! fuzz --again TARGET SEED LAST    the same inputs again, up to number LAST: what a report of a crash says to run
//! ```
//!
//! No coverage is measured. Instead an input joins the pool when its target says something new about it: another error, or another
//! kind of success. Everything follows from the seed, so a crash is found again by target, seed and number; the input itself is
//! left in `target/fuzz/crashes`. Each target runs in a process of its own, so that an abort or a hang is a finding as well.

mod drive;
mod mutate;
mod targets;

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["--child", target, seed, seconds] => drive::child(target, seed, seconds),
        ["--again", target, seed, last] => drive::again(target, seed, last),
        [seconds, targets @ ..] => drive::all(seconds, targets),
        [] => Err("usage: fuzz SECONDS [TARGET..]".to_owned()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody is left to tell if even this cannot be written.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(2)
        }
    }
}
