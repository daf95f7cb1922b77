//! `stayward demo`: the whole pipeline once through, on generated data, with attacks that are stopped on screen.

mod world;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use identity::{CustomerScope, Right};
use pipeline::desk::now;
use pipeline::evidence::{replay_all, verify};
use pipeline::feed::SupplierSigner;
use pipeline::run::{Deployed, Run, STAGES, approve_labels, propose_labels};
use pipeline::setup::{self, Account, DEMO_PEOPLE, IssuedKey};
use pipeline::{Desk, Houses, PipelineError, Project, data};
use serde::Serialize;
use tabular::Contract;
use tabular::contract::{Outsider, Role};

use self::world::World;
use super::serve::{ServeArgs, Up};
use super::{Ended, wrong};
use crate::client::Client;
use crate::output::{Live, Output};

const PROJECT: &str = "churn-demo";
const SUPPLIER: &str = "acme-data";
const FEED: &str = "market";

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Customers to generate; each has a row at three moments.
    #[arg(long, default_value_t = 3_000)]
    customers: u64,
    /// Seed of everything that is generated.
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

pub(crate) async fn run(args: DemoArgs, project: Option<PathBuf>, out: &Output) -> Ended {
    let root = project.unwrap_or_else(|| PathBuf::from(PROJECT));
    if root.exists() {
        let why = format!("`{}` exists already", root.display());
        return Err(wrong(
            why,
            format!("delete it with `rm -r {0}`, or name another folder with `stayward demo --project DIR`", root.display()),
        ));
    }
    let began = Instant::now();
    out.say("Stayward demo. Nothing leaves this machine; everything lies in one folder.\n");
    let world = World::new(args.seed, args.customers)?;
    let stage = Stage::set(&root, &world, out).await?;
    let deployed = stage.play(&world, out).await?;
    let key = setup::issue_key(&stage.desk, "crm", "ada", &[Right::Ask], &CustomerScope::All).await?;
    let link = stage.desk.identity.create_login_link("ada", now()).await?;
    let credentials = stage.credentials.clone();
    drop(stage);
    finish(&root, &deployed, &key, link.reveal(), &credentials, began, out).await
}

/// Folder, people, keys, supplier.
struct Stage {
    desk: Desk,
    houses: Houses,
    accounts: Vec<Account>,
    signer: SupplierSigner,
    inbox: PathBuf,
    credentials: PathBuf,
}

impl Stage {
    async fn set(root: &Path, world: &World, out: &Output) -> Result<Self, PipelineError> {
        out.say("1  Making the company's data, people and keys");
        let (customers, labels) = world.tables()?;
        let contract = customers_contract(&customers, &labels)?;
        let desk = setup::create_project(root, &policy(), &contract.to_toml()).await?;
        let incoming = root.join("incoming");
        let inbox = root.join("inbox").join(FEED);
        for folder in [&incoming, &root.join("inbox"), &inbox, &root.join("feeds")] {
            store::disk::make_folder(folder)?;
        }
        store::disk::write_atomic(&incoming.join("customers.csv"), &customers)?;
        store::disk::write_atomic(&incoming.join("labels.csv"), &labels)?;
        store::disk::write_atomic(
            &root.join("feeds").join(format!("{FEED}.contract.toml")),
            feed_contract(&world.history())?.to_toml().as_bytes(),
        )?;
        let accounts = setup::create_people(&desk, &DEMO_PEOPLE).await?;
        let credentials = beside(root, "credentials.json");
        super::init::write_credentials(&credentials, root, &accounts)?;
        let (signer, pem) = SupplierSigner::generate()?;
        store::disk::write_atomic(&beside(root, "supplier-key.pem"), pem.as_bytes())?;
        desk.identity.create_supplier(SUPPLIER, now()).await?;
        desk.identity.add_supplier_key(SUPPLIER, &signer.public_pem(), now() - 60, now() + 180 * 86_400, now()).await?;
        out.say(&format!(
            "   {} people with second factors, supplier `{SUPPLIER}` with a registered key, a vault, a log\n",
            accounts.len()
        ));
        Ok(Self { desk, houses: Houses::open()?, accounts, signer, inbox, credentials })
    }

    fn account(&self, name: &str) -> Result<&Account, PipelineError> {
        self.accounts
            .iter()
            .find(|account| account.name == name)
            .ok_or_else(|| PipelineError::Internal(format!("no account {name}")))
    }

