//! Public tables with the roles of their columns, and the deliveries made from them; `make_cases` writes them for other programs,
//! `poison_table` measures our own detectors on the same ones.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use frame::{Categories, Column, Frame};
use poison::{Class, Delivery, PoisonError, Roles, Split, halves, later, poison};

/// Rows of a delivery.
pub(crate) const BATCH_ROWS: usize = 1_000;
/// Shares of touched rows.
pub(crate) const SHARES: [f64; 2] = [0.01, 0.05];
/// The seed of the halves.
const SPLIT_SEED: u64 = 20_261_122;

pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// A public file, its columns' roles, and what is left out: what is known only later, or only to the file's makers.
struct Public {
    name: &'static str,
    file: &'static str,
    dropped: &'static [&'static str],
    id: Option<&'static str>,
    time: Option<&'static str>,
    label: &'static str,
    value: Option<&'static str>,
    money: &'static [&'static str],
}

const ALL: [Public; 5] = [
    Public {
        name: "telco",
        file: "telco_ibm.csv",
        dropped: &[],
        id: Some("customerID"),
        time: None,
        label: "Churn",
        value: Some("TotalCharges"),
        money: &["MonthlyCharges"],
    },
    Public {
        name: "mlc_churn",
        file: "mlc_churn.csv",
        dropped: &[],
        id: None,
        time: None,
        label: "churn",
        value: Some("total_day_charge"),
        money: &["total_eve_charge", "total_night_charge", "total_intl_charge"],
    },
    Public {
        name: "iranian",
        file: "iranian_churn.csv",
        dropped: &[],
        id: None,
        time: None,
        label: "Churn",
        value: Some("Customer Value"),
        money: &[],
    },
    // In the order of time, without a column of it and without money.
    Public {
        name: "bank_marketing",
        file: "bank_marketing_macro.csv.gz",
        dropped: &["duration"],
        id: None,
        time: None,
        label: "y",
        value: None,
        money: &[],
    },
    Public {
        name: "retail",
        file: "online_retail_snapshots.csv.gz",
        dropped: &["future_spend_90d"],
        id: Some("CustomerID"),
        time: Some("cutoff"),
        label: "churn",
        value: Some("monetary"),
        money: &["avg_basket", "spend_0_30", "spend_31_60", "spend_61_90", "return_value", "avg_unit_price"],
    },
];

/// A table and the roles of its columns.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) frame: Frame,
    pub(crate) roles: Roles,
}

/// The wanted tables (all where none is named); those whose files are not there are said and left out.
pub(crate) fn tables(wanted: &[String]) -> Outcome<Vec<Table>> {
    let mut out = Vec::new();
    if let Some(unknown) = wanted.iter().find(|name| !ALL.iter().any(|public| public.name == name.as_str())) {
        let names: Vec<&str> = ALL.iter().map(|public| public.name).collect();
        return Err(format!("`{unknown}` is none of {}", names.join(", ")).into());
    }
    for public in ALL.iter().filter(|public| wanted.is_empty() || wanted.iter().any(|name| name == public.name)) {
        let Some(text) = text(public.file)? else { continue };
        let own = |name: &str| name.to_owned();
        let roles = Roles {
            id: public.id.map(own),
            time: public.time.map(own),
            label: Some(own(public.label)),
            value: public.value.map(own),
            money: public.money.iter().copied().map(own).collect(),
            positive: None,
        };
        out.push(Table { name: public.name, frame: frame(&text, public.dropped)?, roles });
    }
    Ok(out)
}

fn text(file: &str) -> Outcome<Option<String>> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let path = PathBuf::from(std::env::var("STAYWARD_DATA").unwrap_or_else(|_| beside.to_owned())).join(file);
    let Ok(bytes) = std::fs::read(&path) else {
        eprintln!("skipped: {} is not there", path.display());
        return Ok(None);
    };
    if !file.ends_with(".gz") {
        return Ok(Some(String::from_utf8(bytes)?));
    }
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text)?;
    Ok(Some(text))
}

/// Columns that are all numbers (or empty) become numbers. None of these files quotes a comma.
fn frame(text: &str, dropped: &[&str]) -> Outcome<Frame> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').map(str::trim).collect()).collect();
    if let Some(row) = rows.iter().position(|row| row.len() != names.len()) {
        return Err(format!("row {row} has another number of cells than the header").into());
    }
    let mut out = Frame::new(rows.len());
    for (at, name) in names.iter().enumerate().filter(|(_, name)| !dropped.contains(name)) {
        let number = |cell: &str| if cell.is_empty() { Some(f64::NAN) } else { cell.parse().ok() };
        let column = match rows.iter().map(|row| number(row[at])).collect::<Option<Vec<f64>>>() {
            Some(numbers) => Column::Number(numbers),
            None => {
                Column::Category(Categories::from_texts(rows.iter().map(|row| Some(row[at]).filter(|cell| !cell.is_empty()))))
            }
        };
        out.push(name, column)?;
    }
    Ok(out)
}

/// The halves of a table, for a class: by time for the control that is about time, at random for all others.
pub(crate) fn split(table: &Table, class: Class) -> Split {
    match class == Class::ControlLater {
        true => later(&table.frame, table.roles.time.as_deref()),
        false => halves(&table.frame, SPLIT_SEED),
    }
}

/// One delivery of a table.
pub(crate) fn delivery(
    table: &Table,
    split: &Split,
    history: &Frame,
    class: Class,
    share: f64,
    seed: u64,
) -> Result<Delivery, PoisonError> {
    let batch = table.frame.take(&split.delivery(BATCH_ROWS, seed));
    poison(history, &batch, &table.roles, class, share, seed)
}

/// The shares worth making of a class: a whole file and a control come once.
pub(crate) fn shares(class: Class) -> &'static [f64] {
    match class.touches_rows() {
        true => &SHARES,
        false => &SHARES[1..],
    }
}

/// Classes that a table of customers can have.
pub(crate) fn classes() -> impl Iterator<Item = Class> {
    Class::ALL.into_iter().filter(|class| !class.is_of_market())
}

/// A class that the table has no columns for is said once and left out.
pub(crate) fn or_said<T>(name: &str, made: Result<T, PoisonError>, said: &mut BTreeMap<String, ()>) -> Outcome<Option<T>> {
    match made {
        Ok(made) => Ok(Some(made)),
        Err(why @ PoisonError::Needs { .. }) => {
            let line = format!("{name}: {why}");
            if said.insert(line.clone(), ()).is_none() {
                eprintln!("left out: {line}");
            }
            Ok(None)
        }
        Err(why) => Err(why.into()),
    }
}
