//! Refuses parts with a name that imitates a well-known one, or that come from a place that is no registry (T7).

use artifact::{Dependencies, Parts};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct Vetting;

impl Gate<Dependencies, Facts> for Vetting {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "dependency-vetting",
            clauses: &[Clause::Vetting],
            about: "refuses packages one slip away from a well-known name, and packages from a bare address; does not read their code",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, parts: Parts, facts: &Facts) -> Verdict<Parts> {
        let Some(first) = facts.suspicious.first() else { return Pass(parts) };
        let why = format!("`{}` packages are suspicious, for instance {first}", facts.suspicious.len());
        Refuse(Finding::seen(why, "replace the package, or have it reviewed and listed in reviews.toml"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::parts;

    #[test]
    fn well_known_parts_pass() {
        assert!(Vetting.judge(parts(), &Facts::ordinary()).passes());
    }
    #[test]
    fn an_imitation_is_refused() {
        assert!(Vetting.judge(parts(), &Facts { suspicious: vec!["serd: like serde".into()], ..Facts::ordinary() }).refuses());
    }
}
