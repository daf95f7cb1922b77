//! Deployment and rollback: which released model answers, as an append-only record with evidence.

use identity::{Action, Session};
use serde_json::json;
use store::control::{Deployment, DeploymentKind, NewDeployment};

use super::Run;
use super::state::{Deployed, Released};
use crate::access::allow;
use crate::desk::{Desk, now, now_ms};
use crate::evidence::{Artefact, Links, LogWitness};
use crate::houses::Houses;
use crate::progress::StepState;
use crate::{PipelineError, crash, run::training::model_folder};

impl Run<'_> {
    pub(crate) async fn deploy(&mut self, released: &Released) -> Result<Deployed, PipelineError> {
        self.progress.begin("deployment", "model");
        let deployed = deploy(self.desk, self.houses, released, &self.session, &self.id, DeploymentKind::Deploy).await?;
        let note = format!("model {} answers now", deployed.model.short());
        self.settled("deployment", "model", (StepState::Pass, &note), &deployed.deployment).await?;
        Ok(deployed)
    }
}

async fn deploy(
    desk: &Desk,
    houses: &Houses,
    released: &Released,
    session: &Session,
    run: &str,
    kind: DeploymentKind,
) -> Result<Deployed, PipelineError> {
    let (action, word) = match kind {
        DeploymentKind::Deploy => (Action::Release, "deploy"),
        DeploymentKind::Rollback => (Action::Rollback, "rollback"),
    };
    let then = if kind == DeploymentKind::Deploy { "; then `stayward deploy`" } else { "; then the rollback again" };
    allow(&desk.project, &desk.identity, session, action).await.map_err(|error| error.in_need("", then))?;
    let keys = desk.statement_keys();
    let witness = LogWitness { reader: &desk.reader, keys: &keys };
    // Only what the log proves to have been cleared can be deployed.
    let cleared = houses.release.reopen(released.release.clone(), released.receipt.clone(), &witness)?;
    let model = cleared.subject().model();
    let below = model_folder(model);
    let artefacts = cleared
        .subject()
        .files
        .iter()
        .map(|(name, digest)| Artefact { role: "model".into(), path: format!("{below}/{name}"), digest: *digest })
        .collect();
    let links = Links { parents: vec![released.receipt.clone()], artefacts };
    let parameters = json!({ "kind": word });
    let parameters = parameters.as_object().cloned().unwrap_or_default();
    let deployment =
        desk.record_made(("deployment", &format!("{word} {}", model.short()), model), parameters, &links, run, now())?;
    crash::point("deployment:logged");
    let deployed = Deployed { model, release: released.release.clone(), receipt: released.receipt.clone(), deployment };
    let value = serde_json::to_value(&deployed).map_err(PipelineError::internal)?;
    let new = NewDeployment { model, receipt: value, kind, by: session.person.clone(), at_ms: now_ms() };
    desk.control.deploy(&new).await.map_err(PipelineError::internal)?;
    crash::point("deployment:booked");
    Ok(deployed)
}

impl Desk {
    /// The deployment that is in force.
    pub async fn deployed(&self) -> Result<Option<Deployed>, PipelineError> {
        let current = self.control.current_deployment().await.map_err(PipelineError::internal)?;
        current.map(|deployment| read(&deployment)).transpose()
    }

    /// Deploys what the last run released.
    pub async fn deploy_released(&self, houses: &Houses) -> Result<Deployed, PipelineError> {
        let session = self.session().await?;
        let value = self.pointer("released").await?;
        let value =
            value.ok_or_else(|| PipelineError::wrong("nothing was released yet", "run the pipeline with `stayward run`"))?;
        let released: Released = serde_json::from_value(value).map_err(PipelineError::internal)?;
        deploy(self, houses, &released, &session, "", DeploymentKind::Deploy).await
    }

