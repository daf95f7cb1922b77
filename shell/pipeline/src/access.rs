//! Who may do what in a project (T1, T4, T6): the rules of the program and those of the project's `access.cedar` decide, and what was
//! proved of them is a fact of every release.

use std::sync::{Arc, Mutex, PoisonError};

use access::{ACCESS_BYTES_MAX, Access, AccessError, OwnLabels, Principal, ProofReport, Properties, Request, Resource};
use gate::Digest;
use identity::{Action, Component, Denial, Identity, Role, Session, matrix};
use s07_release::{AccessFacts, AccessProof};
use serde_json::json;
use store::disk::DiskError;

use crate::desk::{Desk, now};
use crate::evidence::{Artefact, Links, proof};
use crate::{PipelineError, Project};

/// Rules are read for every request, parsed only when their text is another one.
static LAST: Mutex<Option<(Source, Arc<Access>)>> = Mutex::new(None);
/// What rules come from: a project's own text, and whether authors may sign.
type Source = (Option<String>, OwnLabels);

/// A project's own rules.
pub const PROJECT_FILE: &str = "access.cedar";
/// The kind of the log's entries about proofs.
const KIND: &str = "access-proof";
/// Who judged the rules that the program ships.
const WITH_PROGRAM: &str = "the program's own tests";

/// The program's rules with those of the project.
///
/// # Errors
/// Rules that cannot be read: nobody may do anything by them.
pub fn rules(project: &Project) -> Result<Arc<Access>, PipelineError> {
    let own = project.path(PROJECT_FILE);
    let limit = u64::try_from(ACCESS_BYTES_MAX).unwrap_or(u64::MAX);
    // Rules that are there and cannot be read are no rules that are not there.
    let text =
        match store::disk::read_limited(&own, limit) {
            Err(DiskError::Missing(_)) => None,
            text => Some(String::from_utf8(text?).map_err(|error| {
                PipelineError::wrong(format!("`{PROJECT_FILE}` is no UTF-8: {error}"), "write it as plain text")
            })?),
        };
    let asked = (text, own_labels(project));
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((known, rules)) = last.as_ref()
        && *known == asked
    {
        return Ok(Arc::clone(rules));
    }
    let rules = Arc::new(Access::load(asked.0.as_deref(), asked.1).map_err(refused)?);
    *last = Some((asked, Arc::clone(&rules)));
    Ok(rules)
}

/// Whether authors may sign, as the rules say it.
pub fn own_labels(project: &Project) -> OwnLabels {
    if project.policy.labels.author_may_approve { OwnLabels::Allowed } else { OwnLabels::Forbidden }
}

/// The error of rules, for people.
pub fn refused(error: AccessError) -> PipelineError {
    let help = error.help();
    PipelineError::wrong(error.to_string(), help)
}

/// Whether a component may do it in a session with this second factor.
pub fn component_may(rules: &Access, component: Component, action: Action, second_factor_at: Option<i64>) -> bool {
    rules.allows(&Request::new(Principal::Component(component), action, second_factor_at, now()))
}

/// Whether a person may do it by the rules as they are now: over `over`, or else a thing of nobody in particular. As if a second factor
/// had been given just now: whether it was is asked apart.
pub(crate) fn may(rules: &Access, person: &identity::Person, action: Action, over: Option<Resource>) -> bool {
    let principal = Principal::Person { name: person.name.clone(), roles: person.roles.clone(), team: person.team.clone() };
    let request = Request::new(principal, action, Some(now()), now());
    person.disabled_at.is_none() && rules.allows(&over.into_iter().fold(request, Request::over))
}

/// Lets a session through that may do this now; the error names the command that logs in somebody who may.
///
/// # Errors
/// [`PipelineError::NotAllowed`]; rules that cannot be read.
pub async fn allow(project: &Project, identity: &Identity, session: &Session, action: Action) -> Result<(), PipelineError> {
    allow_over(project, identity, session, action, None).await
}

/// The same over a thing that the rules look at.
pub(crate) async fn allow_over(
    project: &Project,
    identity: &Identity,
    session: &Session,
    action: Action,
    thing: Option<Resource>,
) -> Result<(), PipelineError> {
    let team = identity.person(&session.person).await?.team;
    let person = Principal::Person { name: session.person.clone(), roles: session.roles.clone(), team };
    let mut request = Request::new(person, action, session.second_factor_at, now());
    if let Some(thing) = thing {
        request = request.over(thing);
    }
    let decision = rules(project)?.decide(&request);
    if decision.allowed {
        return Ok(());
    }
    // Where the program's own table says no as well, its words name people and commands.
    if let Err(denial) = session.authorise(action, now()) {
        let help = help(identity, session, action, &denial).await?;
        return Err(PipelineError::NotAllowed { why: denial.to_string(), help });
    }
    let by = if decision.policies.is_empty() { String::new() } else { format!(" (rule `{}`)", decision.policies.join("`, `")) };
    let help = format!("{}; see `stayward access why {} {action}`", decision.fix.trim_end_matches('.'), session.person);
    Err(PipelineError::NotAllowed { why: format!("{}{by}", decision.why), help })
}

