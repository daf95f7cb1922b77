//! Made-up views, one of each kind and every field filled: for the gallery, and for the tests that put hostile text into every field.
//! None of these numbers was measured.

use console::plot::{Placement, bars, xy};
use console::view::controls::{AisvsRef, AttackMeasure, ClauseGate, ClauseView, ControlsView, ThreatView};
use console::view::entry::{LoginBy, LoginView, RefusedKind, RefusedView};
use console::view::evidence::{CheckpointView, EvidenceView, Integrity, LinkKind, LinkView};
use console::view::model::{
    Better, Curve, EvidenceRef, MetricColumn, MetricOf, MetricRow, MetricTable, ModelDetail, ModelView, SegmentView, TrainedOn,
};
use console::view::passkeys::{PasskeyView, PasskeysView};
use console::view::pipeline::{GateView, OpenClause, PipelineView, Place, RowCounts, RunBrief, RunView, StepView};
use console::view::{Chrome, Fact, FindingView, MeanSd, State};

/// Every page by name.
pub(crate) fn pages() -> Vec<(&'static str, String)> {
    let link = LoginBy::Link { token: "t0ken".into(), person: "ada".into() };
    let none = EvidenceView { asked: "01JDNOTHERE".into(), chain: Vec::new(), ..evidence() };
    vec![
        ("login", console::login(&login())),
        ("login-link", console::login(&LoginView { by: link, refused: None, ..login() })),
        ("pipeline", console::pipeline(&pipeline())),
        ("pipeline-fragment", console::pipeline_fragment(&pipeline())),
        ("pipeline-empty", console::pipeline(&PipelineView { chrome: chrome(), ..PipelineView::default() })),
        ("run", console::run(&run())),
        ("run-empty", console::run(&RunView { chrome: chrome(), ..RunView::default() })),
        ("model", console::model(&model())),
        ("model-empty", console::model(&ModelView { chrome: chrome(), ..ModelView::default() })),
        ("model-bare", console::model(&ModelView { chrome: chrome(), model: Some(ModelDetail::default()), others: Vec::new() })),
        ("evidence", console::evidence(&evidence())),
        ("evidence-empty", console::evidence(&EvidenceView { chrome: chrome(), ..EvidenceView::default() })),
        ("evidence-missing", console::evidence(&none)),
        ("controls", console::controls(&controls())),
        ("controls-empty", console::controls(&ControlsView { chrome: chrome(), ..ControlsView::default() })),
        ("passkeys", console::passkeys(&passkeys())),
        ("passkeys-empty", console::passkeys(&PasskeysView { chrome: chrome(), ..PasskeysView::default() })),
        ("refused", console::refused(&refused())),
        ("refused-stranger", console::refused(&RefusedView { chrome: None, ..refused() })),
    ]
}

/// Every plot of the Model page as a file of its own.
pub(crate) fn plots() -> Vec<(&'static str, String)> {
    let model = detail();
    let file = Placement::Standalone;
    vec![
        ("roc", xy(&console::roc_plot(&model.roc), file).into_string()),
        ("pr", xy(&console::precision_recall_plot(&model.precision_recall), file).into_string()),
        ("lift", xy(&console::lift_plot(&model.lift), file).into_string()),
        ("calibration", xy(&console::calibration_plot(&model.calibration), file).into_string()),
        ("segments", bars(&console::segment_plot(&model.segments, model.churn_rate), file).into_string()),
    ]
}

pub(crate) fn chrome() -> Chrome {
    Chrome {
        person: "ada".into(),
        role: "ml-security".into(),
        csrf: "c5rf".into(),
        version: "0.1.0".into(),
        read_at: "2026-11-22T14:03:21Z".into(),
    }
}

pub(crate) fn passkeys() -> PasskeysView {
    let one = PasskeyView {
        id: "_g3Yk0".into(),
        label: "blue key".into(),
        synced: true,
        created_at: "2026-11-20T09:00:00Z".into(),
        last_used_at: "2026-11-22T09:00:00Z".into(),
    };
    PasskeysView { chrome: chrome(), person: "ada".into(), passkeys: vec![one] }
}

