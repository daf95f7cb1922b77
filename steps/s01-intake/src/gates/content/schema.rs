//! Refuses a delivery whose columns are not those of the contract, and sets rows aside that break it: renamed columns and foreign
//! levels are the cheapest way to shift a model (T1).

use artifact::{Batch, Content};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::{ContentFacts, RowReason};

pub(crate) struct Schema;

impl Gate<Content, ContentFacts> for Schema {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "batch-schema",
            clauses: &[Clause::SanityChecks],
            about: "refuses missing or unknown columns, sets aside rows that break the contract, refuses a delivery with too many of them",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, mut batch: Batch, facts: &ContentFacts) -> Verdict<Batch> {
        if batch.rows == 0 {
            return Refuse(Finding::seen("no row could be read", "check the file with `stayward validate FILE`"));
        }
        if !facts.columns_missing.is_empty() || !facts.columns_unknown.is_empty() {
            let why = format!(
                "columns missing: `{}`; unknown: `{}`",
                facts.columns_missing.join(", "),
                facts.columns_unknown.join(", ")
            );
            return Refuse(Finding::seen(
                why,
                "ask the supplier for the agreed columns, or change contract.toml and have it approved",
            ));
        }
        let broken: Vec<u32> = rows_with(facts, RowReason::Contract);
        let share = share(broken.len(), batch.rows);
        if share > facts.policy.contract_share_max {
            let why = format!(
                "`{}` of `{}` rows break the contract, for instance {}",
                broken.len(),
                batch.rows,
                facts.flags.iter().find(|flag| flag.reason == RowReason::Contract).map_or("", |flag| &flag.seen)
            );
            return Refuse(Finding::seen(why, "have the supplier mend the delivery; `stayward validate FILE` lists every row"));
        }
        batch.hold_rows(broken);
        Pass(batch)
    }
}

pub(crate) fn rows_with(facts: &ContentFacts, reason: RowReason) -> Vec<u32> {
    facts.flags.iter().filter(|flag| flag.reason == reason).map(|flag| flag.row).collect()
}

pub(crate) fn share(rows: usize, of: u64) -> f64 {
    // Exact below 2^53 rows.
    #[expect(clippy::cast_precision_loss, reason = "row counts stay far below 2^53")]
    let share = rows as f64 / of.max(1) as f64;
    share
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::tests::{batch, flags};

    #[test]
    fn a_clean_one_passes_unchanged() {
        assert_eq!(Schema.judge(batch(1000), &ContentFacts::ordinary()), Pass(batch(1000)));
    }
    #[test]
    fn a_few_broken_rows_are_set_aside() {
        let facts = ContentFacts { flags: flags(5, RowReason::Contract), ..ContentFacts::ordinary() };
        let Pass(judged) = Schema.judge(batch(1000), &facts) else { panic!("refused") };
        assert_eq!(judged.held, [0, 1, 2, 3, 4]);
    }
    #[test]
    fn many_broken_rows_are_refused() {
        let facts = ContentFacts { flags: flags(11, RowReason::Contract), ..ContentFacts::ordinary() };
        assert!(Schema.judge(batch(1000), &facts).refuses());
    }
    #[test]
    fn a_missing_column_is_refused() {
        let facts = ContentFacts { columns_missing: vec!["price".into()], ..ContentFacts::ordinary() };
        assert!(Schema.judge(batch(1000), &facts).refuses());
    }
    #[test]
    fn an_unknown_column_is_refused() {
        let facts = ContentFacts { columns_unknown: vec!["price2".into()], ..ContentFacts::ordinary() };
        assert!(Schema.judge(batch(1000), &facts).refuses());
    }
    #[test]
    fn nothing_at_all_is_refused() {
        assert!(Schema.judge(batch(0), &ContentFacts::ordinary()).refuses());
    }
}