    async fn play(&self, world: &World, out: &Output) -> Result<Deployed, PipelineError> {
        let steward = setup::log_in(&self.desk, self.account("ada")?).await?;
        self.desk.keep_session(&steward)?;
        out.say("2  The supplier's first delivery: four years of market prices. No history can judge it, so people do");
        world.deliver_history(&self.inbox, &self.signer, SUPPLIER)?;
        self.feeds(out, None).await?;
        out.say("   Ada, the data steward, looks at it and accepts it");
        self.feeds(out, Some("")).await?;

        out.say("\n3  Four more deliveries arrive. Only the first is honest");
        for sent in world.deliver(&self.inbox, &self.signer, SUPPLIER)? {
            out.say(&format!("   {:<26} {}", sent.file, sent.what));
        }
        self.feeds(out, None).await?;

        out.say("\n4  Lena proposes labels; Ben and Cleo, who are not Lena, sign them with their second factors");
        let labeller = setup::log_in(&self.desk, self.account("lena")?).await?;
        propose_labels(&self.desk, &labeller).await?;
        for approver in ["ben", "cleo"] {
            let session = setup::log_in(&self.desk, self.account(approver)?).await?;
            approve_labels(&self.desk, &session).await?;
        }

        out.say("\n5  Data source and labels; Tara trains segments and ensemble; Ada, who may not train, stages and releases");
        self.stages(out, (1, 2)).await?;
        let trainer = setup::log_in(&self.desk, self.account("tara")?).await?;
        self.desk.keep_session(&trainer)?;
        self.stages(out, (3, 4)).await?;
        self.desk.keep_session(&steward)?;
        self.stages(out, (5, STAGES.len() - 1)).await?.ok_or_else(|| PipelineError::Internal("the run deployed nothing".into()))
    }

    /// Runs a part of the diagram in the session that is kept.
    async fn stages(&self, out: &Output, (from, to): (usize, usize)) -> Result<Option<Deployed>, PipelineError> {
        let mut live = Live { out, reports: Vec::new() };
        let mut run = Run::begin(&self.desk, &self.houses, &mut live).await?;
        let result = run.refresh(from, to).await;
        run.finish(&result).await?;
        result
    }

    /// Judges the inbox; with `accept`, the steward accepts the held delivery first.
    async fn feeds(&self, out: &Output, accept: Option<&str>) -> Result<(), PipelineError> {
        let mut live = Live { out, reports: Vec::new() };
        let mut run = Run::begin(&self.desk, &self.houses, &mut live).await?;
        if let Some(content) = accept {
            run.accept_delivery(FEED, content).await?;
        }
        let result = run.refresh(0, 0).await;
        run.finish(&result).await?;
        result.map(drop)
    }
}

/// A file beside the project, named after it.
fn beside(root: &Path, name: &str) -> PathBuf {
    let mut path = root.as_os_str().to_owned();
    path.push(format!("-{name}"));
    PathBuf::from(path)
}

fn policy() -> String {
    let mut text = pipeline::template_with(
        "churn-demo",
        ("incoming/customers.csv", "incoming/labels.csv"),
        false,
        0.75,
        (pipeline::Base::Guarded, ""),
    );
    text.push_str(&format!(
        "\n[[feeds]]\n# Signed files are put into the inbox; the lowest price of the week joins the customers by region.\nname = \"{FEED}\"\nsupplier = \"{SUPPLIER}\"\ninbox = \"inbox/{FEED}\"\njoin = \"region\"\nfeature = \"competitor_price\"\n"
    ));
    text
}

/// Guesses the contract from customers joined with labels, as a data scientist's table would hold them.
fn customers_contract(customers: &[u8], labels: &[u8]) -> Result<Contract, PipelineError> {
    let (customers, labels) = (String::from_utf8_lossy(customers), String::from_utf8_lossy(labels));
    let mut joined = String::new();
    for (at, (row, label)) in customers.lines().zip(labels.lines()).enumerate() {
        let churned = if at == 0 { "churned" } else { label.rsplit(',').next().unwrap_or("") };
        joined.push_str(&format!("{row},{churned}\n"));
    }
    let loaded = data::load_bytes(joined.into_bytes(), "generated customers")?;
    let profile =
        tabular::profile::profile(&loaded.batches, loaded.decimal).map_err(|error| PipelineError::Internal(error.to_string()))?;
    let mut contract =
        Contract::guess(&profile, Some("churned"), Some("yes")).map_err(|error| PipelineError::Internal(error.to_string()))?;
    contract.name = "customers".to_owned();
    // What a customer can do to his own record, for attacks on the model and the defences against them.
    for (name, outsider) in
        [("tickets", Outsider::IncreaseOnly), ("autopay", Outsider::Free), ("frequency", Outsider::IncreaseOnly)]
    {
        contract.columns.iter_mut().filter(|rule| rule.name == name).for_each(|rule| rule.outsider = outsider);
    }
    Ok(contract)
}

