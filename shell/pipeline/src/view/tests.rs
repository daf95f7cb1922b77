//! A whole small project, from a table to a served answer, and every page of it: what was judged is lit, what was changed is not believed.

use console::view::State;
use console::view::controls::ControlsView;
use console::view::evidence::{Integrity, LinkKind};
use console::view::model::MetricOf;
use console::view::pipeline::{PipelineView, Place, StepView};
use gate::CLAUSES;
use identity::{CustomerScope, Right};
use store::control::{NewRunStep, StepState};
use tabular::Contract;

use super::{controls_view, evidence_view, model_view, pipeline_view, run_view};
use crate::progress::Silent;
use crate::run::{Deployed, Run, STAGES};
use crate::serving::{Call, Reply, Service};
use crate::setup::{self, ONE_PERSON};
use crate::{Desk, Houses, Project, data, template};

const CUSTOMERS: usize = 600;

/// Two kinds of customers; those with short contracts and many calls leave, one in ten against the rule.
fn customers() -> String {
    let mut text = String::from("customer_id,tenure,monthly,calls,contract,churned\n");
    let mut state: u64 = 20_261_122;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for row in 0..CUSTOMERS {
        let settled = draw(2) == 0;
        let (tenure, monthly) = if settled { (50 + draw(15), 80 + draw(20)) } else { (1 + draw(15), 20 + draw(20)) };
        let calls = draw(12);
        let leaves = (!settled && calls > 4) != (draw(10) == 0);
        let (contract, churned) = (if settled { "two-year" } else { "monthly" }, if leaves { "yes" } else { "no" });
        text.push_str(&format!("c{row:04},{tenure},{monthly}.{},{calls},{contract},{churned}\n", draw(10)));
    }
    text
}

/// The template with few trees, so that the test is quick.
fn policy(file: &str) -> String {
    let few = "\n[train.booster]\ntrees = 20\n\n[train.forest]\ntrees = 20\n";
    template("small", file, "", true, 0.65).replace("folds = 5", "folds = 3") + few
}

/// A project that was run once, and a key that may ask.
pub(crate) struct Small {
    folder: tempfile::TempDir,
    deployed: Deployed,
    pub(crate) key: String,
    run: String,
}

impl Small {
    pub(crate) fn project(&self) -> Project {
        Project::open(&self.folder.path().join("p")).unwrap()
    }

    pub(crate) async fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("customers.csv");
        std::fs::write(&file, customers()).unwrap();
        let loaded = data::load(&file).unwrap();
        let profile = tabular::profile::profile(&loaded.batches, loaded.decimal).unwrap();
        let contract = Contract::guess(&profile, Some("churned"), None).unwrap();
        let contract = Contract { name: "small".into(), ..contract };
        let root = folder.path().join("p");
        let desk = setup::create_project(&root, &policy(&file.display().to_string()), &contract.to_toml()).await.unwrap();
        let accounts = setup::create_people(&desk, &ONE_PERSON).await.unwrap();
        let session = setup::log_in(&desk, &accounts[0]).await.unwrap();
        desk.keep_session(&session).unwrap();
        let key = setup::issue_key(&desk, "crm", "owner", &[Right::Ask], &CustomerScope::All).await.unwrap().key;
        let (houses, mut silent) = (Houses::open().unwrap(), Silent);
        let mut run = Run::begin(&desk, &houses, &mut silent).await.unwrap();
        let result = run.refresh(0, STAGES.len() - 1).await;
        run.finish(&result).await.unwrap();
        let (deployed, run) = (result.unwrap().unwrap(), run.id.clone());
        Self { folder, deployed, key, run }
    }
}

fn step(view: &PipelineView, place: Place) -> &StepView {
    view.steps.iter().find(|step| step.place == place).unwrap()
}

