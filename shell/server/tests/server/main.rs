//! The server over real sockets and real TLS (T1, T2, T3, T6), with a service behind it that answers by rules.

#![expect(clippy::unwrap_used, reason = "a client of tests: a fault in it is a failed test")]

mod api;
mod common;
mod console;
mod feeds;
mod labels;
mod leaks;
mod routes;
mod tls;
