//! Refuses to release while a secret lies outside of the vault: what stands in a script or a log is everybody's (T4).

use artifact::{Release, ReleaseStep};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct KeyVault;

impl Gate<ReleaseStep, Facts> for KeyVault {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "secrets-in-vault",
            clauses: &[Clause::KeyVault],
            about: "refuses a release while the vault is open to others or a private key or token stands in a readable file of the project",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, release: Release, facts: &Facts) -> Verdict<Release> {
        if !facts.vault_sealed {
            let why = "the vault does not open, or its files can be read by others";
            return Refuse(Finding::inconclusive(why, "check it with `stayward doctor`"));
        }
        let Some(first) = facts.secrets_outside.first() else { return Pass(release) };
        let why = format!("`{}` secrets lie outside of the vault, for instance {first}", facts.secrets_outside.len());
        Refuse(Finding::seen(why, "remove the secret from the file and make it new with `stayward vault rotate`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::release;

    #[test]
    fn a_sealed_vault_passes() {
        assert!(KeyVault.judge(release(), &Facts::ordinary()).passes());
    }
    #[test]
    fn a_secret_in_a_file_is_refused() {
        assert!(KeyVault.judge(release(), &Facts { secrets_outside: vec!["run.sh:3".into()], ..Facts::ordinary() }).refuses());
    }
    #[test]
    fn an_open_vault_is_refused() {
        assert!(KeyVault.judge(release(), &Facts { vault_sealed: false, ..Facts::ordinary() }).refuses());
    }
}
