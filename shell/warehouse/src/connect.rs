//! One session with the database: encrypted, read only, in one snapshot, with limits on time (T1).

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use futures_core::Stream;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio_postgres::config::{ChannelBinding, SslMode};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage, SimpleQueryRow};
use zeroize::Zeroizing;

use crate::catalogue::Found;
use crate::error::in_words;
use crate::tls::Tls;
use crate::{Settings, WarehouseError};

/// A server that does not answer is given up: connection, TLS and password together.
const CONNECT_SECONDS: u64 = 30;
/// How long a server may stay silent beyond its own limit on a statement.
const SILENT_SECONDS: u64 = 10;
/// Rows and bytes of one answer about the catalogue: a server that heeds no `LIMIT` does not fill the memory.
pub(crate) const LIST_ROWS_MAX: usize = 5_000;
const LIST_BYTES_MAX: usize = 16 << 20;
/// Our catalogue queries and the export never wait for somebody's lock longer.
const LOCK_SECONDS: u32 = 10;

/// What proves who we are, and who the server must be.
pub struct Credentials {
    /// The authority's certificates, PEM; not needed with a socket.
    pub authority: Vec<u8>,
    /// The password; absent where the server knows the socket's user (`peer`).
    pub password: Option<Zeroizing<Vec<u8>>>,
}

/// An open session, in a read-only transaction that sees one snapshot.
pub struct Session {
    pub(crate) client: Client,
    pub(crate) settings: Settings,
    /// The relation, once it was looked for: the snapshot stays the same.
    pub(crate) found: OnceCell<Found>,
    connection: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Session {
    /// Connects and begins the transaction.
    ///
    /// # Errors
    /// No session with exactly this server by exactly this way; the error says which part failed.
    pub async fn open(settings: &Settings, credentials: &Credentials) -> Result<Self, WarehouseError> {
        let waited = tokio::time::timeout(Duration::from_secs(CONNECT_SECONDS), connect(settings, credentials));
        let late = |_| WarehouseError::Connect(format!("no answer within {CONNECT_SECONDS} s"));
        let (client, connection) = waited.await.map_err(late)??;
        let session = Self { client, settings: settings.clone(), found: OnceCell::new(), connection };
        session.guarded().await?;
        Ok(session)
    }

    /// Guards against our own mistakes: rights are proved from the catalogue, not by these.
    async fn guarded(&self) -> Result<(), WarehouseError> {
        let begin = format!(
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; SET default_transaction_read_only = on; SET search_path = ''; \
             SET statement_timeout = '{}s'; SET lock_timeout = '{LOCK_SECONDS}s'; SET row_security = on; \
             SET client_encoding = 'UTF8'; SET DateStyle = 'ISO, YMD'; SET TimeZone = 'UTC'; SET extra_float_digits = 1; \
             BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            self.settings.statement_timeout_seconds
        );
        self.run("a read-only session", &begin).await?;
        let Some(tenant) = &self.settings.tenant else { return Ok(()) };
        // For this transaction only: a pooled connection must not remember it.
        let set = "SELECT pg_catalog.set_config($1, $2, true)";
        self.rows("the tenant's setting", set, &[&tenant.setting, &tenant.value]).await.map(drop)
    }

    pub(crate) async fn run(&self, what: &'static str, sql: &str) -> Result<(), WarehouseError> {
        let answer = tokio::time::timeout(self.patience(), self.client.batch_execute(sql));
        answer.await.map_err(|_| silent(what))?.map_err(|error| WarehouseError::query(what, &error))
    }

    /// How long an answer, or the next row of one, is waited for.
    fn patience(&self) -> Duration {
        Duration::from_secs(u64::from(self.settings.statement_timeout_seconds) + SILENT_SECONDS)
    }

    /// At most one row more than [`LIST_ROWS_MAX`]. `$1`, `$2` are texts.
    pub(crate) async fn rows(
        &self,
        what: &'static str,
        sql: &str,
        values: &[&str],
    ) -> Result<Vec<SimpleQueryRow>, WarehouseError> {
        let (mut rows, mut bytes) = (Vec::new(), 0_usize);
        self.each_row(what, &filled(sql, values), |row| {
            bytes = (0..row.len()).fold(bytes, |sum, at| sum.saturating_add(row.get(at).map_or(0, str::len)));
            if bytes > LIST_BYTES_MAX || rows.len() > LIST_ROWS_MAX {
                return Err(WarehouseError::Query { what, why: "the answer is longer than any that was asked for".to_owned() });
            }
            rows.push(row);
            Ok(())
        })
        .await?;
        Ok(rows)
    }

    /// The rows of one statement as they come. The simple protocol sends every value as text, by the server's own output functions and
    /// without casts; and it asks for no types: a prepared statement has the client look up the types that the server names, each by
    /// the one that it is made of, as deep as the server likes.
    pub(crate) async fn each_row(
        &self,
        what: &'static str,
        sql: &str,
        mut take: impl FnMut(SimpleQueryRow) -> Result<(), WarehouseError>,
    ) -> Result<(), WarehouseError> {
        let failed = |error: tokio_postgres::Error| WarehouseError::query(what, &error);
        let asked = tokio::time::timeout(self.patience(), self.client.simple_query_raw(sql));
        let mut answer = pin!(asked.await.map_err(|_| silent(what))?.map_err(failed)?);
        loop {
            let next = tokio::time::timeout(self.patience(), poll_fn(|context| answer.as_mut().poll_next(context)));
            let Some(message) = next.await.map_err(|_| silent(what))? else { return Ok(()) };
            if let SimpleQueryMessage::Row(row) = message.map_err(failed)? {
                take(row)?;
            }
        }
    }
}

fn silent(what: &'static str) -> WarehouseError {
    WarehouseError::Query { what, why: "the server has fallen silent".to_owned() }
}

/// A statement with texts in their places.
fn filled(sql: &str, values: &[&str]) -> String {
    let mut parts = sql.split('$');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let number = part.chars().next().and_then(|digit| digit.to_digit(10)).and_then(|digit| usize::try_from(digit).ok());
        match number.and_then(|number| number.checked_sub(1)).and_then(|at| values.get(at)) {
            Some(value) => {
                out.push_str(&literal(value));
                out.push_str(part.get(1..).unwrap_or_default());
            }
            None => {
                out.push('$');
                out.push_str(part);
            }
        }
    }
    out
}