fn feed_contract(history: &[u8]) -> Result<Contract, PipelineError> {
    let loaded = data::load_bytes(history.to_vec(), "market history")?;
    let profile =
        tabular::profile::profile(&loaded.batches, loaded.decimal).map_err(|error| PipelineError::Internal(error.to_string()))?;
    let mut contract = Contract::guess(&profile, None, None).map_err(|error| PipelineError::Internal(error.to_string()))?;
    contract.name = FEED.to_owned();
    for rule in &mut contract.columns {
        rule.role = if rule.name == "week_start" { Role::Time } else { Role::Feature };
    }
    Ok(contract)
}

/// Serves, asks one question through the real API, checks its evidence, prints what to do next.
async fn finish(
    root: &Path,
    deployed: &Deployed,
    key: &IssuedKey,
    link: &str,
    credentials: &Path,
    began: Instant,
    out: &Output,
) -> Ended {
    out.say("\n6  The released model is opened again, proved against the log, and asked over HTTPS");
    let project = super::open(root)?;
    let args = ServeArgs {
        listen: [127, 0, 0, 1].into(),
        port: 0,
        host: None,
        tls_cert: None,
        tls_key: None,
        client_certificates: false,
    };
    let up = Up::start(&project, &args).await?;
    let url = format!("https://localhost:{}", up.running.address().port());
    let customer = a_customer(&project)?;
    let (ca, text, id) = (root.join("tls").join("ca.pem"), key.key.clone(), customer.clone());
    let answer = tokio::task::spawn_blocking(move || Client::new(&url, &ca, &text)?.customer(&id)).await;
    let answer = answer.map_err(|error| PipelineError::Internal(error.to_string()))??;
    out.say(&format!("   GET /v1/customers/{customer}/churn  ->  {} {}", answer.status, answer.body));
    let evidence = answer.body.get("evidence").and_then(|id| id.as_str()).unwrap_or_default().to_owned();
    up.running.shutdown().await;
    up.service.watch().await?;
    drop(up.service);
    if answer.status != 200 {
        return Err(PipelineError::Internal("the demo's question was refused".into()));
    }
    let chain = verify(&project, Some(&evidence))?;
    let replay = replay_all(&project, &chain)?;
    let broken: Vec<String> = chain.broken().into_iter().chain(replay.different).collect();
    if let Some(first) = broken.first() {
        return Err(PipelineError::Broken { why: first.clone(), help: "run the demo again in another folder".into() });
    }
    out.say(&format!(
        "   evidence {evidence}: {} links from this answer to the feeds hold, {} rulings judged again came out the same",
        chain.links.len(),
        replay.same
    ));
    let end = End {
        project: root.display().to_string(),
        model: deployed.model.short(),
        customer,
        key: key.key.clone(),
        evidence,
        seconds: began.elapsed().as_secs_f64(),
    };
    out.result(&end, || next_commands(root, &end, link, credentials));
    Ok(0)
}

#[derive(Serialize)]
struct End {
    project: String,
    model: String,
    customer: String,
    key: String,
    evidence: String,
    seconds: f64,
}

/// The first customer of the file.
fn a_customer(project: &Project) -> Result<String, PipelineError> {
    let loaded = data::load(&project.resolve(&project.policy.source.data))?;
    let typed = data::typed(&data::customers_contract(project), &loaded.batches)?;
    typed.ids.first().cloned().ok_or_else(|| PipelineError::Internal("there are no customers".into()))
}

/// Lines that work when pasted into a shell.
fn next_commands(root: &Path, end: &End, link: &str, credentials: &Path) -> String {
    let project = root.display();
    let program = std::env::args().next().unwrap_or_else(|| "stayward".to_owned());
    let credentials = credentials.display();
    let lines = [
        format!("{program} evidence verify {} --replay --project {project}    # from the answer back to the feeds", end.evidence),
        format!("{program} model show --project {project}"),
        format!("{program} controls --project {project}"),
        format!("{program} serve --project {project} &    # then wait a second"),
        format!(
            "curl --cacert {project}/tls/ca.pem -H 'Authorization: Bearer {}' https://localhost:8443/v1/customers/{}/churn",
            end.key, end.customer
        ),
        format!("{program} user code ada --credentials {credentials}    # the one-time code for the console"),
        format!("# console: https://localhost:8443/console/link/{link}    (once, within 15 minutes; trust {project}/tls/ca.pem)"),
        format!("{program} attack all --quick    # every defence measured, off and on"),
        format!("{program} init --data my.csv --target churned    # your own table"),
    ];
    format!(
        "\nDone in {:.1} s. Everything lies in {project}; the accounts of the demo's people are in {credentials}.\n\nGo on:\n\n{}",
        end.seconds,
        lines.join("\n")
    )
}
