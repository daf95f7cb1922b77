//! Proves that rules keep properties, for every request there can be (T1, T4, T6): rules and properties become formulas, a solver
//! looks for a request that breaks one, and what it finds is asked of the rules themselves before it is believed.

use std::collections::BTreeMap;

use cedar_policy::{ActionConstraint, Authorizer, Decision, Entities, Policy, PolicySet, RequestEnv};
use cedar_policy_symcc::solver::LocalSolver;
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicy, CompiledPolicySet, CompiledSchema, Env};

use super::properties::{About, NO_RULE_FAILS, Properties, Property};
use super::solver::Solver;
use super::{COUNTEREXAMPLES_MAX, Counterexample, Outcome, Proof, ProofReport};
use crate::access::{Access, names};

const TOO_LONG: &str = "the solver took too long";
pub(super) const NOT_REPLAYED: &str = "the solver shows a request that breaks nothing when the rules themselves are asked";

/// Judges the rules by every property, and by one more: that no rule fails on any request.
///
/// Without a solver each property is not proved, and the reason is that of [`Solver::find`].
pub async fn prove(access: &Access, properties: &Properties, solver: Result<&Solver, String>) -> ProofReport {
    let mut proofs = Vec::new();
    let mut prover = solver.clone().and_then(|solver| Prover::new(access, solver));
    for (name, property) in &properties.listed {
        let (kinds_of_requests, outcome) = match &mut prover {
            Ok(prover) => prover.keeps(property).await,
            Err(why) => (0, Outcome::NotProved { why: why.clone() }),
        };
        proofs.push(Proof { property: name.clone(), why: property.why.clone(), kinds_of_requests, outcome });
    }
    let (kinds_of_requests, outcome) = match &mut prover {
        Ok(prover) => prover.never_fails().await,
        Err(why) => (0, Outcome::NotProved { why: why.clone() }),
    };
    let why = "no rule fails on any request, so that none is passed over".to_owned();
    proofs.push(Proof { property: NO_RULE_FAILS.to_owned(), why, kinds_of_requests, outcome });
    proofs.sort_by(|one, other| one.property.cmp(&other.property));
    ProofReport {
        policies: access.digest(),
        properties: properties.digest(),
        solver: solver.ok().map(|solver| solver.info.clone()),
        proofs,
    }
}

/// What the solver answers to a question.
type Asked = cedar_policy_symcc::err::Result<Option<Env>>;

/// One question's answer, heard out.
pub(super) enum Answer {
    Holds,
    Broken(Box<Env>),
    Unknown(String),
}

/// Rules, the kinds of requests of their schema, and a running solver.
pub(super) struct Prover<'a> {
    access: &'a Access,
    solver: &'a Solver,
    compiler: CedarSymCompiler<LocalSolver>,
    kinds: Vec<RequestEnv>,
    /// Actions with their groups.
    groups: Entities,
    /// The schema as formulas.
    symbols: CompiledSchema,
    /// The rules as formulas, for each kind of request that was asked about.
    compiled: BTreeMap<usize, CompiledPolicySet>,
    /// Whether a question was not answered in time: then none is asked any more.
    gave_up: bool,
}

impl<'a> Prover<'a> {
    pub(super) fn new(access: &'a Access, solver: &'a Solver) -> Result<Self, String> {
        let mut kinds: Vec<RequestEnv> = access.schema.request_envs().collect();
        kinds.sort_by_key(|kind| (kind.action().to_string(), kind.principal().to_string(), kind.resource().to_string()));
        let symbols = CompiledSchema::new(&access.schema).map_err(|error| format!("the schema is no formula: {error}"))?;
        let groups = access.schema.action_entities().map_err(|error| error.to_string())?;
        Ok(Self { access, solver, compiler: solver.start()?, kinds, groups, symbols, compiled: BTreeMap::new(), gave_up: false })
    }

    /// How many kinds of requests there are.
    pub(super) fn kinds(&self) -> usize {
        self.kinds.len()
    }

