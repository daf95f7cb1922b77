//! A public table as frame and labels, for the examples that print figures on it.

use frame::{Categories, Column, Frame};

/// Frame and labels of rows of texts; columns that are all numbers (or empty) become numbers, `dropped` ones are left out.
pub(crate) fn typed(
    names: &[&str],
    rows: &[Vec<&str>],
    label: &str,
    dropped: impl Fn(&str) -> bool,
) -> Result<(Frame, Vec<bool>), Box<dyn std::error::Error>> {
    let cells = |at: usize| rows.iter().map(move |row| row.get(at).copied().unwrap_or_default());
    let at = names.iter().position(|name| *name == label).ok_or("the label is no column")?;
    let labels = cells(at).map(|cell| matches!(cell.to_lowercase().as_str(), "1" | "yes" | "true")).collect();
    let mut frame = Frame::new(rows.len());
    for (at, name) in names.iter().enumerate().filter(|(_, name)| **name != label && !dropped(name)) {
        let number = |cell: &str| if cell.is_empty() { Some(f64::NAN) } else { cell.parse().ok() };
        let column = match cells(at).map(number).collect::<Option<Vec<f64>>>() {
            Some(numbers) => Column::Number(numbers),
            None => Column::Category(Categories::from_texts(cells(at).map(|cell| Some(cell).filter(|cell| !cell.is_empty())))),
        };
        frame.push(name, column)?;
    }
    Ok((frame, labels))
}
