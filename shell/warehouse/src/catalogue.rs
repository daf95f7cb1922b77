//! Reads from the catalogue every right of a role and of all roles that it can reach by membership (T1).
//!
//! Rights are read from the access lists themselves (`aclexplode`), not asked by `has_table_privilege`: that function does not see what
//! a role without `INHERIT` may do after `SET ROLE`, and does not say from whom a right comes. Every name is of `pg_catalog`, and the
//! search path is empty, so that no object of somebody else stands in for one of the server's.

use s02_source::database::{
    DatabaseFacts, DefaultGrant, Grant, Membership, Object, Owned, Relation, RelationKind, RoleAttributes, Transport, UserMapping,
};
use tokio_postgres::SimpleQueryRow as Row;

use crate::columns::ColumnType;
use crate::connect::LIST_ROWS_MAX;
use crate::{Session, WarehouseError};

/// Settings have access lists from this version on.
const PARAMETERS_MIN: u32 = 150_000;

/// From this version on a membership may neither inherit nor let `SET ROLE`, and then gives nothing unless it can be administered.
const MEMBERSHIP_OPTIONS_MIN: u32 = 160_000;

/// Every role that the session's user is a member of, directly or not, whether or not it inherits; the owner of the database is a
/// member of `pg_database_owner` without a row that says so.
const CLOSURE: &str = "WITH RECURSIVE step(member, role, grantor, admin) AS (
    SELECT m.member, m.roleid, pg_catalog.pg_get_userbyid(m.grantor)::text, m.admin_option FROM pg_catalog.pg_auth_members m
    WHERE {gives}
    UNION ALL
    SELECT d.datdba, r.oid, NULL, false FROM pg_catalog.pg_database d, pg_catalog.pg_roles r
    WHERE d.datname = pg_catalog.current_database() AND r.rolname = 'pg_database_owner'
), closure(oid) AS (
    SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = session_user
    UNION
    SELECT s.role FROM closure c JOIN step s ON s.member = c.oid
)";

const ROLES: &str = "SELECT r.rolname::text, r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolreplication, r.rolbypassrls
FROM closure c JOIN pg_catalog.pg_roles r ON r.oid = c.oid ORDER BY r.rolname <> session_user, r.rolname::text COLLATE \"C\"";

const MEMBERSHIPS: &str = "SELECT DISTINCT r.rolname::text, m.rolname::text, s.grantor, s.admin
FROM step s JOIN closure c ON c.oid = s.member
JOIN pg_catalog.pg_roles r ON r.oid = s.role JOIN pg_catalog.pg_roles m ON m.oid = s.member";

/// Dependencies of kind `o` are ownership; `dbid` 0 is what all databases share. User mappings are listed by themselves, and what a role
/// says of objects that it would make gives it nothing while it can make none.
const OWNED: &str = "SELECT DISTINCT r.rolname::text,
    CASE WHEN b.datname IS NULL OR b.datname = pg_catalog.current_database()
        THEN coalesce(pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid), 'an object') ELSE 'objects' END,
    CASE WHEN b.datname <> pg_catalog.current_database() THEN b.datname::text END
FROM pg_catalog.pg_shdepend d JOIN closure c ON c.oid = d.refobjid JOIN pg_catalog.pg_roles r ON r.oid = c.oid
LEFT JOIN pg_catalog.pg_database b ON b.oid = d.dbid
WHERE d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND d.deptype = 'o'
    AND d.classid NOT IN ('pg_catalog.pg_user_mapping'::pg_catalog.regclass, 'pg_catalog.pg_default_acl'::pg_catalog.regclass)";

