//! A change of rules grants only what it declares (T4): every request that the new rules allow was allowed before, or is permitted
//! by the declaration that came with the change and that people reviewed.

use cedar_policy::{Authorizer, Decision, Policy, PolicyId, PolicySet};
use cedar_policy_symcc::Env;
use gate::Digest;

use super::prover::{Answer, NOT_REPLAYED, Prover, counterexample, ended, not_proved};
use super::solver::Solver;
use super::{COUNTEREXAMPLES_MAX, Counterexample, Outcome, Proof, ProofReport};
use crate::access::{Access, names};
use crate::error::AccessError;
use crate::rules;

/// The name of the property.
const GRANTS_ONLY_DECLARED: &str = "change-grants-only-what-it-declares";
/// Name of the declaration, in messages.
const DECLARATION: &str = "the declared change";

/// Judges a change from the rules `before` to the rules `after`. `declared` are permits, as Cedar text: what may be allowed from
/// now on that was not before, also where an earlier rule forbade it. Without it the change may only take rights away.
///
/// # Errors
/// A declaration that does not fit the schema, or that forbids.
pub async fn prove_change(
    before: &Access,
    after: &Access,
    declared: Option<&str>,
    solver: Result<&Solver, String>,
) -> Result<ProofReport, AccessError> {
    let text = declared.unwrap_or_default();
    let change = Change::new(before, after, text)?;
    let (kinds_of_requests, outcome) = match solver.clone().and_then(|solver| Prover::new(after, solver)) {
        Ok(prover) => change.judge(prover).await,
        Err(why) => (0, not_proved(&why)),
    };
    let why = "whatever the new rules allow was allowed before, or is declared with the change".to_owned();
    let parts = [before.digest().as_bytes().to_vec(), text.as_bytes().to_vec()];
    Ok(ProofReport {
        policies: after.digest(),
        properties: Digest::of_parts(parts.iter().map(Vec::as_slice)),
        solver: solver.ok().map(|solver| solver.info.clone()),
        proofs: vec![Proof { property: GRANTS_ONLY_DECLARED.to_owned(), why, kinds_of_requests, outcome }],
    })
}

struct Change<'a> {
    before: &'a Access,
    after: &'a Access,
    declared: PolicySet,
    /// The new rules, less what is declared: each declared permit stands in it as a forbid. What these rules still allow beyond
    /// the old ones is granted and not declared.
    undeclared: PolicySet,
}

impl<'a> Change<'a> {
    fn new(before: &'a Access, after: &'a Access, text: &str) -> Result<Self, AccessError> {
        let (mut declared, mut undeclared) = (PolicySet::new(), after.rules.set.clone());
        for (number, policy) in rules::read(DECLARATION, text, &after.schema)?.into_iter().enumerate() {
            let forbid = turned(&policy, number).ok_or_else(|| AccessError::Declaration { number: number + 1 })?;
            // Names by number under a prefix that no rule of a file has taken, or the rule would not be added and the proof fail.
            undeclared.add(forbid).map_err(|_| AccessError::Declaration { number: number + 1 })?;
            declared.add(policy).map_err(|_| AccessError::Declaration { number: number + 1 })?;
        }
        Ok(Self { before, after, declared, undeclared })
    }

    async fn judge(&self, mut prover: Prover<'_>) -> (usize, Outcome) {
        let kinds = prover.kinds();
        let mut broken = Vec::new();
        for place in 0..kinds {
            let after = prover.compile(&self.undeclared, place);
            let (after, before) = match (after, prover.compile(&self.before.rules.set, place)) {
                (Ok(after), Ok(before)) => (after, before),
                (Err(why), _) | (_, Err(why)) => return (kinds, ended(broken, Some(why))),
            };
            match prover.implies(&after, &before).await {
                Answer::Holds => {}
                Answer::Broken(found) => match self.replay(&found) {
                    Some(counterexample) => broken.push(counterexample),
                    None => return (kinds, ended(broken, Some(NOT_REPLAYED.to_owned()))),
                },
                Answer::Unknown(why) => return (kinds, ended(broken, Some(why))),
            }
            if broken.len() >= COUNTEREXAMPLES_MAX {
                break;
            }
        }
        (kinds, ended(broken, None))
    }

    /// Asks the new rules, the old ones and the declaration themselves.
    fn replay(&self, found: &Env) -> Option<Counterexample> {
        let authorizer = Authorizer::new();
        let answer = |set: &PolicySet| authorizer.is_authorized(&found.request, set, &found.entities);
        let after = answer(&self.after.rules.set);
        let known = [&self.before.rules.set, &self.declared].into_iter().any(|set| answer(set).decision() == Decision::Allow);
        (after.decision() == Decision::Allow && !known).then(|| counterexample(found, names(&after)))
    }
}

/// The forbid of the same requests; none for a policy that forbids already.
fn turned(permit: &Policy, number: usize) -> Option<Policy> {
    if permit.effect() == cedar_policy::Effect::Forbid {
        return None;
    }
    let mut form = permit.to_json().ok()?;
    *form.get_mut("effect")? = serde_json::Value::from("forbid");
    Policy::from_json(Some(PolicyId::new(format!("declared change {number}"))), form).ok()
}
