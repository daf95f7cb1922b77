//! Refuses a model made from anything but cleared data, approved labels and cleared segments (T1, T4, T6).

use artifact::{Candidate, Training};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct LineageGate;

impl Gate<Training, Facts> for LineageGate {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "model-lineage",
            clauses: &[Clause::CannotBypass, Clause::PinnedTraining],
            about: "refuses a model unless the log proves that its data, its labels and its segments were each cleared, by digest",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, candidate: Candidate, facts: &Facts) -> Verdict<Candidate> {
        let used = [("source", candidate.source), ("labels", candidate.labels), ("segments", candidate.segments)];
        for (what, digest) in used {
            let proved = facts.lineage.iter().any(|lineage| lineage.what == what && lineage.cleared == Some(digest));
            if !proved {
                let why = format!("the log does not prove that {what} `{}` were cleared", digest.short());
                return Refuse(Finding::seen(why, "run the pipeline from its first step with `stayward run`"));
            }
        }
        Pass(candidate)
    }
}

#[cfg(test)]
mod tests {
    use gate::Digest;

    use super::*;
    use crate::facts::candidate;

    #[test]
    fn a_proved_line_passes() {
        assert!(LineageGate.judge(candidate(), &Facts::ordinary()).passes());
    }
    #[test]
    fn other_labels_are_refused() {
        let labels = Digest::of(b"other");
        assert!(LineageGate.judge(Candidate { labels, ..candidate() }, &Facts::ordinary()).refuses());
    }
    #[test]
    fn unproved_data_is_refused() {
        let mut facts = Facts::ordinary();
        facts.lineage[0].cleared = None;
        assert!(LineageGate.judge(candidate(), &facts).refuses());
    }
    #[test]
    fn forgotten_segments_are_refused() {
        let mut facts = Facts::ordinary();
        facts.lineage.pop();
        assert!(LineageGate.judge(candidate(), &facts).refuses());
    }
}