async fn help(identity: &Identity, session: &Session, action: Action, denial: &Denial) -> Result<String, PipelineError> {
    Ok(match denial {
        Denial::SecondFactorMissing { .. } | Denial::SecondFactorTooOld { .. } => {
            "confirm with a fresh one-time code: `stayward login --again`".to_owned()
        }
        Denial::NoRole { .. } => {
            let able = |roles: &std::collections::BTreeSet<Role>| matrix::any_allowed(roles, action);
            let people = identity.people().await?;
            let able = people.iter().filter(|one| one.disabled_at.is_none() && able(&one.roles));
            let names: Vec<String> = able.map(|one| format!("`stayward login {}`", one.name)).collect();
            if names.is_empty() {
                denial.help()
            } else {
                format!("`{}` may not; log in as somebody who may: {}", session.person, names.join(" or "))
            }
        }
        Denial::Component { .. } => denial.help(),
    })
}

impl Desk {
    /// Writes down what was proved of the project's rules; the evidence id.
    ///
    /// # Errors
    /// A report about other rules than those of the project.
    pub async fn record_access_proof(&self, report: &ProofReport) -> Result<String, PipelineError> {
        if report.policies != rules(&self.project)?.digest() {
            return Err(PipelineError::wrong(
                "the proof is about other rules than the project's",
                "run `stayward access prove` again",
            ));
        }
        let kept = self.objects.put_json(report)?;
        let links = Links { parents: Vec::new(), artefacts: vec![Artefact::object("proof", kept)] };
        let parameters = json!({
            "verdict": report.verdict(), "broken": report.broken(), "unproved": report.unproved(), "solver": report.solver,
            "properties": report.properties,
        });
        let parameters = parameters.as_object().cloned().unwrap_or_default();
        let receipt = self.record_made((KIND, "access rules", report.policies), parameters, &links, "", now())?;
        self.set_pointer(&pointer(&report.policies), &json!(receipt.id)).await?;
        Ok(receipt.id)
    }

    /// What is known of the rules in force: proved with the program, or by an entry of the log.
    pub(crate) async fn access_facts(&self) -> Result<AccessFacts, PipelineError> {
        let policies = rules(&self.project)?.digest();
        let properties = Properties::load(None).map_err(refused)?.digest();
        let shipped = access::proved_with_the_program(&policies, &properties);
        let proof = match shipped {
            Some(broken) => Some(AccessProof { policies, properties, broken, unproved: Vec::new(), by: WITH_PROGRAM.to_owned() }),
            None => self.logged_proof(&policies).await?,
        };
        let own_labels = self.project.policy.labels.author_may_approve;
        Ok(AccessFacts { policies, properties, own_labels, proof })
    }

    /// The control database says only where to look.
    async fn logged_proof(&self, policies: &Digest) -> Result<Option<AccessProof>, PipelineError> {
        let Some(id) = self.pointer(&pointer(policies)).await? else { return Ok(None) };
        let broken = |why: String| PipelineError::broken(format!("the proof of the access rules: {why}"));
        let entry = proof::entry(self, id.as_str().unwrap_or_default()).map_err(broken)?;
        let kept = entry.part.artefacts.first().map(|artefact| artefact.digest).filter(|_| entry.is_about(KIND, *policies));
        let kept = kept.ok_or_else(|| broken("its entry is about something else".to_owned()))?;
        let report: ProofReport = serde_json::from_slice(&self.objects.get(&kept)?).map_err(PipelineError::internal)?;
        if report.policies != *policies {
            return Err(broken("its report is about other rules".to_owned()));
        }
        let by =
            report.solver.as_ref().map_or_else(|| "no solver".to_owned(), |solver| format!("{} {}", solver.name, solver.version));
        let (broken, unproved) = (report.broken(), report.unproved());
        Ok(Some(AccessProof { policies: report.policies, properties: report.properties, broken, unproved, by }))
    }
}

fn pointer(policies: &Digest) -> String {
    format!("{KIND}/{}", policies.hex())
}
