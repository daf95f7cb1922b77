//! Writes a contract as TOML that a person can check line by line: what was seen stands above each rule.

use super::{ColumnRule, Contract, Duplicates, Kind, Missing, Outsider, Relation, Role};
use crate::number::{Decimal, show};

/// The head of every file.
const HEAD: &str = "\
# The contract of one table. Every feed is held against it; what it does not name is refused.
# role:      id | label | time | value | third-party | protected | ignore | feature
# kind:      number (integer, min, max, unit) | category (levels) | time (format) | text
# missing:   refused | allowed (with missing_share_max)
# outsider:  immutable | increase-only | decrease-only | free: what somebody outside can do to the true value; how far he can move a
#            number (outsider_share_max, of its range) and what a unit or another level costs him (outsider_cost; outsider_budget at
#            the top is what he can pay for one row). `[[relation]]` of kind sum (total, parts) or at-least (larger, smaller)
#            binds outsiders, not the data: a row where it
#            does not hold is free of it.
# Ranges were widened: each end of the seen range moved out by a quarter of its width, then to a round figure; a least value
# of 0 or more stays at 0 or more, shares stay in 0..1, and whole numbers without gaps and of at most 20 values (codes, flags) are kept as seen.
";

impl Contract {
    /// The contract as TOML, with notes as comments. [`Contract::parse`] reads it back.
    pub fn to_toml(&self) -> String {
        let mut out = String::from(HEAD);
        line(&mut out, "name", &text(&self.name));
        line(
            &mut out,
            "decimal",
            match self.decimal {
                Decimal::Point => "\"point\"",
                Decimal::Comma => "\"comma\"",
            },
        );
        line(&mut out, "missing_marks", &texts(&self.missing_marks));
        line(
            &mut out,
            "duplicates",
            match self.duplicates {
                Duplicates::Allow => "\"allow\"",
                Duplicates::Group => "\"group\"",
                Duplicates::Refuse => "\"refuse\"",
            },
        );
        if let Some(budget) = self.outsider_budget {
            line(&mut out, "outsider_budget", &show(budget));
        }
        if let Some(label) = &self.label {
            out.push_str("\n[label]\n");
            line(&mut out, "positive", &text(&label.positive));
            line(&mut out, "rate_min", &show(label.rate_min));
            line(&mut out, "rate_max", &show(label.rate_max));
        }
        for column in &self.columns {
            write(&mut out, column);
        }
        for relation in &self.relations {
            out.push_str("\n[[relation]]\n");
            match relation {
                Relation::Sum { total, parts } => {
                    line(&mut out, "kind", "\"sum\"");
                    line(&mut out, "total", &text(total));
                    line(&mut out, "parts", &texts(parts));
                }
                Relation::AtLeast { larger, smaller } => {
                    line(&mut out, "kind", "\"at-least\"");
                    line(&mut out, "larger", &text(larger));
                    line(&mut out, "smaller", &text(smaller));
                }
            }
        }
        out
    }
}

fn write(out: &mut String, column: &ColumnRule) {
    out.push('\n');
    for note in &column.notes {
        // A name or level in a note must not end the comment and begin a rule.
        let safe: String = note.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        out.push_str("# ");
        out.push_str(&safe);
        out.push('\n');
    }
    out.push_str("[[column]]\n");
    line(out, "name", &text(&column.name));
    line(
        out,
        "role",
        match column.role {
            Role::Id => "\"id\"",
            Role::Label => "\"label\"",
            Role::Time => "\"time\"",
            Role::Value => "\"value\"",
            Role::ThirdParty => "\"third-party\"",
            Role::Protected => "\"protected\"",
            Role::Ignore => "\"ignore\"",
            Role::Feature => "\"feature\"",
        },
    );
    if column.also_feature {
        line(out, "also_feature", "true");
    }
    kind(out, &column.kind);
    match column.missing {
        Missing::Refused => line(out, "missing", "\"refused\""),
        Missing::Allowed { share_max } => {
            line(out, "missing", "\"allowed\"");
            line(out, "missing_share_max", &show(share_max));
        }
    }
    line(
        out,
        "outsider",
        match column.outsider {
            Outsider::Immutable => "\"immutable\"",
            Outsider::IncreaseOnly => "\"increase-only\"",
            Outsider::DecreaseOnly => "\"decrease-only\"",
            Outsider::Free => "\"free\"",
        },
    );
    if let Some(share) = column.outsider_share_max {
        line(out, "outsider_share_max", &show(share));
    }
    if let Some(cost) = column.outsider_cost {
        line(out, "outsider_cost", &show(cost));
    }
}

fn kind(out: &mut String, kind: &Kind) {
    match kind {
        Kind::Number { integer, min, max, unit } => {
            line(out, "kind", "\"number\"");
            line(out, "integer", if *integer { "true" } else { "false" });
            if let Some(min) = min {
                line(out, "min", &show(*min));
            }
            if let Some(max) = max {
                line(out, "max", &show(*max));
            }
            if let Some(unit) = unit {
                line(out, "unit", &text(unit));
            }
        }
        Kind::Category { levels } => {
            line(out, "kind", "\"category\"");
            line(out, "levels", &texts(levels));
        }
        Kind::Time { format } => {
            line(out, "kind", "\"time\"");
            line(out, "format", &text(format));
        }
        Kind::Text => line(out, "kind", "\"text\""),
    }
}

fn line(out: &mut String, key: &str, value: &str) {
    out.push_str(key);
    out.push_str(" = ");
    out.push_str(value);
    out.push('\n');
}

/// A basic string of TOML 1.0: quotes, backslashes and control characters escaped.
fn text(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            letter if letter.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

fn texts(all: &[String]) -> String {
    format!("[{}]", all.iter().map(|one| text(one)).collect::<Vec<_>>().join(", "))
}
