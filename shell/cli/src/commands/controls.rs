//! `stayward controls`: every clause of the threat model with the gates that keep it, or the reason why none does; and what a
//! project's policy makes weaker than the threat model asks (T1 to T7).

use std::path::Path;

use clap::{Args, ValueEnum};
use gate::{CLAUSES, Clause, EXCEPTIONS, Maturity};
use pipeline::{Houses, Policy, Project};
use serde::Serialize;

use super::Ended;
use crate::output::{Output, table};

/// Standards that clauses are mapped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Standard {
    /// OWASP AI Security Verification Standard 1.0.
    #[value(name = "aisvs-1.0")]
    Aisvs,
}

#[derive(Debug, Args)]
pub(crate) struct ControlsArgs {
    /// List the requirements of a standard instead, with the clauses that answer them.
    #[arg(long, value_enum)]
    standard: Option<Standard>,
}

/// How well a clause is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kept {
    /// By gates whose error rates were all measured.
    Measured,
    /// By gates that work and are tested.
    Working,
    /// By gates, but this project's policy asks less than the threat model.
    Weak,
    /// By none.
    Open,
}

#[derive(Serialize)]
struct Control {
    clause: &'static str,
    threat: u8,
    sentence: &'static str,
    kept: Kept,
    gates: Vec<&'static str>,
    why: String,
    aisvs: &'static [&'static str],
}

pub(crate) fn run(args: ControlsArgs, root: &Path, out: &Output) -> Ended {
    // Without a project there is no policy to judge; a project that cannot be read is an error.
    let policy = if root.join("stayward.toml").is_file() { Some(Project::open(root)?.policy) } else { None };
    let placed = Houses::open()?.placed();
    let controls: Vec<Control> = CLAUSES.into_iter().map(|clause| control(clause, &placed, policy.as_ref())).collect();
    match args.standard {
        None => out.result(&controls, || spell(&controls, policy.is_some())),
        Some(Standard::Aisvs) => {
            let requirements = requirements(&controls);
            out.result(&requirements, || {
                let row = |one: &Requirement| vec![one.id.to_owned(), word(one.kept).to_owned(), one.clauses.join(", ")];
                let rows: Vec<Vec<String>> = requirements.iter().map(row).collect();
                format!(
                    "{}\n\n{} requirements are answered, as far as the clauses are; the standard has more",
                    table(&["AISVS 1.0", "kept", "by clauses"], &rows),
                    rows.len()
                )
            });
        }
    }
    Ok(0)
}

fn control(clause: Clause, placed: &[pipeline::houses::Placed], policy: Option<&Policy>) -> Control {
    let gates: Vec<_> = placed.iter().filter(|placed| placed.card.clauses.contains(&clause)).collect();
    let exception = EXCEPTIONS.iter().find(|(excepted, _)| *excepted == clause).map(|(_, why)| (*why).to_owned());
    let weak = policy.and_then(|policy| weakness(clause, policy));
    let measured = gates.iter().all(|placed| placed.card.maturity == Maturity::Measured);
    let (kept, why) = match (gates.is_empty(), weak) {
        (true, _) => (Kept::Open, exception.unwrap_or_else(|| "no gate keeps it".to_owned())),
        (false, Some(weak)) => (Kept::Weak, weak),
        (false, None) => (if measured { Kept::Measured } else { Kept::Working }, String::new()),
    };
    Control {
        clause: clause.id(),
        threat: clause.threat().number(),
        sentence: clause.sentence(),
        kept,
        gates: gates.iter().map(|placed| placed.card.id).collect(),
        why,
        aisvs: clause.aisvs(),
    }
}

/// Where a policy asks less than the sentence of the threat model.
fn weakness(clause: Clause, policy: &Policy) -> Option<String> {
    let labels = &policy.labels;
    let is = |wanted: Clause| clause == wanted;
    if is(Clause::SignOff) && labels.approvals_needed < 2 {
        return Some(format!("labels.approvals_needed = {}: one person signs alone; set it to 2", labels.approvals_needed));
    }
    if is(Clause::SignOff) && labels.author_may_approve {
        return Some("labels.author_may_approve = true: authors sign their own labels; set it to false".to_owned());
    }
    if is(Clause::LeastPrivilege) && policy.people.one_person {
        return Some("people.one_person = true: one person trains and releases; set it to false".to_owned());
    }
    if is(Clause::LabelQa) && labels.suspect_share_max > 0.5 {
        return Some(format!(
            "labels.suspect_share_max = {}: more than half of the labels may be contradicted",
            labels.suspect_share_max
        ));
    }
    if is(Clause::AnomalyDetection) && policy.content.quarantine_share_max > 0.5 {
        return Some(format!(
            "content.quarantine_share_max = {}: a delivery of mostly set-aside rows comes through",
            policy.content.quarantine_share_max
        ));
    }
    if is(Clause::LimitedGranularity) && policy.api.granularity != artifact::Granularity::ClassOnly {
        return Some("api.granularity: callers are told more than the class".to_owned());
    }
    if is(Clause::CredentialRotation) && policy.secrets.age_days_max > 365 {
        return Some(format!("secrets.age_days_max = {}: keys may be older than a year", policy.secrets.age_days_max));
    }
    if is(Clause::CredentialRotation) && policy.vault.days_max > 365 {
        return Some(format!("vault.days_max = {}: secrets may be older than a year", policy.vault.days_max));
    }
    if is(Clause::Throttling) && policy.api.per_minute >= identity::PER_MINUTE_MAX {
        return Some(format!("api.per_minute = {}: that is the program's own ceiling", policy.api.per_minute));
    }
    None
}