pub(crate) fn login() -> LoginView {
    LoginView {
        by: LoginBy::Password,
        csrf: "c5rf".into(),
        next: "/console".into(),
        refused: Some("8c21".into()),
        name: "ada".into(),
        provider: true,
    }
}

fn brief(id: &str, state: State) -> RunBrief {
    RunBrief {
        id: id.into(),
        started_at: "2026-11-22T13:58:02Z".into(),
        seconds: Some(41.3),
        state,
        started_by: "ada (console)".into(),
    }
}

fn label_conflict() -> FindingView {
    FindingView {
        rule: "label-conflict".into(),
        why: "`37` high-profit customers are marked low-profit, p < 1e-6 against history".into(),
        help: "have the supplier explain the change, or discard the rows; a second person can release them".into(),
        command: "stayward quarantine show q-0193".into(),
        release_by: "data-steward, not the person who imported the feed".into(),
    }
}

fn gate(id: &str, about: &str, clauses: &[&str], state: State) -> GateView {
    let finding = (state == State::Refuse).then(label_conflict);
    let evidence = (state != State::NotRun).then(|| format!("01JD9Q4T7ZK3{:014X}", id.len() * 7919));
    GateView {
        id: id.into(),
        about: about.into(),
        clauses: clauses.iter().map(|clause| (*clause).into()).collect(),
        state,
        finding,
        evidence,
    }
}

fn step(place: Place, state: State, rows: Option<(u64, u64)>, seconds: f64, gates: Vec<GateView>) -> StepView {
    let rows = rows.map(|(taken, quarantined)| RowCounts { taken, passed: taken - quarantined, quarantined });
    let ran = state != State::NotRun;
    StepView {
        place,
        about: if place == Place::Intake { "market/2026-W47.csv".into() } else { String::new() },
        state,
        gates,
        rows,
        seconds: ran.then_some(seconds),
        evidence: ran.then(|| format!("01JD9Q4T7Z{:016X}", place as u64 * 104_729 + 77)),
        open: open(place),
    }
}

fn open(place: Place) -> Vec<OpenClause> {
    let clause = OpenClause { id: "adversarial-training".into(), reason: "the model is not trained against attacks yet".into() };
    if place == Place::Train { vec![clause] } else { Vec::new() }
}

pub(crate) fn steps() -> Vec<StepView> {
    let mut steps = data_steps();
    steps.extend(model_steps());
    steps.extend(serving_steps());
    steps
}

fn data_steps() -> Vec<StepView> {
    use State::{Hold, Pass, Refuse};
    vec![
        step(
            Place::Intake,
            Refuse,
            Some((7_043, 81)),
            1.42,
            vec![
                gate("feed-signature", "the feed's bytes carry a signature by a key that intake trusts", &["signed-feeds"], Pass),
                gate(
                    "feed-sequence",
                    "the feed's number grows; an old feed is still an attack",
                    &["signed-feeds", "no-bypass"],
                    Pass,
                ),
                gate("behaviour-thresholds", "no column leaves the range that clean feeds taught", &["sanity-thresholds"], Pass),
                gate("joint-outliers", "rows that are odd in combination wait for people", &["anomaly-detection"], Pass),
                gate("label-conflict", "profit marks agree with the customer's history", &["anomaly-detection"], Refuse),
            ],
        ),
        step(
            Place::Source,
            Pass,
            Some((6_962, 0)),
            0.31,
            vec![
                gate("writer-role", "only a pipeline's own role may append", &["only-authorised-pipelines-write"], Pass),
                gate("second-factor", "people who write have shown a second factor", &["second-factor"], Pass),
            ],
        ),
        step(
            Place::LabelQa,
            Hold,
            Some((6_962, 12)),
            0.12,
            vec![
                gate("append-only", "the label archive only grows", &["immutable-label-archive"], Pass),
                GateView {
                    finding: Some(FindingView {
                        rule: "two-approvals".into(),
                        why: "label set `v7` has `1` approval of `2`".into(),
                        help: "ask a second person, who did not propose the labels".into(),
                        command: "stayward label approve v7".into(),
                        release_by: "label-approver".into(),
                    }),
                    ..gate("two-approvals", "two people who are not the author have signed", &["multi-person-sign-off"], Hold)
                },
            ],
        ),
    ]
}

