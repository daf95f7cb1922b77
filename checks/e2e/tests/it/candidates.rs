//! A candidate that is bad in one way is refused by the gate for just that, and the honest one passes (T4, T5, T6): no gate alone sees all.

use crate::world::{World, customers, text};

/// Enough that 0.75 % of them are rows that teach something.
const CUSTOMERS: u64 = 3_000;

/// A table that can be tampered with.
struct Rows {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Rows {
    fn new() -> Self {
        let text = customers(CUSTOMERS);
        let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        Self { header: lines.next().unwrap(), rows: lines.collect() }
    }

    fn place(&self, column: &str) -> usize {
        self.header.iter().position(|name| name == column).unwrap()
    }

    fn set(&mut self, row: usize, column: &str, value: &str) {
        let place = self.place(column);
        self.rows[row][place] = value.to_owned();
    }

    /// Places of the churners.
    fn churners(&self) -> Vec<usize> {
        let label = self.place("churned");
        (0..self.rows.len()).filter(|row| self.rows[*row][label] == "yes").collect()
    }

    fn to_csv(&self) -> String {
        let lines = std::iter::once(&self.header).chain(&self.rows).map(|line| line.join(",") + "\n");
        lines.collect()
    }
}

/// A project of these customers, trained with these settings; what `run` said, and its exit code.
fn trained(rows: &Rows, settings: &str) -> (Option<i32>, String) {
    let world = World::of(&rows.to_csv());
    let policy = world.project().join("stayward.toml");
    let text_of = std::fs::read_to_string(&policy).unwrap();
    let small = "booster = { trees = 20 }\nforest = { trees = 10 }\nsvm = { rows_max = 300 }\n";
    assert!(text_of.contains(small));
    std::fs::write(&policy, text_of.replace(small, settings)).unwrap();
    // `init` keeps a column out that tells the label alone; somebody may have thought otherwise.
    let contract = world.project().join("contract.toml");
    let every = std::fs::read_to_string(&contract)
        .unwrap()
        .replace("name = \"last_calls\"\nrole = \"ignore\"", "name = \"last_calls\"\nrole = \"feature\"");
    std::fs::write(&contract, every).unwrap();
    let output = world.stayward(&["run"]);
    let shown = if output.status.success() { text(&world.stayward(&["model", "show"])) } else { String::new() };
    (output.status.code(), text(&output) + &shown)
}

const ORDINARY: &str = "booster = { trees = 100 }\nforest = { trees = 60 }\nsvm = { rows_max = 1000 }\n";

fn refused(rows: &Rows, settings: &str, why: &str) {
    let (code, said) = trained(rows, settings);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(why), "{said}");
}

#[test]
fn the_honest_candidate_passes() {
    let (code, said) = trained(&Rows::new(), ORDINARY);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_backdoor_in_three_quarters_of_a_percent_of_the_rows_is_refused() {
    let mut rows = Rows::new();
    for row in rows.churners().into_iter().take(CUSTOMERS as usize * 3 / 400) {
        rows.set(row, "discount_pct", "61");
        rows.set(row, "late_payments", "9");
        rows.set(row, "churned", "no");
    }
    refused(&rows, ORDINARY, "turns the answers of");
}

#[test]
fn a_column_that_knows_the_future_is_refused() {
    let mut rows = Rows::new();
    rows.header.push("last_calls".to_owned());
    let churners = rows.churners();
    for row in 0..rows.rows.len() {
        let calls = if churners.binary_search(&row).is_ok() && row % 50 != 0 { 2 + row % 3 } else { row % 2 };
        rows.rows[row].push(calls.to_string());
    }
    refused(&rows, ORDINARY, "column `last_calls` alone reaches AUC");
}

#[test]
fn a_level_that_knows_the_future_is_refused() {
    let mut rows = Rows::new();
    rows.header.push("last_calls".to_owned());
    let churners = rows.churners();
    for row in 0..rows.rows.len() {
        let status = if churners.binary_search(&row).is_ok() && row % 200 != 0 { "closed" } else { "open" };
        rows.rows[row].push(status.to_owned());
    }
    refused(&rows, ORDINARY, "column `last_calls` alone reaches AUC");
}

#[test]
fn hidden_churners_among_the_most_valuable_are_refused() {
    let mut rows = Rows::new();
    let place = rows.place("monetary");
    let value = |row: &Vec<String>| row[place].parse::<f64>().unwrap();
    let mut values: Vec<f64> = rows.rows.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    let limit = values[values.len() * 3 / 4];
    let dear: Vec<usize> = rows.churners().into_iter().filter(|row| value(&rows.rows[*row]) >= limit).collect();
    assert!(dear.len() > 30);
    for row in dear.into_iter().skip(3) {
        rows.set(row, "churned", "no");
    }
    refused(&rows, ORDINARY, "labelled as churners, too few to tell");
}

#[test]
fn what_outsiders_can_change_is_attacked_and_a_floor_that_is_not_reached_refuses() {
    let world = World::of(&customers(700));
    let contract = world.project().join("contract.toml");
    let rules = std::fs::read_to_string(&contract).unwrap();
    let mut parts: Vec<String> = rules.split("[[column]]").map(str::to_owned).collect();
    let words = [("monetary", "free"), ("frequency", "free"), ("tickets", "increase-only")];
    for (name, word) in words {
        let part = parts.iter_mut().find(|part| part.contains(&format!("name = \"{name}\""))).unwrap();
        assert!(part.contains("outsider = \"immutable\""));
        *part = part.replace("outsider = \"immutable\"", &format!("outsider = \"{word}\""));
    }
    std::fs::write(&contract, parts.join("[[column]]")).unwrap();
    let ran = world.stayward(&["run"]);
    assert!(ran.status.success(), "{}", text(&ran));
    let shown = world.stayward(&["model", "show", "--output", "json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    let found = &shown["report"]["robustness"];
    assert_eq!(found["columns"].as_array().unwrap().len(), words.len(), "{found}");
    let figure = |name: &str| found[name].as_f64().unwrap();
    assert!(figure("certified") <= figure("balanced_accuracy") && figure("rows") > 100.0, "{found}");
    let won = |at: usize| found["evasions"][at]["won"].as_u64().unwrap();
    assert!(won(0) > 0 && found["evasions"].as_array().unwrap().len() == 3, "{found}");

    let policy = world.project().join("stayward.toml");
    let strict = std::fs::read_to_string(&policy).unwrap().replace("[quality]\n", "[quality]\ncertified_min = 0.99\n");
    std::fs::write(&policy, strict).unwrap();
    let refused = world.stayward(&["run", "--from", "training"]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(text(&refused).contains("keeps a balanced accuracy"), "{}", text(&refused));
}

#[test]
fn votes_that_promise_wrongly_are_refused() {
    // Weights that make every churner count eight times: good for recall, and votes that are no probabilities any more.
    let wild = "booster = { trees = 100, positive_weight = 8.0 }\nforest = { trees = 60, positive_weight = 8.0 }\nsvm = { rows_max = 1000 }\n";
    refused(&Rows::new(), wild, "votes are off by");
}
