//! What a proof says, as evidence (T1, T4, T6): which rules, which properties, which solver, and for each property whether all
//! requests were proved, which request breaks it, or why nothing was proved. Not proved never counts as proved.

#[cfg(feature = "prove")]
mod change;
mod properties;
#[cfg(feature = "prove")]
mod prover;
#[cfg(feature = "prove")]
mod solver;

use std::fmt;

use gate::Digest;
use serde::{Deserialize, Serialize};

#[cfg(feature = "prove")]
pub use change::prove_change;
pub use properties::Properties;
#[cfg(feature = "prove")]
pub use prover::prove;
#[cfg(feature = "prove")]
pub use solver::Solver;

/// Counterexamples of one property that are kept; each is of another kind of request.
#[cfg(feature = "prove")]
const COUNTEREXAMPLES_MAX: usize = 8;

/// A request that is allowed although the property forbids it; found by the solver, and then asked of the rules themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counterexample {
    /// Who, as the rules write it.
    pub principal: String,
    /// What for.
    pub action: String,
    /// Over what.
    pub resource: String,
    /// Circumstances.
    pub context: serde_json::Value,
    /// The principal, the resource and what they belong to, in Cedar's JSON form.
    pub entities: serde_json::Value,
    /// The rules that permit it, by name; for a rule that fails, its name.
    pub policies: Vec<String>,
}

/// What was found out about a property.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It holds for every request.
    Proved,
    /// These requests break it.
    Counterexamples(Vec<Counterexample>),
    /// Nothing is known.
    NotProved {
        /// Why not.
        why: String,
    },
}

/// A property and what was found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The property's name.
    pub property: String,
    /// What it says.
    pub why: String,
    /// Kinds of requests that were judged: each is one kind of principal, one action and one kind of resource, and stands for
    /// all requests of that kind.
    pub kinds_of_requests: usize,
    /// What was found out.
    pub outcome: Outcome,
}

/// The solver that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SolverInfo {
    /// Its name.
    pub name: String,
    /// Its version, in its own words.
    pub version: String,
}

/// All together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every property is proved.
    Proved,
    /// Some property has a counterexample.
    Counterexample,
    /// No counterexample, but some property is not proved.
    NotProved,
}

/// A judged set of rules, as a fact for gates and a statement for the log. The same rules, properties and solver give the same
/// report, but for the names that a solver makes up in counterexamples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofReport {
    /// Digest of the schema and the rules, [`crate::Access::digest`].
    pub policies: Digest,
    /// Digest of the properties; for a change, of the rules before it and of what it declares.
    pub properties: Digest,
    /// The solver; none where none was found.
    pub solver: Option<SolverInfo>,
    /// One for each property, in the order of their names.
    pub proofs: Vec<Proof>,
}

/// What was proved of the shipped rules when the program was built: rules, properties, and the properties that do not hold of them.
const SHIPPED: &str = include_str!("../proved.golden");

/// The properties that rules of this digest break, where that was proved with the program; none where nothing is known of them.
#[must_use]
pub fn proved_with_the_program(policies: &Digest, properties: &Digest) -> Option<Vec<String>> {
    let (policies, properties) = (policies.hex(), properties.hex());
    SHIPPED.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let same = words.next() == Some(&policies) && words.next() == Some(&properties);
        same.then(|| words.filter(|word| *word != "-").map(str::to_owned).collect())
    })
}

impl ProofReport {
    /// Names of the properties that have a counterexample.
    #[must_use]
    pub fn broken(&self) -> Vec<String> {
        self.names(|outcome| matches!(outcome, Outcome::Counterexamples(_)))
    }

    /// Names of the properties of which nothing is known.
    #[must_use]
    pub fn unproved(&self) -> Vec<String> {
        self.names(|outcome| matches!(outcome, Outcome::NotProved { .. }))
    }

    fn names(&self, wanted: fn(&Outcome) -> bool) -> Vec<String> {
        self.proofs.iter().filter(|proof| wanted(&proof.outcome)).map(|proof| proof.property.clone()).collect()
    }

    /// All together. A report without a property proves nothing.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let broken = |proof: &Proof| matches!(proof.outcome, Outcome::Counterexamples(_));
        if self.proofs.iter().any(broken) {
            return Verdict::Counterexample;
        }
        let proved = !self.proofs.is_empty() && self.proofs.iter().all(|proof| proof.outcome == Outcome::Proved);
        if proved { Verdict::Proved } else { Verdict::NotProved }
    }
}

/// For people: a line for each property, and under it what breaks it or why it is not proved.
impl fmt::Display for ProofReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for proof in &self.proofs {
            let word = match &proof.outcome {
                Outcome::Proved => "proved",
                Outcome::Counterexamples(_) => "BROKEN",
                Outcome::NotProved { .. } => "NOT PROVED",
            };
            writeln!(out, "{word:<10}  {:<32}  {}", proof.property, proof.why)?;
            match &proof.outcome {
                Outcome::Proved => {}
                Outcome::NotProved { why } => writeln!(out, "{:<10}  {why}", "")?,
                Outcome::Counterexamples(found) => found.iter().try_for_each(|one| writeln!(out, "{:<10}  {one}", ""))?,
            }
        }
        match &self.solver {
            Some(solver) => write!(out, "rules {}, judged by {} {}", self.policies, solver.name, solver.version),
            None => write!(out, "rules {}, judged by no solver", self.policies),
        }
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { principal, action, resource, context, policies, .. } = self;
        write!(out, "{principal} does {action} over {resource} with {context}: rule `{}`", policies.join("`, `"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(outcomes: &[Outcome], expected: Verdict) {
        let proof = |outcome: &Outcome| Proof {
            property: "a".to_owned(),
            why: "b".to_owned(),
            kinds_of_requests: 1,
            outcome: outcome.clone(),
        };
        let proofs = outcomes.iter().map(proof).collect();
        let report = ProofReport { policies: Digest::of(b"p"), properties: Digest::of(b"q"), solver: None, proofs };
        assert_eq!(report.verdict(), expected);
        let back: ProofReport = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
        assert_eq!(back, report);
        assert_eq!(report.to_string().matches("NOT PROVED").count(), outcomes.iter().filter(|one| **one == not()).count());
    }

    fn not() -> Outcome {
        Outcome::NotProved { why: "no solver".to_owned() }
    }

    #[test]
    fn only_what_is_proved_throughout_is_proved() {
        let broken = || Outcome::Counterexamples(Vec::new());
        check(&[], Verdict::NotProved);
        check(&[Outcome::Proved], Verdict::Proved);
        check(&[Outcome::Proved, not()], Verdict::NotProved);
        check(&[Outcome::Proved, not(), broken()], Verdict::Counterexample);
    }
}
