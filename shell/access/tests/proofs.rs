//! The shipped rules keep the shipped properties, and careless rules are caught with a request that shows it (T1, T4, T6).
//! Without a solver nothing is proved, and the tests that need one say that they are skipped.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test says why it is skipped, and what it measured")]
#![cfg(feature = "prove")]

use access::{Access, Outcome, OwnLabels, ProofReport, Properties, Solver, Verdict, prove, prove_change};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn solver() -> Option<Solver> {
    match runtime().block_on(Solver::find()) {
        Ok(solver) => Some(solver),
        Err(why) => {
            assert!(std::env::var_os("STAYWARD_NEEDS_SOLVER").is_none(), "the solver that is needed here: {why}");
            println!("skipped: {why}");
            None
        }
    }
}

fn rules(project: Option<&str>, own_labels: OwnLabels) -> Access {
    Access::load(project, own_labels).unwrap()
}

fn report(access: &Access, solver: &Solver) -> ProofReport {
    runtime().block_on(prove(access, &Properties::load(None).unwrap(), Ok(solver)))
}

/// The properties that have counterexamples, each with the rules that its requests are permitted by.
fn broken(report: &ProofReport) -> Vec<(String, Vec<String>)> {
    let mut out = Vec::new();
    for proof in &report.proofs {
        match &proof.outcome {
            Outcome::Proved => assert!(proof.kinds_of_requests > 0, "{}", proof.property),
            Outcome::NotProved { why } => panic!("{}: {why}", proof.property),
            Outcome::Counterexamples(found) => {
                assert!(!found.is_empty());
                let mut policies: Vec<String> = found.iter().flat_map(|one| one.policies.clone()).collect();
                policies.sort();
                policies.dedup();
                out.push((proof.property.clone(), policies));
            }
        }
    }
    out
}

fn check(project: &str, expected: &[(&str, &str)]) {
    let Some(solver) = solver() else { return };
    let report = report(&rules(Some(project), OwnLabels::Forbidden), &solver);
    let expected: Vec<(String, Vec<String>)> =
        expected.iter().map(|(property, rule)| ((*property).to_owned(), vec![(*rule).to_owned()])).collect();
    assert_eq!(broken(&report), expected);
    assert_eq!(report.verdict(), if expected.is_empty() { Verdict::Proved } else { Verdict::Counterexample });
}

fn rule(text: &str) -> String {
    format!("@id(\"oops\") @why(\"careless\") @fix(\"take it out\") {text}")
}

#[test]
fn the_shipped_rules_keep_every_property() {
    let Some(solver) = solver() else { return };
    let access = rules(None, OwnLabels::Forbidden);
    let started = std::time::Instant::now();
    let report = report(&access, &solver);
    println!("{} properties in {:?} by cvc5 {}", report.proofs.len(), started.elapsed(), solver.info.version);
    assert_eq!(broken(&report), []);
    assert_eq!(report.verdict(), Verdict::Proved);
    assert_eq!(report.policies, access.digest());
}

/// What the program may say without a solver is what a solver said of exactly these rules and properties.
#[test]
fn what_is_said_to_be_proved_is() {
    let Some(solver) = solver() else { return };
    let mut table = String::new();
    for own_labels in [OwnLabels::Forbidden, OwnLabels::Allowed] {
        let report = report(&rules(None, own_labels), &solver);
        assert_eq!(report.unproved(), [""; 0]);
        let broken = if report.broken().is_empty() { "-".to_owned() } else { report.broken().join(" ") };
        table += &format!("{} {} {broken}\n", report.policies.hex(), report.properties.hex());
        let known = access::proved_with_the_program(&report.policies, &report.properties);
        if std::env::var_os("STAYWARD_BLESS").is_none() {
            assert_eq!(known, Some(report.broken()), "run this test with STAYWARD_BLESS=1, and have the file reviewed");
        }
    }
    if std::env::var_os("STAYWARD_BLESS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/proved.golden"), &table).unwrap();
    }
}

#[test]
fn the_shipped_rules_are_those_that_were_proved() {
    for own_labels in [OwnLabels::Forbidden, OwnLabels::Allowed] {
        let (policies, properties) = (rules(None, own_labels).digest(), Properties::load(None).unwrap().digest());
        assert!(access::proved_with_the_program(&policies, &properties).is_some(), "{own_labels:?} is not in proved.golden");
    }
}

#[test]
fn a_careless_writer_of_the_source_is_caught() {
    check(
        &rule("permit (principal, action == Action::\"write-source\", resource);"),
        &[("auditors-change-nothing", "oops"), ("keys-only-ask", "oops"), ("only-pipelines-write-the-source", "oops")],
    );
}

#[test]
fn a_key_for_everything_is_caught() {
    let Some(solver) = solver() else { return };
    let project = rule("permit (principal is Application, action, resource) when { principal.rights.contains(\"metrics\") };");
    let report = report(&rules(Some(&project), OwnLabels::Forbidden), &solver);
    let names: Vec<String> = broken(&report).into_iter().map(|(name, _)| name).collect();
    assert!(
        ["keys-only-ask", "no-key-reaches-administration"].iter().all(|name| names.contains(&(*name).to_owned())),
        "{names:?}"
    );
}

#[test]
fn a_labeller_who_signs_is_caught() {
    check(
        &rule("permit (principal is Person in Role::\"labeller\", action == Action::\"approve-labels\", resource);"),
        &[("nobody-proposes-and-signs", "oops")],
    );
}

#[test]
fn a_rule_that_only_narrows_keeps_every_property() {
    check(&rule("forbid (principal is Person, action == Action::\"train\", resource) unless { context.auth_age < 60 };"), &[]);
}

