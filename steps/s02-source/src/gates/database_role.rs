//! Refuses rows from a database whose catalogue does not prove that the role which read them may read the agreed columns and nothing
//! else: a reader that can write, or see more, is a way into the customers' data past every other control (T1).

use std::collections::BTreeSet;

use artifact::{Append, Origin, Source};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;
use crate::database::{POSTGRES, excess, script};

/// Statements that a refusal shows; the command that it names prints all.
const STATEMENTS_SHOWN: usize = 3;
/// The next command.
const NEXT: &str = "see every right that is too much with `stayward source check`, and the SQL that mends it with `--sql`";

pub(crate) struct DatabaseRole;

impl Gate<Source, Facts> for DatabaseRole {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "source-database-role",
            clauses: &[Clause::InternalAccess],
            about: "refuses rows of a database unless its catalogue proves that the role behind them, and every role that it can reach, may read the agreed columns and nothing else",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, append: Append, facts: &Facts) -> Verdict<Append> {
        match &append.origin {
            Origin::Internal { connector } if connector == POSTGRES => {}
            Origin::Internal { .. } | Origin::Feed { .. } => return Pass(append),
        }
        let Some(database) = &facts.database else {
            return Refuse(Finding::inconclusive("nothing proves which rights the database role has", NEXT));
        };
        if !database.complete {
            let why = format!("the catalogue of `{}` was not read to its end", database.database);
            return Refuse(Finding::inconclusive(why, "give the role fewer objects to reach, or another database"));
        }
        let proved: BTreeSet<&String> = database.columns_wanted.iter().collect();
        if let Some(column) = append.columns.iter().find(|column| !proved.contains(column)) {
            let why = format!("the proof of role `{}` does not speak of column `{column}`", database.role);
            return Refuse(Finding::inconclusive(why, NEXT));
        }
        let found = excess(database);
        let Some(first) = found.first() else { return Pass(append) };
        let more = if found.len() > 1 { format!(", and {} more", found.len() - 1) } else { String::new() };
        let why = format!("database role `{}` has rights that it must not have: {}{more}", database.role, first.what);
        let statements = script(database, &found);
        let shown: String = statements.iter().take(STATEMENTS_SHOWN).map(|one| format!("{one}; ")).collect();
        let help = if shown.is_empty() {
            NEXT.to_owned()
        } else {
            format!("have the database's owner run `{}`; {NEXT}", shown.trim_end())
        };
        Refuse(Finding::seen(why, help))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::{DatabaseFacts, RoleAttributes};
    use crate::facts::{append, exported};

    fn check(change: impl Fn(&mut DatabaseFacts)) -> Verdict<Append> {
        let mut database = DatabaseFacts::ordinary();
        change(&mut database);
        let proves = database.proves();
        let verdict = DatabaseRole.judge(exported(), &Facts { database: Some(database), ..Facts::ordinary() });
        assert!(proves || verdict.refuses(), "the gate lets through what proves nothing");
        verdict
    }

    #[test]
    fn a_reader_of_the_agreed_columns_passes() {
        assert!(check(|_| ()).passes());
    }
    #[test]
    fn a_file_needs_no_database() {
        assert!(DatabaseRole.judge(append(), &Facts::ordinary()).passes());
    }
    #[test]
    fn rows_without_a_proof_are_refused() {
        assert!(DatabaseRole.judge(exported(), &Facts::ordinary()).refuses());
    }
    #[test]
    fn half_a_proof_is_refused() {
        assert!(check(|database| database.complete = false).refuses());
    }
    #[test]
    fn a_proof_of_other_columns_is_refused() {
        assert!(check(|database| database.columns_wanted.truncate(1)).refuses());
    }
    #[test]
    fn a_superuser_is_refused_with_the_statement_that_mends_it() {
        let found = check(|database| {
            database.roles = vec![RoleAttributes { name: "reader".into(), superuser: true, ..RoleAttributes::default() }];
        });
        let Refuse(finding) = found else { panic!("it passed") };
        assert!(finding.help.contains("ALTER ROLE \"reader\" NOSUPERUSER;"), "{}", finding.help);
    }
}
