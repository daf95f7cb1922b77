//! Writes a table as the bytes that a supplier sends (RFC 4180, with `\n` at line ends).

use frame::{Column, Frame};

/// A comma-separated file with a header; missing cells are empty, numbers as short as they can be read back.
pub fn csv(frame: &Frame) -> Vec<u8> {
    let mut out = Vec::new();
    record(&mut out, frame.names().iter().map(String::as_str));
    for row in 0..frame.rows() {
        let cells: Vec<String> = frame.columns().iter().map(|column| cell(column, row)).collect();
        record(&mut out, cells.iter().map(String::as_str));
    }
    out
}

fn cell(column: &Column, row: usize) -> String {
    match column {
        Column::Number(values) => values.get(row).filter(|value| !value.is_nan()).map(f64::to_string).unwrap_or_default(),
        Column::Category(categories) => categories.text(row).unwrap_or_default().to_owned(),
    }
}

fn record<'a>(out: &mut Vec<u8>, cells: impl Iterator<Item = &'a str>) {
    for (place, cell) in cells.enumerate() {
        if place > 0 {
            out.push(b',');
        }
        if cell.contains([',', '"', '\n', '\r']) {
            out.push(b'"');
            out.extend(cell.replace('"', "\"\"").bytes());
            out.push(b'"');
        } else {
            out.extend(cell.bytes());
        }
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use frame::Categories;

    #[test]
    fn cells_are_quoted_only_where_they_must_be() {
        let mut frame = Frame::new(2);
        frame.push("a,b", Column::Category(Categories::from_texts([Some("x\"y"), None]))).unwrap();
        frame.push("n", Column::Number(vec![29.85, f64::NAN])).unwrap();
        assert_eq!(String::from_utf8(csv(&frame)).unwrap(), "\"a,b\",n\n\"x\"\"y\",29.85\n,\n");
    }
}