/// All access lists in one form: kind, schema, name, part, owner, grantor, grantee (0: everybody), right, whether it may be passed on.
/// Of the server's own schemas only what goes beyond `pg_init_privs` (as installed) or, without an entry there, beyond the built-in
/// default. `information_schema` shows each role only its own objects, and its makers let everybody read it.
const GIVEN: &str = ", system(oid) AS (
    SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname IN ('pg_catalog', 'information_schema')
), given(kind, place, name, part, owner, grantor, grantee, privilege, grantable) AS (
    SELECT CASE WHEN c.relkind = 'S' THEN 'sequence' ELSE 'relation' END, c.relnamespace, c.relname::text, NULL::text, c.relowner,
        a.grantor, a.grantee, a.privilege_type, a.is_grantable
    FROM pg_catalog.pg_class c
    LEFT JOIN pg_catalog.pg_init_privs i
        ON i.objoid = c.oid AND i.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.objsubid = 0
    CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) a
    WHERE c.relnamespace NOT IN (SELECT s.oid FROM system s) OR NOT EXISTS (
        SELECT 1 FROM pg_catalog.aclexplode(i.initprivs) x WHERE x.grantee = a.grantee AND x.privilege_type = a.privilege_type
    ) AND NOT (c.relnamespace = 'information_schema'::pg_catalog.regnamespace AND a.grantee = 0 AND a.privilege_type = 'SELECT')
    UNION ALL
    SELECT 'column', c.relnamespace, c.relname::text, t.attname::text, c.relowner, a.grantor, a.grantee, a.privilege_type, a.is_grantable
    FROM pg_catalog.pg_attribute t JOIN pg_catalog.pg_class c ON c.oid = t.attrelid
    LEFT JOIN pg_catalog.pg_init_privs i
        ON i.objoid = c.oid AND i.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.objsubid = t.attnum
    CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) a
    WHERE NOT t.attisdropped AND (c.relnamespace NOT IN (SELECT s.oid FROM system s) OR NOT EXISTS (
        SELECT 1 FROM pg_catalog.aclexplode(i.initprivs) x WHERE x.grantee = a.grantee AND x.privilege_type = a.privilege_type))
    UNION ALL
    SELECT CASE WHEN NOT p.prosecdef AND l.lanispl AND NOT l.lanpltrusted THEN 'untrusted-routine' ELSE 'routine' END, p.pronamespace, p.proname::text, pg_catalog.pg_get_function_identity_arguments(p.oid), p.proowner,
        a.grantor, a.grantee, a.privilege_type, a.is_grantable
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    LEFT JOIN pg_catalog.pg_init_privs i
        ON i.objoid = p.oid AND i.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND i.objsubid = 0
    CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
    WHERE p.prosecdef OR (l.lanispl AND NOT l.lanpltrusted) OR (p.proacl IS NOT NULL AND p.pronamespace IN (SELECT s.oid FROM system s) AND NOT EXISTS (
        SELECT 1 FROM pg_catalog.aclexplode(coalesce(i.initprivs, pg_catalog.acldefault('f', p.proowner))) x
        WHERE x.grantee = a.grantee AND x.privilege_type = a.privilege_type))
    UNION ALL
    SELECT 'schema', NULL, n.nspname::text, NULL, n.nspowner, a.grantor, a.grantee, a.privilege_type, a.is_grantable
    FROM pg_catalog.pg_namespace n CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) a
    WHERE a.privilege_type <> 'USAGE' OR a.is_grantable
    UNION ALL
    SELECT 'database', NULL, d.datname::text, NULL, d.datdba, a.grantor, a.grantee, a.privilege_type, a.is_grantable
    FROM pg_catalog.pg_database d
    CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a
    WHERE d.datname = pg_catalog.current_database() AND (a.privilege_type <> 'CONNECT' OR a.is_grantable)
    UNION ALL
    SELECT 'large-object', NULL, l.oid::text, NULL, l.lomowner, a.grantor, a.grantee, a.privilege_type, a.is_grantable
    FROM pg_catalog.pg_largeobject_metadata l CROSS JOIN LATERAL pg_catalog.aclexplode(l.lomacl) a
    UNION ALL
    SELECT 'foreign-server', NULL, f.srvname::text, NULL, f.srvowner, a.grantor, a.grantee, a.privilege_type, a.is_grantable
    FROM pg_catalog.pg_foreign_server f CROSS JOIN LATERAL pg_catalog.aclexplode(f.srvacl) a
    UNION ALL
    SELECT 'foreign-wrapper', NULL, f.fdwname::text, NULL, f.fdwowner, a.grantor, a.grantee, a.privilege_type, a.is_grantable
    FROM pg_catalog.pg_foreign_data_wrapper f CROSS JOIN LATERAL pg_catalog.aclexplode(f.fdwacl) a
    UNION ALL
    SELECT 'tablespace', NULL, t.spcname::text, NULL, t.spcowner, a.grantor, a.grantee, a.privilege_type, a.is_grantable
    FROM pg_catalog.pg_tablespace t CROSS JOIN LATERAL pg_catalog.aclexplode(t.spcacl) a";

