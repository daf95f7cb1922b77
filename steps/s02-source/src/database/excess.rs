//! Which rights of a reader are too many, why, and the SQL that takes each away (T1).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::script::{
    default_revoked, granted, mapping_dropped, membership_revoked, object_name, quoted, relation_name, revoked, without_attribute,
};
use super::{DatabaseFacts, Grant, Object, Relation, RelationKind, RoleAttributes, SERVER_MIN, Transport};

/// What kind of excess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExcessKind {
    /// The proof was not written for so old a catalogue.
    ServerTooOld,
    /// Rows travel unencrypted.
    NotEncrypted,
    /// `SUPERUSER`.
    Superuser,
    /// `CREATEROLE`.
    CreateRole,
    /// `CREATEDB`.
    CreateDatabase,
    /// `REPLICATION`.
    Replication,
    /// `BYPASSRLS`.
    BypassRowSecurity,
    /// One of the server's own roles: `pg_read_all_data`, `pg_write_server_files`, ...
    PredefinedRole,
    /// It may give a role away.
    AdminOption,
    /// It owns something.
    Ownership,
    /// It may change, or refer to, a relation or a column.
    Write,
    /// It may read another relation.
    OtherRelation,
    /// It may read a column that the contract does not let in.
    OtherColumn,
    /// It may use a sequence.
    Sequence,
    /// It may make objects in a schema.
    SchemaCreate,
    /// It may make schemas.
    DatabaseCreate,
    /// It may make temporary tables.
    Temporary,
    /// It may run a function with another's rights.
    SecurityDefiner,
    /// It may run a function in a language that can do all that the server's user can.
    UntrustedLanguage,
    /// It has a right on the server's own objects that the server does not come with.
    Catalogue,
    /// It may read or write a large object.
    LargeObject,
    /// It may reach another server.
    ForeignServer,
    /// It may fill a tablespace.
    Tablespace,
    /// It may change settings of the server.
    Parameter,
    /// It may pass a right on.
    GrantOption,
    /// It will be given rights on what is made later.
    DefaultPrivilege,
    /// Row-level security is asked for and not switched on.
    RowSecurityOff,
    /// A view shows rows that row-level security hides.
    ViewOfOwner,
    /// It may not read what the contract asks for.
    Unreadable,
}

/// One thing that is wrong with the role, and what mends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excess {
    /// What kind.
    pub kind: ExcessKind,
    /// The role of the closure that it comes from; `PUBLIC` is everybody.
    pub role: String,
    /// What is wrong, as a sentence without an end.
    pub what: String,
    /// Statements that take it away, for the owner of the database; empty where no statement does.
    pub mend: Vec<String>,
}

impl DatabaseFacts {
    /// Whether they prove that the role may read the agreed columns and nothing else: all of the catalogue was read, and nothing in it
    /// is too much.
    pub fn proves(&self) -> bool {
        self.complete && excess(self).is_empty()
    }
}

/// Everything that is wrong, in the order in which it is mended. Empty: the role may read the agreed columns and nothing else.
pub fn excess(facts: &DatabaseFacts) -> Vec<Excess> {
    let mut out = Vec::new();
    server(facts, &mut out);
    for role in &facts.roles {
        attributes(facts, role, &mut out);
    }
    memberships(facts, &mut out);
    owned(facts, &mut out);
    out.extend(facts.grants.iter().filter_map(|grant| of_grant(facts, grant)));
    defaults(facts, &mut out);
    row_security(facts, &mut out);
    unreadable(facts, &mut out);
    out
}

fn found(kind: ExcessKind, role: &str, what: String, mend: Vec<String>) -> Excess {
    Excess { kind, role: role.to_owned(), what, mend }
}

/// Who was given it, in words.
fn who(grantee: Option<&String>) -> &str {
    grantee.map_or("PUBLIC", String::as_str)
}

