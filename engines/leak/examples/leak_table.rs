//! Prints how much specifications remember of their people, and what they are worth on rows that they did not see (T2): the table
//! from which `TrainSpec::guarded` was chosen, on the public data sets or on a reader's own rows.
//!
//! Two intervals: exact, as if every trial were a person of its own; and by draws of people with all their trials.
//!
//! ```text
//! cargo run -p leak --example leak_table                          # telco_ibm.csv and mlc_churn.csv of $STAYWARD_DATA
//! cargo run -p leak --example leak_table -- --csv FILE --label COLUMN [--positive VALUE] [--drop COLUMN,COLUMN]
//! further:  --spec NAME=JSON (may be repeated; a TrainSpec), --spec default|balanced|guarded   --member booster|svm|forest|vote
//!           --models 48 --targets 48 --seed N   --no-auc   --auc-only (no attacks)   --sensitive COLUMN=VALUE   --attacks (every attack, not the worst)
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example that prints a table, and how far it is")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use frame::{Categories, Column, Frame};
use leak::{Attack, AttributeSpec, Audit, AuditSpec, Leak, Rate, Sensitive, attribute, audit};
use learn::{Member, Split, TrainSpec, cross_validate};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// The seed of the baselines' folds.
const FOLD_SEED: u64 = 20_261_122;

/// A table to measure on.
struct Source {
    path: PathBuf,
    label: String,
    positive: Vec<String>,
    drop: Vec<String>,
}

/// What was asked for.
struct Wishes {
    sources: Vec<Source>,
    specs: Vec<(String, TrainSpec)>,
    audit: AuditSpec,
    auc: bool,
    attacked: bool,
    every_attack: bool,
    sensitive: Option<Sensitive>,
}

fn main() -> Outcome<()> {
    let wishes = wishes()?;
    println!(
        "| data | specification | member | test AUC | worst attack | TPR at 0.1 % FPR [95 %; 95 % by people] | TPR at 1 % FPR [the same] | AUC of attacks |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for source in &wishes.sources {
        let (frame, labels) = rows(source)?;
        let data = source.path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        for (name, spec) in &wishes.specs {
            measure(&wishes, &format!("{data} | {name}"), &frame, &labels, spec)?;
        }
    }
    Ok(())
}

fn measure(wishes: &Wishes, name: &str, frame: &Frame, labels: &[bool], spec: &TrainSpec) -> Outcome<()> {
    let mut worth = BTreeMap::new();
    if wishes.auc {
        let folds = cross_validate(frame, labels, spec, &Split::Stratified { folds: 5, seed: FOLD_SEED })?;
        worth = folds.members.into_iter().map(|(member, report)| (member, report.auc.mean)).collect();
    }
    if !wishes.attacked {
        for (member, auc) in &worth {
            println!("| {name} | {member:?} | {auc:.4} | - | - | - | - |");
        }
        return Ok(());
    }
    let start = now();
    let found =
        audit(frame, labels, spec, &wishes.audit, &mut |done| eprint!("\r{name}: model {} of {} ", done.models, done.all))?;
    let took = start.elapsed().as_secs_f64();
    eprintln!("\r{name}: {} rows, {} models, {} targets, {took:.1} s", found.rows, found.spec.models, found.spec.targets);
    report(wishes, name, &found, &worth);
    if let Some(sensitive) = &wishes.sensitive {
        for member in wishes.audit.member.map_or(Member::ALL.to_vec(), |member| vec![member]) {
            let asked = AttributeSpec { sensitive: sensitive.clone(), repeats: 8, seed: wishes.audit.seed, member };
            let gain = attribute(frame, labels, spec, &asked)?;
            println!(
                "{name}, {member:?}, {} = {}: AUC of imputation {:.3}, of answers {:.3}; gain {:+.4} +- {:.4} for members, {:+.4} +- {:.4} for others",
                sensitive.column,
                sensitive.level,
                gain.imputation.mean,
                gain.answers.mean,
                gain.members.mean,
                gain.members.error,
                gain.others.mean,
                gain.others.error
            );
        }
    }
    Ok(())
}

fn report(wishes: &Wishes, name: &str, found: &Audit, worth: &BTreeMap<Member, f64>) {
    for (member, leak) in &found.members {
        let worth = worth.get(member).map_or("-".to_owned(), |auc| format!("{auc:.4}"));
        let row = |attack: Attack, leak: &Leak| {
            let figures = &leak.attacks[&attack];
            let [low, high]: [String; 2] = std::array::from_fn(|at| shown(figures.rates[at], figures.people[at]));
            println!("| {name} | {member:?} | {worth} | {} | {low} | {high} | {:.3} |", attack.name(), figures.auc);
        };
        if wishes.every_attack {
            Attack::ALL.into_iter().for_each(|attack| row(attack, leak));
        } else if let Some((attack, _)) = leak.worst(0.001).or_else(|| leak.worst(0.01)) {
            row(attack, leak);
        } else {
            println!(
                "| {name} | {member:?} | {worth} | - | {} non-members are too few | - | {:.3} |",
                leak.non_members,
                leak.auc()
            );
        }
    }
}

