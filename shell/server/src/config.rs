//! Where to listen, as whom, and the limits (T2: throttling; everything has a limit, and the limit has a name).

use std::net::SocketAddr;
use std::path::PathBuf;

/// Customers in one request.
pub(crate) const CUSTOMERS_MAX: usize = 1000;
/// Rows in one what-if.
pub(crate) const ROWS_MAX: usize = 1000;
/// Columns in one row.
pub(crate) const COLUMNS_MAX: usize = 256;
/// Characters of a customer's id. (As JSON schemas count, so that the document says it.)
pub(crate) const CUSTOMER_CHARS_MAX: usize = 128;
/// Characters of a column's name.
pub(crate) const COLUMN_CHARS_MAX: usize = 128;
/// Characters of a value.
pub(crate) const VALUE_CHARS_MAX: usize = 1024;
/// Whether a text has at most so many characters; looks at no more of it than needed.
pub(crate) fn fits(text: &str, chars_max: usize) -> bool {
    text.chars().nth(chars_max).is_none()
}

/// Bytes of a key that are looked at.
pub(crate) const KEY_BYTES_MAX: usize = 256;
/// Bytes of a login or logout form.
pub(crate) const FORM_BYTES_MAX: usize = 8 * 1024;
/// Headers of one request.
pub(crate) const HEADERS_MAX: usize = 64;
/// Bytes of all headers of one request.
pub(crate) const HEADER_BYTES_MAX: u32 = 16 * 1024;
/// Read buffer of one HTTP/1 connection, bytes; headers must fit into it.
pub(crate) const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Streams of one HTTP/2 connection at a time.
pub(crate) const STREAMS_MAX: u32 = 64;
/// Logins that are checked at a time: each costs 64 MiB or so of memory, by intent.
pub(crate) const LOGINS_AT_A_TIME: usize = 2;
/// Logins that wait for the identity provider at a time.
pub(crate) const PROVIDER_LOGINS_AT_A_TIME: usize = 8;

/// Files of feeds that come at a time: each may fill the disk up to its feed's limit.
pub(crate) const DELIVERIES_AT_A_TIME: usize = 4;

/// Where to listen and what to serve there.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The server's certificate.
    pub identification: Identification,
    /// What is served.
    pub serves: Serves,
    /// Which clients may prove themselves by a certificate.
    pub clients: Clients,
    /// The limits.
    pub limits: Limits,
}

/// Which clients may prove themselves by a certificate in the handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Clients {
    /// Nobody is asked for one.
    #[default]
    NotAsked,
    /// Whoever has one may show it; whoever shows one that is not good is turned away.
    Asked {
        /// PEM file with the authority that it must chain to.
        authority: PathBuf,
        /// The trust domain of its name.
        trust_domain: String,
    },
}

impl Config {
    /// Everything on one address with an own authority in `<folder>/tls`, at default limits.
    pub fn own(listen: SocketAddr, folder: impl Into<PathBuf>, host: Option<String>) -> Self {
        Self {
            listen,
            identification: Identification::Own { folder: folder.into(), host },
            serves: Serves::Everything,
            clients: Clients::NotAsked,
            limits: Limits::default(),
        }
    }
}

/// How the server proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identification {
    /// By an own authority in `<folder>/tls`, made on first run; clients trust `<folder>/tls/ca.pem`.
    Own {
        /// The folder that `tls` is in.
        folder: PathBuf,
        /// A name beside `localhost`, `127.0.0.1` and `::1`.
        host: Option<String>,
    },
    /// By a certificate that was given; read again twice a day.
    Given {
        /// PEM chain, the server's certificate first.
        certificate: PathBuf,
        /// PEM private key.
        key: PathBuf,
    },
}

/// Which routes there are at this address; the others are not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serves {
    /// All of them.
    Everything,
    /// The interface for applications, without the console.
    Api,
    /// The console, without the interface for applications.
    Console,
}

/// What one caller or all of them can take from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time.
    pub connections_max: usize,
    /// Connections at a time from one address (IPv6: one /64).
    pub connections_per_address_max: u32,
    /// Requests being answered at a time; above, 503.
    pub requests_max: usize,
    /// Bytes of a request's body; above, 413.
    pub body_bytes_max: usize,
    /// Seconds for the TLS handshake.
    pub handshake_seconds: u64,
    /// Seconds until the headers of a request are complete.
    pub header_seconds: u64,
    /// Seconds until the body of a request is complete; above, 408.
    pub body_seconds: u64,
    /// Seconds until a file of a feed is complete; above, 408. Between two pieces of it no more than `body_seconds` may pass.
    pub delivery_seconds: u64,
    /// Seconds until a request is answered; above, 503.
    pub request_seconds: u64,
    /// Seconds that a connection may stay without a request in work.
    pub idle_seconds: u64,
    /// Seconds to finish what is being answered when the server stops.
    pub drain_seconds: u64,
    /// Wrong keys or refused logins from one address in a minute; above, 429 without asking further.
    pub strangers_per_minute_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            connections_per_address_max: 256,
            requests_max: 256,
            body_bytes_max: 1024 * 1024,
            handshake_seconds: 10,
            header_seconds: 10,
            body_seconds: 15,
            delivery_seconds: 600,
            request_seconds: 30,
            idle_seconds: 75,
            drain_seconds: 10,
            strangers_per_minute_max: 60,
        }
    }
}