fn server(facts: &DatabaseFacts, out: &mut Vec<Excess>) {
    if facts.server < SERVER_MIN {
        let what = format!("the server is version {}, older than {}", facts.server / 10_000, SERVER_MIN / 10_000);
        out.push(found(ExcessKind::ServerTooOld, &facts.role, what, Vec::new()));
    }
    match facts.transport {
        Transport::UnixSocket | Transport::Tls(_) => {}
        Transport::Plain => {
            let what = "the server says that this connection is not encrypted".to_owned();
            out.push(found(ExcessKind::NotEncrypted, &facts.role, what, Vec::new()));
        }
    }
}

fn attributes(facts: &DatabaseFacts, role: &RoleAttributes, out: &mut Vec<Excess>) {
    let all = [
        (role.superuser, ExcessKind::Superuser, "SUPERUSER"),
        (role.create_role, ExcessKind::CreateRole, "CREATEROLE"),
        (role.create_database, ExcessKind::CreateDatabase, "CREATEDB"),
        (role.replication, ExcessKind::Replication, "REPLICATION"),
        (role.bypass_row_security, ExcessKind::BypassRowSecurity, "BYPASSRLS"),
    ];
    for (_, kind, word) in all.into_iter().filter(|(has, _, _)| *has) {
        let what = format!("role {} has the attribute {word}", quoted(&role.name));
        let mend = if role.name == facts.role { vec![without_attribute(&role.name, word)] } else { cut_off(facts, &role.name) };
        out.push(found(kind, &role.name, what, mend));
    }
}

/// Statements after which the reader no longer reaches a role: of its own memberships those that lead there.
pub(super) fn cut_off(facts: &DatabaseFacts, role: &str) -> Vec<String> {
    let own = facts.memberships.iter().filter(|step| step.member == facts.role);
    own.filter(|step| reaches(facts, &step.role, role)).filter_map(|step| membership_revoked(facts, step)).collect()
}

fn reaches(facts: &DatabaseFacts, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        if at == to {
            return true;
        }
        let further = facts.memberships.iter().filter(|step| step.member == at).map(|step| step.role.as_str());
        open.extend(further.filter(|role| seen.insert(role)));
    }
    false
}

fn memberships(facts: &DatabaseFacts, out: &mut Vec<Excess>) {
    // Names that begin with `pg_` are the server's own; nobody else can make one.
    let predefined = facts.roles.iter().map(|role| role.name.as_str()).filter(|name| name.starts_with("pg_"));
    for name in predefined.filter(|name| *name != facts.role) {
        // What follows from owning the database is mended by giving it away.
        if facts.memberships.iter().any(|step| step.role == name && step.grantor.is_some()) {
            let what = format!("it is, directly or through another role, a member of {}", quoted(name));
            out.push(found(ExcessKind::PredefinedRole, name, what, cut_off(facts, name)));
        }
    }
    for step in facts.memberships.iter().filter(|step| step.admin) {
        let what = format!("{} may make others members of {}", quoted(&step.member), quoted(&step.role));
        out.push(found(ExcessKind::AdminOption, &step.member, what, cut_off(facts, &step.role)));
    }
}

fn owned(facts: &DatabaseFacts, out: &mut Vec<Excess>) {
    for one in &facts.owned {
        let place = one.elsewhere.as_ref().map_or_else(String::new, |database| format!(" in database {}", quoted(database)));
        let what = format!("role {} owns {}{place}", quoted(&one.role), one.object);
        let mend = match &one.elsewhere {
            _ if one.role != facts.role => cut_off(facts, &one.role),
            // A statement gives away what lies in its own database, and what all share.
            Some(_) => Vec::new(),
            None => vec![format!("REASSIGN OWNED BY {} TO CURRENT_USER", quoted(&one.role))],
        };
        out.push(found(ExcessKind::Ownership, &one.role, what, mend));
    }
}