const GIVEN_PARAMETERS: &str = "
    UNION ALL
    SELECT 'parameter', NULL, p.parname, NULL, 10, a.grantor, a.grantee, a.privilege_type, a.is_grantable
    FROM pg_catalog.pg_parameter_acl p CROSS JOIN LATERAL pg_catalog.aclexplode(p.paracl) a";

/// What an owner may do with his own is ownership.
const GRANTS: &str = ")
SELECT g.kind, n.nspname::text, g.name, g.part, pg_catalog.pg_get_userbyid(g.owner)::text,
    pg_catalog.pg_get_userbyid(g.grantor)::text,
    CASE WHEN g.grantee <> 0 THEN pg_catalog.pg_get_userbyid(g.grantee)::text END, g.privilege, g.grantable
FROM given g LEFT JOIN pg_catalog.pg_namespace n ON n.oid = g.place
WHERE (g.grantee = 0 OR g.grantee IN (SELECT c.oid FROM closure c)) AND g.grantee <> g.owner
    AND NOT (n.nspname = 'pg_catalog' AND g.name = 'pg_settings' AND g.grantee = 0 AND g.privilege = 'UPDATE')";

const DEFAULTS: &str = "SELECT pg_catalog.pg_get_userbyid(d.defaclrole)::text, n.nspname::text,
    CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES'
        WHEN 'n' THEN 'SCHEMAS' WHEN 'L' THEN 'LARGE OBJECTS' ELSE d.defaclobjtype::text END,
    a.privilege_type, CASE WHEN a.grantee <> 0 THEN pg_catalog.pg_get_userbyid(a.grantee)::text END
FROM pg_catalog.pg_default_acl d LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
CROSS JOIN LATERAL pg_catalog.aclexplode(d.defaclacl) a
WHERE (a.grantee = 0 OR a.grantee IN (SELECT c.oid FROM closure c)) AND a.grantee <> d.defaclrole";

const MAPPINGS: &str = "SELECT m.srvname::text, CASE WHEN m.umuser <> 0 THEN m.usename::text END
FROM pg_catalog.pg_user_mappings m WHERE m.umuser = 0 OR m.umuser IN (SELECT c.oid FROM closure c)";

const SERVER: &str =
    "SELECT pg_catalog.current_setting('server_version_num'), pg_catalog.current_database()::text, session_user::text,
    (SELECT s.ssl FROM pg_catalog.pg_stat_ssl s WHERE s.pid = pg_catalog.pg_backend_pid()),
    (SELECT s.version FROM pg_catalog.pg_stat_ssl s WHERE s.pid = pg_catalog.pg_backend_pid())";

/// Whether a view asks with the reader's rights: the option is stored as it was written (`on`, `true`, `1`).
macro_rules! invoker {
    ($class:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM pg_catalog.pg_options_to_table(",
            $class,
            ".reloptions) o WHERE o.option_name = 'security_invoker' AND o.option_value::boolean)"
        )
    };
}

const RELATION: &str = concat!(
    "SELECT c.oid::text, c.relkind::text, c.relrowsecurity, ",
    invoker!("c"),
    ", pg_catalog.has_schema_privilege(n.oid, 'USAGE')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1::text AND c.relname = $2::text AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
);

