//! Refuses labels that do not stand on an intact archive: a correction is a new version, never a rewrite of an old one (T6).

use artifact::{LabelSet, Labels};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct Archive;

impl Gate<Labels, Facts> for Archive {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "label-archive",
            clauses: &[Clause::LabelArchive],
            about: "refuses a label set unless it supersedes the latest archived version and every archived version is still as the log proves it",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, labels: LabelSet, facts: &Facts) -> Verdict<LabelSet> {
        let help = "restore the archive from a backup; `stayward evidence verify` names what was changed";
        if let Some(first) = facts.archive_violations.first() {
            return Refuse(Finding::seen(format!("the label archive was changed: {first}"), help));
        }
        let (version, supersedes) = match &facts.previous {
            None => (1, None),
            Some(previous) if previous.archived != Some(previous.content) => {
                return Refuse(Finding::seen(
                    format!("version `{}` in the archive is not what was approved", previous.version),
                    help,
                ));
            }
            Some(previous) => (previous.version.saturating_add(1), Some(previous.content)),
        };
        if (labels.version, labels.supersedes) != (version, supersedes) {
            let why = format!("the label set calls itself version `{}`, the archive expects `{version}`", labels.version);
            return Refuse(Finding::seen(why, "propose it again: somebody else's version was approved in between"));
        }
        Pass(labels)
    }
}

#[cfg(test)]
mod tests {
    use gate::Digest;

    use super::*;
    use crate::Previous;
    use crate::facts::labels;

    fn second(archived: Option<Digest>) -> Facts {
        let content = Digest::of(b"first");
        let previous = Some(Previous { version: 1, content, archived, changed: 0, dropped: 0 });
        Facts { previous, ..Facts::ordinary() }
    }

    #[test]
    fn the_first_version_passes() {
        assert!(Archive.judge(labels(), &Facts::ordinary()).passes());
    }
    #[test]
    fn the_next_version_passes() {
        let next = LabelSet { version: 2, supersedes: Some(Digest::of(b"first")), ..labels() };
        assert!(Archive.judge(next, &second(Some(Digest::of(b"first")))).passes());
    }
    #[test]
    fn a_version_beside_the_line_is_refused() {
        assert!(Archive.judge(labels(), &second(Some(Digest::of(b"first")))).refuses());
    }
    #[test]
    fn a_rewritten_version_is_refused() {
        let next = LabelSet { version: 2, supersedes: Some(Digest::of(b"first")), ..labels() };
        assert!(Archive.judge(next, &second(Some(Digest::of(b"rewritten")))).refuses());
    }
    #[test]
    fn a_deleted_version_is_refused() {
        let next = LabelSet { version: 2, supersedes: Some(Digest::of(b"first")), ..labels() };
        assert!(Archive.judge(next, &second(None)).refuses());
    }
    #[test]
    fn any_damage_is_refused() {
        let facts = Facts { archive_violations: vec!["version 1: gone".into()], ..Facts::ordinary() };
        assert!(Archive.judge(labels(), &facts).refuses());
    }
}