/// Columns of a relation that the role may read: the agreed ones of what is read, and what an invoker's view needs beneath.
pub(super) fn agreed<'a>(facts: &'a DatabaseFacts, schema: &str, name: &str) -> Option<&'a [String]> {
    if facts.relation.schema == schema && facts.relation.name == name {
        return Some(&facts.columns_wanted);
    }
    let known = facts.beneath.iter().find(|known| known.reached && known.schema == schema && known.name == name);
    known.map(|known| known.columns.as_slice())
}

fn of_grant(facts: &DatabaseFacts, grant: &Grant) -> Option<Excess> {
    let kind = match (kind_of(facts, grant), grant.grantable) {
        (None, false) => return None,
        (None, true) => ExcessKind::GrantOption,
        (Some(kind), _) => kind,
    };
    let option = if grant.grantable { ", and may pass it on" } else { "" };
    let what = format!("{} has the right {} on {}{option}", who(grant.grantee.as_ref()), grant.right, object_name(&grant.object));
    let mend = match &grant.grantee {
        Some(role) if *role != facts.role => cut_off(facts, role),
        Some(_) | None => revoked(grant),
    };
    Some(found(kind, who(grant.grantee.as_ref()), what, mend))
}

/// What is wrong with a right; none where it is agreed.
fn kind_of(facts: &DatabaseFacts, grant: &Grant) -> Option<ExcessKind> {
    let right = grant.right.as_str();
    let system = |schema: &str| matches!(schema, "pg_catalog" | "information_schema");
    match &grant.object {
        Object::Relation { schema, .. } | Object::Column { schema, .. } | Object::Sequence { schema, .. } if system(schema) => {
            Some(ExcessKind::Catalogue)
        }
        Object::Relation { .. } | Object::Column { .. } if right != "SELECT" => Some(ExcessKind::Write),
        Object::Relation { schema, name } => match agreed(facts, schema, name) {
            None => Some(ExcessKind::OtherRelation),
            // The whole of the relation may be read only where all of it is agreed; beneath a view that is not known.
            Some(columns) => {
                let whole = facts.relation.schema == *schema && facts.relation.name == *name;
                let all = whole && facts.relation.columns.iter().all(|column| columns.contains(column));
                (!all).then_some(ExcessKind::OtherColumn)
            }
        },
        Object::Column { schema, name, column } => match agreed(facts, schema, name) {
            None => Some(ExcessKind::OtherRelation),
            Some(columns) => (!columns.contains(column)).then_some(ExcessKind::OtherColumn),
        },
        Object::Sequence { .. } => Some(ExcessKind::Sequence),
        Object::Routine { schema, .. } if system(schema) => Some(ExcessKind::Catalogue),
        Object::Routine { untrusted: true, .. } => Some(ExcessKind::UntrustedLanguage),
        Object::Routine { untrusted: false, .. } => Some(ExcessKind::SecurityDefiner),
        Object::Schema { .. } => (right != "USAGE").then_some(ExcessKind::SchemaCreate),
        Object::Database { .. } => match right {
            "CONNECT" => None,
            "TEMPORARY" => Some(ExcessKind::Temporary),
            _ => Some(ExcessKind::DatabaseCreate),
        },
        Object::LargeObject { .. } => Some(ExcessKind::LargeObject),
        Object::ForeignServer { .. } | Object::ForeignWrapper { .. } => Some(ExcessKind::ForeignServer),
        Object::Tablespace { .. } => Some(ExcessKind::Tablespace),
        Object::Parameter { .. } => Some(ExcessKind::Parameter),
    }
}

