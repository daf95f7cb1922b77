//! Reads the public churn data that tests measure on; they stand outside the repository.

use std::io::Read;
use std::ops::Index;
use std::path::PathBuf;

use frame::{Categories, Column, Frame};

/// Columns of texts in the file's order, which decides ties of the booster: where columns rise together, the first is split.
pub(crate) struct Table(Vec<(String, Vec<String>)>);

impl Index<&str> for Table {
    type Output = Vec<String>;

    fn index(&self, name: &str) -> &Vec<String> {
        &self.0.iter().find(|(own, _)| own == name).unwrap().1
    }
}

/// The text of a file, or `None` (with a printed line) where the data are not there.
pub(crate) fn text(file: &str) -> Option<String> {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    let path = option_env_or("STAYWARD_DATA", beside).join(file);
    let Ok(bytes) = read(&path) else {
        println!("skipped: {} is not there", path.display());
        return None;
    };
    if !file.ends_with(".gz") {
        return Some(String::from_utf8(bytes).unwrap());
    }
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    Some(text)
}

/// A table of texts, or `None` where the data are not there.
pub(crate) fn table(file: &str) -> Option<Table> {
    let text = text(file)?;
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let mut out: Vec<(String, Vec<String>)> = names.iter().map(|name| ((*name).to_owned(), Vec::new())).collect();
    for line in lines {
        // None of these files quotes a comma.
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells.len(), names.len(), "{line}");
        for ((_, column), cell) in out.iter_mut().zip(cells) {
            column.push(cell.trim().to_owned());
        }
    }
    Some(Table(out))
}

#[expect(clippy::disallowed_methods, reason = "a test finds its data by the environment")]
fn option_env_or(name: &str, other: PathBuf) -> PathBuf {
    std::env::var(name).map_or(other, PathBuf::from)
}

#[expect(clippy::disallowed_methods, reason = "a test reads its data from the disk")]
fn read(path: &std::path::Path) -> std::io::Result<Vec<u8>> {
    std::fs::read(path)
}

/// Frame and labels; columns that are all numbers (or empty) become numbers.
pub(crate) fn rows(table: &Table, drop: &[&str], label: &str) -> (Frame, Vec<bool>) {
    let labels: Vec<bool> =
        table[label].iter().map(|text| matches!(text.to_lowercase().as_str(), "1" | "yes" | "true")).collect();
    let mut frame = Frame::new(labels.len());
    for (name, cells) in table.0.iter().filter(|(name, _)| *name != label && !drop.contains(&name.as_str())) {
        let numbers: Option<Vec<f64>> =
            cells.iter().map(|cell| if cell.is_empty() { Some(f64::NAN) } else { cell.parse().ok() }).collect();
        let column = match numbers {
            Some(numbers) => Column::Number(numbers),
            None => Column::Category(Categories::from_texts(
                cells.iter().map(|cell| Some(cell.as_str()).filter(|cell| !cell.is_empty())),
            )),
        };
        frame.push(name, column).unwrap();
    }
    (frame, labels)
}
