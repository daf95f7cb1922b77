//! s02, the machine learning data source: who may write what into it, and by which way (T1, T6).
//!
//! Third-party rows come only with the proof that they came through s01; internal rows only through the connector and with the
//! columns that the contract names. The writer is a pipeline component with exactly that right, acting in a session that a person
//! opened with a second factor. Where rows come from a database, its catalogue proves that the role which read them may do no more.

pub mod database;
mod facts;
mod gates;

use artifact::Source;
use gate::Gate;

pub use facts::{Facts, Writer};

/// The gates, in order.
pub static GATES: &[&dyn Gate<Source, Facts>] = &[
    &gates::writer_role::WriterRole,
    &gates::second_factor::SecondFactor,
    &gates::content_cleared::ContentCleared,
    &gates::internal_columns::InternalColumns,
    &gates::database_role::DatabaseRole,
    &gates::append_only::AppendOnly,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gatehouse_opens_and_its_gates_behave() {
        assert!(gate::Gatehouse::open(GATES).is_ok());
        let complaints =
            gate::manners::complaints(GATES, &[facts::append, facts::exported], &[Facts::ordinary(), Facts::hostile()]);
        assert_eq!(complaints, Vec::<String>::new());
    }
}
