//! Stops market prices that moved further than the market ever did: understated competitor prices flip churn decisions while the
//! model's AUC stays where it was, so only the prices themselves can tell (T1).

use artifact::{Batch, Content};
use gate::Verdict::{Hold, Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::{Certainty, ContentFacts};

pub(crate) struct Market;

impl Gate<Content, ContentFacts> for Market {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "market-move",
            clauses: &[Clause::AnomalyDetection, Clause::SanityChecks],
            about: "refuses market prices whose level or shares clearly break the rules learnt from accepted weeks, holds a drift, a newcomer or a move that may be honest; silent for other feeds",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, batch: Batch, facts: &ContentFacts) -> Verdict<Batch> {
        // What is clear is said first; nobody can accept it.
        let clear = facts.market.iter().find(|finding| finding.certainty == Certainty::Clear);
        let Some(told) = clear.or(facts.market.first()) else { return Pass(batch) };
        let more = facts.market.len() - 1;
        let tail = if more == 0 { String::new() } else { format!(", and {more} more") };
        let why = format!("{}: {}{tail}", told.rule, told.seen);
        match told.certainty {
            Certainty::Clear => Refuse(Finding::seen(
                why,
                "compare with another source and ask the supplier: a mistake is delivered again with the next number",
            )),
            Certainty::Doubtful if facts.delivery_accepted => Pass(batch),
            Certainty::Doubtful => Hold(
                batch,
                Finding::seen(
                    why,
                    "compare with another source; if the market did so, accept it by hand with `stayward feed accept` before the next one is taken",
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MarketFinding;
    use crate::work::tests::batch;

    fn check(found: &[Certainty], delivery_accepted: bool) -> Verdict<Batch> {
        let finding =
            |certainty: &Certainty| MarketFinding { rule: "level".into(), seen: "region 3 fell".into(), certainty: *certainty };
        let market = found.iter().map(finding).collect();
        Market.judge(batch(9), &ContentFacts { market, delivery_accepted, ..ContentFacts::ordinary() })
    }

    #[test]
    fn a_quiet_market_passes() {
        assert!(check(&[], false).passes());
    }
    #[test]
    fn a_clear_fall_is_refused_whoever_accepts_it() {
        for accepted in [false, true] {
            assert!(check(&[Certainty::Clear], accepted).refuses());
            assert!(check(&[Certainty::Doubtful, Certainty::Clear], accepted).refuses());
        }
    }
    #[test]
    fn a_doubtful_move_waits_for_a_person() {
        assert!(check(&[Certainty::Doubtful], false).holds());
        assert!(check(&[Certainty::Doubtful, Certainty::Doubtful], true).passes());
    }
}
