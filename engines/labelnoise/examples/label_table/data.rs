//! The public tables that the figures are measured on, and what an insider does to their labels.

use std::io::Read;
use std::path::{Path, PathBuf};

use frame::{Categories, Column, Frame};
use learn::rng::{Rng, derive};

pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Where the public data are: `$STAYWARD_DATA`, or beside the repository.
#[expect(clippy::disallowed_methods, reason = "an example finds its data by the environment")]
pub(crate) fn folder() -> PathBuf {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    std::env::var("STAYWARD_DATA").map_or(beside, PathBuf::from)
}

/// The text of a file, unpacked.
#[expect(clippy::disallowed_methods, reason = "an example that measures reads files")]
pub(crate) fn text(path: &Path) -> Outcome<String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if path.extension().is_none_or(|end| end != "gz") {
        return Ok(String::from_utf8(bytes)?);
    }
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text)?;
    Ok(text)
}

/// A public table: its name, its file, its label, and the columns that are left out.
pub(crate) struct Source {
    pub(crate) name: &'static str,
    file: &'static str,
    label: &'static str,
    dropped: &'static [&'static str],
    /// The column of a customer's value.
    pub(crate) value: &'static str,
}

pub(crate) const SOURCES: [Source; 2] = [
    Source { name: "telco", file: "telco_ibm.csv", label: "Churn", dropped: &["customerID"], value: "MonthlyCharges" },
    Source { name: "mlc", file: "mlc_churn.csv", label: "churn", dropped: &[], value: "total_day_charge" },
];

impl Source {
    /// Frame and labels, rows in the file's order; columns that are all numbers (or empty) become numbers.
    pub(crate) fn read(&self) -> Outcome<(Frame, Vec<bool>)> {
        let text = text(&folder().join(self.file))?;
        let mut lines = text.lines();
        // Neither file quotes a comma.
        let names: Vec<&str> = lines.next().ok_or("there are no rows")?.split(',').map(str::trim).collect();
        let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').map(str::trim).collect()).collect();
        let cells = |at: usize| rows.iter().map(move |row| row.get(at).copied().unwrap_or_default());
        let at = names.iter().position(|name| *name == self.label).ok_or("the label is no column")?;
        let labels = cells(at).map(|cell| matches!(cell.to_lowercase().as_str(), "1" | "yes" | "true")).collect();
        let mut frame = Frame::new(rows.len());
        for (at, name) in names.iter().enumerate().filter(|(_, name)| **name != self.label && !self.dropped.contains(name)) {
            let number = |cell: &str| if cell.is_empty() { Some(f64::NAN) } else { cell.parse().ok() };
            let column = match cells(at).map(number).collect::<Option<Vec<f64>>>() {
                Some(numbers) => Column::Number(numbers),
                None => {
                    Column::Category(Categories::from_texts(cells(at).map(|cell| Some(cell).filter(|cell| !cell.is_empty()))))
                }
            };
            frame.push(name, column)?;
        }
        Ok((frame, labels))
    }
}

/// What an insider turns around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Any labels.
    Random,
    /// "churned" to "stayed".
    Hidden,
    /// "stayed" to "churned".
    Invented,
}

impl Turn {
    pub(crate) const ALL: [Self; 3] = [Self::Random, Self::Hidden, Self::Invented];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Hidden => "hidden",
            Self::Invented => "invented",
        }
    }

    /// `wanted` of these rows that can be turned this way, rising; all that can where there are fewer.
    pub(crate) fn rows(self, among: &[usize], labels: &[bool], wanted: usize, seed: u64) -> Vec<usize> {
        let may = |row: &usize| match self {
            Self::Random => true,
            Self::Hidden => labels[*row],
            Self::Invented => !labels[*row],
        };
        let mut rows: Vec<usize> = among.iter().copied().filter(may).collect();
        Rng::new(derive(seed, 0x71, 0)).shuffle(&mut rows);
        rows.truncate(wanted);
        rows.sort_unstable();
        rows
    }
}

/// Labels with some turned around.
pub(crate) fn turned(labels: &[bool], rows: &[usize]) -> Vec<bool> {
    let mut out = labels.to_vec();
    rows.iter().for_each(|row| out[*row] = !out[*row]);
    out
}
