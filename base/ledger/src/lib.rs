//! Evidence that cannot be rewritten unnoticed: signed statements, and a Merkle log over their digests (T4, T6).
//!
//! - `statement`, `slsa`, `dsse`, `bundle`, `modelsig`: what is said and who signed it (in-toto, SLSA, DSSE, Sigstore bundle, OpenSSF Model Signing).
//! - `tree`, `tile`, `note`, `cosign`, `checkpoint`, `proof`: where it stands (RFC 6962, C2SP tlog-tiles, signed-note, tlog-checkpoint, tlog-proof).
//! - `spec`: the naive twin of the tree, for tests.
//!
//! One entry of the log is the text `sha256:<hex>` of a signed envelope: the log itself never holds personal data. Disk and locks
//! are in `shell/store`. A log proves consistency only to whoever kept an earlier checkpoint; without a witness elsewhere, its
//! owner can still show two histories to two strangers.

pub mod bundle;
pub mod checkpoint;
mod cosign;
pub mod dsse;
pub mod keys;
pub mod modelsig;
pub mod note;
pub mod proof;
pub mod slsa;
pub mod spec;
pub mod statement;
pub mod tile;
pub mod tree;

pub use bundle::{Bundle, EvidenceId, IdPrefix};
pub use checkpoint::Checkpoint;
pub use keys::{P256Signer, P256Verifier};
pub use proof::TlogProof;
pub use statement::{Statement, Subject};
