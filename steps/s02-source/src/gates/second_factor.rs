//! Refuses a write in a session that was opened with a password alone, or too long ago: a stolen password must not be enough (T1, T6).

use artifact::{Append, Source};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

/// Names of RFC 8176 (and ours of a recovery code) that stand for something a person has.
const SECOND_FACTORS: [&str; 5] = ["otp", "recovery", "hwk", "swk", "mfa"];

pub(crate) struct SecondFactor;

impl Gate<Source, Facts> for SecondFactor {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "source-second-factor",
            clauses: &[Clause::SecondFactor, Clause::SourceRbac],
            about: "refuses a write unless the session behind it was opened with a second factor, within the policy's time",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, append: Append, facts: &Facts) -> Verdict<Append> {
        let Some(writer) = &facts.writer else {
            return Refuse(Finding::seen("nobody is logged in", "log in with `stayward login`"));
        };
        if !writer.amr.iter().any(|factor| SECOND_FACTORS.contains(&factor.as_str())) {
            let why = format!("`{}` is logged in without a second factor", writer.person);
            return Refuse(Finding::seen(why, "log in with `stayward login` and a code from the authenticator"));
        }
        let age_seconds = facts.now.saturating_sub(writer.authenticated_at);
        if age_seconds < 0 || age_seconds > facts.session_seconds_max {
            let why = format!("`{}` proved the second factor `{age_seconds}` s ago", writer.person);
            return Refuse(Finding::seen(why, "log in again with `stayward login`"));
        }
        Pass(append)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Writer;
    use crate::facts::append;

    fn check(change: impl Fn(&mut Writer)) -> Verdict<Append> {
        let mut facts = Facts::ordinary();
        facts.writer.iter_mut().for_each(change);
        SecondFactor.judge(append(), &facts)
    }

    #[test]
    fn a_code_passes() {
        assert!(check(|_| ()).passes());
    }
    #[test]
    fn a_password_alone_is_refused() {
        assert!(check(|writer| writer.amr = vec!["pwd".into()]).refuses());
    }
    #[test]
    fn an_old_code_is_refused() {
        assert!(check(|writer| writer.authenticated_at = 1_000_000 - 43_201).refuses());
    }
    #[test]
    fn a_code_from_the_future_is_refused() {
        assert!(check(|writer| writer.authenticated_at = 1_000_001).refuses());
    }
    #[test]
    fn nobody_is_refused() {
        assert!(SecondFactor.judge(append(), &Facts { writer: None, ..Facts::ordinary() }).refuses());
    }
}
