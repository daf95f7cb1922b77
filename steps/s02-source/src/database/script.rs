//! The SQL that takes a right away, with every name quoted: a table called `x"; DROP` must not become a statement of its own (T1).

use super::excess::{all_read, rows_are_hidden};
use super::{DatabaseFacts, DefaultGrant, Excess, Grant, Membership, Object, Relation, UserMapping};

/// Before 16 a membership has one grantor, whoever takes it away.
const GRANTED_BY_MIN: u32 = 160_000;
const SET_ROLE: &str = "SET ROLE";

/// A name as a quoted identifier; control characters are written by their number (SQL:2003, `U&"..."`), so that no name can move a
/// terminal's cursor or end a line.
pub fn quoted(name: &str) -> String {
    let doubled = name.replace('"', "\"\"");
    if !name.chars().any(char::is_control) {
        return format!("\"{doubled}\"");
    }
    let mut out = String::from("U&\"");
    for letter in doubled.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            control if control.is_control() => out.push_str(&format!("\\{:04X}", u32::from(control))),
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}

/// `"schema"."name"`.
pub(super) fn relation_name(schema: &str, name: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(name))
}

/// All statements in order, each once: what takes rights away, then what grants the agreed ones again. Empty where nothing is wrong,
/// or nothing of it is mended by SQL.
pub fn script(facts: &DatabaseFacts, found: &[Excess]) -> Vec<String> {
    let mut blocks: Vec<&[String]> = Vec::new();
    for mend in found.iter().map(|one| one.mend.as_slice()) {
        // A statement in another's name stands between the two that change roles: these belong together.
        let together = mend.first().is_some_and(|first| first.starts_with(SET_ROLE));
        for block in mend.chunks(if together { mend.len() } else { 1 }) {
            if !blocks.contains(&block) {
                blocks.push(block);
            }
        }
    }
    let mut out: Vec<String> = blocks.concat();
    if out.is_empty() {
        return out;
    }
    // Rows that an owner's view showed are read by the role itself once the view asks with the reader's rights.
    let opened = rows_are_hidden(facts);
    for relation in all_read(facts).filter(|one| one.reached || opened) {
        for statement in granted(facts, relation) {
            out.retain(|known| *known != statement);
            out.push(statement);
        }
    }
    out
}

/// The agreed rights on a relation.
pub(super) fn granted(facts: &DatabaseFacts, relation: &Relation) -> Vec<String> {
    let reader = quoted(&facts.role);
    let own = relation.schema == facts.relation.schema && relation.name == facts.relation.name;
    let columns = if own { &facts.columns_wanted } else { &relation.columns };
    let mut out = vec![format!("GRANT USAGE ON SCHEMA {} TO {reader}", quoted(&relation.schema))];
    if !columns.is_empty() {
        let list = columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ");
        out.push(format!("GRANT SELECT ({list}) ON TABLE {} TO {reader}", relation_name(&relation.schema, &relation.name)));
    }
    out
}

/// `ALTER ROLE r NOSUPERUSER`.
pub(super) fn without_attribute(role: &str, attribute: &str) -> String {
    format!("ALTER ROLE {} NO{attribute}", quoted(role))
}

/// Ends a membership; none for one that the server implies.
pub(super) fn membership_revoked(facts: &DatabaseFacts, step: &Membership) -> Option<String> {
    let grantor = step.grantor.as_ref()?;
    let by = if facts.server >= GRANTED_BY_MIN { format!(" GRANTED BY {}", quoted(grantor)) } else { String::new() };
    let cascade = if step.admin { " CASCADE" } else { "" };
    Some(format!("REVOKE {} FROM {}{by}{cascade}", quoted(&step.role), quoted(&step.member)))
}

fn grantee(name: Option<&String>) -> String {
    name.map_or_else(|| "PUBLIC".to_owned(), |name| quoted(name))
}