/// A domain is read as the type that it narrows.
const COLUMNS: &str = "SELECT a.attname::text, pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT'),
    coalesce(b.typname, t.typname)::text, coalesce(b.typtype, t.typtype)::text,
    coalesce(b.typnamespace, t.typnamespace) = 'pg_catalog'::pg_catalog.regnamespace
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype
WHERE a.attrelid = $1::text::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

/// What a view reads, to the bottom, column by column; and whether the reader's own rights are asked for there.
const BENEATH: &str = concat!(
    "WITH RECURSIVE up(oid, reached, kind) AS (
    SELECT c.oid, true, c.relkind FROM pg_catalog.pg_class c WHERE c.oid = $1::text::pg_catalog.oid
    UNION
    SELECT c.oid, u.reached AND ",
    invoker!("v"),
    ", c.relkind
    FROM up u JOIN pg_catalog.pg_class v ON v.oid = u.oid AND v.relkind = 'v' JOIN pg_catalog.pg_rewrite w ON w.ev_class = u.oid
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> u.oid
    JOIN pg_catalog.pg_class c ON c.oid = d.refobjid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
)
SELECT n.nspname::text, c.relname::text, c.relkind::text, c.relrowsecurity, ",
    invoker!("c"),
    ", pg_catalog.bool_or(u.reached), a.attname::text
FROM up u JOIN pg_catalog.pg_class c ON c.oid = u.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN (
    SELECT DISTINCT d.refobjid, d.refobjsubid FROM up x JOIN pg_catalog.pg_rewrite w ON w.ev_class = x.oid
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> x.oid AND d.refobjsubid > 0
) s ON s.refobjid = c.oid
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = s.refobjsubid
WHERE c.oid <> $1::text::pg_catalog.oid
GROUP BY 1, 2, 3, 4, 5, 7 ORDER BY 1, 2, 7"
);

/// The relation that is read, with the types of its columns.
pub(crate) struct Found {
    pub(crate) relation: Relation,
    pub(crate) columns: Vec<(String, ColumnType)>,
    oid: String,
    readable: Vec<String>,
    schema_usable: bool,
}

/// What a cell is read as.
trait Cell: Sized {
    /// `None` where the text, or its absence, is no such value.
    fn read(text: Option<&str>) -> Option<Self>;
}

impl Cell for String {
    fn read(text: Option<&str>) -> Option<Self> {
        text.map(str::to_owned)
    }
}

impl Cell for bool {
    fn read(text: Option<&str>) -> Option<Self> {
        match text? {
            "t" => Some(true),
            "f" => Some(false),
            _ => None,
        }
    }
}

impl<T: Cell> Cell for Option<T> {
    fn read(text: Option<&str>) -> Option<Self> {
        if text.is_none() { Some(None) } else { T::read(text).map(Some) }
    }
}

fn cell<T: Cell>(row: &Row, at: usize) -> Result<T, WarehouseError> {
    let text = row.try_get(at).map_err(|error| WarehouseError::query("the catalogue", &error))?;
    let unreadable = || WarehouseError::Query { what: "the catalogue", why: format!("column {at} of the answer is another") };
    T::read(text).ok_or_else(unreadable)
}

fn kind_of(letter: &str) -> RelationKind {
    match letter {
        "v" => RelationKind::View,
        "m" => RelationKind::Materialised,
        "f" => RelationKind::Foreign,
        _ => RelationKind::Table,
    }
}

impl Session {
    /// Finds the relation; row-level security and types are those of this snapshot.
    pub(crate) async fn found(&self) -> Result<&Found, WarehouseError> {
        self.found.get_or_try_init(|| self.look()).await
    }