/// After the run and before any request.
async fn after_the_run(small: &Small) {
    let (desk, houses) = (Desk::open(small.project().root()).await.unwrap(), Houses::open().unwrap());
    let view = pipeline_view(&desk, &houses).await.unwrap();
    assert_eq!(view.steps.len(), Place::ALL.len());
    assert_eq!(view.steps.iter().map(|step| step.gates.len()).sum::<usize>(), houses.placed().len());
    let run = view.run.clone().unwrap();
    assert_eq!((run.id.as_str(), run.state, run.started_by.as_str()), (small.run.as_str(), State::Pass, "owner"));
    for place in [Place::Source, Place::LabelQa, Place::Segment, Place::Train, Place::Dependency, Place::Release] {
        let step = step(&view, place);
        assert_eq!(step.state, State::Pass, "{place:?}");
        assert!(
            step.evidence.is_some() && step.gates.iter().all(|gate| gate.state == State::Pass && gate.evidence == step.evidence),
            "{place:?}"
        );
    }
    for place in [Place::Intake, Place::ApiGuard, Place::InputGuard, Place::Predict, Place::Monitor] {
        let step = step(&view, place);
        assert!(step.state == State::NotRun && step.gates.iter().all(|gate| gate.state == State::NotRun), "{place:?}");
    }
    let page = console::pipeline(&view);
    // A green box does not hide what no gate keeps.
    let open = |place| step(&view, place).open.iter().map(|clause| clause.id.clone()).collect::<Vec<_>>();
    for clause in gate::EXCEPTIONS.iter().map(|(clause, _)| clause) {
        let place = super::lit::place_of(clause.home()).unwrap();
        assert!(open(place).iter().any(|id| id == clause.id()) && page.contains(clause.id()), "{}", clause.id());
    }
    assert!(open(Place::Intake).is_empty() && page.contains("clause open"));
    assert!(houses.placed().iter().all(|placed| page.contains(placed.card.id)));
    assert!(console::pipeline_fragment(&view).contains(&small.run));

    let view = run_view(&desk, &houses, Some(&small.run)).await.unwrap().unwrap();
    let places: Vec<Place> = view.steps.iter().map(|step| step.place).collect();
    let expected =
        [Place::Source, Place::LabelQa, Place::Segment, Place::Train, Place::Dependency, Place::Release, Place::Release];
    assert_eq!(places, expected);
    assert!(view.steps[0].rows.is_some_and(|rows| rows.taken == 600 && rows.passed == 600));
    assert!(console::run(&view).contains("labels v1"));
    assert!(run_view(&desk, &houses, Some("nothing")).await.unwrap().is_none());
    model_page(small, &desk).await;
}

async fn model_page(small: &Small, desk: &Desk) {
    let view = model_view(desk, None).await.unwrap().unwrap();
    let model = view.model.clone().unwrap();
    assert_eq!((model.id.clone(), model.state, model.finding.clone()), (small.deployed.model.short(), State::Pass, None));
    assert_eq!((model.digest.clone(), model.run.clone()), (small.deployed.model.to_string(), small.run.clone()));
    let proves: Vec<&str> = model.evidence.iter().map(|entry| entry.proves.as_str()).collect();
    assert_eq!(proves, ["trained", "judged (s05)", "dependencies vetted (s06)", "released (s07)", "deployed"]);
    assert_eq!(model.evidence.last().unwrap().id, small.deployed.deployment.id);
    for curves in [&model.roc, &model.precision_recall, &model.lift, &model.calibration] {
        assert!(curves.len() == 4 && curves.iter().all(|curve| curve.points.len() > 2), "{curves:?}");
    }
    assert_eq!(model.metrics.rows.last().map(|row| row.of), Some(MetricOf::Vote));
    let auc = model.metrics.rows.last().unwrap().values[0].unwrap();
    assert!(auc.mean > 0.65 && auc.sd > 0.0, "{auc:?}");
    let inputs: Vec<(&str, u64)> = model.trained_on.iter().map(|input| (input.what.as_str(), input.rows)).collect();
    assert_eq!(inputs, [("table customers, version 1", 600), ("labels, version 1", 600), ("segments", 600)]);
    assert!(model.trained_on.iter().all(|input| input.evidence.is_some() && input.digest.len() >= 64));
    assert!(model.spec.iter().any(|fact| fact.name == "booster.trees" && fact.value == "20"));
    assert!((model.segments.iter().map(|segment| segment.share).sum::<f64>() - 1.0).abs() < 1e-9 && model.churn_rate.is_some());
    let page = console::model(&view);
    assert!(["ROC", "Precision and recall", "Lift", "Calibration"].iter().all(|title| page.contains(title)));
    assert!(model_view(desk, Some(&model.id)).await.unwrap().is_some());
    assert!(model_view(desk, Some("ffff0000")).await.unwrap().is_none());
}

fn clauses(view: &ControlsView) -> Vec<(String, State)> {
    view.threats.iter().flat_map(|threat| &threat.clauses).map(|clause| (clause.id.clone(), clause.state)).collect()
}

