//! s07, secure orchestration & repository: what is deployed passed every check before, and the machinery that deploys it is in order:
//! least privilege, fresh credentials, secrets in the vault (T4).

mod credential;
mod facts;
mod gates;

use artifact::ReleaseStep;
use gate::Gate;

pub use credential::{Credential, CredentialKind};
pub use facts::{AccessFacts, AccessProof, Component, Facts, Proof};

/// The gates, in order.
pub static GATES: &[&dyn Gate<ReleaseStep, Facts>] = &[
    &gates::checks_complete::ChecksComplete,
    &gates::least_privilege::LeastPrivilege,
    &gates::access_proved::AccessProved,
    &gates::rotation::Rotation,
    &gates::key_vault::KeyVault,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gatehouse_opens_and_its_gates_behave() {
        assert!(gate::Gatehouse::open(GATES).is_ok());
        let hostile = Facts {
            proofs: Vec::new(),
            components: Vec::new(),
            access: None,
            credentials: Vec::new(),
            vault_sealed: false,
            ..Facts::ordinary()
        };
        let complaints = gate::manners::complaints(GATES, &[facts::release], &[Facts::ordinary(), hostile]);
        assert_eq!(complaints, Vec::<String>::new());
    }
}
