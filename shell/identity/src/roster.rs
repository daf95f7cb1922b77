//! Who is who, as one value (T4, T6): people, their roles and factors, applications, keys, suppliers. Whoever can write to the database
//! file can make himself an approver; so a [`Witness`] outside of it is told of every change before it is committed, and compares.
//!
//! Not part of it: what changes with every login or call (sessions, attempts, one-time codes, last use) and the log of events.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::Arc;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Row, Sqlite, SqliteConnection, Transaction};

use crate::database::{Event, Identity};
use crate::error::IdentityError;
use crate::token::hash;

/// Rows of one table at most: more than a project's people and keys ever are.
const ROWS_MAX: i64 = 200_000;

/// A table of the roster.
struct Table {
    name: &'static str,
    /// The column that names the person whose row it is, where it says who somebody is.
    person: Option<&'static str>,
    /// A key that people can read, and every column that matters as an SQL literal.
    select: &'static str,
}

/// Every table, people's first.
const TABLES: &[Table] = &[
    Table {
        name: "people",
        person: Some("name"),
        select: "SELECT 'person ' || name AS key, quote(name) || ',' || quote(display_name) || ',' || quote(team) || ',' || \
         quote(password_phc) || ',' || quote(totp_sealed) || ',' || quote(created_at) || ',' || quote(disabled_at) AS value \
         FROM people",
    },
    Table {
        name: "person_roles",
        person: Some("person"),
        select: "SELECT 'role ' || person || ' ' || role AS key, quote(person) || ',' || quote(role) AS value FROM person_roles",
    },
    Table {
        name: "recovery_codes",
        person: Some("person"),
        select: "SELECT 'recovery-code ' || person || ' ' || hex(code_hash) AS key, quote(person) || ',' || quote(code_hash) AS value \
         FROM recovery_codes",
    },
    Table {
        name: "provider_accounts",
        person: Some("person"),
        select: "SELECT 'provider-account ' || person || ' ' || issuer || ' ' || subject AS key, quote(issuer) || ',' || quote(subject) || \
         ',' || quote(person) || ',' || quote(bound_at) AS value FROM provider_accounts",
    },
    Table {
        name: "passkey_handles",
        person: Some("person"),
        select: "SELECT 'passkey-handle ' || person || ' ' || hex(handle) AS key, quote(person) || ',' || quote(handle) AS value \
         FROM passkey_handles",
    },
    Table {
        name: "passkeys",
        person: Some("person"),
        select: "SELECT 'passkey ' || person || ' ' || hex(credential_id) AS key, quote(credential_id) || ',' || quote(person) || ',' || \
         quote(public_key) || ',' || quote(backup_eligible) || ',' || quote(label) || ',' || quote(created_at) AS value \
         FROM passkeys",
    },
    Table {
        name: "component_tokens",
        person: None,
        select: "SELECT 'component-token ' || component || ' ' || id AS key, quote(id) || ',' || quote(component) || ',' || \
         quote(token_hash) || ',' || quote(created_at) || ',' || quote(expires_at) || ',' || quote(revoked_at) AS value \
         FROM component_tokens",
    },
    Table {
        name: "workload_certificates",
        person: None,
        select: "SELECT 'certificate ' || name || ' ' || serial AS key, quote(serial) || ',' || quote(name) || ',' || quote(issued_at) || \
         ',' || quote(expires_at) || ',' || quote(revoked_at) AS value FROM workload_certificates",
    },
    Table {
        name: "apps",
        person: None,
        select: "SELECT 'application ' || name AS key, quote(name) || ',' || quote(owner) || ',' || quote(created_at) || ',' || \
         quote(disabled_at) AS value FROM apps",
    },
    Table {
        name: "api_keys",
        person: None,
        select: "SELECT 'key ' || app || ' ' || id AS key, quote(id) || ',' || quote(app) || ',' || quote(key_hash) || ',' || \
         quote(rights) || ',' || quote(per_minute) || ',' || quote(distinct_customers_per_day) || ',' || quote(scope) || ',' || \
         quote(created_at) || ',' || quote(expires_at) || ',' || quote(revoked_at) || ',' || quote(replaced_by) AS value \
         FROM api_keys",
    },
    Table {
        name: "suppliers",
        person: None,
        select: "SELECT 'supplier ' || name AS key, quote(name) || ',' || quote(created_at) || ',' || quote(disabled_at) AS value \
         FROM suppliers",
    },
    Table {
        name: "supplier_keys",
        person: None,
        select: "SELECT 'supplier-key ' || supplier || ' ' || id AS key, quote(id) || ',' || quote(supplier) || ',' || \
         quote(public_key_pem) || ',' || quote(not_before) || ',' || quote(expires_at) || ',' || quote(revoked_at) || ',' || \
         quote(scheme) AS value FROM supplier_keys",
    },
];