/// A text as a literal with escapes, which means the same whatever `standard_conforming_strings` says; one with a NUL, which would end
/// the statement, is cut there and finds nothing.
fn literal(text: &str) -> String {
    let text = text.split('\0').next().unwrap_or_default();
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

async fn connect(settings: &Settings, credentials: &Credentials) -> Result<(Client, JoinHandle<()>), WarehouseError> {
    let mut config = Config::new();
    config.user(&settings.role).dbname(&settings.database).port(settings.port).application_name("stayward");
    if let Some(password) = &credentials.password {
        config.password(password.as_slice());
    }
    let failed = |error: tokio_postgres::Error| WarehouseError::Connect(in_words(&error));
    if settings.host.is_empty() {
        config.host_path(&settings.socket).ssl_mode(SslMode::Disable);
        let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
        return Ok((client, tokio::spawn(async move { drop(connection.await) })));
    }
    let tls = Tls::new(&credentials.authority, &settings.ca)?;
    let binding = if settings.channel_binding { ChannelBinding::Require } else { ChannelBinding::Prefer };
    config.host(&settings.host).ssl_mode(SslMode::Require).channel_binding(binding);
    let (client, connection) = config.connect(tls).await.map_err(failed)?;
    Ok((client, tokio::spawn(async move { drop(connection.await) })))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a literal as the server does (PostgreSQL, section 4.1.2.2); what follows it.
    fn read(text: &str) -> Option<(String, &str)> {
        let mut rest = text.strip_prefix("E'")?;
        let mut out = String::new();
        loop {
            let (before, after) = rest.split_at(rest.find(['\'', '\\'])?);
            out.push_str(before);
            let mut two = after.chars();
            match (two.next(), two.next()) {
                (Some('\\'), Some(next)) => out.push(next),
                (Some('\''), Some('\'')) => out.push('\''),
                (Some('\''), _) => return Some((out, after.get(1..)?)),
                _ => return None,
            }
            rest = two.as_str();
        }
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_place(one in "[^\0]*", two in "[$'\\\\E12a]*") {
            let sql = filled("a = $1 AND b = $2;", &[&one, &two]);
            let (first, rest) = read(sql.strip_prefix("a = ").unwrap()).unwrap();
            let (second, rest) = read(rest.strip_prefix(" AND b = ").unwrap()).unwrap();
            prop_assert_eq!((first, second, rest), (one, two, ";"));
        }
    }

    #[test]
    fn a_text_ends_at_its_nul_and_other_dollars_stay() {
        assert_eq!(filled("$1 $$x$$ $3", &["a\0'; DROP"]), "E'a' $$x$$ $3");
    }
}
