//! What changed in the data source, and who brought a row (T1, T6): `stayward source`.

use serde_json::Value;

use crate::world::{World, text};

fn json(world: &World, arguments: &[&str], code: i32) -> Value {
    let output = world.stayward(&[arguments, &["--output", "json"]].concat());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", text(&output)))
}

/// Changes one value and the label of the third customer, and drops the last row; answers the customer and the column.
fn edit(world: &World) -> (String, &'static str) {
    let path = world.path("customers.csv");
    let table = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<String> = table.lines().map(str::to_owned).collect();
    let column = "monthly_charge";
    let header: Vec<&str> = lines[0].split(',').collect();
    let at = |name: &str| header.iter().position(|known| *known == name).unwrap();
    let (charge, churned, id) = (at(column), at("churned"), at("customer_id"));
    let mut cells: Vec<String> = lines[3].split(',').map(str::to_owned).collect();
    cells[charge] = "51.25".to_owned();
    cells[churned] = if cells[churned] == "yes" { "no" } else { "yes" }.to_owned();
    let customer = cells[id].clone();
    lines[3] = cells.join(",");
    lines.pop();
    std::fs::write(path, lines.join("\n") + "\n").unwrap();
    (customer, column)
}

#[test]
fn what_changed_is_shown_and_who_brought_it() {
    let world = World::new();
    json(&world, &["source", "log"], 2);
    json(&world, &["run", "--to", "label-qa"], 0);
    let (customer, column) = edit(&world);
    json(&world, &["run", "--to", "label-qa"], 0);

    let log = json(&world, &["source", "log"], 0);
    let versions: Vec<(&str, u64)> = log
        .as_array()
        .unwrap()
        .iter()
        .map(|version| (version["table"].as_str().unwrap(), version["version"].as_u64().unwrap()))
        .collect();
    assert_eq!(versions, [("customers", 1), ("customers", 2)]);
    assert!(log[0]["unproved"].is_null() && log[0]["writer"].as_str().unwrap().starts_with("owner"), "{log}");

    let diff = json(&world, &["source", "diff", "1", "2"], 0);
    assert_eq!((&diff["added"], &diff["removed"], &diff["changed"]), (&0.into(), &1.into(), &1.into()), "{diff}");
    assert_eq!(diff["columns"], serde_json::json!({ column: 1 }));
    let changed = diff["rows"].as_array().unwrap().iter().find(|row| row["what"] == "changed").unwrap();
    assert_eq!(changed["changes"][0]["after"], "51.25");
    json(&world, &["source", "diff", "1", "9"], 2);

    let blame = json(&world, &["source", "blame", &customer], 0);
    let row = &blame["rows"][0];
    assert_eq!((&row["version"]["version"], &row["changes"][0]["column"]), (&2.into(), &column.into()), "{blame}");
    assert_eq!(blame["labels"][0]["version"], 2, "{blame}");
    assert_eq!(blame["labels"][0]["signed"], serde_json::json!(["owner"]));
    // Somebody whom nothing happened to came with the first version.
    let other = json(&world, &["source", "blame", "1"], 0);
    assert_eq!(other["rows"][0]["version"]["version"], 1, "{other}");
    json(&world, &["source", "blame", "nobody"], 2);
}