    async fn look(&self) -> Result<Found, WarehouseError> {
        let (schema, name) = self.settings.relation();
        let rows = self.rows("the relation", RELATION, &[schema, name]).await?;
        let row = rows.first().ok_or_else(|| WarehouseError::NoRelation(self.settings.table.clone()))?;
        let (oid, letter) = (cell::<String>(row, 0)?, cell::<String>(row, 1)?);
        let (mut columns, mut readable) = (Vec::new(), Vec::new());
        for one in self.rows("the columns", COLUMNS, &[&oid]).await? {
            let column: String = cell(&one, 0)?;
            if cell(&one, 1)? {
                readable.push(column.clone());
            }
            let (kind, class) = (cell::<String>(&one, 2)?, cell::<String>(&one, 3)?);
            columns.push((column, ColumnType::of(&kind, &class, cell(&one, 4)?)));
        }
        let relation = Relation {
            schema: schema.to_owned(),
            name: name.to_owned(),
            kind: kind_of(&letter),
            columns: columns.iter().map(|(name, _)| name.clone()).collect(),
            row_security: cell(row, 2)?,
            security_invoker: cell(row, 3)?,
            reached: true,
        };
        Ok(Found { relation, columns, oid, readable, schema_usable: cell(row, 4)? })
    }

    /// Everything that the catalogue says of the role; `columns` are those that the contract lets in.
    ///
    /// # Errors
    /// The relation or a column is not there, or the catalogue cannot be read.
    pub async fn facts(&self, columns: &[String]) -> Result<DatabaseFacts, WarehouseError> {
        let found = self.found().await?;
        if let Some(column) = columns.iter().find(|column| !found.relation.columns.contains(column)) {
            return Err(WarehouseError::NoColumn { table: self.settings.table.clone(), column: column.clone() });
        }
        let rows = self.rows("the server", SERVER, &[]).await?;
        let first = rows.first().ok_or(WarehouseError::Query { what: "the server", why: "no answer".to_owned() })?;
        let server: u32 = cell::<String>(first, 0)?.parse().unwrap_or(0);
        let transport = match (self.settings.host.is_empty(), cell::<Option<bool>>(first, 3)?) {
            (true, _) => Transport::UnixSocket,
            (false, Some(true)) => Transport::Tls(cell::<Option<String>>(first, 4)?.unwrap_or_default()),
            (false, Some(false) | None) => Transport::Plain,
        };
        let parameters = if server >= PARAMETERS_MIN { GIVEN_PARAMETERS } else { "" };
        let gives = if server >= MEMBERSHIP_OPTIONS_MIN { "m.inherit_option OR m.set_option OR m.admin_option" } else { "true" };
        let closure = CLOSURE.replace("{gives}", gives);
        let mut complete = true;
        let grants = self.list(&format!("{closure}{GIVEN}{parameters}{GRANTS}"), &[], grant, &mut complete).await?;
        Ok(DatabaseFacts {
            server,
            transport,
            database: cell(first, 1)?,
            role: cell(first, 2)?,
            columns_readable: columns.iter().filter(|column| found.readable.contains(column)).cloned().collect(),
            columns_wanted: columns.to_vec(),
            schema_usable: found.schema_usable,
            row_security_wanted: self.settings.row_security_wanted(),
            beneath: self.beneath(found, &mut complete).await?,
            relation: found.relation.clone(),
            roles: self.list(&format!("{closure} {ROLES}"), &[], attributes, &mut complete).await?,
            memberships: sorted(self.list(&format!("{closure} {MEMBERSHIPS}"), &[], membership, &mut complete).await?),
            owned: sorted(self.list(&format!("{closure} {OWNED}"), &[], owned, &mut complete).await?),
            grants: sorted(grants),
            defaults: sorted(self.list(&format!("{closure} {DEFAULTS}"), &[], default_grant, &mut complete).await?),
            mappings: sorted(self.list(&format!("{closure} {MAPPINGS}"), &[], mapping, &mut complete).await?),
            complete,
        })
    }

    async fn list<T>(
        &self,
        sql: &str,
        values: &[&str],
        read: fn(&Row) -> Result<Option<T>, WarehouseError>,
        complete: &mut bool,
    ) -> Result<Vec<T>, WarehouseError> {
        let rows = self.rows("the catalogue", &format!("{sql} LIMIT {}", LIST_ROWS_MAX + 1), values).await?;
        *complete &= rows.len() <= LIST_ROWS_MAX;
        let read: Vec<Option<T>> = rows.iter().take(LIST_ROWS_MAX).map(read).collect::<Result<_, _>>()?;
        // What cannot be named cannot be judged.
        *complete &= read.iter().all(Option::is_some);
        Ok(read.into_iter().flatten().collect())
    }

