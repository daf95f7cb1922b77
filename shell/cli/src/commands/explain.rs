//! `stayward model explain`: which columns moved an answer, for people who may read the data source, and for nobody else (T2, T4).

use std::path::Path;

use clap::Args;
use identity::Action;
use learn::conformal::LabelSet;
use pipeline::Office;
use pipeline::run::{CustomerExplained, ModelExplained, Sure, explain_customer, explain_model};
use serde::Serialize;

use super::{Ended, model};
use crate::output::{Output, table};

/// Columns that a table shows; JSON has all.
const SHOWN: usize = 20;

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// First digits of the model's digest; the newest where absent.
    model: Option<String>,
    /// Explain the answer for this customer; the model as a whole where absent.
    #[arg(long)]
    customer: Option<String>,
}

#[derive(Serialize)]
struct Explained<T> {
    model: String,
    #[serde(flatten)]
    what: T,
}

pub(crate) async fn run(args: ExplainArgs, root: &Path, out: &Output) -> Ended {
    let office = Office::open(root).await?;
    office.authorised(Action::ReadSource).await?;
    let (name, ensemble) = model::loaded(&office.project, args.model.as_deref())?;
    match args.customer {
        Some(customer) => {
            let customer = pipeline::internal::known_as(&office.project, &office.vault, &customer)?;
            let what = explain_customer(&office.project, &office.control, &ensemble, &customer).await?;
            let explained = Explained { model: name, what };
            out.result(&explained, || format!("model {}\n{}", explained.model, spell_customer(&explained.what)));
        }
        None => {
            let what = explain_model(&office.project, &office.control, &ensemble).await?;
            let explained = Explained { model: name, what };
            out.result(&explained, || format!("model {}\n{}", explained.model, spell_model(&explained.what)));
        }
    }
    Ok(0)
}

fn spell_customer(found: &CustomerExplained) -> String {
    let row = |column: &str, value: &str, booster: f64, forest: f64| {
        vec![column.to_owned(), value.to_owned(), format!("{booster:+.4}"), format!("{forest:+.4}")]
    };
    let mut rows = vec![row("mean of the customers", "", found.booster.0, found.forest.0)];
    let part = |part: &pipeline::run::Part| row(&part.column, part.value.as_deref().unwrap_or("-"), part.booster, part.forest);
    rows.extend(found.parts.iter().take(SHOWN).map(part));
    let rest = found.parts.iter().skip(SHOWN);
    if let (count @ 1.., (booster, forest)) =
        rest.fold((0, (0.0, 0.0)), |(count, sum), part| (count + 1, (sum.0 + part.booster, sum.1 + part.forest)))
    {
        rows.push(row(&format!("{count} others"), "", booster, forest));
    }
    rows.push(row("this customer", "", found.booster.1, found.forest.1));
    format!(
        "customer {}: vote {:.4}{}\n\n{}\n\nparts add up to the last line (TreeSHAP); the SVM, {:.4}, has no trees and no parts",
        found.customer,
        found.vote,
        found.sure.map_or_else(String::new, spell_sure),
        table(&["column", "value", "XGBoost, log odds", "Random Forest, probability"], &rows),
        found.svm,
    )
}

/// How sure the vote is.
fn spell_sure(sure: Sure) -> String {
    let labels = match sure.labels {
        LabelSet::Positive => "churn",
        LabelSet::Negative => "stay",
        LabelSet::Both => "churn or stay: the vote cannot tell",
        LabelSet::Neither => "neither label: the customer is unlike those of either",
    };
    let (low, high) = sure.interval;
    format!(" (calibrated: {low:.3} to {high:.3}; by a test that misses 10 % of either label: {labels})")
}

fn spell_model(found: &ModelExplained) -> String {
    let heads: Vec<String> = (1..=found.segments.len()).map(|number| format!("segment {number}")).collect();
    let mut head = vec!["column", "AUC lost", "± "];
    head.extend(heads.iter().map(String::as_str));
    let line = |worth: &pipeline::run::Worth| {
        let mut row = vec![worth.column.clone(), format!("{:.4}", worth.drop), format!("{:.4}", worth.deviation)];
        row.extend(worth.segments.iter().map(|mean| mean.map_or_else(|| "-".to_owned(), |mean| format!("{mean:.3}"))));
        row
    };
    let rows: Vec<Vec<String>> = found.columns.iter().take(SHOWN).map(line).collect();
    let names: Vec<String> = found.segments.iter().enumerate().map(|(at, name)| format!("segment {}: {name}", at + 1)).collect();
    format!(
        "vote: AUC {:.4} on {} rows that it was trained on, so higher than on new customers\n\n{}\n\n\
         AUC lost: when the column is dealt out at random; under a segment: mean size of its part of XGBoost's log odds (TreeSHAP)\n{}",
        found.auc,
        found.rows,
        table(&head, &rows),
        names.join("\n"),
    )
}
