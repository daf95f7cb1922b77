//! Who may do what, by rules that people can read and a solver can prove (T1, T2, T4, T6): Cedar policies over a schema, default
//! deny, and one place where requests are made and judged.
//!
//! ```text
//! Request --Access::decide--> Decision    allowed or not, by which rules, why, what to do
//!         --Access::why-----> Explanation the same for people, with the roles that have the right
//! Access  --prove-----------> ProofReport each property: proved for all requests, a counterexample, or not proved
//! ```
//!
//! The rules are `policies/*.cedar`, one file for each role of the threat model; a project may add a file of its own, which can
//! forbid and also permit. What may never be permitted, whoever writes the rules, is said in `properties/*.cedar`; `prove` judges
//! every rule set by it. A proof is about the rules, not about the code that makes requests: so requests are made in `request.rs`
//! alone, and `access.golden` keeps the whole table as text.

mod access;
mod error;
mod matrix;
mod proof;
mod request;
mod rules;

pub use access::{Access, Decision, Explanation, Ground};
pub use error::AccessError;
pub use proof::{Counterexample, Outcome, Proof, ProofReport, Properties, SolverInfo, Verdict, proved_with_the_program};
#[cfg(feature = "prove")]
pub use proof::{Solver, prove, prove_change};
pub use request::{Principal, Request, Resource, SECOND_FACTOR_NEVER};
pub use rules::{ACCESS_BYTES_MAX, Effect, OwnLabels, RULE_BYTES_MAX, RULE_NESTING_MAX, RULES_MAX, Rule};
