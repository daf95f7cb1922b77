//! What is known of the database role that reads the customers: what its whole membership closure may do, as the catalogue says (T1).
//!
//! A role that is asked by `has_table_privilege` alone looks read-only while it may `SET ROLE` to one that writes. So every right of
//! every role that it can reach is a fact here, with where the right comes from; [`excess`] then says which are too many.

mod excess;
mod script;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use excess::{Excess, ExcessKind, excess};
pub use script::{quoted, script};

/// The connector that these facts are asked of.
pub const POSTGRES: &str = "postgres";
/// `server_version_num` of the oldest server whose catalogue the proof was written for.
pub const SERVER_MIN: u32 = 130_000;

/// How the rows travel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// By a socket of this machine.
    UnixSocket,
    /// TLS, as the server says; the protocol's version.
    Tls(String),
    /// The server says that it is not encrypted.
    Plain,
}

/// What a relation is (`pg_class.relkind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelationKind {
    /// A table, in one piece or in partitions.
    Table,
    /// A view.
    View,
    /// A materialised view.
    Materialised,
    /// A table of another server.
    Foreign,
}

/// A relation that rows come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: RelationKind,
    /// All its columns; of a relation beneath a view only those that the view reads.
    pub columns: Vec<String>,
    /// Whether row-level security is switched on.
    pub row_security: bool,
    /// Of a view: whether what is beneath is read with the rights of who asks, and not with the owner's.
    pub security_invoker: bool,
    /// Whether the role itself needs a right on it: it is what is read, or all views above it ask with the reader's rights.
    pub reached: bool,
}

/// Attributes of one role of the closure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleAttributes {
    /// Its name.
    pub name: String,
    /// `SUPERUSER`.
    pub superuser: bool,
    /// `CREATEROLE`.
    pub create_role: bool,
    /// `CREATEDB`.
    pub create_database: bool,
    /// `REPLICATION`.
    pub replication: bool,
    /// `BYPASSRLS`.
    pub bypass_row_security: bool,
}

/// One step of the closure: `member` belongs to `role`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Membership {
    /// The role.
    pub role: String,
    /// Who belongs to it.
    pub member: String,
    /// Who granted it; absent for what the server implies (the database's owner is a member of `pg_database_owner`).
    pub grantor: Option<String>,
    /// `ADMIN OPTION`.
    pub admin: bool,
}

/// Something that a role of the closure owns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owned {
    /// The owner.
    pub role: String,
    /// What it is, as the server describes it.
    pub object: String,
    /// The database in which it lies, where that is not the one that was asked.
    pub elsewhere: Option<String>,
}

/// What a right is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Object {
    /// A table, view, materialised view or foreign table.
    Relation {
        /// Its schema.
        schema: String,
        /// Its name.
        name: String,
    },
    /// One column.
    Column {
        /// The relation's schema.
        schema: String,
        /// The relation's name.
        name: String,
        /// The column.
        column: String,
    },
    /// A sequence.
    Sequence {
        /// Its schema.
        schema: String,
        /// Its name.
        name: String,
    },
    /// A function or procedure that runs with its owner's rights, or in a language without bounds, or one of the server's own beyond what
    /// its makers granted.
    Routine {
        /// Its schema.
        schema: String,
        /// Its name.
        name: String,
        /// Its arguments, as the server writes them.
        arguments: String,
        /// Whether it runs with the caller's rights in the database, in a language that may do all that the server's user may
        /// (`plpython3u`).
        untrusted: bool,
    },
    /// A schema.
    Schema {
        /// Its name.
        name: String,
    },
    /// The database.
    Database {
        /// Its name.
        name: String,
    },
    /// A large object.
    LargeObject {
        /// Its number.
        oid: String,
    },
    /// A foreign server.
    ForeignServer {
        /// Its name.
        name: String,
    },
    /// A foreign-data wrapper.
    ForeignWrapper {
        /// Its name.
        name: String,
    },
    /// A tablespace.
    Tablespace {
        /// Its name.
        name: String,
    },
    /// A setting of the server.
    Parameter {
        /// Its name.
        name: String,
    },
}