    fn is_about(&self, about: &About, kind: &RequestEnv) -> bool {
        match about {
            About::Every => true,
            About::These(named) => {
                named.iter().any(|name| name == kind.action() || self.groups.is_ancestor_of(name, kind.action()))
            }
        }
    }

    fn rules(&mut self, place: usize) -> Result<CompiledPolicySet, String> {
        if let Some(found) = self.compiled.get(&place) {
            return Ok(found.clone());
        }
        let compiled = self.compile(&self.access.rules.set, place)?;
        self.compiled.insert(place, compiled.clone());
        Ok(compiled)
    }

    pub(super) fn compile(&self, set: &PolicySet, place: usize) -> Result<CompiledPolicySet, String> {
        let kind = self.kinds.get(place).ok_or("a kind of request is not in the schema")?;
        let failed = |error| format!("not a formula: {error}");
        let symbols = self.symbols.sym_env(kind).map_err(failed)?;
        CompiledPolicySet::compile_with_custom_symenv(set, kind, &self.access.schema, symbols).map_err(failed)
    }

    /// One rule alone; nothing where it is about other actions, so that it cannot fail.
    fn compile_one(&self, policy: &Policy, place: usize) -> Result<Option<CompiledPolicy>, String> {
        let kind = self.kinds.get(place).ok_or("a kind of request is not in the schema")?;
        let about = match policy.action_constraint() {
            ActionConstraint::Any => About::Every,
            ActionConstraint::Eq(action) => About::These(vec![action]),
            ActionConstraint::In(actions) => About::These(actions),
        };
        if !self.is_about(&about, kind) {
            return Ok(None);
        }
        let failed = |error| format!("not a formula: {error}");
        let symbols = self.symbols.sym_env(kind).map_err(failed)?;
        CompiledPolicy::compile_with_custom_symenv(policy, kind, &self.access.schema, symbols).map(Some).map_err(failed)
    }

    /// Whether one set of rules allows nothing beyond another.
    pub(super) async fn implies(&mut self, one: &CompiledPolicySet, other: &CompiledPolicySet) -> Answer {
        if self.gave_up {
            return Answer::Unknown(TOO_LONG.to_owned());
        }
        let question = self.compiler.check_implies_with_counterexample_opt(one, other);
        let asked = tokio::time::timeout(self.solver.patience(), question).await;
        self.heard(asked)
    }

    /// Whether a rule fails on no request.
    async fn errs(&mut self, rule: &CompiledPolicy) -> Answer {
        if self.gave_up {
            return Answer::Unknown(TOO_LONG.to_owned());
        }
        let question = self.compiler.check_never_errors_with_counterexample_opt(rule);
        let asked = tokio::time::timeout(self.solver.patience(), question).await;
        self.heard(asked)
    }

    fn heard(&mut self, asked: Result<Asked, tokio::time::error::Elapsed>) -> Answer {
        match asked {
            Ok(Ok(None)) => Answer::Holds,
            Ok(Ok(Some(found))) => Answer::Broken(Box::new(found)),
            Ok(Err(error)) => {
                // A process that failed in the middle of an answer says nothing more that counts. If no other starts, every later
                // question fails as this one did.
                if let Ok(compiler) = self.solver.start() {
                    self.compiler = compiler;
                }
                Answer::Unknown(format!("the solver gave no answer: {error}"))
            }
            Err(_) => {
                self.gave_up = true;
                Answer::Unknown(TOO_LONG.to_owned())
            }
        }
    }

