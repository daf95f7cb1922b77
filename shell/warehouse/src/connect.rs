//! One session with the database: encrypted, read only, in one snapshot, with limits on time (T1).

use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio_postgres::config::{ChannelBinding, SslMode};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row};
use zeroize::Zeroizing;

use crate::catalogue::Found;
use crate::error::in_words;
use crate::tls::Tls;
use crate::{Settings, WarehouseError};

/// A server that does not answer is given up: connection, TLS and password together.
const CONNECT_SECONDS: u64 = 30;
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
        self.client.batch_execute(sql).await.map_err(|error| WarehouseError::query(what, &error))
    }

    pub(crate) async fn rows(
        &self,
        what: &'static str,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, WarehouseError> {
        self.client.query(sql, values).await.map_err(|error| WarehouseError::query(what, &error))
    }
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
