//! A walk that did not look at everything says so.

use tabular::Contract;

use super::walk::{verify, verify_within};
use crate::serving::{Call, Reply, Service};
use crate::view::tests::Small;
use crate::{Project, data, setup, template};

#[test]
fn a_walk_that_stopped_early_is_not_finished() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let small = runtime.block_on(Small::make());
    let evidence = runtime.block_on(async {
        let service = Service::open(&small.project()).await.unwrap();
        let call = Call { key: Some(small.key.clone()), customers: vec!["c0007".into()], ..Call::default() };
        let Reply::Told { evidence, .. } = service.ask(call).await else { panic!("the service did not answer") };
        evidence
    });
    let project = small.project();
    let whole = verify(&project, Some(&evidence)).unwrap();
    assert!(whole.unfinished.is_none() && whole.broken().is_empty() && whole.links.len() > 5);
    let exact = verify_within(&project, Some(&evidence), whole.links.len()).unwrap();
    assert_eq!(exact, whole);
    let short = verify_within(&project, Some(&evidence), whole.links.len() - 1).unwrap();
    assert!(short.links.len() < whole.links.len() && short.broken().is_empty());
    assert!(short.unfinished.unwrap().contains("were not looked at"));
    assert_eq!(verify(&project, None).unwrap().unfinished, None);
}

#[test]
fn a_log_without_entries_proves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("p");
    let file = folder.path().join("customers.csv");
    let rows: String =
        (0..40).map(|row| format!("c{row},{},{}\n", row * 3 % 17, if row % 2 == 0 { "yes" } else { "no" })).collect();
    std::fs::write(&file, format!("customer_id,tenure,churned\n{rows}")).unwrap();
    let loaded = data::load(&file).unwrap();
    let profile = tabular::profile::profile(&loaded.batches, loaded.decimal).unwrap();
    let contract = Contract::guess(&profile, Some("churned"), None).unwrap().to_toml();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    drop(
        runtime
            .block_on(setup::create_project(&root, &template("empty", &file.display().to_string(), "", true, 0.65), &contract))
            .unwrap(),
    );
    let chain = verify(&Project::open(&root).unwrap(), None).unwrap();
    // What the vault is, and nothing else.
    assert_eq!((chain.log_entries, chain.links.len(), chain.broken().len()), (1, 1, 0));
    assert!(chain.unfinished.is_some());
}
