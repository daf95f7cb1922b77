//! The operators' console: the threat model's diagram, lit by evidence, as pages that a browser needs no script to read.
//!
//! Every page is a pure function from a view (plain data, [`view`]) to HTML. The pages answer the threats by what they leave out
//! and by how they are drawn: all text is escaped, no page has inline scripts, styles or event handlers (so a strict content
//! security policy holds, [`CONTENT_SECURITY_POLICY`]), nothing is fetched from outside, and each refusal shows its rule, why,
//! help and the next command (T2, T3, T6). The server routes, authenticates and fills the views.

pub mod command;
pub mod path;
pub mod plot;
pub mod view;

mod diagram;
mod frame;
mod page;
mod part;

pub use page::card::card;
pub use page::controls::controls;
pub use page::entry::{login, refused, signed_in};
pub use page::evidence::evidence;
pub use page::model::{calibration_plot, lift_plot, model, precision_recall_plot, roc_plot, segment_plot};
pub use page::passkeys::passkeys;
pub use page::pipeline::{pipeline, pipeline_fragment};
pub use page::run::run;

/// The one stylesheet, to be served at [`path::STYLE`] as `text/css; charset=utf-8`.
pub const STYLESHEET: &str = concat!(include_str!("../assets/style.css"), include_str!("../assets/plot.css"));

/// The sign in a browser's tab, to be served at [`path::ICON`] as `image/svg+xml`: a browser that is told of none asks for a path
/// that there is not.
pub const ICON: &str = include_str!("../assets/icon.svg");

/// The script of the Pipeline page, to be served at [`path::SCRIPT`] as `text/javascript; charset=utf-8`. The Pipeline page works without it.
pub const SCRIPT: &str = include_str!("../assets/live.js");

/// The script of passkeys, to be served at [`path::PASSKEY_SCRIPT`] in the same way, also to strangers. Both pages work without it.
pub const PASSKEY_SCRIPT: &str = include_str!("../assets/passkey.js");

/// The policy under which every page works; to be sent with every answer of the console.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

#[cfg(test)]
extern crate self as console;

#[cfg(test)]
mod hostile;

#[cfg(test)]
#[path = "../examples/gallery/sample.rs"]
mod sample;