/// Whether a word of the server may stand in SQL as it is: `SELECT`, `ALTER SYSTEM`.
fn plain_words(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_uppercase() || letter == ' ')
}

/// Takes a right from the reader or from everybody.
pub(super) fn revoked(grant: &Grant) -> Vec<String> {
    if !plain_words(&grant.right) {
        return Vec::new();
    }
    let column = if let Object::Column { column, .. } = &grant.object { format!(" ({})", quoted(column)) } else { String::new() };
    let cascade = if grant.grantable { " CASCADE" } else { "" };
    let (object, from) = (object_sql(&grant.object), grantee(grant.grantee.as_ref()));
    let statement = format!("REVOKE {}{column} ON {object} FROM {from}{cascade}", grant.right);
    if grant.grantor == grant.owner {
        return vec![statement];
    }
    // Whoever takes a right away takes only what he gave, or as a superuser what the owner gave.
    vec![format!("{SET_ROLE} {}", quoted(&grant.grantor)), statement, "RESET ROLE".to_owned()]
}

/// An object as `GRANT` and `REVOKE` name it.
fn object_sql(object: &Object) -> String {
    match object {
        Object::Relation { schema, name } | Object::Column { schema, name, .. } => {
            format!("TABLE {}", relation_name(schema, name))
        }
        Object::Sequence { schema, name } => format!("SEQUENCE {}", relation_name(schema, name)),
        Object::Routine { schema, name, arguments, .. } => format!("ROUTINE {}({arguments})", relation_name(schema, name)),
        Object::Schema { name } => format!("SCHEMA {}", quoted(name)),
        Object::Database { name } => format!("DATABASE {}", quoted(name)),
        Object::LargeObject { oid } => format!("LARGE OBJECT {}", oid.parse::<u32>().unwrap_or(0)),
        Object::ForeignServer { name } => format!("FOREIGN SERVER {}", quoted(name)),
        Object::ForeignWrapper { name } => format!("FOREIGN DATA WRAPPER {}", quoted(name)),
        Object::Tablespace { name } => format!("TABLESPACE {}", quoted(name)),
        Object::Parameter { name } => {
            format!("PARAMETER {}", name.split('.').map(quoted).collect::<Vec<_>>().join("."))
        }
    }
}

/// An object in a sentence.
pub(super) fn object_name(object: &Object) -> String {
    match object {
        Object::Column { schema, name, column } => format!("column {} of {}", quoted(column), relation_name(schema, name)),
        Object::Routine { schema, name, untrusted, .. } if schema != "pg_catalog" => {
            let how = if *untrusted { "in a language without bounds" } else { "with its owner's rights" };
            format!("{}, which runs {how}", relation_name(schema, name))
        }
        Object::Relation { .. }
        | Object::Sequence { .. }
        | Object::Routine { .. }
        | Object::Schema { .. }
        | Object::Database { .. }
        | Object::LargeObject { .. }
        | Object::ForeignServer { .. }
        | Object::ForeignWrapper { .. }
        | Object::Tablespace { .. }
        | Object::Parameter { .. } => object_sql(object),
    }
}

/// Ends what a role's new objects would give.
pub(super) fn default_revoked(one: &DefaultGrant) -> Vec<String> {
    if !plain_words(&one.right) || !plain_words(&one.objects) {
        return Vec::new();
    }
    let place = one.schema.as_ref().map_or_else(String::new, |schema| format!(" IN SCHEMA {}", quoted(schema)));
    let (maker, from) = (quoted(&one.maker), grantee(one.grantee.as_ref()));
    vec![format!("ALTER DEFAULT PRIVILEGES FOR ROLE {maker}{place} REVOKE {} ON {} FROM {from}", one.right, one.objects)]
}

/// Forgets a user of another server.
pub(super) fn mapping_dropped(mapping: &UserMapping) -> String {
    format!("DROP USER MAPPING FOR {} SERVER {}", grantee(mapping.user.as_ref()), quoted(&mapping.server))
}
