//! Reads a contract back, and says at which key and line it is none.

use super::{
    CONTRACT_BYTES_MAX, CONTRACT_COLUMNS_MAX, ColumnRule, Contract, ContractError, Duplicates, Kind, LEVELS_MAX, LabelRule,
    MISSING_MARKS, Missing, Outsider, Relation, Role,
};
use crate::number::Decimal;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::ops::Range;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    #[serde(default)]
    decimal: Decimal,
    missing_marks: Option<Vec<String>>,
    #[serde(default)]
    duplicates: Duplicates,
    label: Option<Spanned<Label>>,
    #[serde(default)]
    column: Vec<Spanned<Rule>>,
    outsider_budget: Option<f64>,
    #[serde(default)]
    relation: Vec<Spanned<Relation>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Label {
    positive: String,
    rate_min: f64,
    rate_max: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KindWord {
    Number,
    Category,
    Time,
    Text,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum MissingWord {
    Refused,
    Allowed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    name: String,
    role: Role,
    kind: KindWord,
    missing: MissingWord,
    missing_share_max: Option<f64>,
    #[serde(default)]
    outsider: Outsider,
    outsider_share_max: Option<f64>,
    outsider_cost: Option<f64>,
    also_feature: Option<bool>,
    integer: Option<bool>,
    min: Option<f64>,
    max: Option<f64>,
    unit: Option<String>,
    levels: Option<Vec<String>>,
    format: Option<String>,
}

/// A fault at a key, not yet at a line.
struct Fault {
    key: &'static str,
    what: String,
}

fn fault(key: &'static str, what: impl Into<String>) -> Fault {
    Fault { key, what: what.into() }
}

impl Contract {
    /// Reads a contract. Unknown keys, keys of another kind, doubled names and roles, and empty ranges are refused.
    pub fn parse(text: &str) -> Result<Self, ContractError> {
        let at_top = |key: &str, what: String| ContractError { line: 1, key: key.to_owned(), what };
        if text.len() > CONTRACT_BYTES_MAX {
            return Err(at_top("name", format!("the file has more than {CONTRACT_BYTES_MAX} bytes")));
        }
        let file: File = toml::from_str(text).map_err(|error| of_toml(text, &error))?;
        if file.column.is_empty() || file.column.len() > CONTRACT_COLUMNS_MAX {
            return Err(at_top(
                "column",
                format!("there are {} columns, 1 to {CONTRACT_COLUMNS_MAX} are allowed", file.column.len()),
            ));
        }
        let mut columns = Vec::with_capacity(file.column.len());
        let (mut names, mut roles) = (BTreeSet::new(), BTreeSet::new());
        for spanned in file.column {
            let span = spanned.span();
            let rule = column(spanned.into_inner()).map_err(|fault| located(text, &span, fault))?;
            if !names.insert(rule.name.clone()) {
                return Err(located(text, &span, fault("name", format!("the column `{}` is there twice", rule.name))));
            }
            let once = matches!(rule.role, Role::Id | Role::Label | Role::Time | Role::Value);
            if once && !roles.insert(rule.role) {
                return Err(located(text, &span, fault("role", "another column has this role, and only one may")));
            }
            columns.push(rule);
        }
        let label = match file.label {
            Some(spanned) => {
                let span = spanned.span();
                Some(label(spanned.into_inner(), &columns).map_err(|fault| located(text, &span, fault))?)
            }
            None if roles.contains(&Role::Label) => {
                return Err(at_top(
                    "label",
                    "a column has the role `label`, but there is no [label] that names its positive level".to_owned(),
                ));
            }
            None => None,
        };
        let missing_marks = file.missing_marks.unwrap_or_else(|| MISSING_MARKS.iter().map(|&mark| mark.to_owned()).collect());
        if !file.outsider_budget.is_none_or(|budget| budget >= 0.0) {
            return Err(at_top("outsider_budget", "must be 0 or more".to_owned()));
        }
        let mut relations = Vec::with_capacity(file.relation.len());
        for spanned in file.relation {
            let span = spanned.span();
            relations.push(relation(spanned.into_inner(), &columns).map_err(|fault| located(text, &span, fault))?);
        }
        let outsider_budget = file.outsider_budget;
        let (name, decimal, duplicates) = (file.name, file.decimal, file.duplicates);
        Ok(Self { name, decimal, missing_marks, duplicates, label, columns, outsider_budget, relations })
    }
}

fn relation(relation: Relation, columns: &[ColumnRule]) -> Result<Relation, Fault> {
    let number = |name: &&str| columns.iter().any(|rule| rule.name == **name && matches!(rule.kind, Kind::Number { .. }));
    if let Some(name) = relation.columns().iter().find(|name| !number(name)) {
        return Err(fault("relation", format!("`{name}` is no number column of this contract")));
    }
    let names: BTreeSet<&str> = relation.columns().into_iter().collect();
    if names.len() < relation.columns().len() || names.len() < 2 {
        return Err(fault("relation", "names a column twice, or only one"));
    }
    Ok(relation)
}

/// What an outsider's reach and cost may be.
fn outsider(rule: &Rule) -> Result<(), Fault> {
    let number = matches!(rule.kind, KindWord::Number);
    let one_way = matches!(rule.outsider, Outsider::IncreaseOnly | Outsider::DecreaseOnly);
    // Nobody asks what an outsider can do to columns that no model reads.
    let read = !matches!(rule.role, Role::Id | Role::Label | Role::Time | Role::Ignore);
    if read && one_way && !number {
        return Err(fault("outsider", "goes up or down only for a number; a category is immutable or free"));
    }
    let unmoved = rule.outsider == Outsider::Immutable;
    for (key, given) in
        [("outsider_share_max", rule.outsider_share_max.is_some()), ("outsider_cost", rule.outsider_cost.is_some())]
    {
        if given && unmoved {
            return Err(fault(key, "goes only with a column that outsiders can change: set `outsider`"));
        }
    }
    if rule.outsider_share_max.is_some() && !number {
        return Err(fault("outsider_share_max", "goes only with a number; an outsider gives a category any level"));
    }
    if rule.outsider_share_max.is_some_and(|share| !(number && share > 0.0 && share <= 1.0)) {
        return Err(fault("outsider_share_max", "must be a share above 0 to 1"));
    }
    if rule.outsider_cost.is_some_and(|cost| !(cost >= 0.0 && cost.is_finite())) {
        return Err(fault("outsider_cost", "must be 0 or more"));
    }
    Ok(())
}

fn label(label: Label, columns: &[ColumnRule]) -> Result<LabelRule, Fault> {
    let Some(column) = columns.iter().find(|column| column.role == Role::Label) else {
        return Err(fault("positive", "no column has the role `label`"));
    };
    let known = match &column.kind {
        Kind::Category { levels } => levels.contains(&label.positive),
        Kind::Number { .. } | Kind::Time { .. } | Kind::Text => false,
    };
    if !known {
        return Err(fault("positive", format!("`{}` is no level of the column `{}`", label.positive, column.name)));
    }
    if !(0.0..=1.0).contains(&label.rate_min) {
        return Err(fault("rate_min", "must be a share from 0 to 1"));
    }
    if !(label.rate_min..=1.0).contains(&label.rate_max) {
        return Err(fault("rate_max", "must be a share from rate_min to 1"));
    }
    Ok(LabelRule { positive: label.positive, rate_min: label.rate_min, rate_max: label.rate_max })
}

fn column(rule: Rule) -> Result<ColumnRule, Fault> {
    if rule.name.is_empty() {
        return Err(fault("name", "is empty"));
    }
    foreign(&rule)?;
    outsider(&rule)?;
    let missing = match (rule.missing, rule.missing_share_max) {
        (MissingWord::Refused, None) => Missing::Refused,
        (MissingWord::Refused, Some(_)) => return Err(fault("missing_share_max", "goes only with missing = \"allowed\"")),
        (MissingWord::Allowed, Some(share_max)) if (0.0..=1.0).contains(&share_max) => Missing::Allowed { share_max },
        (MissingWord::Allowed, Some(_)) => return Err(fault("missing_share_max", "must be a share from 0 to 1")),
        (MissingWord::Allowed, None) => return Err(fault("missing", "needs missing_share_max beside \"allowed\"")),
    };
    if rule.also_feature.is_some() && rule.role != Role::Value {
        return Err(fault("also_feature", "goes only with role = \"value\""));
    }
    let also_feature = rule.also_feature.unwrap_or(false);
    let (name, role, outsider) = (rule.name.clone(), rule.role, rule.outsider);
    let (outsider_share_max, outsider_cost) = (rule.outsider_share_max, rule.outsider_cost);
    let kind = kind(rule)?;
    let fits = match role {
        Role::Label => matches!(kind, Kind::Category { .. }),
        Role::Time => matches!(kind, Kind::Time { .. }),
        Role::Value => matches!(kind, Kind::Number { .. }),
        Role::Feature | Role::ThirdParty | Role::Protected => matches!(kind, Kind::Number { .. } | Kind::Category { .. }),
        Role::Id | Role::Ignore => true,
    };
    if !fits {
        return Err(fault(
            "kind",
            "does not go with this role: a label is a category, a time a time, a value a number, a feature either of number and category",
        ));
    }
    Ok(ColumnRule { name, role, kind, missing, outsider, outsider_share_max, outsider_cost, also_feature, notes: Vec::new() })
}

/// Refuses keys that belong to another kind.
fn foreign(rule: &Rule) -> Result<(), Fault> {
    let of_number = [
        ("integer", rule.integer.is_some()),
        ("min", rule.min.is_some()),
        ("max", rule.max.is_some()),
        ("unit", rule.unit.is_some()),
    ];
    let all = of_number.into_iter().map(|(key, there)| (key, there, KindWord::Number));
    let all =
        all.chain([("levels", rule.levels.is_some(), KindWord::Category), ("format", rule.format.is_some(), KindWord::Time)]);
    for (key, there, kind) in all {
        if there && rule.kind != kind {
            return Err(fault(key, "does not go with this kind"));
        }
    }
    Ok(())
}

fn kind(rule: Rule) -> Result<Kind, Fault> {
    match rule.kind {
        KindWord::Number => {
            for (key, end) in [("min", rule.min), ("max", rule.max)] {
                if end.is_some_and(|end| !end.is_finite()) {
                    return Err(fault(key, "must be a finite number"));
                }
            }
            if let (Some(min), Some(max)) = (rule.min, rule.max)
                && min > max
            {
                return Err(fault("max", "is less than min"));
            }
            Ok(Kind::Number { integer: rule.integer.unwrap_or(false), min: rule.min, max: rule.max, unit: rule.unit })
        }
        KindWord::Category => {
            let levels = rule.levels.unwrap_or_default();
            if levels.is_empty() || levels.len() > LEVELS_MAX {
                return Err(fault("levels", format!("has {} entries, 1 to {LEVELS_MAX} are allowed", levels.len())));
            }
            let distinct: BTreeSet<&String> = levels.iter().collect();
            if distinct.len() != levels.len() || levels.iter().any(|level| level.trim() != level || level.is_empty()) {
                return Err(fault("levels", "must be distinct, not empty, and without blanks around them"));
            }
            Ok(Kind::Category { levels })
        }
        KindWord::Time => match rule.format {
            Some(format) if !format.is_empty() => Ok(Kind::Time { format }),
            _ => Err(fault("format", "is missing: for instance \"%Y-%m-%d\", or \"unix\"")),
        },
        KindWord::Text => Ok(Kind::Text),
    }
}

/// The line of a byte, from 1.
fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|&byte| byte == b'\n').count() + 1
}

/// The key of a line: what stands before `=`, or the table's name.
fn key_of(line: &str) -> String {
    line.split('=').next().unwrap_or_default().trim().trim_matches(['[', ']']).to_owned()
}

fn of_toml(text: &str, error: &toml::de::Error) -> ContractError {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    let key = text.lines().nth(line - 1).map(key_of).unwrap_or_default();
    ContractError { line, key, what: error.message().replace('\n', "; ") }
}

/// Puts a fault at the line of its key inside the table that spans `span`, or else at the table's first line.
fn located(text: &str, span: &Range<usize>, fault: Fault) -> ContractError {
    let first = line_of(text, span.start);
    let rest = text.lines().enumerate().skip(first - 1);
    let mut line = first;
    for (at, content) in rest {
        if at + 1 > first && content.trim_start().starts_with('[') {
            break;
        }
        if key_of(content) == fault.key {
            line = at + 1;
            break;
        }
    }
    ContractError { line, key: fault.key.to_owned(), what: fault.what }
}