fn model_steps() -> Vec<StepView> {
    use State::{Inconclusive, NotRun, Pass};
    vec![
        step(
            Place::Segment,
            Pass,
            Some((6_950, 0)),
            2.05,
            vec![gate("segment-stability", "segments do not jump between versions", &["anomaly-detection"], Pass)],
        ),
        step(
            Place::Train,
            Pass,
            Some((6_950, 0)),
            28.9,
            vec![
                gate("adversarial-training", "every member saw adversarial examples", &["adversarial-training"], Pass),
                gate("pinned-spec", "hyperparameters, seed and environment are pinned", &["pinned-environment"], Pass),
            ],
        ),
        step(
            Place::Dependency,
            Inconclusive,
            None,
            0.87,
            vec![
                gate("locked-checksums", "every dependency has its pinned checksum", &["pinning-and-checksums"], Pass),
                gate("advisories", "no dependency has a known advisory", &["vulnerability-scanning"], Inconclusive),
            ],
        ),
        step(
            Place::Release,
            NotRun,
            None,
            0.0,
            vec![gate("signed-commits", "every commit of the build is signed", &["signed-commits"], NotRun)],
        ),
    ]
}

fn serving_steps() -> Vec<StepView> {
    use State::Pass;
    vec![
        step(
            Place::ApiGuard,
            Pass,
            None,
            0.004,
            vec![gate("privacy-budget", "an application has budget left", &["differential-privacy", "limit-and-track"], Pass)],
        ),
        step(
            Place::InputGuard,
            Pass,
            Some((1_284_310, 212)),
            0.002,
            vec![gate("input-outliers", "a row lies where training rows lie", &["input-validation"], Pass)],
        ),
        step(Place::Predict, Pass, Some((1_284_098, 0)), 0.001, vec![]),
    ]
}

pub(crate) fn pipeline() -> PipelineView {
    PipelineView { chrome: chrome(), run: Some(brief("01JD9Q4T7ZK3", State::Refuse)), steps: steps() }
}

pub(crate) fn run() -> RunView {
    let others = vec![
        brief("01JD9P0000AA", State::Pass),
        brief("01JD9N0000BB", State::Hold),
        RunBrief { seconds: None, ..brief("01JD9M0000CC", State::NotRun) },
    ];
    RunView { chrome: chrome(), run: Some(brief("01JD9Q4T7ZK3", State::Refuse)), steps: steps(), others }
}

fn curve(name: &str, shape: impl Fn(f64) -> [f64; 2]) -> Curve {
    Curve { name: name.into(), points: (0..=60).map(|index| shape(f64::from(index) / 60.0)).collect() }
}

fn curves(shape: impl Fn(f64, f64) -> [f64; 2]) -> Vec<Curve> {
    [("XGBoost", 0.84), ("SVM", 0.78), ("random forest", 0.82), ("vote", 0.86)]
        .map(|(name, skill)| curve(name, |at| shape(at, skill)))
        .to_vec()
}

fn table(over: &str, columns: &[(&str, &str, Better)], rows: &[(&str, MetricOf, &[f64])]) -> MetricTable {
    let value = |mean: &f64| (*mean > 0.0).then_some(MeanSd { mean: *mean, sd: mean / 60.0 });
    MetricTable {
        over: over.into(),
        columns: columns
            .iter()
            .map(|(name, unit, better)| MetricColumn { name: (*name).into(), unit: (*unit).into(), better: *better })
            .collect(),
        rows: rows
            .iter()
            .map(|(name, of, means)| MetricRow { name: (*name).into(), of: *of, values: means.iter().map(value).collect() })
            .collect(),
    }
}

