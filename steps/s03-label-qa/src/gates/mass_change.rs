//! Holds a version that changes or drops many labels at once: corrections come in small numbers, sabotage in large ones (T6).

use artifact::{LabelSet, Labels};
use gate::Verdict::{Hold, Pass};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use super::quality::share;
use crate::Facts;

pub(crate) struct MassChange;

impl Gate<Labels, Facts> for MassChange {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "label-mass-change",
            clauses: &[Clause::LabelQa],
            about: "holds a version that changes or drops a larger share of the labels than the policy allows; sees no change in the first version",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, labels: LabelSet, facts: &Facts) -> Verdict<LabelSet> {
        let Some(previous) = &facts.previous else { return Pass(labels) };
        let touched = previous.changed.saturating_add(previous.dropped);
        if share(touched, labels.rows) <= facts.policy.change_share_max {
            return Pass(labels);
        }
        let why = format!(
            "`{}` labels are changed and `{}` dropped since version `{}`",
            previous.changed, previous.dropped, previous.version
        );
        Hold(
            labels,
            Finding::seen(
                why,
                "have the author explain it, then raise `labels.change_share_max` for this version if it is right",
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use gate::Digest;

    use super::*;
    use crate::Previous;
    use crate::facts::labels;

    fn check(changed: u64, dropped: u64) -> Verdict<LabelSet> {
        let content = Digest::of(b"first");
        let previous = Some(Previous { version: 1, content, archived: Some(content), changed, dropped });
        MassChange.judge(labels(), &Facts { previous, ..Facts::ordinary() })
    }

    #[test]
    fn a_first_version_passes() {
        assert!(MassChange.judge(labels(), &Facts::ordinary()).passes());
    }
    #[test]
    fn corrections_pass() {
        assert!(check(15, 35).passes());
    }
    #[test]
    fn a_mass_change_is_held() {
        assert!(check(51, 0).holds());
    }
    #[test]
    fn a_mass_drop_is_held() {
        assert!(check(0, 51).holds());
    }
}
