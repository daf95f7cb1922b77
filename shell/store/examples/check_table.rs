//! Says what is wrong with a table (T6): `cargo run -p store --example check_table -- DIR`. Exit code 1 if anything is.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use store::table::Table;

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let dir = std::env::args().nth(1).ok_or("usage: check_table DIR")?;
    let violations = Table::check_folder(Path::new(&dir))?;
    let mut out = std::io::stdout().lock();
    for violation in &violations {
        writeln!(out, "{violation}")?;
    }
    if violations.is_empty() {
        writeln!(out, "sound")?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}