const fn word(kept: Kept) -> &'static str {
    match kept {
        Kept::Measured => "measured",
        Kept::Working => "working",
        Kept::Weak => "WEAK",
        Kept::Open => "OPEN",
    }
}

fn spell(controls: &[Control], project: bool) -> String {
    let mut parts = Vec::new();
    for threat in gate::Threat::ALL {
        let rows: Vec<Vec<String>> = controls
            .iter()
            .filter(|control| control.threat == threat.number())
            .map(|control| {
                let kept = if control.gates.is_empty() { String::new() } else { control.gates.join(", ") };
                let note = if control.why.is_empty() {
                    kept
                } else {
                    format!("{kept}{}{}", if kept.is_empty() { "" } else { "; " }, control.why)
                };
                vec![format!("  {}", control.clause), word(control.kept).to_owned(), control.aisvs.join(" "), note]
            })
            .collect();
        parts.push(format!(
            "T{} {}\n{}",
            threat.number(),
            threat.title(),
            table(&["  clause", "kept", "AISVS 1.0", "by gates, or why not"], &rows)
        ));
    }
    let count = |kept: Kept| controls.iter().filter(|control| control.kept == kept).count();
    let policy = if project { String::new() } else { "; no project here, so no policy was judged".to_owned() };
    parts.push(format!(
        "{} clauses: {} measured, {} working, {} weak, {} open{policy}\n`measured` means that the error rates of all gates of a clause \
         stand in this program; attacks are measured on this machine with `stayward attack all`, and their figures are not kept",
        controls.len(),
        count(Kept::Measured),
        count(Kept::Working),
        count(Kept::Weak),
        count(Kept::Open)
    ));
    parts.join("\n\n")
}

#[derive(Serialize)]
struct Requirement {
    id: &'static str,
    kept: Kept,
    clauses: Vec<&'static str>,
}

/// Requirements with the clauses that answer them; one is kept as well as its worst clause.
fn requirements(controls: &[Control]) -> Vec<Requirement> {
    let mut ids: Vec<&'static str> = controls.iter().flat_map(|control| control.aisvs.iter().copied()).collect();
    let key = |id: &str| id.trim_start_matches('C').split('.').map(|part| part.parse().unwrap_or(u32::MAX)).collect::<Vec<_>>();
    ids.sort_by_key(|id| key(id));
    ids.dedup();
    let worst = |clauses: &[&Control]| {
        [Kept::Open, Kept::Weak, Kept::Working]
            .into_iter()
            .find(|kept| clauses.iter().any(|control| control.kept == *kept))
            .unwrap_or(Kept::Measured)
    };
    let requirement = |id: &'static str| {
        let clauses: Vec<&Control> = controls.iter().filter(|control| control.aisvs.contains(&id)).collect();
        Requirement { id, kept: worst(&clauses), clauses: clauses.iter().map(|control| control.clause).collect() }
    };
    ids.into_iter().map(requirement).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl Fn(&mut Policy), clause: Clause, expected: Kept) {
        let mut policy = Policy::parse(&pipeline::template("a", "x", "", false, 0.65)).unwrap();
        change(&mut policy);
        let placed = Houses::open().unwrap().placed();
        let kept = control(clause, &placed, Some(&policy)).kept;
        let measured = expected == Kept::Working && kept == Kept::Measured;
        assert!(measured || kept == expected, "{clause:?} is {kept:?}");
    }

    #[test]
    fn a_policy_below_the_threat_model_is_weak() {
        check(|_| {}, Clause::SignOff, Kept::Working);
        check(|policy| policy.labels.approvals_needed = 1, Clause::SignOff, Kept::Weak);
        check(|policy| policy.labels.author_may_approve = true, Clause::SignOff, Kept::Weak);
        check(|policy| policy.people.one_person = true, Clause::LeastPrivilege, Kept::Weak);
        check(|_| {}, Clause::LimitedGranularity, Kept::Working);
        check(|policy| policy.api.granularity = artifact::Granularity::Decile, Clause::LimitedGranularity, Kept::Weak);
        check(|policy| policy.secrets.age_days_max = 400, Clause::CredentialRotation, Kept::Weak);
        check(|policy| policy.vault.days_max = 400, Clause::CredentialRotation, Kept::Weak);
    }

    #[test]
    fn every_clause_is_kept_by_gates_or_says_why_not() {
        let placed = Houses::open().unwrap().placed();
        for clause in CLAUSES {
            let control = control(clause, &placed, None);
            assert_eq!(control.gates.is_empty(), control.kept == Kept::Open);
            assert_eq!(control.why.is_empty(), control.kept != Kept::Open);
        }
    }
}
