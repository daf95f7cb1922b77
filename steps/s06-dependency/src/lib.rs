//! s06, dependency security in staging: what the program and the pipeline are made of is pinned, vetted and reviewed (T7).

mod facts;
mod gates;

use artifact::Dependencies;
use gate::Gate;

pub use facts::{Facts, Review};

/// The gates, in order.
pub static GATES: &[&dyn Gate<Dependencies, Facts>] = &[&gates::pins::Pins, &gates::vetting::Vetting, &gates::reviews::Reviews];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gatehouse_opens_and_its_gates_behave() {
        assert!(gate::Gatehouse::open(GATES).is_ok());
        let hostile =
            Facts { unpinned: vec!["x".into()], suspicious: vec!["y".into()], reviews: Vec::new(), ..Facts::ordinary() };
        let complaints = gate::manners::complaints(GATES, &[facts::parts], &[Facts::ordinary(), hostile]);
        assert_eq!(complaints, Vec::<String>::new());
    }
}
