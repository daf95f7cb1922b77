//! A contract survives being written and read, and a faulty one is refused at its line.

use super::*;
use crate::csv::{Options, read};
use crate::profile::profile;
use proptest::prelude::*;

fn guess(text: &str, target: Option<&str>) -> Contract {
    let table = read(text.as_bytes(), &Options::default()).unwrap();
    Contract::guess(&profile(&table.batches, table.dialect.decimal).unwrap(), target, None).unwrap()
}

const GOOD: &str = r#"name = "t"

[label]
positive = "yes"
rate_min = 0.1
rate_max = 0.5

[[column]]
name = "churn"
role = "label"
kind = "category"
levels = ["no", "yes"]
missing = "refused"

[[column]]
name = "spend"
role = "value"
also_feature = true
kind = "number"
min = 0
max = 90.5
missing = "allowed"
missing_share_max = 0.02
outsider = "increase-only"
"#;

fn refused(from: &str, to: &str, line: usize, key: &str) {
    assert!(GOOD.contains(from), "{from}");
    let error = Contract::parse(&GOOD.replacen(from, to, 1)).unwrap_err();
    assert_eq!((error.line, error.key.as_str()), (line, key), "{error}");
}

#[test]
fn a_good_contract_is_read() {
    let contract = Contract::parse(GOOD).unwrap();
    assert_eq!(contract.features(), ["spend"]);
    assert_eq!(contract.of_role(Role::Label).unwrap().name, "churn");
    assert_eq!(contract.column("spend").unwrap().missing, Missing::Allowed { share_max: 0.02 });
    assert_eq!(contract.missing_marks, MISSING_MARKS);
    assert_eq!(Contract::parse(&contract.to_toml()).unwrap(), contract);
}

#[test]
fn a_faulty_contract_is_refused_at_its_line() {
    refused("outsider =", "outsidr =", 24, "outsidr");
    refused("role = \"value\"", "role = \"valeu\"", 17, "role");
    refused("max = 90.5", "max = \"90\"", 21, "max");
    refused("max = 90.5", "max = -1", 21, "max");
    refused("max = 90.5", "max = inf", 21, "max");
    refused("\nmin = 0", "\nlevels = [\"a\"]", 20, "levels");
    refused("missing_share_max = 0.02", "missing_share_max = 2", 23, "missing_share_max");
    refused("missing = \"allowed\"", "missing = \"refused\"", 23, "missing_share_max");
    refused("positive = \"yes\"", "positive = \"maybe\"", 4, "positive");
    refused("rate_max = 0.5", "rate_max = 0.05", 6, "rate_max");
    refused("name = \"spend\"", "name = \"churn\"", 16, "name");
    refused("role = \"value\"", "role = \"feature\"", 18, "also_feature");
    refused("kind = \"category\"\nlevels = [\"no\", \"yes\"]", "kind = \"text\"", 11, "kind");
    refused("[\"no\", \"yes\"]", "[\"yes\", \"yes\"]", 12, "levels");
    refused("name = \"t\"", "name = \"t", 1, "name");
    refused("[label]\npositive = \"yes\"\nrate_min = 0.1\nrate_max = 0.5\n", "", 1, "label");
    let twice = GOOD.replace(
        "role = \"value\"\nalso_feature = true\nkind = \"number\"\nmin = 0\nmax = 90.5",
        "role = \"label\"\nkind = \"category\"\nlevels = [\"a\"]",
    );
    assert_eq!(Contract::parse(&twice).unwrap_err().key, "role");
    assert!(Contract::parse("name = \"t\"").is_err());
}

fn rows(count: usize, row: impl Fn(usize) -> String) -> String {
    (0..count).map(row).collect()
}

#[test]
fn roles_are_guessed_with_their_reasons() {
    // `noise` cycles with a period that the label's period does not divide.
    let text = rows(400, |n| {
        let churn = if n % 4 == 0 { "Yes" } else { "No" };
        let reason = if n % 4 == 0 { "price" } else { "" };
        format!(
            "c{n},{n},{},same,{},{},{reason},2024-01-{:02},{},{churn}\n",
            n % 7,
            n % 80 + 18,
            f64::from(u32::try_from(n).unwrap() % 4) * 2.0,
            n % 28 + 1,
            n % 3
        )
    });
    let contract = guess(&format!("client_id,row,noise,k,age,fee_code,why,day,left_next_month,Churn\n{text}"), Some("Churn"));
    let role = |name: &str| contract.column(name).unwrap().role;
    assert_eq!(role("client_id"), Role::Id);
    assert_eq!(role("row"), Role::Ignore);
    assert_eq!(role("noise"), Role::Feature);
    assert_eq!(role("k"), Role::Ignore);
    assert_eq!(role("age"), Role::Protected);
    assert_eq!(role("fee_code"), Role::Ignore, "it gives the label away");
    assert_eq!(role("why"), Role::Ignore, "that it is missing gives the label away, and it is constant");
    assert_eq!(role("day"), Role::Time);
    assert_eq!(role("left_next_month"), Role::Ignore);
    assert_eq!(role("Churn"), Role::Label);
    assert_eq!(contract.label.as_ref().unwrap().positive, "Yes");
    assert!(contract.column("fee_code").unwrap().notes.iter().any(|note| note.contains("AUC 1.000")));
    let toml = contract.to_toml();
    assert!(toml.contains("# guessed ignore: it is constant"));
    assert_eq!(Contract::parse(&toml).unwrap(), contract.without_notes());
}