    /// Goes back to the model that was deployed before (or to the one whose digest begins so).
    pub async fn roll_back(&self, houses: &Houses, to: Option<&str>) -> Result<Deployed, PipelineError> {
        let session = self.session().await?;
        let all = self.control.deployments().await.map_err(PipelineError::internal)?;
        let earlier = earlier(&all, to)?;
        let known = read(earlier)?;
        let released = Released { release: known.release, receipt: known.receipt };
        deploy(self, houses, &released, &session, "", DeploymentKind::Rollback).await
    }
}

/// The deployment to go back to, of all of them.
fn earlier<'a>(all: &'a [Deployment], to: Option<&str>) -> Result<&'a Deployment, PipelineError> {
    let help = "list models with `stayward model ls`";
    let newest = |found: &mut dyn Iterator<Item = &'a Deployment>| found.max_by_key(|deployment| deployment.seq);
    let current = newest(&mut all.iter()).map(|deployment| deployment.what.model);
    if let Some(prefix) = to {
        let found = newest(&mut all.iter().filter(|known| !prefix.is_empty() && known.what.model.hex().starts_with(prefix)));
        return match found {
            None => Err(PipelineError::wrong(format!("no such model was ever deployed: `{prefix}`"), help)),
            Some(known) if Some(known.what.model) == current => {
                Err(PipelineError::wrong(format!("model `{}` is deployed already", known.what.model.short()), help))
            }
            Some(known) => Ok(known),
        };
    }
    // Back along the line of deployments: after A, B, C and one rollback to B the next one goes to A, not to C again. A deployment
    // of what was deployed already is no step of that line.
    let entered = newest(&mut all.iter().filter(|known| {
        let model = Some(known.what.model);
        model == current && known.what.kind == DeploymentKind::Deploy && known.previous != model
    }));
    let before = entered.and_then(|known| known.previous);
    let found = before.and_then(|before| newest(&mut all.iter().filter(|known| known.what.model == before)));
    found.ok_or_else(|| PipelineError::wrong("there is nothing earlier to go back to", help))
}

fn read(deployment: &Deployment) -> Result<Deployed, PipelineError> {
    serde_json::from_value(deployment.what.receipt.clone()).map_err(PipelineError::internal)
}

#[cfg(test)]
mod tests {
    use gate::Digest;

    use super::*;

    /// Deployments by letters, an upper-case one is a rollback; what one goes back to, or nothing.
    fn check(deployed: &str, to: Option<&str>, expected: Option<&str>) {
        let model = |letter: char| Digest::of(letter.to_ascii_lowercase().to_string().as_bytes());
        let letters: Vec<char> = deployed.chars().collect();
        let of = |(at, letter): (usize, &char)| Deployment {
            seq: u64::try_from(at).unwrap() + 1,
            what: NewDeployment {
                model: model(*letter),
                receipt: serde_json::Value::Null,
                kind: if letter.is_uppercase() { DeploymentKind::Rollback } else { DeploymentKind::Deploy },
                by: "ada".into(),
                at_ms: 0,
            },
            previous: at.checked_sub(1).map(|before| model(letters[before])),
        };
        let all: Vec<Deployment> = letters.iter().enumerate().map(of).collect();
        let to = to.map(|to| to.chars().next().map_or(String::new(), |letter| model(letter).short()));
        let found = earlier(&all, to.as_deref()).ok().map(|deployment| deployment.what.model);
        assert_eq!(found, expected.and_then(|letter| letter.chars().next()).map(model), "{deployed}");
    }

    #[test]
    fn a_rollback_goes_back_along_the_line_and_no_further() {
        check("", None, None);
        check("a", None, None);
        check("aa", None, None);
        check("ab", None, Some("a"));
        check("abb", None, Some("a"));
        check("abA", None, None);
        check("abAA", None, None);
        check("abcB", None, Some("a"));
        check("abAc", None, Some("a"));
    }

    #[test]
    fn a_named_model_was_deployed_and_is_not() {
        check("abc", Some("a"), Some("a"));
        check("abc", Some("c"), None);
        check("abc", Some("z"), None);
        check("abc", Some(""), None);
    }
}
