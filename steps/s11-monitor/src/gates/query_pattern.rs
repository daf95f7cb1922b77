//! Calls people when an application asks like somebody who copies the model: about everybody, or about nearly the same row again and
//! again, or mostly in vain (T3).
//!
//! A thief who asks about real customers within his limits shows no pattern; against him only the limits help (s08).

use artifact::{Monitoring, Window};
use gate::Verdict::{Hold, Pass};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::{Facts, Pattern, Policy};

pub(crate) struct QueryPattern;

impl Gate<Monitoring, Facts> for QueryPattern {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "query-pattern",
            clauses: &[Clause::PatternAlerts],
            about: "holds a window in which an application covers too many customers, sends near pairs, or is refused too often",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, window: Window, facts: &Facts) -> Verdict<Window> {
        let policy = &facts.policy;
        let odd = facts.patterns.iter().filter(|pattern| pattern.requests >= policy.requests_min).find_map(|pattern| {
            let what = oddity(pattern, policy)?;
            Some((&pattern.application, what))
        });
        let Some((application, what)) = odd else { return Pass(window) };
        let help = format!("look at its use with `stayward api usage {application}`, lower its limits or revoke its key");
        Hold(window, Finding::seen(format!("application `{application}` {what}"), help))
    }
}

fn oddity(pattern: &Pattern, policy: &Policy) -> Option<String> {
    #[expect(clippy::cast_precision_loss, reason = "request counts stay far below 2^53")]
    let refused_share = pattern.refused as f64 / pattern.requests.max(1) as f64;
    if !(pattern.coverage <= policy.coverage_max) {
        return Some(format!("asked about `{:.0}` % of all customers", pattern.coverage * 100.0));
    }
    if !(pattern.near_pairs <= policy.near_pairs_max) {
        return Some(format!("sent `{:.0}` % rows that nearly repeat another", pattern.near_pairs * 100.0));
    }
    if !(refused_share <= policy.refused_share_max) {
        return Some(format!("was refused in `{:.0}` % of its requests", refused_share * 100.0));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::window;

    fn check(change: impl Fn(&mut Pattern)) -> Verdict<Window> {
        let mut facts = Facts::ordinary();
        facts.patterns.iter_mut().for_each(change);
        QueryPattern.judge(window(), &facts)
    }

    #[test]
    fn ordinary_use_passes() {
        assert!(check(|_| ()).passes());
    }
    #[test]
    fn asking_about_everybody_is_held() {
        assert!(check(|pattern| pattern.coverage = 0.31).holds());
        assert!(check(|pattern| pattern.coverage = f64::NAN).holds());
    }
    #[test]
    fn boundary_search_is_held() {
        assert!(check(|pattern| pattern.near_pairs = 0.06).holds());
    }
    #[test]
    fn knocking_on_doors_is_held() {
        assert!(check(|pattern| pattern.refused = 41).holds());
    }
    #[test]
    fn a_few_requests_are_no_pattern() {
        assert!(check(|pattern| (pattern.coverage, pattern.requests) = (1.0, 49)).passes());
    }
}
