//! Refuses market prices that moved further than the market ever did: understated competitor prices flip churn decisions while the
//! model's AUC stays where it was, so only the prices themselves can tell (T1).

use artifact::{Batch, Content};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::ContentFacts;

pub(crate) struct Market;

impl Gate<Content, ContentFacts> for Market {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "market-move",
            clauses: &[Clause::AnomalyDetection, Clause::SanityChecks],
            about: "refuses market prices whose level, drift or shares break the rules learnt from accepted weeks; silent for other feeds",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, batch: Batch, facts: &ContentFacts) -> Verdict<Batch> {
        let Some(first) = facts.market.first() else { return Pass(batch) };
        let more = facts.market.len() - 1;
        let tail = if more == 0 { String::new() } else { format!(", and {more} more") };
        Refuse(Finding::seen(
            format!("{}: {}{tail}", first.rule, first.seen),
            "compare with another source and ask the supplier: a mistake is delivered again with the next number",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MarketFinding;
    use crate::work::tests::batch;

    #[test]
    fn a_quiet_market_passes() {
        assert!(Market.judge(batch(9), &ContentFacts::ordinary()).passes());
    }
    #[test]
    fn a_fallen_price_is_refused() {
        let market = vec![MarketFinding { rule: "level".into(), seen: "region 3 fell by 20 % in a week".into() }];
        assert!(Market.judge(batch(9), &ContentFacts { market, ..ContentFacts::ordinary() }).refuses());
    }
}
