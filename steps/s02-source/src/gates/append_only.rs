//! Refuses to write on a table whose own log shows anything but appending, or the same delivery twice: history is not rewritten (T6).

use artifact::{Append, Source};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct AppendOnly;

impl Gate<Source, Facts> for AppendOnly {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "source-append-only",
            clauses: &[Clause::CannotBypass],
            about: "refuses to append to a table with a removed, restored or altered version, and refuses a delivery that is there already",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, append: Append, facts: &Facts) -> Verdict<Append> {
        if let Some(first) = facts.log_violations.first() {
            let why = format!("table `{}` was changed other than by appending: {first}", append.table);
            return Refuse(Finding::seen(
                why,
                "find out who did it with `stayward evidence verify`, then restore the folder from a backup",
            ));
        }
        if facts.contents_present.contains(&append.content) {
            let why = format!("table `{}` has this delivery already", append.table);
            return Refuse(Finding::seen(why, "nothing needs to be done"));
        }
        Pass(append)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::append;

    #[test]
    fn a_new_delivery_passes() {
        assert!(AppendOnly.judge(append(), &Facts::ordinary()).passes());
    }
    #[test]
    fn a_table_with_a_removal_is_refused() {
        let facts = Facts { log_violations: vec!["commit 3: remove".into()], ..Facts::ordinary() };
        assert!(AppendOnly.judge(append(), &facts).refuses());
    }
    #[test]
    fn the_same_delivery_again_is_refused() {
        let facts = Facts { contents_present: vec![append().content], ..Facts::ordinary() };
        assert!(AppendOnly.judge(append(), &facts).refuses());
    }
}
