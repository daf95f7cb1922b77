//! On public churn data nothing that describes a customer is taken for a leak, and what names or foretells one is (T4).

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test stops at what it does not expect, and prints its figures")]

#[path = "common/data.rs"]
mod data;

use learn::leakage::{Leak, LeakFinding, future, identifiers};

fn findings(file: &str, drop: &[&str], label: &str, time: Option<&str>) -> Option<Vec<LeakFinding>> {
    let table = data::table(file)?;
    let (frame, labels) = data::rows(&table, drop, label);
    let moments: Option<Vec<f64>> = time.map(|name| {
        // Months of one year, as moments of that year.
        table[name].iter().map(|cell| 1_293_840_000.0 + cell[5..7].parse::<f64>().unwrap() * 2_592_000.0).collect()
    });
    let mut out = future(&frame, &labels, moments.as_deref());
    out.extend(identifiers(&frame, moments.as_deref()));
    for found in &out {
        println!("{file}: {found}");
    }
    Some(out)
}

fn check(file: &str, drop: &[&str], label: &str, time: Option<&str>, columns: &[&str]) {
    let Some(found) = findings(file, drop, label, time) else { return };
    let found: Vec<&str> = found.iter().map(|found| found.column.as_str()).collect();
    assert_eq!(found, columns, "{file}");
}

#[test]
fn customers_of_telco() {
    check("telco_ibm.csv", &["customerID"], "Churn", None, &[]);
    let found = findings("telco_ibm.csv", &[], "Churn", None).unwrap_or_default();
    assert!(found.iter().all(|found| found.column == "customerID" && matches!(found.leak, Leak::Identifier { .. })));
}

#[test]
fn customers_of_mlc_and_iranian() {
    check("mlc_churn.csv", &[], "churn", None, &[]);
    check("iranian_churn.csv", &[], "Churn", None, &[]);
}

#[test]
fn sessions_and_calls() {
    check("online_shoppers.csv.gz", &[], "Revenue", None, &[]);
    check("bank_marketing_macro.csv.gz", &[], "y", None, &[]);
}

#[test]
fn customers_of_the_shop_who_come_again() {
    let drop = &["CustomerID", "cutoff", "future_spend_90d"];
    check("online_retail_snapshots.csv.gz", drop, "churn", Some("cutoff"), &[]);
    check("online_retail_snapshots.csv.gz", &["future_spend_90d"], "churn", Some("cutoff"), &["cutoff", "CustomerID"]);
}