fn segment(name: &str, customers: u64, churn_rate: f64, value: f64, stability: f64) -> SegmentView {
    SegmentView {
        name: name.into(),
        customers,
        share: customers as f64 / 6_950.0,
        churn_rate,
        value: Some(value),
        stability: Some(stability),
    }
}

fn measured() -> (MetricTable, MetricTable) {
    let quality = [
        ("ROC AUC", "", Better::Higher),
        ("PR AUC", "", Better::Higher),
        ("Lift, top tenth", "times", Better::Higher),
        ("Brier", "", Better::Lower),
        ("Calibration error", "", Better::Lower),
        ("Flips under attack", "%", Better::Lower),
    ];
    let cost =
        [("ROC AUC", "", Better::Higher), ("Calibration error", "", Better::Lower), ("Flips under attack", "%", Better::Lower)];
    let metrics = table(
        "5 folds, 3 repeats",
        &quality,
        &[
            ("XGBoost", MetricOf::Member, &[0.846, 0.661, 2.81, 0.136, 0.021, 7.2]),
            ("SVM", MetricOf::Member, &[0.821, 0.612, 2.55, 0.147, 0.034, 9.8]),
            ("Random forest", MetricOf::Member, &[0.838, 0.645, 2.74, 0.139, 0.028, 5.9]),
            ("Ensemble", MetricOf::Vote, &[0.851, 0.668, 2.86, 0.134, 0.017, 4.4]),
            ("Always stays", MetricOf::Baseline, &[0.5, 0.265, 1.0, 0.195, 0.0, 0.0]),
        ],
    );
    let defences = table(
        "5 folds",
        &cost,
        &[
            ("Adversarial training off", MetricOf::Baseline, &[0.853, 0.016, 18.7]),
            ("Adversarial training on", MetricOf::Vote, &[0.851, 0.017, 4.4]),
        ],
    );
    (metrics, defences)
}

fn trained_on() -> Vec<TrainedOn> {
    vec![
        TrainedOn {
            what: "rows, version 12".into(),
            rows: 6_950,
            digest: "sha256:77aa0c…41f0".into(),
            evidence: Some("01JD9Q4T7ZK3D4".into()),
        },
        TrainedOn {
            what: "labels, version 6".into(),
            rows: 6_950,
            digest: "sha256:3b1e99…0c7d".into(),
            evidence: Some("01JD9Q4T7ZK3E5".into()),
        },
        TrainedOn {
            what: "feed partner-market, number 118".into(),
            rows: 2_311,
            digest: "sha256:e02d75…99b2".into(),
            evidence: None,
        },
    ]
}