/// Tables that are no part of the roster, each with the reason.
#[cfg(test)]
const APART: &[(&str, &str)] = &[
    ("identity_schema", "checked when the file is opened"),
    ("sessions", "come and go with logins, each row sealed"),
    ("login_links", "live for minutes, each row sealed"),
    ("attempts", "count failed logins"),
    ("key_generation", "follows the keys by a trigger"),
    ("feed_sequences", "grow with deliveries, which the log has"),
    ("events", "only grow, and a change carries its own"),
];

/// Who is who: for each row of the database a key such as `role ada label-approver`, and the SHA-256 of its columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    /// Digests by key.
    pub rows: BTreeMap<String, [u8; 32]>,
}

impl Roster {
    /// SHA-256 over all rows, in the order of their keys.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let text = self.rows.iter().fold(String::new(), |mut text, (key, digest)| {
            let _ = writeln!(text, "{} {key:?}", data_encoding::HEXLOWER.encode(digest));
            text
        });
        hash(&text)
    }

    /// What turns `self` into `other`: a new digest, or none for a row that is gone.
    #[must_use]
    pub fn changes_to(&self, other: &Self) -> BTreeMap<String, Option<[u8; 32]>> {
        let gone = self.rows.keys().filter(|key| !other.rows.contains_key(*key)).map(|key| (key.clone(), None));
        let new = other.rows.iter().filter(|(key, digest)| self.rows.get(*key) != Some(*digest));
        gone.chain(new.map(|(key, digest)| (key.clone(), Some(*digest)))).collect()
    }

    /// What turns `self` into `other`, in words: `role eve label-approver` was added.
    #[must_use]
    pub fn differences_to(&self, other: &Self) -> Vec<String> {
        let word = |key: &str, now: Option<[u8; 32]>| match (self.rows.contains_key(key), now) {
            (_, None) => "is gone",
            (true, Some(_)) => "was changed",
            (false, Some(_)) => "was added",
        };
        self.changes_to(other).into_iter().map(|(key, now)| format!("`{key}` {}", word(&key, now))).collect()
    }

    /// The rows that say who a person is and may do: the person's own, roles, recovery codes, passkeys, accounts of a provider.
    #[must_use]
    pub fn of_person(&self, name: &str) -> Self {
        let own = format!("person {name}");
        let further =
            ["role", "recovery-code", "provider-account", "passkey-handle", "passkey"].map(|table| format!("{table} {name} "));
        let belongs = |key: &str| key == own || further.iter().any(|prefix| key.starts_with(prefix));
        Self { rows: self.rows.iter().filter(|(key, _)| belongs(key)).map(|(key, digest)| (key.clone(), *digest)).collect() }
    }
}

/// A change that is about to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterChange {
    /// After.
    pub after: Roster,
    /// What the database's own log says of it.
    pub events: Vec<Event>,
    /// The person who took what was found for right, though the last change had not left it so.
    pub reconciled_by: Option<String>,
}

