//! Judges requests by the rules (T1, T2, T4, T6): default deny, forbid before permit, and what could not be judged is denied.

use std::fmt;

use cedar_policy::{Authorizer, PolicyId, PolicySet, Response, Schema};
use gate::Digest;
use identity::{Action, Component, Role};
use serde::{Deserialize, Serialize};

use crate::error::AccessError;
use crate::request::{Asked, Principal, Request};
use crate::rules::{self, Effect, OwnLabels, Rule, Rules};

/// The rules of a program and a project, ready to judge.
pub struct Access {
    pub(crate) schema: Schema,
    pub(crate) rules: Rules,
    authorizer: Authorizer,
    /// The permits alone: tells a request that no rule permits from one that a rule forbids.
    permits: PolicySet,
    /// The forbids alone, over a permit for everything: tells what an action asks of the second factor.
    pub(crate) forbids: PolicySet,
}

/// On what a decision rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ground {
    /// A rule permits, and none forbids.
    Permitted,
    /// No rule permits.
    NoRule,
    /// A rule permits, and another forbids.
    Forbidden,
    /// The request does not fit the schema, or a rule could not be evaluated: counts as no.
    Unjudged,
}

/// What the rules say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Whether it is allowed.
    pub allowed: bool,
    /// On what that rests.
    pub ground: Ground,
    /// The rules that decided, by name: those that permit, or those that forbid. None where no rule permits.
    pub policies: Vec<String>,
    /// Why, in the words of these rules.
    pub why: String,
    /// What the reader can do; empty where it is allowed.
    pub fix: String,
}

/// A decision for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Who asked.
    pub who: String,
    /// What for.
    pub what: Action,
    /// The decision.
    pub decision: Decision,
    /// The rules that decided, in full.
    pub rules: Vec<Rule>,
    /// Roles that have the right, with a fresh second factor.
    pub roles: Vec<Role>,
    /// Components that have the right.
    pub components: Vec<Component>,
}

impl Access {
    /// Reads the program's rules and a project's own, `access.cedar`, which may forbid and also permit.
    ///
    /// # Errors
    /// What is wrong with the project's rules; its help says what to do.
    pub fn load(project_policy: Option<&str>, own_labels: OwnLabels) -> Result<Self, AccessError> {
        let schema = rules::schema()?;
        let rules = Rules::load(project_policy, own_labels, &schema)?;
        let permits = rules.only(Effect::Permit);
        let mut forbids = rules.only(Effect::Forbid);
        if let Some(all) = rules::read("everything", "permit (principal, action, resource);", &schema)?.pop() {
            // Nobody writes a rule of this name by accident; were there one, the table of rights would say `never`.
            let _ = forbids.add(all.new_id(PolicyId::new("\u{0}everything")));
        }
        Ok(Self { schema, rules, authorizer: Authorizer::new(), permits, forbids })
    }