/// One right that somebody was given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Grant {
    /// On what.
    pub object: Object,
    /// Which: `SELECT`, `TEMPORARY`, ...
    pub right: String,
    /// To whom; absent: to everybody (`PUBLIC`).
    pub grantee: Option<String>,
    /// By whom.
    pub grantor: String,
    /// Who owns the object.
    pub owner: String,
    /// Whether it may be passed on.
    pub grantable: bool,
}

/// A right that will be given on objects which are made later (`ALTER DEFAULT PRIVILEGES`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DefaultGrant {
    /// Whose new objects.
    pub maker: String,
    /// In which schema; absent: in all.
    pub schema: Option<String>,
    /// Of which kind: `TABLES`, `SEQUENCES`, `FUNCTIONS`, `TYPES`, `SCHEMAS`.
    pub objects: String,
    /// Which right.
    pub right: String,
    /// To whom; absent: to everybody.
    pub grantee: Option<String>,
}

/// A password or user of another server that the role may use.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UserMapping {
    /// The foreign server.
    pub server: String,
    /// Whose mapping; absent: everybody's.
    pub user: Option<String>,
}

/// Everything that the catalogue says of the role, in the same snapshot as the rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseFacts {
    /// `server_version_num`: 150014 is 15.14.
    pub server: u32,
    /// How the rows travel.
    pub transport: Transport,
    /// The database.
    pub database: String,
    /// The role that reads.
    pub role: String,
    /// What is read.
    pub relation: Relation,
    /// Columns that the contract lets in.
    pub columns_wanted: Vec<String>,
    /// Those of them that the role may read.
    pub columns_readable: Vec<String>,
    /// Whether the role may use the relation's schema.
    pub schema_usable: bool,
    /// Whether stayward.toml asks for row-level security.
    pub row_security_wanted: bool,
    /// Of a view: everything that it reads, to the bottom.
    pub beneath: Vec<Relation>,
    /// The role and all that it can reach by membership, itself first.
    pub roles: Vec<RoleAttributes>,
    /// How it reaches them.
    pub memberships: Vec<Membership>,
    /// What they own.
    pub owned: Vec<Owned>,
    /// What they, or everybody, were given; of the server's own objects only what goes beyond the server as it is installed.
    pub grants: Vec<Grant>,
    /// What they, or everybody, will be given.
    pub defaults: Vec<DefaultGrant>,
    /// What they may use of other servers.
    pub mappings: Vec<UserMapping>,
    /// Whether all of the catalogue was read: a list that reached its limit proves nothing.
    pub complete: bool,
}

impl DatabaseFacts {
    /// A role that may read two columns of one table, and nothing else.
    pub fn ordinary() -> Self {
        let columns = ["customer_id", "email", "tenure"].map(str::to_owned).to_vec();
        let wanted = ["customer_id", "tenure"].map(str::to_owned).to_vec();
        let read = |column: &String| Grant {
            object: Object::Column { schema: "crm".into(), name: "customers".into(), column: column.clone() },
            right: "SELECT".into(),
            grantee: Some("reader".into()),
            grantor: "crm_owner".into(),
            owner: "crm_owner".into(),
            grantable: false,
        };
        Self {
            server: 150_014,
            transport: Transport::Tls("TLSv1.3".into()),
            database: "crm".into(),
            role: "reader".into(),
            relation: Relation {
                schema: "crm".into(),
                name: "customers".into(),
                kind: RelationKind::Table,
                columns,
                row_security: false,
                security_invoker: false,
                reached: true,
            },
            grants: wanted.iter().map(read).collect(),
            columns_readable: wanted.clone(),
            columns_wanted: wanted,
            schema_usable: true,
            row_security_wanted: false,
            beneath: Vec::new(),
            roles: vec![RoleAttributes { name: "reader".into(), ..RoleAttributes::default() }],
            memberships: Vec::new(),
            owned: Vec::new(),
            defaults: Vec::new(),
            mappings: Vec::new(),
            complete: true,
        }
    }
}
