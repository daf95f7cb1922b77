//! Deployment and rollback: which released model answers, as an append-only record with evidence.

use identity::{Action, Session};
use serde_json::json;
use store::control::{Deployment, DeploymentKind, NewDeployment};

use super::Run;
use super::state::{Deployed, Released};
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
    session
        .authorise(action, now())
        .map_err(|denial| PipelineError::NotAllowed { why: denial.to_string(), help: denial.help() })?;
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
        let current = all.iter().max_by_key(|deployment| deployment.seq).map(|deployment| deployment.what.model);
        // Back along the line of deployments: after A, B, C and one rollback to B the next one goes to A, not to C again.
        let entered = all.iter().filter(|known| Some(known.what.model) == current && known.what.kind == DeploymentKind::Deploy);
        let before = entered.max_by_key(|known| known.seq).and_then(|known| known.previous);
        let fits = |deployment: &&Deployment| match to {
            Some(prefix) => deployment.what.model.hex().starts_with(prefix),
            None => Some(deployment.what.model) == before,
        };
        let earlier = all.iter().filter(fits).max_by_key(|deployment| deployment.seq);
        let earlier = earlier.ok_or_else(|| {
            PipelineError::wrong("there is no earlier deployment to go back to", "list them with `stayward model ls`")
        })?;
        let known = read(earlier)?;
        let released = Released { release: known.release, receipt: known.receipt };
        deploy(self, houses, &released, &session, "", DeploymentKind::Rollback).await
    }
}

fn read(deployment: &Deployment) -> Result<Deployed, PipelineError> {
    serde_json::from_value(deployment.what.receipt.clone()).map_err(PipelineError::internal)
}