    /// The rules, by name.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.listed.values()
    }

    /// Digest of the schema and of all rules with the names of their files.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let files = self.rules.files.iter().flat_map(|(name, text)| [name.as_bytes(), text.as_bytes()]);
        Digest::of_parts([rules::SCHEMA.as_bytes()].into_iter().chain(files))
    }

    /// Judges a request. Never fails: what cannot be judged is denied.
    #[must_use]
    pub fn decide(&self, request: &Request) -> Decision {
        let asked = match Asked::new(request, &self.schema) {
            Ok(asked) => asked,
            Err(problem) => return unjudged(format!("the request does not fit the schema: {problem}")),
        };
        let response = self.answer(&asked, &self.rules.set);
        if let Some(error) = response.diagnostics().errors().next() {
            return unjudged(format!("a rule could not be evaluated: {error}"));
        }
        let policies = names(&response);
        match response.decision() {
            cedar_policy::Decision::Allow => {
                let why = self.words(&policies, |rule| &rule.why);
                Decision { allowed: true, ground: Ground::Permitted, policies, why, fix: String::new() }
            }
            cedar_policy::Decision::Deny if self.permitted(&asked) => {
                let (why, fix) = (self.words(&policies, |rule| &rule.why), self.words(&policies, |rule| &rule.fix));
                Decision { allowed: false, ground: Ground::Forbidden, policies, why, fix }
            }
            cedar_policy::Decision::Deny => Decision {
                allowed: false,
                ground: Ground::NoRule,
                policies: Vec::new(),
                why: format!("no rule permits `{}` to `{}`", request.principal, request.action),
                fix: self.way(request.action),
            },
        }
    }

    /// The decision for people: rules in full, and who has the right.
    #[must_use]
    pub fn why(&self, request: &Request) -> Explanation {
        let decision = self.decide(request);
        let rules = decision.policies.iter().filter_map(|id| self.rules.listed.get(id)).cloned().collect();
        Explanation {
            who: request.principal.to_string(),
            what: request.action,
            rules,
            roles: self.roles_with(request.action),
            components: self.components_with(request.action),
            decision,
        }
    }

    /// Roles that have the right when a second factor was just given.
    #[must_use]
    pub fn roles_with(&self, action: Action) -> Vec<Role> {
        let has = |role: &&Role| self.allows(&fresh(Principal::with_role(**role), action));
        Role::ALL.iter().filter(has).copied().collect()
    }

    /// Components that have the right in a session with a second factor.
    #[must_use]
    pub fn components_with(&self, action: Action) -> Vec<Component> {
        let has = |component: &&Component| self.allows(&fresh(Principal::Component(**component), action));
        Component::ALL.iter().filter(has).copied().collect()
    }

    /// Whether it is allowed, without the words: for tables, and where the answer is a fact for a gate.
    #[must_use]
    pub fn allows(&self, request: &Request) -> bool {
        let Ok(asked) = Asked::new(request, &self.schema) else { return false };
        let response = self.answer(&asked, &self.rules.set);
        response.decision() == cedar_policy::Decision::Allow && response.diagnostics().errors().next().is_none()
    }

    /// Whether no rule forbids it, be it permitted or not.
    pub(crate) fn unforbidden(&self, request: &Request) -> bool {
        let Ok(asked) = Asked::new(request, &self.schema) else { return false };
        self.answer(&asked, &self.forbids).decision() == cedar_policy::Decision::Allow
    }

    fn permitted(&self, asked: &Asked) -> bool {
        self.answer(asked, &self.permits).decision() == cedar_policy::Decision::Allow
    }

    fn answer(&self, asked: &Asked, rules: &PolicySet) -> Response {
        self.authorizer.is_authorized(&asked.request, rules, &asked.entities)
    }

    fn words(&self, policies: &[String], word: impl Fn(&Rule) -> &String) -> String {
        let found: Vec<&str> =
            policies.iter().filter_map(|id| self.rules.listed.get(id)).map(|rule| word(rule).as_str()).collect();
        found.join("; ")
    }

    /// How to get what no rule permits.
    fn way(&self, action: Action) -> String {
        let people: Vec<&str> = self.roles_with(action).into_iter().filter(|role| !role.is_machine()).map(Role::as_str).collect();
        if people.is_empty() {
            return "no person has this right; only a component of the pipeline does it".to_owned();
        }
        format!("ask somebody who is `{}`, or an admin for that role", people.join("` or `"))
    }
}

/// For people: the decision, the rules under it, the way on, and who has the right.
impl fmt::Display for Explanation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { who, what, decision, .. } = self;
        writeln!(out, "{who} {} {what}: {}", if decision.allowed { "may" } else { "may not" }, decision.why)?;
        for rule in &self.rules {
            writeln!(out, "rule `{}` of {}\n{}", rule.id, rule.file, rule.text)?;
        }
        if !decision.fix.is_empty() {
            writeln!(out, "next: {}", decision.fix)?;
        }
        let roles = self.roles.iter().map(|role| role.as_str());
        let components = self.components.iter().map(|component| component.as_str());
        let holders: Vec<&str> = roles.chain(components).collect();
        write!(out, "the right is with: {}", if holders.is_empty() { "nobody".to_owned() } else { holders.join(", ") })
    }
}

/// The question of somebody who gave a second factor just now.
pub(crate) fn fresh(principal: Principal, action: Action) -> Request {
    Request::new(principal, action, Some(0), 0)
}

pub(crate) fn names(response: &Response) -> Vec<String> {
    let mut names: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
    names.sort();
    names
}

fn unjudged(why: String) -> Decision {
    let fix = "look at the project's own rules with `stayward access prove`; the log has the request".to_owned();
    Decision { allowed: false, ground: Ground::Unjudged, policies: Vec::new(), why, fix }
}
