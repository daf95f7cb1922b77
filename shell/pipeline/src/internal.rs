//! Where the internal customer data is and how it comes in (T1): a file, or a database whose role is proved before a row is read.

use serde::{Deserialize, Serialize};
use tabular::Contract;
use tabular::contract::Role;
use tabular::csv::{Header, Options};
use vault::{Secret, Vault};
use warehouse::{Credentials, KEY_BYTES, Pseudonyms, Session, Settings, WarehouseError};
use zeroize::Zeroizing;

use crate::data::{Loaded, customers_contract, load, load_csv};
use crate::desk::{Desk, now};
use crate::{Office, PipelineError, Project, secrets};

pub use s02_source::database::{DatabaseFacts, Excess, excess, script};

/// Secret of the vault that keys the pseudonyms of customers. It is never rotated by itself: another key makes everybody a new customer.
pub(crate) const PSEUDONYM_KEY: &str = "pseudonym-key";
/// Largest file of an authority.
const AUTHORITY_BYTES_MAX: u64 = 1 << 20;

/// Internal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourcePolicy {
    /// By which way the customers come in; it must be among `connectors`.
    #[serde(default)]
    pub connector: Connector,
    /// The file with the customers: CSV (plain or gz) or Parquet; relative to the project, or absolute.
    #[serde(default)]
    pub data: String,
    /// A separate file with the labels (columns of the contract's id, time and label); empty where they stand beside the customers.
    #[serde(default)]
    pub labels: String,
    /// Connectors that may bring internal data.
    #[serde(default = "connectors")]
    pub connectors: Vec<String>,
    /// The database, where the connector is `postgres`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<Settings>,
}

/// By which way internal data comes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Connector {
    /// A file.
    #[default]
    File,
    /// A table or view of PostgreSQL.
    Postgres,
}

impl Connector {
    /// As stayward.toml and the log name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Postgres => s02_source::database::POSTGRES,
        }
    }
}

fn connectors() -> Vec<String> {
    vec!["file".to_owned()]
}

impl SourcePolicy {
    /// What is wrong with it; `rows_of_customers` says that a feed or the labels' events name customers by ids of their own.
    pub(crate) fn check(&self, rows_of_customers: bool) -> Result<(), String> {
        match (self.connector, &self.postgres) {
            (Connector::File, _) if self.data.trim().is_empty() => {
                Err("`source.data` is empty; name the file with the customers".to_owned())
            }
            (Connector::File, None) => Ok(()),
            (Connector::File, Some(_)) => {
                Err("there is `[source.postgres]`, and `source.connector` is `file`; set it to `postgres`".to_owned())
            }
            (Connector::Postgres, None) => {
                Err("`source.connector` is `postgres`, and there is no `[source.postgres]`".to_owned())
            }
            (Connector::Postgres, Some(_)) if !self.data.is_empty() => {
                Err("`source.data` names a file, and `source.connector` is `postgres`; leave the file out".to_owned())
            }
            (Connector::Postgres, Some(settings)) if settings.pseudonyms && rows_of_customers => {
                // A join that finds nobody would pass for missing values.
                let why =
                    "`source.postgres.pseudonyms` gives customers other names than `labels.events` or a feed of kind `rows` has";
                Err(format!("{why}; leave one of them out"))
            }
            (Connector::Postgres, Some(settings)) => settings.check(),
        }
    }
}

fn failed(error: WarehouseError) -> PipelineError {
    let help = error.help();
    PipelineError::wrong(error.to_string(), help)
}

fn settings(project: &Project) -> Result<&Settings, PipelineError> {
    project.policy.source.postgres.as_ref().ok_or_else(|| {
        PipelineError::wrong(
            "the customers come from a file, so there is no database to ask",
            "name one under `[source.postgres]` in stayward.toml",
        )
    })
}

/// What the vault says of the password: by a socket the server may know who asks without one.
fn given(settings: &Settings, found: Option<Secret>) -> Result<Option<Zeroizing<Vec<u8>>>, PipelineError> {
    if found.is_none() && !settings.host.is_empty() {
        let name = &settings.secret;
        let help = format!("put the password there with `stayward vault put {name} --file -`");
        return Err(PipelineError::wrong(format!("the vault has no secret `{name}`"), help));
    }
    Ok(found.map(|secret| secret.bytes))
}

fn credentials(
    project: &Project,
    settings: &Settings,
    password: Option<Zeroizing<Vec<u8>>>,
) -> Result<Credentials, PipelineError> {
    let authority = if settings.ca.is_empty() {
        Vec::new()
    } else {
        store::disk::read_limited(&project.resolve(&settings.ca), AUTHORITY_BYTES_MAX).map_err(|error| {
            PipelineError::wrong(error.to_string(), "name the authority's PEM file under `source.postgres.ca`")
        })?
    };
    Ok(Credentials { authority, password })
}

/// Columns that are asked for.
fn wanted(contract: &Contract) -> Vec<String> {
    contract.columns.iter().filter(|rule| rule.role != Role::Ignore).map(|rule| rule.name.clone()).collect()
}

async fn opened(project: &Project, settings: &Settings, found: Option<Secret>) -> Result<Session, PipelineError> {
    Session::open(settings, &credentials(project, settings, given(settings, found)?)?).await.map_err(failed)
}