/// Somebody outside of the database who keeps what it should be. Called while the database's write lock is held, so one at a time.
pub trait Witness: Send + Sync {
    /// What the last change left; none before the first.
    ///
    /// # Errors
    /// Why that is not known, for people; nothing is changed then, and nobody let in.
    fn known(&self) -> Result<Option<Arc<Roster>>, String>;

    /// Writes a change down, durably, before it is committed.
    ///
    /// # Errors
    /// Why not, for people; the change does not happen then.
    fn changed(&self, change: &RosterChange) -> Result<(), String>;
}

/// A transaction that changes who is who.
pub(crate) struct Change {
    transaction: Transaction<'static, Sqlite>,
    watched: Option<(Arc<dyn Witness>, Roster, i64)>,
}

impl Deref for Change {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.transaction
    }
}

impl DerefMut for Change {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }
}

impl Change {
    /// Tells the witness, then commits.
    pub(crate) async fn commit(mut self) -> Result<(), IdentityError> {
        if let Some((witness, before, last)) = self.watched.take() {
            let after = read(&mut self.transaction).await?;
            if after != before {
                let events = events_after(&mut self.transaction, last).await?;
                witness.changed(&RosterChange { after, events, reconciled_by: None }).map_err(IdentityError::Roster)?;
            }
        }
        Ok(self.transaction.commit().await?)
    }
}

impl Identity {
    /// The same database with somebody who is told of every change of who is who.
    #[must_use]
    pub fn witnessed(self, witness: Arc<dyn Witness>) -> Self {
        Self { witness: Some(witness), ..self }
    }

    /// Who is who now.
    ///
    /// # Errors
    /// A database error.
    pub async fn roster(&self) -> Result<Roster, IdentityError> {
        let mut transaction = self.pool.begin().await?;
        read(&mut transaction).await
    }

    /// Begins a change of who is who.
    pub(crate) async fn change(&self) -> Result<Change, IdentityError> {
        let mut transaction = self.begin().await?;
        let Some(witness) = &self.witness else { return Ok(Change { transaction, watched: None }) };
        let before = read(&mut transaction).await?;
        expect(&**witness, &before, None)?;
        let last = sqlx::query("SELECT coalesce(max(seq), 0) AS last FROM events").fetch_one(&mut *transaction).await?;
        let last = last.try_get("last")?;
        Ok(Change { transaction, watched: Some((Arc::clone(witness), before, last)) })
    }

    /// That a person is who the last signed change made her: whoever edits the file gets no session by it.
    ///
    /// # Errors
    /// [`IdentityError::Roster`].
    pub(crate) async fn vouched(&self, person: &str) -> Result<(), IdentityError> {
        self.vouched_rows(Rows::OfPerson(person)).await
    }

    /// That the rows of a table which have this value in this column, if there are any, are as the last signed change left them: a row
    /// that somebody wrote into the file stands for nothing.
    ///
    /// # Errors
    /// [`IdentityError::Roster`].
    pub(crate) async fn vouched_where(
        &self,
        table: &'static str,
        column: &'static str,
        value: &str,
    ) -> Result<(), IdentityError> {
        self.vouched_rows(Rows::Where(table, column, value)).await
    }

    /// Of whole tables what is not as the last signed change left it: keys such as `key shop 1a2b`.
    pub(crate) async fn unvouched(&self, tables: &[&str]) -> Result<BTreeSet<String>, IdentityError> {
        let Some(witness) = &self.witness else { return Ok(BTreeSet::new()) };
        let differing = async |connection: &mut SqliteConnection| {
            let mut found = Roster::default();
            for table in TABLES.iter().filter(|table| tables.contains(&table.name)) {
                read_table(connection, table, None, &mut found).await?;
            }
            let known = witness.known().map_err(IdentityError::Roster)?;
            let other = |known: &Roster| {
                found
                    .rows
                    .iter()
                    .filter(|(key, digest)| known.rows.get(*key) != Some(*digest))
                    .map(|(key, _)| key.clone())
                    .collect()
            };
            Ok::<BTreeSet<String>, IdentityError>(known.map_or_else(BTreeSet::new, |known| other(&known)))
        };
        let found = differing(&mut *self.pool.acquire().await?).await?;
        // A change is told before it is committed: behind the write lock nobody is in between.
        if found.is_empty() { Ok(found) } else { differing(&mut *self.begin().await?).await }
    }

