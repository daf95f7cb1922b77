//! Who asks, and what they may do (T1, T2, T4, T6): people with two factors, components with short-lived tokens, applications
//! with limited keys, suppliers with registered keys; one matrix of rights, default deny.
//!
//! ```text
//! person      --password + code-->  Session    --Session::authorise-->          Ok | Denial
//! component   --swc_ token------->  Component  --matrix::authorise_component--> Ok | Denial
//! application --swk_ key--------->  KeyGrant   --KeyGrant::may, limits, scope
//! supplier    --signature-------->  SupplierKey::is_trusted, advance_sequence
//! ```
//!
//! All times are Unix seconds and come from the caller. Every change is in the same database transaction as its line in the log
//! ([`Identity::events_after`]), and a change of who is who is told to a [`Witness`] before it is committed.

pub mod access_token;
mod apps;
mod components;
mod database;
mod error;
mod jose;
mod keyring;
mod lockout;
pub mod matrix;
pub mod oidc;
pub mod passkey;
mod password;
mod people;
mod role;
mod roster;
mod scope;
mod second_factor;
mod session;
mod suppliers;
mod token;
mod workloads;

pub use apps::{
    App, DISTINCT_CUSTOMERS_PER_DAY_MAX, GRACE_SECONDS_MAX, KEY_LIFETIME_SECONDS, KEY_LIFETIME_SECONDS_MAX, KeyGrant, KeyInfo,
    KeyLimits, NewKey, PER_MINUTE_MAX, Right,
};
pub use components::{COMPONENT_TOKEN_SECONDS_MAX, ComponentTokenInfo};
pub use database::{Event, Identity, LIST_ROWS_MAX, NAME_BYTES_MAX, TEXT_BYTES_MAX};
pub use error::IdentityError;
pub use keyring::KeyRing;
pub use lockout::{FIRST_LOCK_SECONDS, FREE_FAILURES, LOCK_SECONDS_MAX, lock_seconds};
pub use matrix::Denial;
pub use password::{PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN};
pub use people::{Enrolment, NewPerson, Person};
pub use role::{Action, Component, Role};
pub use roster::{Roster, RosterChange, Witness, read_roster};
pub use scope::{CustomerScope, SCOPE_ENTRIES_MAX};
pub use second_factor::{RECOVERY_CODES, Sealer, TOTP_STEP_SECONDS, code_at, otpauth_url};
pub use session::{Factor, LOGIN_LINK_SECONDS, SESSION_SECONDS, Session};
pub use suppliers::{
    Advance, PEM_BYTES_MAX, SIGNER_KEY_BYTES_MAX, SUPPLIER_KEY_SECONDS_MAX, SupplierKey, parse_p256_pem, public_key_pem,
};
pub use token::SecretText;
pub use workloads::WorkloadInfo;
