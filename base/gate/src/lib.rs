//! The words of Stayward, and the proof that something went through a gate.
//!
//! - **Step**: a box of the threat model's diagram. **Subject**: what passes through it (a feed, a batch, a label set, a model, a query).
//! - **Gate**: one control. Pure: it judges a subject by **facts** and returns a **verdict** (pass, perhaps changed; hold, for
//!   people to decide; refuse) with a **finding** (why, help).
//! - **Gatehouse**: a step with its gates in place. It does not open if a clause of the threat model that belongs to it has no gate.
//! - **[`Cleared`]**: a subject that came through; only a gatehouse can make one; it carries its **receipt**, the ledger entry.
//! - **[`Card`]**: what a gate says of itself: id, clauses, about, maturity. **[`Clause`]**: one mitigation of the threat model.
//! - **[`Ruling`]**: what a gatehouse decided, gate by gate; the ledger keeps it.
//! - **Shell**: all that reads, writes, listens, sleeps, draws. Everything else is pure.
//! - "Checkpoint" means only a signed tree head of the ledger.
//!
//! A [`Cleared`] cannot be made by hand, so a function that takes one cannot be called with something unjudged:
//!
//! ```compile_fail,E0451
//! use gate::{Cleared, Digest, Receipt, Step};
//! struct Door;
//! impl Step for Door { const ID: &'static str = "door"; const TITLE: &'static str = "Door"; type Subject = String; }
//! let forged: Cleared<Door> = Cleared { subject: "poison".to_owned(), receipt: todo!(), step: std::marker::PhantomData };
//! ```
//!
//! nor read back from a file (there is no `Deserialize`), only opened again by its gatehouse against a proof:
//!
//! ```compile_fail,E0277
//! use gate::{Cleared, Step};
//! struct Door;
//! impl Step for Door { const ID: &'static str = "door"; const TITLE: &'static str = "Door"; type Subject = String; }
//! let forged: Cleared<Door> = serde_json::from_str("{}").unwrap();
//! ```

mod card;
mod cleared;
mod digest;
mod gatehouse;
mod ledger;
pub mod manners;
mod step;
mod threats;
mod verdict;

pub use card::{Card, Maturity};
pub use cleared::{Cleared, Held};
pub use digest::{Digest, DigestError};
pub use gatehouse::{Gatehouse, Outcome, Unproven};
pub use ledger::{Archived, Decision, GateRuling, Ledger, LedgerError, Receipt, Ruling, RulingOutcome, Tray, Witness};
pub use step::{Gate, Step, Subject};
pub use threats::{CLAUSES, Clause, EXCEPTIONS, Threat};
pub use verdict::{Certainty, Finding, Verdict};
