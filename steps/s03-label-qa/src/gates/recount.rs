//! Refuses labels that the customers' own events contradict: who turned a label around must have turned the bill around as well, and
//! the digest of the bills is on record (T6).

use artifact::{LabelSet, Labels};
use gate::Verdict::{Hold, Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use super::quality::share;
use crate::{Facts, Recount};

/// Share of labels of customers whom no event names.
const SILENT_SHARE_MAX: f64 = 0.05;

pub(crate) struct ByEvents;

impl Gate<Labels, Facts> for ByEvents {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "label-events",
            clauses: &[Clause::LabelQa],
            about: "refuses labels that billing and activity events contradict, and holds those that nobody can know yet, where the policy names events",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, labels: LabelSet, facts: &Facts) -> Verdict<LabelSet> {
        let counted = match &facts.recount {
            Recount::Undeclared => return Pass(labels),
            Recount::Failed(why) => {
                let help = "mend the events' file, or its columns under `[labels.events]` in stayward.toml";
                return Hold(labels, Finding::inconclusive(format!("labels were not computed again: {why}"), help));
            }
            Recount::Counted(counted) => counted,
        };
        let all = "`stayward label recount` lists all of them with the events that prove it";
        if let Some(first) = counted.examples.first().filter(|_| counted.mismatches > facts.policy.mismatches_max) {
            let why = format!("events contradict `{}` of `{}` labels, for instance {first}", counted.mismatches, labels.rows);
            return Refuse(Finding::seen(why, format!("correct these labels; {all}")));
        }
        if counted.mismatches > facts.policy.mismatches_max {
            let why = format!("events contradict `{}` of `{}` labels", counted.mismatches, labels.rows);
            return Refuse(Finding::seen(why, format!("correct these labels; {all}")));
        }
        // A customer of whom no event says anything confirms nothing.
        if share(counted.without_events, labels.rows) > SILENT_SHARE_MAX {
            let why = format!("`{}` labels are of customers whom no event names", counted.without_events);
            return Hold(labels, Finding::seen(why, format!("check that ids of events and labels are the same; {all}")));
        }
        if counted.open > 0 {
            let why = format!("`{}` labels are of customers whose time is not over: whoever gave them guessed", counted.open);
            return Hold(labels, Finding::seen(why, format!("leave them out until it is; {all}")));
        }
        Pass(labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Counted;
    use crate::facts::labels;

    fn check(recount: Recount) -> Verdict<LabelSet> {
        ByEvents.judge(labels(), &Facts { recount, ..Facts::ordinary() })
    }

    fn counted(mismatches: u64, open: u64) -> Recount {
        let examples = vec!["customer `7`: paid in May".to_owned()];
        Recount::Counted(Counted { events: None, agree: 900, mismatches, open, without_events: 0, examples })
    }

    #[test]
    fn where_no_events_are_named_labels_pass() {
        assert!(check(Recount::Undeclared).passes());
    }
    #[test]
    fn what_events_confirm_passes() {
        assert!(check(counted(0, 0)).passes());
    }
    #[test]
    fn what_events_contradict_is_refused() {
        assert!(check(counted(1, 0)).refuses());
    }
    #[test]
    fn what_nobody_can_know_yet_is_held() {
        assert!(check(counted(0, 3)).holds());
    }
    #[test]
    fn customers_whom_no_event_names_are_held() {
        let silent = |without_events| {
            Recount::Counted(Counted { events: None, agree: 1000, mismatches: 0, open: 0, without_events, examples: Vec::new() })
        };
        assert!(check(silent(50)).passes());
        assert!(check(silent(51)).holds());
    }
    #[test]
    fn what_could_not_be_counted_is_held() {
        assert!(check(Recount::default()).holds());
    }
}
