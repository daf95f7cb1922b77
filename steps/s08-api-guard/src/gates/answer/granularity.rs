//! Refuses an answer that tells more than the application may know: yes or no by default, never a probability (T2, T3).

use artifact::{Answer, AnswerGuard};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::AnswerFacts;

pub(crate) struct GranularityGate;

impl Gate<AnswerGuard, AnswerFacts> for GranularityGate {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "answer-granularity",
            clauses: &[Clause::LimitedGranularity],
            about: "refuses an answer finer than the application's right; coarse answers slow extraction and inference, they do not stop them",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, answer: Answer, facts: &AnswerFacts) -> Verdict<Answer> {
        let finest = answer.shown.iter().map(|shown| shown.granularity()).max();
        if finest.is_none_or(|finest| finest <= facts.granularity_max) {
            return Pass(answer);
        }
        Refuse(Finding::seen("the answer is finer than the application may see", "answer with the class only"))
    }
}

#[cfg(test)]
mod tests {
    use artifact::{Granularity, Shown};

    use super::*;
    use crate::facts::answer;

    #[test]
    fn a_class_passes() {
        assert!(GranularityGate.judge(answer(), &AnswerFacts::ordinary()).passes());
    }
    #[test]
    fn a_band_is_refused() {
        assert!(GranularityGate.judge(Answer { shown: vec![Shown::Decile(3)], ..answer() }, &AnswerFacts::ordinary()).refuses());
    }
    #[test]
    fn a_band_passes_where_it_is_allowed() {
        let facts = AnswerFacts { granularity_max: Granularity::Decile, ..AnswerFacts::ordinary() };
        assert!(GranularityGate.judge(Answer { shown: vec![Shown::Decile(3)], ..answer() }, &facts).passes());
    }
}
