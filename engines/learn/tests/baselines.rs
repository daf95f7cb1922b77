//! The members reach scikit-learn's and XGBoost's figures on public churn data, by the protocol of the baselines: five stratified
//! folds, default settings (T5). Floors stand a little below the vote AUC that was measured with the Python originals.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test stops at what it does not expect, and prints its figures")]

#[path = "common/data.rs"]
mod data;

use data::{rows, table};
use frame::Column;
use learn::{Evaluation, Member, SegmentSpec, Segments, Split, TrainSpec, cross_validate};

/// The seed of the baselines' protocol.
const SEED: u64 = 20_261_122;

fn report(name: &str, found: &Evaluation) -> f64 {
    for (member, report) in &found.members {
        println!(
            "{name} {member:?}: auc {:.4} +- {:.4}, pr {:.4}, log loss {:.4}, brier {:.4}, accuracy {:.4}",
            report.auc.mean,
            report.auc.deviation,
            report.pr_auc.mean,
            report.log_loss.mean,
            report.brier.mean,
            report.accuracy.mean
        );
    }
    found.members[&Member::Vote].auc.mean
}

fn folds(name: &str, file: &str, drop: &[&str], label: &str, floor: f64) {
    let Some(table) = table(file) else { return };
    let (frame, labels) = rows(&table, drop, label);
    let found = cross_validate(&frame, &labels, &TrainSpec::default(), &Split::Stratified { folds: 5, seed: SEED }).unwrap();
    println!("{name}: {} rows, {} duplicates", frame.rows(), found.duplicates);
    let auc = report(name, &found);
    assert!(auc >= floor, "{name}: vote AUC {auc} is below {floor}");
}

#[test]
fn telco_reaches_its_baseline() {
    folds("telco", "telco_ibm.csv", &["customerID"], "Churn", 0.840);
}

#[test]
fn mlc_reaches_its_baseline() {
    folds("mlc", "mlc_churn.csv", &[], "churn", 0.915);
}

#[test]
fn iranian_reaches_its_baseline() {
    folds("iranian", "iranian_churn.csv", &[], "Churn", 0.980);
}

#[test]
fn retail_by_time_reaches_its_baseline() {
    let Some(table) = table("online_retail_snapshots.csv.gz") else { return };
    // 2011-03-01 is month 3; a cutoff is the first of a month.
    let months: Vec<f64> = table["cutoff"].iter().map(|cutoff| cutoff[5..7].parse().unwrap()).collect();
    let (frame, labels) = rows(&table, &["CustomerID", "cutoff", "future_spend_90d"], "churn");
    let split = Split::Time { times: &months, train_to: 6.0, test_from: 9.0 };
    let found = cross_validate(&frame, &labels, &TrainSpec::default(), &split).unwrap();
    println!("retail: trained on {}, tested on {}", found.sizes[0].0, found.sizes[0].1);
    let auc = report("retail", &found);
    assert!(auc >= 0.740, "retail: vote AUC {auc} is below 0.740");
}

#[test]
fn retail_customers_fall_into_stable_segments() {
    let Some(table) = table("online_retail_snapshots.csv.gz") else { return };
    let (frame, labels) = rows(&table, &["CustomerID", "country"], "churn");
    let last: Vec<usize> = (0..frame.rows()).filter(|&row| table["cutoff"][row] == "2011-09-01").collect();
    let (frame, labels) = (frame.take(&last), last.iter().map(|&row| labels[row]).collect::<Vec<_>>());
    let Some(Column::Number(values)) = frame.column("monetary").cloned() else { return };
    let columns = ["recency_days", "frequency", "monetary"].map(str::to_owned).to_vec();
    let found = Segments::fit(&frame, &values, Some(&labels), &SegmentSpec { columns, ..SegmentSpec::default() }).unwrap();
    for choice in found.choices() {
        println!("retail {choice:?}");
        // The notes on the data give 0.27 to 0.33 for 3 to 8 segments on logarithms of the same three columns.
        assert!((0.2..0.6).contains(&choice.silhouette));
    }
    for segment in found.segments() {
        println!(
            "retail {}: {} rows, value {:?}, churn {:?}, stability {:.3}",
            segment.name, segment.size, segment.mean_value, segment.churn_rate, segment.stability
        );
    }
    assert!(found.segments().iter().all(|segment| segment.stability > 0.75));
    let (first, last) = (&found.segments()[0], &found.segments()[found.segments().len() - 1]);
    assert!(first.churn_rate < last.churn_rate, "customers of high value leave less often in these data");
}