pub(crate) fn detail() -> ModelDetail {
    let (metrics, defences) = measured();
    ModelDetail {
        id: "m-2026-11-22-01".into(),
        digest: "sha256:9f2c41d07e55b3a8c6f1020e4b7d99a3c2e8f6140b5d7a91e3c4f58b6a7d0e12".into(),
        state: State::Hold,
        finding: Some(FindingView {
            rule: "canary-watch".into(),
            why: "the canary has answered `312` of `1,000` queries".into(),
            help: "wait for the rest, or roll back".into(),
            command: "stayward deploy --canary 10%".into(),
            release_by: "release-manager".into(),
        }),
        trained_at: "2026-11-22T13:58:40Z".into(),
        run: "01JD9Q4T7ZK3".into(),
        evidence: ["trained", "dependencies cleared", "released"]
            .iter()
            .zip(["01JD9Q4T7ZK3A1", "01JD9Q4T7ZK3B2", "01JD9Q4T7ZK3C3"])
            .map(|(proves, id)| EvidenceRef { proves: (*proves).into(), id: id.into() })
            .collect(),
        metrics,
        defences,
        roc: curves(|at, skill| [at, 1.0 - (1.0 - at).powf(skill / (1.0 - skill))]),
        precision_recall: curves(|at, skill| [at, 0.265 + (skill - 0.2) * (1.0 - at * at)]),
        lift: curves(|at, skill| [at.max(0.01), 1.0 + (skill * 3.4 - 1.0) * (1.0 - at).powi(2)]),
        calibration: [("XGBoost", 1.05), ("SVM", 0.8), ("random forest", 1.25), ("vote", 1.01)]
            .map(|(name, bend)| Curve {
                name: name.into(),
                points: (0..10).map(|bin| f64::from(bin) / 10.0 + 0.05).map(|at| [at, at.powf(bend)]).collect(),
            })
            .to_vec(),
        audit: vec![Fact::new("calibration error", "0.012"), Fact::new("strongest rare pattern", "none")],
        segments: vec![
            segment("new, month to month", 1_502, 0.471, 48.1, 0.94),
            segment("long-standing, two-year contract", 1_911, 0.031, 92.7, 0.97),
            segment("fibre, many services", 1_740, 0.284, 101.4, 0.88),
            segment("phone only", 1_797, 0.118, 21.3, 0.91),
        ],
        churn_rate: Some(0.265),
        value_unit: "EUR a month".into(),
        spec: vec![
            Fact::new("seed", "20261122"),
            Fact::new("XGBoost", "300 rounds, depth 4, learning rate 0.05"),
            Fact::new("SVM", "RBF, C 1.0, gamma 0.05"),
            Fact::new("Random forest", "400 trees, depth 12"),
            Fact::new("Adversarial share", "30% of rows, 5 steps"),
            Fact::new("Environment", "stayward 0.1.0, x86_64 linux"),
        ],
        trained_on: trained_on(),
    }
}

pub(crate) fn model() -> ModelView {
    ModelView { chrome: chrome(), model: Some(detail()), others: vec!["m-2026-11-15-01".into(), "m-2026-11-08-02".into()] }
}

fn link(kind: LinkKind, title: &str, integrity: Integrity, facts: &[(&str, &str)]) -> LinkView {
    LinkView {
        kind,
        title: title.into(),
        id: format!("01JD9Q4T7ZK3{:02}XW", kind as u8),
        digest: format!("sha256:{:064x}", 0x9f2c_41d0_7e55_u64 * (kind as u64 + 3)),
        at: "2026-11-22T14:01:07Z".into(),
        integrity,
        facts: facts.iter().map(|(name, value)| Fact::new(*name, *value)).collect(),
        finding: (integrity == Integrity::Broken).then(|| FindingView {
            rule: "evidence-chain".into(),
            why: "the archived labels hash to `3b1e…`, the entry says `77aa…`".into(),
            help: "the bytes were changed after they were approved; restore version 6 from the archive".into(),
            command: "stayward label verify v6".into(),
            release_by: String::new(),
        }),
    }
}

pub(crate) fn evidence() -> EvidenceView {
    EvidenceView {
        chrome: chrome(),
        asked: "8c21".into(),
        chain: vec![
            link(
                LinkKind::Answer,
                "answer to application crm",
                Integrity::Verified,
                &[("answer", "churn: yes"), ("epsilon spent", "0.1 of 2.0")],
            ),
            link(
                LinkKind::Model,
                "released model m-2026-11-22-01",
                Integrity::Verified,
                &[("signed by", "release-manager (key 3f9a)")],
            ),
            link(LinkKind::Labels, "labels, version 6", Integrity::Broken, &[("approved by", "grace, linus")]),
            link(LinkKind::Data, "rows, version 12", Integrity::NotChecked, &[("rows", "6,950")]),
            link(
                LinkKind::Feed,
                "feed partner-market, number 118",
                Integrity::Verified,
                &[("signed by", "acme-data (key 9f2c)")],
            ),
        ],
        checkpoint: Some(CheckpointView {
            entries: 18_204,
            root: "sha256:5d0a…c1".into(),
            signed_by: "ledger key 77b0".into(),
            at: "2026-11-22T14:02:00Z".into(),
        }),
        verify_command: "stayward-verify bundle-8c21.tar --key ledger.pub".into(),
    }
}