    async fn vouched_rows(&self, rows: Rows<'_>) -> Result<(), IdentityError> {
        let Some(witness) = &self.witness else { return Ok(()) };
        if rows.judge(&**witness, &mut *self.pool.acquire().await?).await.is_ok() {
            return Ok(());
        }
        rows.judge(&**witness, &mut *self.begin().await?).await
    }

    /// Takes what is there now for right, in the name of a person whom the last signed change knows as she is; answers what differed.
    ///
    /// # Errors
    /// [`IdentityError::Roster`].
    pub async fn reconcile(&self, person: &str) -> Result<Vec<String>, IdentityError> {
        let mut transaction = self.begin().await?;
        let after = read(&mut transaction).await?;
        let Some(witness) = &self.witness else { return Ok(Vec::new()) };
        expect(&**witness, &after, Some(person))?;
        let before = witness.known().map_err(IdentityError::Roster)?.unwrap_or_default();
        let differences = before.differences_to(&after);
        if !differences.is_empty() {
            let change = RosterChange { after, events: Vec::new(), reconciled_by: Some(person.to_owned()) };
            witness.changed(&change).map_err(IdentityError::Roster)?;
        }
        transaction.commit().await?;
        Ok(differences)
    }
}

/// Who is who by the file at `path`, which is only read: needs no key.
///
/// # Errors
/// A database error; a file that is not there.
pub async fn read_roster(path: &Path) -> Result<Roster, IdentityError> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).pragma("trusted_schema", "OFF");
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    let mut transaction = pool.begin().await?;
    let roster = read(&mut transaction).await;
    drop(transaction);
    pool.close().await;
    roster
}

/// Rows that somebody is let in by.
#[derive(Clone, Copy)]
enum Rows<'a> {
    /// Everything that says who a person is; none may be missing.
    OfPerson(&'a str),
    /// Table, column, value.
    Where(&'static str, &'static str, &'a str),
}

impl Rows<'_> {
    async fn judge(self, witness: &dyn Witness, connection: &mut SqliteConnection) -> Result<(), IdentityError> {
        let mut found = Roster::default();
        for table in TABLES {
            match (self, table.person) {
                (Self::OfPerson(name), Some(column)) => read_table(connection, table, Some((column, name)), &mut found).await?,
                (Self::Where(of, column, value), _) if of == table.name => {
                    read_table(connection, table, Some((column, value)), &mut found).await?;
                }
                (Self::OfPerson(_) | Self::Where(..), _) => {}
            }
        }
        match self {
            Self::OfPerson(name) => expect(witness, &found, Some(name)),
            Self::Where(..) => {
                let Some(known) = witness.known().map_err(IdentityError::Roster)? else { return Ok(()) };
                let known = known.rows.iter().filter(|(key, _)| found.rows.contains_key(*key));
                differ(&Roster { rows: known.map(|(key, digest)| (key.clone(), *digest)).collect() }, &found)
            }
        }
    }
}

/// Compares with what the witness knows, of one person or of all.
fn expect(witness: &dyn Witness, found: &Roster, person: Option<&str>) -> Result<(), IdentityError> {
    let Some(known) = witness.known().map_err(IdentityError::Roster)? else { return Ok(()) };
    match person {
        Some(name) => differ(&known.of_person(name), &found.of_person(name)),
        None => differ(&known, found),
    }
}

