//! Delimited text, contracts, and typed tables: where a supplier's bytes come in (T1).

use tabular::contract::Contract;
use tabular::csv::{self, Limits, Options};
use tabular::{profile, typed};

use super::{Target, on_text, told};

const TABLES: &[&str] = &[
    "customerID,gender,tenure,MonthlyCharges,Churn\n7590-VHVEG,Female,1,29.85,No\n5575-GNVDE,Male,34,56.95,Yes\n",
    "\u{feff}\"name\";\"note\";\"price\"\r\n\"Ann\";\"said \"\"no\"\";\r\nthen left\";\"1.234,50\"\r\n\"Bob\";;\"2,00\"\r\n",
    "a\tb\tc\n1\t2\t3\n4\t5\n6\t7\t8\t9\n",
    "2026-01-01,1.5,x\n2026-01-08,1.6,y\n2026-01-15,-,z\n",
    "id|text\n1|'it''s'\n2|'\n",
    "'a', 'b'\n'1', '2'\n",
];
/// Smaller than the program's own, so that a small input reaches them.
const LIMITS: Limits = Limits {
    bytes: 1 << 20,
    inflate_ratio: 50,
    columns: 64,
    field_bytes: 2_048,
    quoted_lines: 8,
    records: 10_000,
    batch_records: 16,
};
const CONTRACT: &str = r#"
[contract]
version = 1
"#;

fn options() -> Options {
    Options { limits: LIMITS, ..Options::default() }
}

fn seeds(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// A table is read or refused; what is guessed of it is a contract that can be written and read, and that types it.
pub(super) fn csv() -> Target {
    let run = |bytes: &[u8]| {
        let table = match csv::read(bytes, &options()) {
            Ok(table) => table,
            Err(error) => return Ok(format!("refused: {error}")),
        };
        let read = format!("{:?} {} broken", table.dialect, table.errors.len().min(3));
        let profile = match profile::profile(&table.batches, table.dialect.decimal) {
            Ok(profile) => profile,
            Err(error) => return Ok(format!("{read}; no profile: {error}")),
        };
        let guessed = match Contract::guess(&profile, None, None) {
            Ok(guessed) => guessed,
            Err(error) => return Ok(format!("{read}; no guess: {error}")),
        };
        let written = guessed.to_toml();
        let again = Contract::parse(&written).map_err(|error| format!("a guessed contract is not read: {error}\n{written}"))?;
        if again != guessed.without_notes() {
            return Err(format!("a guessed contract is read as another:\n{written}"));
        }
        let typed = typed::read(&again, &table.batches);
        Ok(format!("{read}; {}", told(typed, |typed| format!("typed, {} violations", typed.violations_count().min(3)))))
    };
    let mut seeds = seeds(TABLES);
    // Empty gzip members, to be damaged into others.
    seeds.push(vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    Target { name: "csv", seeds, words: &["\"\"", "\n\"", "\";", "1.234,5", "NA", "2026-02-30"], run: Box::new(run) }
}

fn guessed() -> Vec<String> {
    let contract = |text: &&str| {
        let table = csv::read(text.as_bytes(), &options()).ok()?;
        let profile = profile::profile(&table.batches, table.dialect.decimal).ok()?;
        let target = profile.columns.iter().any(|column| column.name == "Churn").then_some("Churn");
        Contract::guess(&profile, target, None).ok().map(|guess| guess.to_toml())
    };
    TABLES.iter().filter_map(contract).collect()
}

/// A contract that is accepted is written and read back as itself.
pub(super) fn contract() -> Target {
    let run = on_text(|text| {
        let contract = match Contract::parse(text) {
            Ok(contract) => contract,
            Err(error) => return Ok(format!("refused: {error}")),
        };
        let again = Contract::parse(&contract.to_toml()).map_err(|error| format!("not read again: {error}"))?;
        // Ranges may hold numbers that differ from themselves only if the parser let them in: that would be a finding too.
        if again == contract { Ok(format!("{} columns", contract.columns.len())) } else { Err("read as another".to_owned()) }
    });
    let mut seeds: Vec<Vec<u8>> = guessed().into_iter().map(String::into_bytes).collect();
    seeds.push(CONTRACT.as_bytes().to_vec());
    let words: &[&str] =
        &["nan", "inf", "missing", "allowed", "role", "label", "[[columns]]", "rate_max", "= 1e308", "min", "max"];
    Target { name: "contract", seeds, words, run }
}

/// A table is held against a contract that is not its own.
pub(super) fn typed() -> Result<Target, String> {
    let contracts: Vec<Contract> = guessed().iter().filter_map(|text| Contract::parse(text).ok()).collect();
    if contracts.is_empty() {
        return Err("no contract could be guessed".to_owned());
    }
    let run = move |bytes: &[u8]| {
        let Ok(table) = csv::read(bytes, &options()) else { return Ok("no table".to_owned()) };
        let rows = table.rows();
        let mut told_of = String::new();
        for contract in &contracts {
            let told = match typed::read(contract, &table.batches) {
                Ok(typed) => {
                    let clean = typed.clean_rows();
                    if clean.iter().any(|row| *row >= rows) || typed.take(&clean).rows() != clean.len() {
                        return Err("the clean rows are not rows of the table".to_owned());
                    }
                    let kinds: std::collections::BTreeSet<String> =
                        typed.violations.iter().map(|one| format!("{:?}", one.rule)).collect();
                    format!("{kinds:?} ")
                }
                Err(error) => format!("refused: {error} "),
            };
            told_of.push_str(&told);
        }
        Ok(told_of)
    };
    Ok(Target { name: "typed", seeds: seeds(TABLES), words: &["No", "Yes", "-5", "1e9", "Female "], run: Box::new(run) })
}
