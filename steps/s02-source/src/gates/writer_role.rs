//! Refuses a writer without the right to write: only authorised pipeline components reach the data source (T1, T6).

use artifact::{Append, Source};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct WriterRole;

impl Gate<Source, Facts> for WriterRole {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "source-writer-role",
            clauses: &[Clause::AuthorisedWriters, Clause::SourceRbac],
            about: "refuses a write by anybody but a pipeline component to which the role matrix gives that right",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, append: Append, facts: &Facts) -> Verdict<Append> {
        let Some(writer) = &facts.writer else {
            return Refuse(Finding::seen("nobody is logged in", "log in with `stayward login`"));
        };
        if writer.component != append.writer || !writer.may_write {
            let why = format!("`{}` may not write the data source", append.writer);
            return Refuse(Finding::seen(why, "write through `stayward run`, whose `source-writer` component has the right"));
        }
        Pass(append)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Writer;
    use crate::facts::append;

    fn check(writer: Option<Writer>) -> Verdict<Append> {
        WriterRole.judge(append(), &Facts { writer, ..Facts::ordinary() })
    }

    #[test]
    fn the_writer_component_passes() {
        assert!(check(Facts::ordinary().writer).passes());
    }
    #[test]
    fn nobody_is_refused() {
        assert!(check(None).refuses());
    }
    #[test]
    fn a_component_without_the_right_is_refused() {
        assert!(check(Facts::ordinary().writer.map(|writer| Writer { may_write: false, ..writer })).refuses());
    }
    #[test]
    fn another_component_is_refused() {
        assert!(check(Facts::ordinary().writer.map(|writer| Writer { component: "trainer".into(), ..writer })).refuses());
    }
}
