//! A service that is asked: what counts against whom, and what is forgotten.

use std::collections::BTreeMap;

use gate::RulingOutcome;
use identity::{CustomerScope, Right};
use store::control::Used;

use super::{Call, RefusedStatus, Reply, Service};
use crate::desk::now;
use crate::evidence::{replay_all, verify};
use crate::setup;
use crate::view::tests::Small;
use crate::{Desk, Project};

fn row(tenure: u32, contract: &str) -> BTreeMap<String, Option<String>> {
    let values =
        [("tenure", tenure.to_string()), ("monthly", "90.5".into()), ("calls", "3".into()), ("contract", contract.into())];
    values.into_iter().map(|(name, value)| (name.to_owned(), Some(value))).collect()
}

/// The status, 0 for an answer.
async fn ask(service: &Service, key: &str, rows: Vec<BTreeMap<String, Option<String>>>) -> u16 {
    match service.ask(Call { key: Some(key.to_owned()), rows, ..Call::default() }).await {
        Reply::Told { .. } => 0,
        Reply::Refused { status, .. } => status.code(),
    }
}

async fn used(service: &Service) -> Used {
    service.desk().control.usage("lab", now().div_euclid(86_400)).await.unwrap()
}

/// What is refused for what it is costs no customers, but counts as a call and as a refusal.
async fn refused_rows_are_given_back(service: &Service, key: &str) {
    let used_then = |calls_today, distinct_today| Used { calls_today, distinct_today };
    let refused = RefusedStatus::Unprocessable.code();
    assert_eq!(ask(service, key, vec![row(60, "two-year")]).await, 0);
    assert_eq!((ask(service, key, vec![row(60, "weekly")]).await, used(service).await), (refused, used_then(2, 1)));
    // Of a mixed call the rows that s09 would let through stay counted, once.
    let mixed = vec![row(61, "two-year"), row(60, "weekly"), row(62, "weekly"), row(60, "two-year")];
    assert_eq!((ask(service, key, mixed).await, used(service).await), (refused, used_then(3, 2)));
    assert_eq!((ask(service, key, vec![row(61, "two-year")]).await, used(service).await), (0, used_then(4, 2)));
}

/// Of the four rulings on rows of the mixed call, those that refuse are the last.
fn the_refusal_is_the_last_ruling(project: &Project) {
    let chain = verify(project, None).unwrap();
    assert_eq!(chain.broken(), [""; 0]);
    let mixed = chain.links.iter().find(|link| link.rulings.len() == 5).unwrap();
    let cleared: Vec<bool> = mixed.rulings.iter().map(|ruling| ruling.outcome == RulingOutcome::Cleared).collect();
    assert_eq!((cleared, mixed.passed), (vec![true, true, true, false, false], Some(false)));
    assert_eq!(replay_all(project, &chain).unwrap().different, [""; 0]);
}

#[test]
fn what_is_asked_counts_and_is_forgotten_in_time() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let small = Small::make().await;
        let desk = Desk::open(small.project().root()).await.unwrap();
        let key = setup::issue_key(&desk, "lab", "owner", &[Right::Ask, Right::WhatIf], &CustomerScope::All).await.unwrap();
        let yesterday = now().div_euclid(86_400) - 1;
        desk.control.track("lab", yesterday, &[[1; 32], [2; 32]]).await.unwrap();
        drop(desk);

        let service = Service::open(&small.project()).await.unwrap();
        assert_eq!(service.forget_customers().await.unwrap(), 0, "forgotten at the start");
        service.desk().control.track("lab", yesterday, &[[3; 32]]).await.unwrap();
        assert_eq!(service.forget_customers().await.unwrap(), 1);

        let last_used = async || {
            let keys = service.desk().identity.keys().await.unwrap();
            keys.into_iter().find(|known| known.grant.key_id == key.id).unwrap().last_used_at
        };
        assert_eq!(last_used().await, None);
        refused_rows_are_given_back(&service, &key.key).await;
        assert_eq!(last_used().await, None);
        service.note_key_uses().await.unwrap();
        assert!(last_used().await.is_some_and(|at| (now() - at).abs() < 60));
        the_refusal_is_the_last_ruling(&small.project());

        // Who goes on trying is seen by s11, and stopped by the limit of calls.
        assert_eq!(service.alarms().await.unwrap(), [""; 0]);
        for _ in 0..46 {
            ask(&service, &key.key, vec![row(60, "weekly")]).await;
        }
        assert_eq!(used(&service).await.distinct_today, 2);
        assert_eq!(service.alarms().await.unwrap(), ["query-pattern"]);
    });
}