/// What the catalogue says of the role that reads the customers; reads no row of theirs.
pub async fn database_facts(office: &Office) -> Result<DatabaseFacts, PipelineError> {
    let settings = settings(&office.project)?;
    let found = secrets::find(&office.project, &office.vault, &settings.secret)?;
    let session = opened(&office.project, settings, found).await?;
    session.facts(&wanted(&customers_contract(&office.project))).await.map_err(failed)
}

/// The customers as they came, and what a database says of the role that read them.
pub(crate) enum Customers {
    /// Rows, with the proof where there must be one.
    Came(Loaded, Option<DatabaseFacts>),
    /// The role may do too much, or that could not be found out: no row was read.
    Unread(DatabaseFacts),
}

/// Reads the customers by the connector of the policy. Proof and rows are of one snapshot.
pub(crate) async fn customers(desk: &Desk) -> Result<Customers, PipelineError> {
    let (project, vault) = (&desk.project, &desk.vault);
    match project.policy.source.connector {
        Connector::File => Ok(Customers::Came(load(&project.resolve(&project.policy.source.data))?, None)),
        Connector::Postgres => {
            let contract = customers_contract(project);
            let settings = settings(project)?;
            let found = secrets::find_on_record(desk, &settings.secret, "connector postgres")?;
            let session = opened(project, settings, found).await?;
            let facts = session.facts(&wanted(&contract)).await.map_err(failed)?;
            if !facts.proves() {
                return Ok(Customers::Unread(facts));
            }
            let export = session.export(&contract, pseudonyms(project, vault)?.as_ref()).await.map_err(failed)?;
            if export.rows == 0 {
                return Err(PipelineError::wrong(
                    format!("`{}` shows role `{}` no rows", settings.table, facts.role),
                    "check the table, the policies of row-level security, and `source.postgres.tenant`",
                ));
            }
            Ok(Customers::Came(exported(export.csv)?, Some(facts)))
        }
    }
}

/// Reads what an export wrote: its form is known, so nothing in the data can make it look like another.
pub(crate) fn exported(csv: Vec<u8>) -> Result<Loaded, PipelineError> {
    let known = Options { delimiter: Some(b','), quote: Some(b'"'), header: Some(Header::Present), ..Options::default() };
    load_csv(csv, "the export of the database", &known)
}

/// What names customers here, where the policy asks for it; its key is made at first use.
pub(crate) fn pseudonyms(project: &Project, vault: &Vault) -> Result<Option<Pseudonyms>, PipelineError> {
    if !project.policy.source.postgres.as_ref().is_some_and(|settings| settings.pseudonyms) {
        return Ok(None);
    }
    let key = vault.get_or_put(PSEUDONYM_KEY, || vault::random_bytes(KEY_BYTES), now())?;
    Pseudonyms::new(&key).map(Some).map_err(failed)
}

/// The name under which the data source knows a customer.
pub fn known_as(project: &Project, vault: &Vault, customer: &str) -> Result<String, PipelineError> {
    Ok(pseudonyms(project, vault)?.map_or_else(|| customer.to_owned(), |pseudonyms| pseudonyms.of(customer)))
}

#[cfg(test)]
mod tests {
    use crate::policy::{Policy, template};

    fn check(source: &str, wrong: Option<&str>) {
        let text = template("a", "x.csv", "", true, 0.65);
        let (before, rest) = text.split_once("[source]").unwrap();
        let (_, after) = rest.split_once("\n[").unwrap();
        let found = Policy::parse(&format!("{before}[source]\n{source}\n\n[{after}"));
        match (found, wrong) {
            (Ok(_), None) => {}
            (Err(why), Some(part)) => assert!(why.contains(part), "{why}"),
            (found, _) => panic!("{source}: {:?}", found.err()),
        }
    }

    const DATABASE: &str = "[source.postgres]\nhost = \"db.example\"\nca = \"ca.pem\"\ndatabase = \"crm\"\nrole = \"reader\"\ntable = \"crm.customers\"\n";

    #[test]
    fn a_source_is_a_file_or_a_database() {
        check("data = \"x.csv\"", None);
        check("", Some("source.data"));
        check(&format!("connector = \"postgres\"\nconnectors = [\"postgres\"]\n{DATABASE}"), None);
        check("connector = \"postgres\"", Some("source.postgres"));
        check(&format!("data = \"x.csv\"\n{DATABASE}"), Some("source.connector"));
        check(&format!("connector = \"postgres\"\ndata = \"x.csv\"\n{DATABASE}"), Some("source.data"));
        check(&format!("connector = \"oracle\"\n{DATABASE}"), Some("connector"));
        check(&format!("connector = \"postgres\"\n{DATABASE}password = \"x\"\n"), Some("password"));
        let tenant = "tenant = { setting = \"role\", value = \"x\" }";
        check(&format!("connector = \"postgres\"\n{DATABASE}{tenant}\n"), Some("tenant.setting"));
    }

    #[test]
    fn pseudonyms_and_other_peoples_ids_do_not_go_together() {
        let feed = "[[feeds]]\nname = \"use\"\nsupplier = \"s\"\ninbox = \"in\"\nkind = \"rows\"\njoin = \"id\"\n";
        check(&format!("connector = \"postgres\"\n{DATABASE}pseudonyms = true\n"), None);
        check(&format!("connector = \"postgres\"\n{DATABASE}pseudonyms = true\n{feed}"), Some("pseudonyms"));
        check(&format!("connector = \"postgres\"\n{DATABASE}{feed}"), None);
    }
}
