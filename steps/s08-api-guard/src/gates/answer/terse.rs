//! Refuses an answer with members that tell of the model's inside: names of columns, versions, traces, timings (T3).

use artifact::{Answer, AnswerGuard};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::AnswerFacts;

pub(crate) struct Terse;

impl Gate<AnswerGuard, AnswerFacts> for Terse {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "answer-terse",
            clauses: &[Clause::RestrictedDebugging],
            about: "refuses an answer with any further member that is not on the list, or with a long one; errors are refused in one sentence by the server",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, answer: Answer, facts: &AnswerFacts) -> Verdict<Answer> {
        let longest = usize::try_from(facts.extra_chars_max).unwrap_or(usize::MAX);
        let odd =
            answer.extra.iter().find(|(name, value)| !facts.extra_allowed.contains(name) || value.chars().count() > longest);
        let Some((name, _)) = odd else { return Pass(answer) };
        Refuse(Finding::seen(
            format!("the answer carries `{name}`"),
            "leave it out of the answer; it belongs into the server's log",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::answer;

    fn check(name: &str, value: &str) -> Verdict<Answer> {
        Terse.judge(Answer { extra: [(name.to_owned(), value.to_owned())].into(), ..answer() }, &AnswerFacts::ordinary())
    }

    #[test]
    fn a_bare_answer_passes() {
        assert!(Terse.judge(answer(), &AnswerFacts::ordinary()).passes());
    }
    #[test]
    fn a_listed_member_passes() {
        assert!(check("model", "churn").passes());
    }
    #[test]
    fn a_trace_is_refused() {
        assert!(check("trace", "at line 11").refuses());
    }
    #[test]
    fn a_long_member_is_refused() {
        assert!(check("model", &"x".repeat(65)).refuses());
    }
}
