//! Files as their owners hand them over: the market feed of a supplier (T1), and a company's customers with the labels beside them.

use std::collections::BTreeMap;

use crate::{Format, GenerateError, Generator, MarketRow, Table, competitor_name, date_text, region_name};

/// Columns of a delivery, with the line's end.
pub const DELIVERY_HEADER: &str = "week_start,region,competitor,price,promo,est_share\n";

/// The valid rows, by week, region and competitor: of each the highest revision.
pub fn corrected(rows: impl IntoIterator<Item = MarketRow>) -> Vec<MarketRow> {
    let mut latest: BTreeMap<(u32, u8, u8), MarketRow> = BTreeMap::new();
    for row in rows {
        let known = latest.entry((row.week, row.region, row.competitor)).or_insert_with(|| row.clone());
        if row.revision > known.revision {
            *known = row;
        }
    }
    latest.into_values().collect()
}

/// A row of a delivery as a line of CSV, with the line's end.
pub fn delivery_line(row: &MarketRow) -> String {
    let (day, region, competitor) = (date_text(row.week_start_day), region_name(row.region), competitor_name(row.competitor));
    format!("{day},{region},{competitor},{:.2},{},{:.4}\n", row.price, u8::from(row.promo), row.est_share)
}

/// A whole delivery as CSV.
pub fn delivery_csv(rows: &[MarketRow]) -> Vec<u8> {
    let lines = rows.iter().map(delivery_line);
    std::iter::once(DELIVERY_HEADER.to_owned()).chain(lines).collect::<String>().into_bytes()
}

/// Customers at the cutoffs of some months, and their labels (`customer_id,cutoff,churned`), both as CSV.
///
/// # Errors
/// A month past the last one.
pub fn company_csv(generator: &Generator, months: &[u32]) -> Result<(Vec<u8>, Vec<u8>), GenerateError> {
    let mut customers = Table::Snapshot { month: 0 }.csv_header().into_bytes();
    let mut labels = b"customer_id,cutoff,churned\n".to_vec();
    for &month in months {
        let table = Table::Snapshot { month };
        for chunk in generator.chunks(table, Format::Csv, 0..generator.slots(table))? {
            customers.extend_from_slice(&chunk);
        }
        let view = generator.month(month)?;
        for label in (0..generator.slots(table)).map(|row| view.label(row)) {
            let churned = if label.churned { "yes" } else { "no" };
            labels.extend_from_slice(format!("{},{},{churned}\n", label.customer_id, date_text(label.cutoff_day)).as_bytes());
        }
    }
    Ok((customers, labels))
}