#[test]
fn a_rule_that_can_fail_is_caught() {
    check(
        &rule("forbid (principal is Person, action == Action::\"train\", resource) when { context.auth_age + 1 > 10 };"),
        &[("no-rule-fails", "oops")],
    );
}

#[test]
fn a_project_of_one_person_is_told_what_it_gives_up() {
    let Some(solver) = solver() else { return };
    let report = report(&rules(None, OwnLabels::Allowed), &solver);
    let of = |property: &str, rules: &[&str]| (property.to_owned(), rules.iter().map(|rule| (*rule).to_owned()).collect());
    let rows = broken(&report).into_iter().find(|(property, _)| property == "nobody-releases-own-rows").unwrap();
    assert!(rows.1.iter().all(|rule| ["data-steward.decide", "label-approver.decide"].contains(&rule.as_str())), "{rows:?}");
    assert_eq!(broken(&report), [rows, of("nobody-signs-own-labels", &["label-approver.sign"])]);
}

#[test]
fn a_property_of_the_project_is_judged_too() {
    let Some(solver) = solver() else { return };
    let properties = Properties::load(Some(
        "@property(\"nobody-rolls-back\") @why(\"w\") forbid (principal, action == Action::\"rollback\", resource);",
    ))
    .unwrap();
    let report = runtime().block_on(prove(&rules(None, OwnLabels::Forbidden), &properties, Ok(&solver)));
    let names: Vec<String> = broken(&report).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["nobody-rolls-back"]);
    assert!(Properties::load(Some("forbid (principal, action, resource);")).is_err());
}

#[test]
fn a_change_grants_what_it_declares_and_no_more() {
    let Some(solver) = solver() else { return };
    let before = rules(None, OwnLabels::Forbidden);
    let intern = "permit (principal == Person::\"mia\", action == Action::\"read-metrics\", resource);";
    let after = rules(Some(&rule(intern)), OwnLabels::Forbidden);
    let judge =
        |after: &Access, declared: Option<&str>| runtime().block_on(prove_change(&before, after, declared, Ok(&solver))).unwrap();
    assert_eq!(judge(&before, None).verdict(), Verdict::Proved);
    assert_eq!(judge(&after, Some(intern)).verdict(), Verdict::Proved);
    let undeclared = judge(&after, None);
    assert_eq!(broken(&undeclared), [("change-grants-only-what-it-declares".to_owned(), vec!["oops".to_owned()])]);
    // A rule that forbids and is gone is a grant too, and can be declared.
    let open = rules(None, OwnLabels::Allowed);
    assert_eq!(judge(&open, None).verdict(), Verdict::Counterexample);
    let declared = [
        "permit (principal is Person, action == Action::\"approve-labels\", resource) when { resource.author == principal };",
        "permit (principal is Person, action == Action::\"approve-quarantine\", resource) when { resource.author == principal };",
    ];
    let declared = declared.concat();
    assert_eq!(judge(&open, Some(&declared)).verdict(), Verdict::Proved);
    // Only narrower: nothing to declare.
    let narrow = rules(Some(&rule("forbid (principal, action == Action::\"train\", resource);")), OwnLabels::Forbidden);
    assert_eq!(judge(&narrow, None).verdict(), Verdict::Proved);
}

#[test]
fn without_a_solver_nothing_is_proved() {
    let missing = runtime().block_on(Solver::at("no/such/solver".into())).unwrap_err();
    let stranger = runtime().block_on(Solver::at("true".into())).unwrap_err();
    assert!(missing.starts_with("no solver") && stranger.starts_with("no solver"), "{missing}, {stranger}");
    let properties = Properties::load(None).unwrap();
    let report = runtime().block_on(prove(&rules(None, OwnLabels::Forbidden), &properties, Err(missing)));
    assert_eq!(report.verdict(), Verdict::NotProved);
    assert!(report.solver.is_none());
    assert!(report.proofs.iter().all(|proof| matches!(proof.outcome, Outcome::NotProved { .. })));
    assert_eq!(report.proofs.len(), properties.names().count() + 1);
}

/// A program that says it is cvc5 and then does what the lines say.
fn fake(folder: &std::path::Path, lines: &str) -> Solver {
    use std::os::unix::fs::PermissionsExt;
    let program = folder.join("cvc5");
    let script = format!("#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'This is cvc5 version 9.9'; exit 0; fi\n{lines}\n");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    runtime().block_on(Solver::at(program)).unwrap().with_question_time(std::time::Duration::from_millis(200))
}

#[test]
fn a_solver_that_fails_proves_nothing() {
    let access = rules(None, OwnLabels::Forbidden);
    for lines in
        ["exit 1", "exec sleep 60", "while read -r line; do echo perhaps; done", "while read -r line; do echo unknown; done"]
    {
        let folder = tempfile::tempdir().unwrap();
        let started = std::time::Instant::now();
        let report = report(&access, &fake(folder.path(), lines));
        assert_eq!(report.verdict(), Verdict::NotProved, "{lines}");
        // A property whose kinds of requests all are denied on the face of it needs no solver; others do.
        assert!(report.proofs.iter().any(|proof| matches!(proof.outcome, Outcome::NotProved { .. })), "{lines}");
        assert!(started.elapsed().as_secs() < 20, "{lines}");
    }
}

#[test]
fn a_solver_that_lies_about_a_request_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    // Says that there is always a request, and shows an empty one.
    let report = report(&rules(None, OwnLabels::Forbidden), &fake(folder.path(), "while read -r line; do echo sat; done"));
    assert!(report.proofs.iter().all(|proof| !matches!(proof.outcome, Outcome::Counterexamples(_))), "{report}");
    assert_eq!(report.verdict(), Verdict::NotProved);
}
