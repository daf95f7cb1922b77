//! Refuses third-party rows without the proof that exactly these bytes came through s01: the step cannot be walked around (T1).

use artifact::{Append, Origin, Source};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct ContentCleared;

impl Gate<Source, Facts> for ContentCleared {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "source-content-cleared",
            clauses: &[Clause::CannotBypass],
            about: "refuses third-party rows unless the log proves that these bytes, less the quarantined rows, came through s01",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, append: Append, facts: &Facts) -> Verdict<Append> {
        let Origin::Feed { feed } = &append.origin else { return Pass(append) };
        let help = format!("deliver it through `stayward feed receive --feed {feed}`");
        match facts.cleared_content {
            None => Refuse(Finding::seen(format!("feed `{feed}` did not come through data validation"), help)),
            Some((content, rows)) if content == append.content && rows == append.rows => Pass(append),
            Some((content, rows)) => {
                let why = format!(
                    "data validation let `{rows}` rows of `{}` through, not `{}` of `{}`",
                    content.short(),
                    append.rows,
                    append.content.short()
                );
                Refuse(Finding::seen(why, help))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use gate::Digest;

    use super::*;
    use crate::facts::append;

    fn check(cleared_content: Option<(Digest, u64)>) -> Verdict<Append> {
        let origin = Origin::Feed { feed: "market".into() };
        ContentCleared.judge(Append { origin, ..append() }, &Facts { cleared_content, ..Facts::ordinary() })
    }

    #[test]
    fn what_came_through_passes() {
        assert!(check(Some((append().content, 3))).passes());
    }
    #[test]
    fn internal_rows_need_no_such_proof() {
        assert!(ContentCleared.judge(append(), &Facts::ordinary()).passes());
    }
    #[test]
    fn what_did_not_is_refused() {
        assert!(check(None).refuses());
    }
    #[test]
    fn other_bytes_are_refused() {
        assert!(check(Some((Digest::of(b"other"), 3))).refuses());
    }
    #[test]
    fn rows_out_of_quarantine_are_refused() {
        assert!(check(Some((append().content, 2))).refuses());
    }
}