fn shown(rate: Rate, people: Option<(f64, f64)>) -> String {
    let ends = |(low, high): (f64, f64)| format!("{:.2}, {:.2}", low * 100.0, high * 100.0);
    match rate {
        Rate::Measured { tpr, low, high } => {
            format!("{:.2} % [{}; {}]", tpr * 100.0, ends((low, high)), people.map_or_else(|| "-".to_owned(), ends))
        }
        Rate::NotMeasurable { non_members, needed } => format!("not measurable: {non_members} of {needed} non-members"),
    }
}

/// Reads the command line.
fn wishes() -> Outcome<Wishes> {
    let mut out = Wishes {
        sources: Vec::new(),
        specs: Vec::new(),
        audit: AuditSpec::default(),
        auc: true,
        attacked: true,
        every_attack: false,
        sensitive: None,
    };
    let (mut own, mut has_own) =
        (Source { path: PathBuf::new(), label: String::new(), positive: Vec::new(), drop: Vec::new() }, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(wish) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("`{wish}` needs a value"));
        match wish.as_str() {
            "--csv" => (own.path, has_own) = (PathBuf::from(value()?), true),
            "--label" => own.label = value()?,
            "--positive" => own.positive.push(value()?),
            "--drop" => own.drop.extend(value()?.split(',').map(str::to_owned)),
            "--spec" => {
                let given = value()?;
                let spec = match given.split_once('=') {
                    Some((name, json)) => (name.to_owned(), serde_json::from_str(json)?),
                    None => {
                        let known = named().into_iter().find(|(name, _)| *name == given);
                        known.ok_or("--spec NAME=JSON, --spec default, --spec balanced or --spec guarded")?
                    }
                };
                out.specs.push(spec);
            }
            "--member" => out.audit.member = Some(serde_json::from_value(value()?.into())?),
            "--models" => out.audit.models = value()?.parse()?,
            "--targets" => out.audit.targets = value()?.parse()?,
            "--seed" => out.audit.seed = value()?.parse()?,
            "--no-auc" => out.auc = false,
            "--auc-only" => out.attacked = false,
            "--attacks" => out.every_attack = true,
            "--sensitive" => {
                let given = value()?;
                let (column, level) = given.split_once('=').ok_or("--sensitive COLUMN=VALUE")?;
                out.sensitive = Some(Sensitive { column: column.to_owned(), level: level.to_owned() });
            }
            _ => return Err(format!("`{wish}` is not known; the head of this file says what is").into()),
        }
    }
    if out.specs.is_empty() {
        out.specs = named();
    }
    if has_own {
        if own.positive.is_empty() {
            own.positive = ["1", "yes", "Yes", "true", "True"].map(str::to_owned).to_vec();
        }
        out.sources.push(own);
    } else {
        out.sources = public();
    }
    Ok(out)
}

/// Specifications that a project can start from.
fn named() -> Vec<(String, TrainSpec)> {
    [("default", TrainSpec::default()), ("balanced", TrainSpec::balanced()), ("guarded", TrainSpec::guarded())]
        .map(|(name, spec)| (name.to_owned(), spec))
        .to_vec()
}

#[expect(clippy::disallowed_methods, reason = "an example finds its data by the environment")]
fn public() -> Vec<Source> {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    let folder = std::env::var("STAYWARD_DATA").map_or(beside, PathBuf::from);
    let source = |file: &str, label: &str, drop: &[&str]| Source {
        path: folder.join(file),
        label: label.to_owned(),
        positive: vec!["Yes".to_owned(), "yes".to_owned()],
        drop: drop.iter().map(|&name| name.to_owned()).collect(),
    };
    vec![source("telco_ibm.csv", "Churn", &["customerID"]), source("mlc_churn.csv", "churn", &[])]
}

/// Frame and labels; columns that are all numbers (or empty) become numbers. Cells may not hold commas.
fn rows(source: &Source) -> Outcome<(Frame, Vec<bool>)> {
    let text = read(&source.path)?;
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().ok_or("the file is empty")?.split(',').map(|name| name.trim_matches('"')).collect();
    let mut columns: Vec<Vec<&str>> = vec![Vec::new(); names.len()];
    for (number, line) in lines.enumerate().filter(|(_, line)| !line.is_empty()) {
        let cells: Vec<&str> = line.split(',').collect();
        if cells.len() != names.len() {
            return Err(format!("line {} has {} cells, the header {}", number + 2, cells.len(), names.len()).into());
        }
        columns.iter_mut().zip(cells).for_each(|(column, cell)| column.push(cell.trim().trim_matches('"')));
    }
    let at = names.iter().position(|name| *name == source.label).ok_or("the label's column is not in the file")?;
    let labels: Vec<bool> = columns[at].iter().map(|cell| source.positive.iter().any(|text| text == cell)).collect();
    let mut frame = Frame::new(labels.len());
    for (name, cells) in names.iter().zip(&columns) {
        if *name == source.label || source.drop.iter().any(|drop| drop == name) {
            continue;
        }
        let number = |cell: &&str| if cell.is_empty() { Some(f64::NAN) } else { cell.parse().ok() };
        let column = match cells.iter().map(number).collect::<Option<Vec<f64>>>() {
            Some(numbers) => Column::Number(numbers),
            None => {
                Column::Category(Categories::from_texts(cells.iter().map(|&cell| Some(cell).filter(|cell| !cell.is_empty()))))
            }
        };
        frame.push(name, column).map_err(|error| error.to_string())?;
    }
    Ok((frame, labels))
}

#[expect(clippy::disallowed_methods, reason = "an example that measures needs the clock")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "an example reads the table that it is given")]
fn read(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}
