//! Refuses to release while a component may do more than it needs: a stolen component must not be the whole pipeline (T4).

use artifact::{Release, ReleaseStep};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct LeastPrivilege;

impl Gate<ReleaseStep, Facts> for LeastPrivilege {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "component-least-privilege",
            clauses: &[Clause::LeastPrivilege],
            about: "refuses a release while the rules of access grant a pipeline component any right that its step does not need",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, release: Release, facts: &Facts) -> Verdict<Release> {
        if facts.components.is_empty() {
            return Refuse(Finding::inconclusive("no component is on record", "start again with `stayward init`"));
        }
        for component in &facts.components {
            let extra: Vec<&str> =
                component.granted.iter().filter(|right| !component.needed.contains(right)).map(String::as_str).collect();
            if !extra.is_empty() {
                let why = format!("component `{}` may `{}` without need", component.name, extra.join(", "));
                return Refuse(Finding::seen(why, "take the right away from the component's role"));
            }
        }
        Pass(release)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::release;

    #[test]
    fn what_is_needed_passes() {
        assert!(LeastPrivilege.judge(release(), &Facts::ordinary()).passes());
    }
    #[test]
    fn more_than_that_is_refused() {
        let mut facts = Facts::ordinary();
        facts.components[0].granted.push("release".into());
        assert!(LeastPrivilege.judge(release(), &facts).refuses());
    }
    #[test]
    fn nothing_on_record_is_refused() {
        assert!(LeastPrivilege.judge(release(), &Facts { components: Vec::new(), ..Facts::ordinary() }).refuses());
    }
}
