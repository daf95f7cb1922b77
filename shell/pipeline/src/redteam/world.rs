//! A generated company in a scratch folder: customers, labels, prices, people, keys, and a model that a whole run deployed.

use std::path::{Path, PathBuf};

use generate::{Config, Generator, MarketRow, Profile, company_csv, corrected, delivery_csv, week_at_cutoff};
use identity::Session;
use tabular::Contract;
use tabular::contract::Role;

use crate::desk::now;
use crate::feed::{SUFFIX, SupplierSigner, claim};
use crate::progress::Silent;
use crate::run::{Run, STAGES, approve_labels, propose_labels};
use crate::setup::{self, DEMO_PEOPLE};
use crate::{Desk, Houses, PipelineError, data};

/// Customers; each has a row at every cutoff.
const CUSTOMERS: u64 = 1_000;
/// Cutoffs, as months of the generator.
const MONTHS: [u32; 3] = [32, 36, 40];
/// Days that the history's signature holds.
const VALID_DAYS: i64 = 14;
/// The feed and its suppliers.
pub(super) const FEED: &str = "market";
pub(super) const SUPPLIER: &str = "acme-data";
const OTHER_SUPPLIER: &str = "other-data";

/// A folder that is deleted when it is no longer used.
pub(super) struct Scratch(pub(super) PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Keys of suppliers, and of nobody.
pub(super) struct Signers {
    pub(super) supplier: SupplierSigner,
    pub(super) other: SupplierSigner,
    pub(super) stranger: SupplierSigner,
}

/// Sessions of the people, with second factors.
pub(super) struct Sessions {
    pub(super) steward: Session,
    pub(super) labeller: Session,
    pub(super) approvers: [Session; 2],
}

pub(super) struct World {
    pub(super) scratch: Scratch,
    pub(super) generator: Generator,
    pub(super) signers: Signers,
    pub(super) sessions: Sessions,
    /// Last week of the accepted history.
    pub(super) last_week: u32,
}

impl World {
    /// Makes the project and runs the pipeline once; its log is closed again on return.
    pub(super) async fn make(seed: u64) -> Result<Self, PipelineError> {
        let root = std::env::temp_dir().join(format!("stayward-attack-{}", crate::desk::random_hex(8)?));
        let scratch = Scratch(root.clone());
        let generator = Generator::new(Config::new(seed, CUSTOMERS, Profile::TelcoLike)).map_err(PipelineError::internal)?;
        let last_week = week_at_cutoff(MONTHS.last().copied().unwrap_or(0));
        let (customers, labels) = company_csv(&generator, &MONTHS).map_err(PipelineError::internal)?;
        let history: Vec<MarketRow> = (0..=last_week).flat_map(|week| prices(&generator, week)).collect();
        let history = delivery_csv(&history);
        let desk = setup::create_project(&root, &policy(), &customers_contract(&customers, &labels)?.to_toml()).await?;
        for folder in ["incoming", "inbox", "inbox/market", "feeds"] {
            store::disk::make_folder(&root.join(folder))?;
        }
        store::disk::write_atomic(&root.join("incoming/customers.csv"), &customers)?;
        store::disk::write_atomic(&root.join("incoming/labels.csv"), &labels)?;
        store::disk::write_atomic(&root.join("feeds/market.contract.toml"), feed_contract(&history)?.to_toml().as_bytes())?;
        let signers = Signers {
            supplier: SupplierSigner::generate()?.0,
            other: SupplierSigner::generate()?.0,
            stranger: SupplierSigner::generate()?.0,
        };
        for (name, signer) in [(SUPPLIER, &signers.supplier), (OTHER_SUPPLIER, &signers.other)] {
            desk.identity.create_supplier(name, now()).await?;
            desk.identity.add_supplier_key(name, &signer.public_pem(), now() - 60, now() + 180 * 86_400, now()).await?;
        }
        let (sessions, trainer) = sessions(&desk).await?;
        deploy(&desk, (&sessions, &trainer), &root, &signers.supplier, &history).await?;
        Ok(Self { scratch, generator, signers, sessions, last_week })
    }
}

async fn sessions(desk: &Desk) -> Result<(Sessions, Session), PipelineError> {
    let accounts = setup::create_people(desk, &DEMO_PEOPLE).await?;
    let mut sessions = Vec::new();
    for name in ["ada", "lena", "ben", "cleo", "tara"] {
        let account = accounts.iter().find(|account| account.name == name);
        let account = account.ok_or_else(|| PipelineError::Internal(format!("no account `{name}`")))?;
        sessions.push(setup::log_in(desk, account).await?);
    }
    let all: [Session; 5] = sessions.try_into().map_err(|_| PipelineError::Internal("five sessions".into()))?;
    let [steward, labeller, one, other, trainer] = all;
    Ok((Sessions { steward, labeller, approvers: [one, other] }, trainer))
}

/// The supplier's history is accepted, the labels are signed, the model is trained, released and deployed.
async fn deploy(
    desk: &Desk,
    (sessions, trainer): (&Sessions, &Session),
    root: &Path,
    signer: &SupplierSigner,
    history: &[u8],
) -> Result<(), PipelineError> {
    let file = root.join("inbox/market/1-history.csv");
    store::disk::write_atomic(&file, history)?;
    let bundle = signer.sign("1-history.csv", history, &claim(FEED, SUPPLIER, 1, VALID_DAYS))?;
    store::disk::write_atomic(&root.join(format!("inbox/market/1-history.csv{SUFFIX}")), &bundle)?;
    desk.keep_session(&sessions.steward)?;
    propose_labels(desk, &sessions.labeller).await?;
    for approver in &sessions.approvers {
        approve_labels(desk, approver).await?;
    }
    let houses = Houses::open()?;
    let mut silent = Silent;
    let mut run = Run::begin(desk, &houses, &mut silent).await?;
    run.refresh(0, 0).await?;
    run.accept_delivery(FEED, "").await?;
    let brought = run.refresh(0, 2).await;
    run.finish(&brought).await?;
    brought?;
    desk.keep_session(trainer)?;
    let mut run = Run::begin(desk, &houses, &mut silent).await?;
    let trained = run.refresh(3, 4).await;
    run.finish(&trained).await?;
    trained?;
    desk.keep_session(&sessions.steward)?;
    let mut run = Run::begin(desk, &houses, &mut silent).await?;
    let deployed = run.refresh(5, STAGES.len() - 1).await;
    run.finish(&deployed).await?;
    deployed?.map(drop).ok_or_else(|| PipelineError::Internal("the run deployed nothing".into()))
}

fn policy() -> String {
    // Attacks meet the accurate settings, which remember most; the gate that would refuse them is measured apart.
    let text = crate::template("red-team", "incoming/customers.csv", "incoming/labels.csv", false, 0.6);
    let mut text = text.replace("memory_tpr_max = 0.2\n", "memory_tpr_max = 0.25\n");
    text.push_str(&format!(
        "\n[[feeds]]\nname = \"{FEED}\"\nsupplier = \"{SUPPLIER}\"\ninbox = \"inbox/{FEED}\"\njoin = \"region\"\nfeature = \"competitor_price\"\n"
    ));
    text
}

/// The valid prices of a week.
pub(super) fn prices(generator: &Generator, week: u32) -> Vec<MarketRow> {
    corrected(generator.market_week(week))
}

/// Guesses the contract from customers joined with labels.
fn customers_contract(customers: &[u8], labels: &[u8]) -> Result<Contract, PipelineError> {
    let (customers, labels) = (String::from_utf8_lossy(customers), String::from_utf8_lossy(labels));
    let mut joined = String::new();
    for (at, (row, label)) in customers.lines().zip(labels.lines()).enumerate() {
        let churned = if at == 0 { "churned" } else { label.rsplit(',').next().unwrap_or("") };
        joined.push_str(&format!("{row},{churned}\n"));
    }
    let mut contract = guess(joined.into_bytes(), Some("churned"), Some("yes"))?;
    contract.name = "customers".to_owned();
    Ok(contract)
}

fn feed_contract(history: &[u8]) -> Result<Contract, PipelineError> {
    let mut contract = guess(history.to_vec(), None, None)?;
    contract.name = FEED.to_owned();
    for rule in &mut contract.columns {
        rule.role = if rule.name == "week_start" { Role::Time } else { Role::Feature };
    }
    Ok(contract)
}

fn guess(bytes: Vec<u8>, label: Option<&str>, positive: Option<&str>) -> Result<Contract, PipelineError> {
    let loaded = data::load_bytes(bytes, "generated rows")?;
    let profile = tabular::profile::profile(&loaded.batches, loaded.decimal).map_err(PipelineError::internal)?;
    Contract::guess(&profile, label, positive).map_err(PipelineError::internal)
}
