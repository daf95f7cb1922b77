//! Every public set is read whole, and the guessed contract says of it what a person would: else a leak becomes a feature.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail, and says what it skipped")]

use std::path::PathBuf;
use tabular::contract::{Contract, Kind, Missing, Role};
use tabular::csv::{Options, Table, read};
use tabular::typed::{self, TypedTable};
use tabular::{Profile, profile};

#[expect(clippy::disallowed_methods, reason = "a test reads its data")]
fn bytes(name: &str) -> Option<Vec<u8>> {
    let at_home = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    let folder = std::env::var("STAYWARD_DATA").map_or_else(|_| at_home(), PathBuf::from);
    let bytes = std::fs::read(folder.join(name)).ok();
    if bytes.is_none() {
        println!("skipped: {name} is not there");
    }
    bytes
}

struct Read {
    table: Table,
    profile: Profile,
    contract: Contract,
    typed: TypedTable,
}

impl Read {
    fn role(&self, name: &str) -> Role {
        self.contract.column(name).unwrap().role
    }

    fn roles(&self, role: Role) -> Vec<String> {
        self.contract.names_of(role)
    }

    fn positives(&self) -> usize {
        self.typed.label.as_ref().unwrap().iter().filter(|label| **label == Some(true)).count()
    }
}

/// Reads, guesses, writes the contract, reads it back, and types the table by it: a table must keep its own contract.
fn all(name: &str, rows: usize, target: Option<&str>) -> Option<Read> {
    let table = read(&bytes(name)?, &Options::default()).unwrap();
    assert_eq!((table.rows(), table.errors_count), (rows, 0), "{name}");
    let profile = profile::profile(&table.batches, table.dialect.decimal).unwrap();
    let guessed = Contract::guess(&profile, target, None).unwrap();
    let contract = Contract::parse(&guessed.to_toml()).unwrap();
    assert_eq!(contract, guessed.without_notes());
    let typed = typed::read(&contract, &table.batches).unwrap();
    assert_eq!(typed.violations, [], "{name}");
    println!("{}", guessed.to_toml());
    Some(Read { table, profile, contract: guessed, typed })
}

#[test]
fn telco() {
    let Some(read) = all("telco_ibm.csv", 7_043, Some("Churn")) else { return };
    assert_eq!(read.role("customerID"), Role::Id);
    assert_eq!(read.roles(Role::Protected), ["gender", "SeniorCitizen"]);
    assert_eq!(read.roles(Role::Value), ["MonthlyCharges"]);
    assert_eq!(read.roles(Role::Ignore), [""; 0]);
    let total = read.contract.column("TotalCharges").unwrap();
    assert!(matches!(total.kind, Kind::Number { integer: false, .. }) && total.missing == Missing::Allowed { share_max: 0.01 });
    assert_eq!(read.profile.column("TotalCharges").unwrap().missing, 11);
    assert_eq!((read.positives(), read.contract.label.as_ref().unwrap().positive.as_str()), (1_869, "Yes"));
    assert_eq!(read.typed.frame.columns().len(), 19);
}

#[test]
fn retail_snapshots() {
    let Some(read) = all("online_retail_snapshots.csv.gz", 17_176, Some("churn")) else { return };
    assert!(read.table.dialect.gzip);
    assert_eq!((read.role("CustomerID"), read.role("cutoff")), (Role::Id, Role::Time));
    assert_eq!(
        (read.roles(Role::Value), read.roles(Role::Ignore)),
        (vec!["monetary".to_owned()], vec!["future_spend_90d".to_owned()])
    );
    assert_eq!(read.positives(), 7_783);
    let time = read.typed.time.as_ref().unwrap();
    assert_eq!(time.iter().flatten().max(), Some(&1_314_835_200), "2011-09-01");
}

#[test]
fn mlc() {
    let Some(read) = all("mlc_churn.csv", 5_000, Some("churn")) else { return };
    assert_eq!((read.positives(), read.roles(Role::Ignore).len(), read.roles(Role::Id).len()), (707, 0, 0));
    assert!(matches!(&read.contract.column("state").unwrap().kind, Kind::Category { levels } if levels.len() == 51));
    assert_eq!(read.typed.frame.columns().len(), 19);
}

#[test]
fn iranian() {
    let Some(read) = all("iranian_churn.csv", 3_150, Some("Churn")) else { return };
    assert_eq!((read.positives(), read.typed.duplicates_count()), (495, 300));
    assert_eq!(read.roles(Role::Protected), ["Age Group", "Age"]);
    assert_eq!((read.roles(Role::Value), read.roles(Role::Id).len()), (vec!["Customer Value".to_owned()], 0));
}

#[test]
fn bank() {
    let Some(read) = all("bank_marketing_macro.csv.gz", 41_188, Some("y")) else { return };
    assert_eq!(read.positives(), 4_640);
    assert_eq!(read.roles(Role::Protected), ["age", "marital"]);
    assert_eq!(read.roles(Role::ThirdParty), ["emp.var.rate", "cons.price.idx", "cons.conf.idx", "euribor3m", "nr.employed"]);
    let duration = read.contract.column("duration").unwrap();
    assert!(duration.notes.iter().any(|note| note.contains("make sure that it was known at the cutoff")), "{:?}", duration.notes);
}

#[test]
fn shoppers() {
    let Some(read) = all("online_shoppers.csv.gz", 12_330, Some("Revenue")) else { return };
    assert_eq!((read.positives(), read.roles(Role::Ignore).len()), (1_908, 0));
    assert!(matches!(&read.contract.column("Weekend").unwrap().kind, Kind::Category { levels } if levels == &["FALSE", "TRUE"]));
}

#[test]
fn wholesale_and_transactions_without_a_label() {
    if let Some(read) = all("wholesale_customers.csv", 440, None) {
        assert_eq!(read.typed.frame.columns().len(), 8);
    }
    if let Some(read) = all("online_retail_tx.csv.gz", 541_909, None) {
        assert_eq!(
            (read.role("CustomerID"), read.role("InvoiceNo"), read.role("InvoiceDate")),
            (Role::Id, Role::Ignore, Role::Time)
        );
        assert_eq!(read.role("Description"), Role::Ignore);
    }
}
