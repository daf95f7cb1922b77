//! Internal customer data out of PostgreSQL (T1): one agreed relation, the agreed columns, one snapshot, and the proof from the
//! catalogue that the role which reads may do nothing else.
//!
//! ```text
//! Settings  --open-->  Session  --facts-->   DatabaseFacts   every right of the role's membership closure; s02 judges them
//!                               --export-->  Export          the rows as CSV, sorted, in the same snapshot
//! ```
//!
//! The connection is TLS with one pinned authority and the server's name checked (`verify-full`), or a socket of this machine; the
//! password proves itself by SCRAM bound to the server's certificate (RFC 5802, RFC 5929), so that it is of no use to a server in between,
//! unless `channel_binding = false` lets a server ask for it as it is.
//! That is why the client is `tokio-postgres` and not sqlx, which keeps the control database: sqlx 0.9 adds the public web's authorities to
//! the pinned one (`sqlx-core`, `tls_rustls.rs`, `import_root_certs`), and has no channel binding.
//! Passwords and the key of pseudonyms come from the vault, as arguments.

mod catalogue;
mod columns;
mod connect;
mod error;
mod export;
mod pseudonym;
mod settings;
mod tls;
mod values;

pub use connect::{Credentials, Session};
pub use error::WarehouseError;
pub use export::{EXPORT_BYTES_MAX, Export};
pub use pseudonym::{KEY_BYTES, Pseudonyms};
pub use settings::{Settings, Tenant};
