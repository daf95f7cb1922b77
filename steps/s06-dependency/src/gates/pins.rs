//! Refuses parts that are not pinned by exact version and checksum: what is not pinned is chosen by somebody else (T7).

use artifact::{Dependencies, Parts};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct Pins;

impl Gate<Dependencies, Facts> for Pins {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "dependency-pins",
            clauses: &[Clause::PinnedChecksums],
            about: "refuses lock files with a package that has no exact version or no checksum, and lock files that name nothing",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, parts: Parts, facts: &Facts) -> Verdict<Parts> {
        if parts.locks.is_empty() || parts.packages == 0 {
            let why = "no lock file names any package";
            return Refuse(Finding::inconclusive(why, "list the lock files under `dependencies.locks` in stayward.toml"));
        }
        let Some(first) = facts.unpinned.first() else { return Pass(parts) };
        let why = format!("`{}` packages are not pinned, for instance {first}", facts.unpinned.len());
        Refuse(Finding::seen(why, "pin exact versions with checksums (Cargo.lock, or `pip install --require-hashes`)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::parts;

    #[test]
    fn pinned_parts_pass() {
        assert!(Pins.judge(parts(), &Facts::ordinary()).passes());
    }
    #[test]
    fn a_loose_part_is_refused() {
        assert!(Pins.judge(parts(), &Facts { unpinned: vec!["serde: no checksum".into()], ..Facts::ordinary() }).refuses());
    }
    #[test]
    fn nothing_seen_is_refused() {
        assert!(Pins.judge(Parts { packages: 0, ..parts() }, &Facts::ordinary()).refuses());
    }
}