fn differ(known: &Roster, found: &Roster) -> Result<(), IdentityError> {
    let differences = known.differences_to(found);
    let Some(first) = differences.first() else { return Ok(()) };
    let more = if differences.len() > 1 { format!(", and {} more", differences.len() - 1) } else { String::new() };
    Err(IdentityError::Roster(format!("{first} in the database, and no signed change says so{more}")))
}

async fn read(connection: &mut SqliteConnection) -> Result<Roster, IdentityError> {
    let mut roster = Roster::default();
    for table in TABLES {
        read_table(connection, table, None, &mut roster).await?;
    }
    Ok(roster)
}

/// Reads a table, or those of its rows that have a value in a column.
async fn read_table(
    connection: &mut SqliteConnection,
    table: &Table,
    of: Option<(&'static str, &str)>,
    roster: &mut Roster,
) -> Result<(), IdentityError> {
    let chosen = of.map_or_else(String::new, |(column, _)| format!(" WHERE {column} = ?2"));
    let text = AssertSqlSafe(format!("{}{chosen} LIMIT ?1", table.select));
    let query = sqlx::query(text).bind(ROWS_MAX + 1);
    let query = if let Some((_, value)) = of { query.bind(value.to_owned()) } else { query };
    let found = query.fetch_all(connection).await?;
    if i64::try_from(found.len()).unwrap_or(i64::MAX) > ROWS_MAX {
        return Err(IdentityError::Corrupt("more rows of one table than a project has"));
    }
    for row in found {
        roster.rows.insert(row.try_get::<String, _>("key")?, hash(row.try_get::<&str, _>("value")?));
    }
    Ok(())
}

async fn events_after(connection: &mut SqliteConnection, seq: i64) -> Result<Vec<Event>, IdentityError> {
    let query = sqlx::query("SELECT seq, at, subject, event, detail FROM events WHERE seq > ? ORDER BY seq");
    query.bind(seq).fetch_all(connection).await?.iter().map(Event::of).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_table_is_in_the_roster_or_has_a_reason_not_to_be() {
        let schemas = crate::database::SCHEMAS.concat();
        let made: BTreeSet<&str> = schemas
            .lines()
            .filter_map(|line| line.strip_prefix("CREATE TABLE "))
            .filter_map(|rest| rest.split([' ', '(']).next())
            .collect();
        let known: BTreeSet<&str> = TABLES.iter().map(|table| table.name).chain(APART.iter().map(|(name, _)| *name)).collect();
        assert!(made.is_subset(&known), "{:?}", made.difference(&known).collect::<Vec<_>>());
    }

    #[test]
    fn changes_name_what_came_went_and_differs() {
        let roster =
            |rows: &[(&str, u8)]| Roster { rows: rows.iter().map(|(key, byte)| ((*key).to_owned(), [*byte; 32])).collect() };
        let (one, two) = (roster(&[("a", 1), ("b", 1), ("c", 1)]), roster(&[("b", 2), ("c", 1), ("d", 1)]));
        let changes = one.changes_to(&two);
        assert_eq!(
            changes,
            BTreeMap::from([("a".to_owned(), None), ("b".to_owned(), Some([2; 32])), ("d".to_owned(), Some([1; 32]))])
        );
        assert_ne!(one.digest(), two.digest());
        assert!(one.changes_to(&one).is_empty());
    }

    #[test]
    fn a_person_is_not_taken_for_another_with_a_longer_name() {
        let keys = ["person ann", "person anna", "role ann admin", "role anna admin", "recovery-code ann 00"];
        let roster = Roster { rows: keys.iter().map(|key| ((*key).to_owned(), [0; 32])).collect() };
        let own: Vec<String> = roster.of_person("ann").rows.into_keys().collect();
        assert_eq!(own, ["person ann", "recovery-code ann 00", "role ann admin"]);
    }
}
