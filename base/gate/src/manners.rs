//! How a gate must behave, whatever it controls: tests of every step run this over their whole list.

use serde::Serialize;

use crate::{Gate, Step, Subject, Verdict};

/// What is wrong with the gates' manners: an empty or long card, an id that is not kebab-case or is there twice, a verdict that
/// differs when asked again, a finding that does not help. Empty when all is well.
pub fn complaints<S: Step, F: Serialize>(gates: &[&dyn Gate<S, F>], subjects: &[fn() -> S::Subject], facts: &[F]) -> Vec<String> {
    let mut out = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for gate in gates {
        let card = gate.card();
        let kebab = |id: &str| !id.is_empty() && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !kebab(card.id) {
            out.push(format!("`{}` is not kebab-case", card.id));
        }
        if !seen.insert(card.id) {
            out.push(format!("`{}` is there twice", card.id));
        }
        if card.about.len() < 20 || card.about.ends_with('.') {
            out.push(format!("`{}` says too little of itself, or ends in a full stop", card.id));
        }
        for make in subjects {
            for fact in facts {
                let (once, again) = (gate.judge(make(), fact), gate.judge(make(), fact));
                if spell(&once) != spell(&again) {
                    out.push(format!("`{}` judges the same subject differently", card.id));
                }
                if let Verdict::Hold(_, finding) | Verdict::Refuse(finding) = once
                    && (finding.why.is_empty() || finding.help.is_empty() || finding.why.ends_with('.'))
                {
                    out.push(format!("`{}` refuses without why and help", card.id));
                }
            }
        }
    }
    out
}

fn spell<T: Subject>(verdict: &Verdict<T>) -> String {
    match verdict {
        Verdict::Pass(subject) => format!("pass {}", subject.digest()),
        Verdict::Hold(subject, finding) => format!("hold {} {finding:?}", subject.digest()),
        Verdict::Refuse(finding) => format!("refuse {finding:?}"),
    }
}