    /// Whether everything that the rules allow of the property's actions is inside its envelope.
    async fn keeps(&mut self, property: &Property) -> (usize, Outcome) {
        let places: Vec<usize> = (0..self.kinds.len())
            .filter(|place| self.kinds.get(*place).is_some_and(|kind| self.is_about(&property.about, kind)))
            .collect();
        if places.is_empty() {
            return (0, not_proved("it is about no kind of request"));
        }
        let mut broken = Vec::new();
        for place in &places {
            let formulas = self.rules(*place).and_then(|rules| Ok((rules, self.compile(&property.envelope, *place)?)));
            let (rules, envelope) = match formulas {
                Ok(formulas) => formulas,
                Err(why) => return (places.len(), ended(broken, Some(why))),
            };
            match self.implies(&rules, &envelope).await {
                Answer::Holds => {}
                Answer::Broken(found) => match self.replay(&found, &property.envelope) {
                    Some(counterexample) => broken.push(counterexample),
                    None => return (places.len(), ended(broken, Some(NOT_REPLAYED.to_owned()))),
                },
                Answer::Unknown(why) => return (places.len(), ended(broken, Some(why))),
            }
            if broken.len() >= COUNTEREXAMPLES_MAX {
                break;
            }
        }
        (places.len(), ended(broken, None))
    }

    /// Whether no rule fails on any request: Cedar passes over a rule that fails, also over one that forbids.
    async fn never_fails(&mut self) -> (usize, Outcome) {
        let (mut judged, mut broken) = (0, Vec::new());
        let mut policies: Vec<_> = self.access.rules.set.policies().cloned().collect();
        policies.sort_by_key(|policy| policy.id().to_string());
        for place in 0..self.kinds.len() {
            for policy in &policies {
                let compiled = match self.compile_one(policy, place) {
                    Ok(Some(compiled)) => compiled,
                    Ok(None) => continue,
                    Err(why) => return (judged, ended(broken, Some(why))),
                };
                match self.errs(&compiled).await {
                    Answer::Holds => {}
                    Answer::Broken(found) => match self.fails(&found) {
                        Some(counterexample) => broken.push(counterexample),
                        None => return (judged, ended(broken, Some(NOT_REPLAYED.to_owned()))),
                    },
                    Answer::Unknown(why) => return (judged, ended(broken, Some(why))),
                }
                if broken.len() >= COUNTEREXAMPLES_MAX {
                    return (judged + 1, ended(broken, None));
                }
            }
            judged += 1;
        }
        (judged, ended(broken, None))
    }

    /// Asks the rules and the envelope themselves, by the ordinary authorizer.
    fn replay(&self, found: &Env, envelope: &PolicySet) -> Option<Counterexample> {
        let authorizer = Authorizer::new();
        let response = authorizer.is_authorized(&found.request, &self.access.rules.set, &found.entities);
        let inside = authorizer.is_authorized(&found.request, envelope, &found.entities).decision() == Decision::Allow;
        let breaks = response.decision() == Decision::Allow && !inside;
        breaks.then(|| counterexample(found, names(&response)))
    }

    fn fails(&self, found: &Env) -> Option<Counterexample> {
        let response = Authorizer::new().is_authorized(&found.request, &self.access.rules.set, &found.entities);
        let mut failed: Vec<String> = response
            .diagnostics()
            .errors()
            .map(|error| match error {
                cedar_policy::AuthorizationError::PolicyEvaluationError(error) => error.policy_id().to_string(),
            })
            .collect();
        failed.sort();
        (!failed.is_empty()).then(|| counterexample(found, failed))
    }
}

pub(super) fn not_proved(why: &str) -> Outcome {
    Outcome::NotProved { why: why.to_owned() }
}

/// What was found out: a request that breaks the property does so whatever else is not known.
pub(super) fn ended(broken: Vec<Counterexample>, stopped: Option<String>) -> Outcome {
    match (broken.is_empty(), stopped) {
        (false, _) => Outcome::Counterexamples(broken),
        (true, Some(why)) => Outcome::NotProved { why },
        (true, None) => Outcome::Proved,
    }
}

pub(super) fn counterexample(found: &Env, policies: Vec<String>) -> Counterexample {
    let text = |uid: Option<&cedar_policy::EntityUid>| uid.map(ToString::to_string).unwrap_or_default();
    let context = found.request.context().and_then(|context| context.to_json_value().ok());
    Counterexample {
        principal: text(found.request.principal()),
        action: text(found.request.action()),
        resource: text(found.request.resource()),
        context: context.unwrap_or(serde_json::Value::Null),
        entities: found.entities.to_json_value().unwrap_or(serde_json::Value::Null),
        policies,
    }
}