#[test]
fn ranges_are_widened_to_round_figures() {
    let range =
        |numbers: &[&str]| match guess(&format!("a,n\n{}", rows(numbers.len(), |at| format!("x,{}\n", numbers[at]))), None)
            .columns[1]
            .kind
        {
            Kind::Number { min, max, .. } => (min.unwrap(), max.unwrap()),
            Kind::Category { .. } | Kind::Time { .. } | Kind::Text => panic!("not a number"),
        };
    assert_eq!(range(&["0", "72", "5"]), (0.0, 90.0));
    assert_eq!(range(&["18.25", "118.75"]), (0.0, 150.0));
    assert_eq!(range(&["0", "1", "1"]), (0.0, 1.0));
    assert_eq!(range(&["0.2", "0.7"]), (0.0, 1.0));
    assert_eq!(range(&["-3.5", "-1.5"]), (-4.0, -1.0));
    assert_eq!(range(&["1", "2", "3"]), (1.0, 3.0));
    assert_eq!(range(&["1.10", "1.35"]), (1.0, 1.45));
}

#[test]
fn unclear_labels_are_asked_about() {
    let of = |text: &str, target: &str, positive: Option<&str>| {
        let table = read(text.as_bytes(), &Options::default()).unwrap();
        Contract::guess(&profile(&table.batches, Decimal::Point).unwrap(), Some(target), positive)
    };
    assert!(matches!(of("a,y\n1,up\n2,down\n", "y", None), Err(GuessError::Positive { .. })));
    assert_eq!(of("a,y\n1,up\n2,down\n", "y", Some("up")).unwrap().label.unwrap().positive, "up");
    assert!(matches!(of("a,y\n1,up\n2,down\n", "y", Some("left")), Err(GuessError::NoLevel { .. })));
    assert!(matches!(of("a,y\n1,up\n2,down\n", "z", None), Err(GuessError::Target(..))));
    assert!(matches!(of("a,y\n1,up\n2,up\n", "y", None), Err(GuessError::Levels { .. })));
    assert_eq!(of("a,y\n1,TRUE\n2,FALSE\n", "y", None).unwrap().label.unwrap().positive, "TRUE");
}

#[test]
fn what_outsiders_can_do_reads_back_and_nonsense_is_refused() {
    let column = |name: &str, more: &str| {
        format!(
            "[[column]]\nname = \"{name}\"\nrole = \"feature\"\nkind = \"number\"\ninteger = false\nmissing = \"refused\"\n{more}\n"
        )
    };
    let whole = |more: &str, relation: &str| {
        format!(
            "name = \"x\"\noutsider_budget = 40.0\n\n{}{}{}{relation}",
            column("all", ""),
            column("part", more),
            column("other", "outsider = \"free\"")
        )
    };
    let sum = "[[relation]]\nkind = \"sum\"\ntotal = \"all\"\nparts = [\"part\", \"other\"]\n";
    let text = whole("outsider = \"decrease-only\"\noutsider_share_max = 0.2\noutsider_cost = 1.5", sum);
    let contract = Contract::parse(&text).unwrap();
    assert_eq!((contract.outsider_budget, contract.relations.len()), (Some(40.0), 1));
    assert_eq!(contract.columns[1].outsider, Outsider::DecreaseOnly);
    assert_eq!(Contract::parse(&contract.to_toml()).unwrap(), contract);
    let refused = |text: String, key: &str| assert_eq!(Contract::parse(&text).unwrap_err().key, key, "{text}");
    refused(whole("outsider = \"free\"\noutsider_share_max = 1.5", sum), "outsider_share_max");
    refused(whole("outsider = \"free\"\noutsider_share_max = nan", sum), "outsider_share_max");
    refused(whole("outsider_cost = 1.0", sum), "outsider_cost");
    refused(whole("outsider = \"free\"\noutsider_cost = -1.0", sum), "outsider_cost");
    refused(whole("", &sum.replace("\"part\"", "\"none\"")), "relation");
    refused(whole("", &sum.replace("\"part\"", "\"all\"")), "relation");
    refused(whole("", sum).replace("40.0", "-4.0"), "outsider_budget");
    let category = whole("", "").replace(
        "kind = \"number\"\ninteger = false\nmissing = \"refused\"\noutsider = \"free\"",
        "kind = \"category\"\nlevels = [\"a\", \"b\"]\nmissing = \"refused\"\noutsider = \"increase-only\"",
    );
    refused(category, "outsider");
}

proptest! {
    #[test]
    fn hostile_names_and_levels_cannot_leave_their_strings(name in "[^,\r\n]{1,20}", level in "\\PC{1,12}", other in "[\u{0}-\u{ff}]{1,12}") {
        let rule = ColumnRule {
            name: name.clone(), role: Role::Feature, kind: Kind::Category { levels: vec![level.trim().to_owned() + "x"] },
            missing: Missing::Refused, outsider: Outsider::Free, outsider_share_max: None, outsider_cost: Some(2.5), also_feature: false, notes: vec![other.clone(), format!("{name}\n[[column]]")],
        };
        let contract = Contract {
            name: other, decimal: Decimal::Comma, missing_marks: vec![level], duplicates: Duplicates::Refuse, label: None, columns: vec![rule],
            outsider_budget: Some(7.0), relations: Vec::new(),
        };
        prop_assert_eq!(Contract::parse(&contract.to_toml()).unwrap(), contract.without_notes());
    }

    #[test]
    fn arbitrary_text_is_refused_without_panic(text in "\\PC{0,200}", cut in 0_usize..500, put in "[\\[\\]=\"a-z0-9\n]{0,10}") {
        prop_assert!(Contract::parse(&text).is_err());
        let at = cut.min(GOOD.len());
        let _ = Contract::parse(&format!("{}{put}{}", &GOOD[..at], &GOOD[at..]));
    }
}