    async fn beneath(&self, found: &Found, complete: &mut bool) -> Result<Vec<Relation>, WarehouseError> {
        let mut out: Vec<Relation> = Vec::new();
        for (relation, column) in self.list(BENEATH, &[&found.oid], beneath, complete).await? {
            match out.last_mut() {
                Some(last) if last.schema == relation.schema && last.name == relation.name => last.columns.extend(column),
                Some(_) | None => out.push(Relation { columns: column.into_iter().collect(), ..relation }),
            }
        }
        Ok(out)
    }
}

fn sorted<T: Ord>(mut all: Vec<T>) -> Vec<T> {
    all.sort();
    all
}

fn attributes(row: &Row) -> Result<Option<RoleAttributes>, WarehouseError> {
    Ok(Some(RoleAttributes {
        name: cell(row, 0)?,
        superuser: cell(row, 1)?,
        create_role: cell(row, 2)?,
        create_database: cell(row, 3)?,
        replication: cell(row, 4)?,
        bypass_row_security: cell(row, 5)?,
    }))
}

fn membership(row: &Row) -> Result<Option<Membership>, WarehouseError> {
    Ok(Some(Membership { role: cell(row, 0)?, member: cell(row, 1)?, grantor: cell(row, 2)?, admin: cell(row, 3)? }))
}

fn owned(row: &Row) -> Result<Option<Owned>, WarehouseError> {
    Ok(Some(Owned { role: cell(row, 0)?, object: cell(row, 1)?, elsewhere: cell(row, 2)? }))
}

fn grant(row: &Row) -> Result<Option<Grant>, WarehouseError> {
    let kind: String = cell(row, 0)?;
    let schema = cell::<Option<String>>(row, 1)?.unwrap_or_default();
    let (name, part) = (cell::<String>(row, 2)?, cell::<Option<String>>(row, 3)?.unwrap_or_default());
    let object = match kind.as_str() {
        "relation" => Object::Relation { schema, name },
        "column" => Object::Column { schema, name, column: part },
        "sequence" => Object::Sequence { schema, name },
        "routine" => Object::Routine { schema, name, arguments: part, untrusted: false },
        "untrusted-routine" => Object::Routine { schema, name, arguments: part, untrusted: true },
        "schema" => Object::Schema { name },
        "database" => Object::Database { name },
        "large-object" => Object::LargeObject { oid: name },
        "foreign-server" => Object::ForeignServer { name },
        "foreign-wrapper" => Object::ForeignWrapper { name },
        "tablespace" => Object::Tablespace { name },
        "parameter" => Object::Parameter { name },
        _ => return Ok(None),
    };
    Ok(Some(Grant {
        object,
        owner: cell(row, 4)?,
        grantor: cell(row, 5)?,
        grantee: cell(row, 6)?,
        right: cell(row, 7)?,
        grantable: cell(row, 8)?,
    }))
}

fn default_grant(row: &Row) -> Result<Option<DefaultGrant>, WarehouseError> {
    Ok(Some(DefaultGrant {
        maker: cell(row, 0)?,
        schema: cell(row, 1)?,
        objects: cell(row, 2)?,
        right: cell(row, 3)?,
        grantee: cell(row, 4)?,
    }))
}

fn mapping(row: &Row) -> Result<Option<UserMapping>, WarehouseError> {
    Ok(Some(UserMapping { server: cell(row, 0)?, user: cell(row, 1)? }))
}

fn beneath(row: &Row) -> Result<Option<(Relation, Option<String>)>, WarehouseError> {
    let relation = Relation {
        schema: cell(row, 0)?,
        name: cell(row, 1)?,
        kind: kind_of(&cell::<String>(row, 2)?),
        columns: Vec::new(),
        row_security: cell(row, 3)?,
        security_invoker: cell(row, 4)?,
        reached: cell(row, 5)?,
    };
    Ok(Some((relation, cell(row, 6)?)))
}