fn defaults(facts: &DatabaseFacts, out: &mut Vec<Excess>) {
    for one in &facts.defaults {
        // What everybody may do with new functions and types anyway is judged where such an object stands.
        let usual = matches!((one.objects.as_str(), one.right.as_str()), ("FUNCTIONS", "EXECUTE") | ("TYPES", "USAGE"));
        if usual && one.grantee.is_none() {
            continue;
        }
        let place = one.schema.as_ref().map_or_else(String::new, |schema| format!(" in schema {}", quoted(schema)));
        let who_gets = who(one.grantee.as_ref());
        let what = format!("{who_gets} will be given {} on {} that {} makes{place}", one.right, one.objects, quoted(&one.maker));
        let mend = match &one.grantee {
            Some(role) if *role != facts.role => cut_off(facts, role),
            Some(_) | None => default_revoked(one),
        };
        out.push(found(ExcessKind::DefaultPrivilege, who_gets, what, mend));
    }
    for mapping in &facts.mappings {
        let user = who(mapping.user.as_ref());
        let what = format!("{user} has a user mapping for foreign server {}", quoted(&mapping.server));
        let mend = match &mapping.user {
            Some(role) if *role != facts.role => cut_off(facts, role),
            Some(_) | None => vec![mapping_dropped(mapping)],
        };
        out.push(found(ExcessKind::ForeignServer, user, what, mend));
    }
}

/// Relations that the rows come from, what is read first.
pub(super) fn all_read(facts: &DatabaseFacts) -> impl Iterator<Item = &Relation> {
    std::iter::once(&facts.relation).chain(&facts.beneath)
}

/// Whether views must show no more than who asks may see.
pub(super) fn rows_are_hidden(facts: &DatabaseFacts) -> bool {
    facts.row_security_wanted || facts.beneath.iter().any(|one| one.row_security)
}

/// A view can ask with the reader's rights from version 15 on.
const INVOKER_MIN: u32 = 150_000;

fn row_security(facts: &DatabaseFacts, out: &mut Vec<Excess>) {
    for one in all_read(facts) {
        let name = relation_name(&one.schema, &one.name);
        match one.kind {
            RelationKind::View if one.security_invoker || !rows_are_hidden(facts) => {}
            RelationKind::View => {
                let what = format!("view {name} reads with its owner's rights, past row-level security");
                let invoker = format!("ALTER VIEW {name} SET (security_invoker = true)");
                let mend = if facts.server >= INVOKER_MIN { vec![invoker] } else { Vec::new() };
                out.push(found(ExcessKind::ViewOfOwner, &facts.role, what, mend));
            }
            RelationKind::Table if one.row_security || !facts.row_security_wanted => {}
            RelationKind::Table => {
                let what = format!("row-level security of table {name} is off, and stayward.toml asks for it");
                // FORCE: the owner is held to it too. Which rows are whose only people know: the policy is theirs to write.
                let mend = vec![
                    format!("ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"),
                    format!("ALTER TABLE {name} FORCE ROW LEVEL SECURITY"),
                ];
                out.push(found(ExcessKind::RowSecurityOff, &facts.role, what, mend));
            }
            RelationKind::Materialised | RelationKind::Foreign if !facts.row_security_wanted => {}
            RelationKind::Materialised | RelationKind::Foreign => {
                let what = format!("{name} is no table, so it has no row-level security, and stayward.toml asks for it");
                out.push(found(ExcessKind::RowSecurityOff, &facts.role, what, Vec::new()));
            }
        }
    }
}

fn unreadable(facts: &DatabaseFacts, out: &mut Vec<Excess>) {
    let missing: Vec<String> =
        facts.columns_wanted.iter().filter(|column| !facts.columns_readable.contains(column)).map(|one| quoted(one)).collect();
    if missing.is_empty() && facts.schema_usable {
        return;
    }
    let name = relation_name(&facts.relation.schema, &facts.relation.name);
    let what = if facts.schema_usable {
        format!("it may not read the agreed columns {} of {name}", missing.join(", "))
    } else {
        format!("it may not use schema {}", quoted(&facts.relation.schema))
    };
    out.push(found(ExcessKind::Unreadable, &facts.role, what, granted(facts, &facts.relation)));
}