fn clause(id: &str, sentence: &str, place: Place, gates: &[(&str, State)], aisvs: &[(&str, u8)]) -> ClauseView {
    let kept = |(id, state): &(&str, State)| ClauseGate {
        id: (*id).into(),
        state: *state,
        evidence: (*state != State::NotRun).then(|| "01JD9Q4T7ZK3F6".into()),
        finding: (*state == State::Refuse).then(label_conflict),
    };
    ClauseView {
        id: id.into(),
        sentence: sentence.into(),
        place,
        gates: gates.iter().map(kept).collect(),
        reason: if gates.is_empty() {
            "builds run on the machine of the person who builds; `isolated-build` needs a container".into()
        } else {
            String::new()
        },
        aisvs: aisvs.iter().map(|(id, level)| AisvsRef { id: (*id).into(), level: *level }).collect(),
        state: gates
            .iter()
            .map(|(_, state)| *state)
            .max_by_key(|state| State::ALL.iter().position(|each| each == state))
            .unwrap_or_default(),
    }
}

pub(crate) fn controls() -> ControlsView {
    use State::{Pass, Refuse};
    let attack = |id: &str, measure: &str, off: &str, on: &str| AttackMeasure {
        id: id.into(),
        measure: measure.into(),
        off: off.into(),
        on: on.into(),
        evidence: Some("01JD9Q4T7ZK3G7".into()),
    };
    ControlsView {
        chrome: chrome(),
        threats: vec![
            ThreatView {
                id: "T1".into(),
                title: "Poisoned third-party data".into(),
                clauses: vec![
                    clause(
                        "anomaly-detection",
                        "incorporate anomaly detection before ingestion into the pipeline",
                        Place::Intake,
                        &[("joint-outliers", Pass), ("label-conflict", Refuse)],
                        &[("C1.3.1", 2), ("C1.3.5", 3)],
                    ),
                    clause(
                        "signed-feeds",
                        "cryptographic signing of data feeds or checksums to ensure authenticity",
                        Place::Intake,
                        &[("feed-signature", Pass)],
                        &[("C1.1.3", 2)],
                    ),
                    clause(
                        "database-access-controls",
                        "include database access controls between internal customer data and the machine learning data source",
                        Place::Source,
                        &[("writer-role", Pass)],
                        &[("C5.2.1", 2)],
                    ),
                ],
                attacks: vec![attack("poison-feed", "ROC AUC lost to 5% relabelled rows", "0.061", "0.002")],
            },
            ThreatView {
                id: "T7".into(),
                title: "Supply chain".into(),
                clauses: vec![
                    clause(
                        "isolated-builds",
                        "build and test each environment in an isolated container or VM",
                        Place::Dependency,
                        &[],
                        &[("C4.1.1", 1)],
                    ),
                    clause(
                        "pinning-and-checksums",
                        "pin library versions to a known-good hash",
                        Place::Dependency,
                        &[("locked-checksums", Pass)],
                        &[],
                    ),
                ],
                attacks: vec![],
            },
        ],
    }
}

pub(crate) fn refused() -> RefusedView {
    RefusedView {
        chrome: Some(chrome()),
        kind: RefusedKind::NotAllowed,
        reference: "8c21".into(),
        finding: Some(FindingView {
            rule: "role-matrix".into(),
            why: "role `analyst` may not release from quarantine".into(),
            help: "ask a data steward".into(),
            command: "stayward role show data-steward".into(),
            release_by: "data-steward".into(),
        }),
    }
}
