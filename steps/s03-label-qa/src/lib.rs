//! s03, label QA & approval: training sees only labels that several people signed off and that no insider rewrote (T6).
//!
//! A label set is a version: it supersedes the one before, which stays in the archive. Statistics rank what people should look at;
//! people sign the exact digest, so a change after the first signature voids every signature.

mod facts;
mod gates;

use artifact::Labels;
use gate::Gate;

pub use facts::{
    Approval, Blind, Counted, Facts, Pattern, Policy, Previous, Qa, Recount, Second, SecondLabeller, Watched, Watches,
};

/// The gates, in order.
pub static GATES: &[&dyn Gate<Labels, Facts>] = &[
    &gates::archive::Archive,
    &gates::quality::Quality,
    &gates::patterns::Patterns,
    &gates::watch::OverTime,
    &gates::recount::ByEvents,
    &gates::mass_change::MassChange,
    &gates::blind::BlindSecond,
    &gates::sign_off::SignOff,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gatehouse_opens_and_its_gates_behave() {
        assert!(gate::Gatehouse::open(GATES).is_ok());
        let complaints = gate::manners::complaints(GATES, &[facts::labels], &[Facts::ordinary(), Facts::hostile()]);
        assert_eq!(complaints, Vec::<String>::new());
    }
}