/// After an answer, a refusal and a window.
async fn after_requests(small: &Small) -> String {
    let service = Service::open(&small.project()).await.unwrap();
    let call = |key: &str| Call { key: Some(key.to_owned()), customers: vec!["c0007".into()], ..Call::default() };
    let Reply::Told { evidence, .. } = service.ask(call(&small.key)).await else { panic!("the service did not answer") };
    let (desk, houses) = (service.desk(), service.houses());
    let view = pipeline_view(desk, houses).await.unwrap();
    for place in [Place::ApiGuard, Place::InputGuard, Place::Predict] {
        assert!(
            step(&view, place).gates.iter().all(|gate| gate.state == State::Pass && gate.evidence.as_ref() == Some(&evidence)),
            "{place:?}"
        );
    }
    assert!(matches!(service.ask(call("not-a-key")).await, Reply::Refused { .. }));
    service.watch().await.unwrap();
    let view = pipeline_view(desk, houses).await.unwrap();
    let guard = step(&view, Place::ApiGuard);
    let stopped = guard.gates.iter().find(|gate| gate.state == State::Refuse).unwrap();
    assert!(
        guard.state == State::Refuse
            && !stopped.finding.as_ref().unwrap().why.is_empty()
            && stopped.evidence.as_ref() != Some(&evidence)
    );
    assert!(guard.about.contains("the query: a refused request"), "{}", guard.about);
    assert_eq!((step(&view, Place::InputGuard).state, step(&view, Place::Monitor).state), (State::Pass, State::Pass));

    let view = controls_view(desk, houses).await.unwrap();
    let known = clauses(&view);
    assert_eq!(known.len(), CLAUSES.len());
    let page = console::controls(&view);
    assert!(CLAUSES.iter().all(|clause| page.contains(clause.id()) && known.iter().any(|(id, _)| id == clause.id())));
    assert!(
        view.threats.iter().flat_map(|threat| &threat.clauses).all(|clause| clause.gates.is_empty() != clause.reason.is_empty())
    );
    let state = |id: &str| known.iter().find(|(known, _)| known == id).map(|(_, state)| *state).unwrap();
    assert_eq!(
        [state("tokens"), state("sign-off"), state("signed-feeds"), state("differential-privacy")],
        [State::Refuse, State::Pass, State::NotRun, State::NotRun]
    );
    evidence
}

/// From an answer down to the table.
fn the_chain(small: &Small, evidence: &str) {
    let view = evidence_view(&small.project(), Some(evidence)).unwrap();
    assert!(view.chain.iter().all(|link| link.integrity == Integrity::Verified), "{:?}", view.chain);
    assert_eq!((view.chain[0].id.as_str(), view.chain[0].kind), (evidence, LinkKind::Answer));
    for kind in [LinkKind::Model, LinkKind::Labels, LinkKind::Data] {
        assert!(view.chain.iter().any(|link| link.kind == kind), "{kind:?}");
    }
    let checkpoint = view.checkpoint.clone().unwrap();
    assert!(checkpoint.entries > 8 && checkpoint.signed_by.contains("stayward.local"), "{checkpoint:?}");
    assert_eq!(view.verify_command, format!("stayward evidence verify {evidence}"));
    assert!(console::evidence(&view).contains("every link verified"));
    let none = evidence_view(&small.project(), Some("ffffffffffff")).unwrap();
    assert!(none.chain.is_empty() && console::evidence(&none).contains("has no entry"));
    assert!(evidence_view(&small.project(), Some("'; x")).unwrap().chain.is_empty());
    assert!(evidence_view(&small.project(), None).unwrap().chain.is_empty());
}

/// A report that somebody improved, and a register that names another step's entry.
async fn what_was_changed(small: &Small, evidence: &str) {
    let desk = Desk::open(small.project().root()).await.unwrap();
    let report = desk.project.path(&crate::run::model_folder(small.deployed.model)).join("report.json");
    let text = std::fs::read_to_string(&report).unwrap();
    std::fs::write(&report, text.replacen("\"split\":\"", "\"split\":\"only the best of ", 1)).unwrap();
    let model = model_view(&desk, None).await.unwrap().unwrap().model.unwrap();
    assert!(model.state == State::Inconclusive && model.metrics.rows.is_empty() && model.roc.is_empty());
    assert!(model.finding.as_ref().unwrap().why.contains("was changed"));
    let view = evidence_view(&small.project(), Some(evidence)).unwrap();
    assert!(
        view.chain
            .iter()
            .any(|link| link.integrity == Integrity::Broken && link.finding.as_ref().unwrap().why.contains("report.json"))
    );

    let houses = Houses::open().unwrap();
    let segments = step(&pipeline_view(&desk, &houses).await.unwrap(), Place::Segment).evidence.clone();
    let forged = NewRunStep {
        step: "s05-training".into(),
        state: StepState::Passed,
        started_ms: 1,
        ended_ms: 2,
        rows_in: 0,
        rows_out: 0,
        rows_quarantined: 0,
        evidence: segments,
        finding: None,
    };
    desk.control.start_run("forged", 1).await.unwrap();
    desk.control.add_step("forged", &forged).await.unwrap();
    desk.control
        .add_step("forged", &NewRunStep { evidence: Some("0123456789abcdef".into()), step: "s07-release".into(), ..forged })
        .await
        .unwrap();
    let view = run_view(&desk, &houses, Some("forged")).await.unwrap().unwrap();
    let states: Vec<State> = view.steps.iter().map(|step| step.state).collect();
    assert_eq!(states, [State::Inconclusive, State::Inconclusive]);
    assert!(console::run(&view).contains("s04-segments"));
    let view = pipeline_view(&desk, &houses).await.unwrap();
    assert_eq!([step(&view, Place::Train).state, step(&view, Place::Release).state], [State::Inconclusive, State::Inconclusive]);
}

#[test]
fn a_project_fills_every_page_and_what_was_changed_is_not_believed() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let small = Small::make().await;
        after_the_run(&small).await;
        let evidence = after_requests(&small).await;
        the_chain(&small, &evidence);
        what_was_changed(&small, &evidence).await;
    });
}
