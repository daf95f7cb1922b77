//! The sockets (T2, T3): TLS, routes and limits around the prediction service and the operators' console.
//!
//! ```text
//! accept -> limits of connections -> TLS -> limits of headers, bodies, time -> route table -> key or session -> parse
//!        -> Asks::ask (decides everything) or ConsoleSource (fills pages) -> render
//! ```
//!
//! A route parses and renders, it decides nothing: what a caller may know is decided behind [`Asks`]. What goes wrong reads the
//! same everywhere, `{"error":"refused, ref 8c21.."}`; the operator finds why under the reference ([`Asks::note`]).

mod answer;
mod asks;
mod body;
mod caller;
mod config;
mod crowd;
mod error;
mod feeds;
mod form;
mod labels;
mod listen;
mod metrics;
mod oip;
mod openapi;
mod pages;
mod route;
mod serve;
mod tls;
mod v1;
pub mod workload;

pub use crate::asks::{Admitted, Asks, Declined, Note, Presented};
pub use crate::config::{Clients, Config, Identification, Limits, Serves};
pub use crate::error::ServerError;
pub use crate::listen::{Drained, Running, Server};
pub use crate::openapi::document as openapi_document;
pub use crate::pages::source::{Back, ConsoleSource, Entry, Seen, SessionCookie, Signed};
pub use crate::route::{OpenTo, ROUTES, Route, Verb};
