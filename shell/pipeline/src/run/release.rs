//! s06 and s07: what the program is made of, and whether everything that must come before a deployment has come.

use std::time::Instant;

use artifact::Release;
use gate::Digest;

use super::state::{Released, TrainedState};
use super::{Rows, Run};
use crate::evidence::{Artefact, Links};
use crate::gather::s07::Claim;
use crate::gather::{s06, s07};
use crate::secrets::due;
use crate::{PipelineError, crash, run::training::model_folder};

impl Run<'_> {
    pub(crate) async fn release(&mut self, trained: &TrainedState) -> Result<Released, PipelineError> {
        self.progress.begin("s06-dependencies", "parts");
        let began = Instant::now();
        let (parts, facts) = s06::gather(&self.desk.project)?;
        let count = parts.packages;
        let rows = Rows {
            began: Some(began),
            note: format!("{count} packages, {} of them critical", facts.critical.len()),
            ..Rows::default()
        };
        let staged = self.pass(&self.houses.dependencies, "parts", (parts, &facts), Links::default(), rows).await?;

        self.progress.begin("s07-release", "release");
        let began = Instant::now();
        let release = Release {
            files: trained.candidate.files.clone(),
            parts: Digest::of_json(&staged.cleared.subject().locks),
            contract: self.desk.project.contract_digest,
        };
        let claims = [
            Claim::of("s05-training", &trained.candidate, &trained.receipt),
            Claim::of("s06-dependencies", staged.cleared.subject(), staged.cleared.receipt()),
        ];
        let credentials = due::of_all(&self.desk.project, &self.desk.vault, &self.desk.identity).await?;
        let facts = s07::gather(self.desk, &claims, credentials).await?;
        let below = model_folder(release.model());
        let mut artefacts: Vec<Artefact> = release
            .files
            .iter()
            .map(|(name, digest)| Artefact { role: "model".into(), path: format!("{below}/{name}"), digest: *digest })
            .collect();
        artefacts.push(Artefact {
            role: "contract".into(),
            path: "contract.toml".into(),
            digest: self.desk.project.contract_digest,
        });
        let parents = vec![trained.receipt.clone(), staged.cleared.receipt().clone()];
        let rows = Rows { began: Some(began), note: format!("model {}", release.model().short()), ..Rows::default() };
        let passed = self.pass(&self.houses.release, "release", (release, &facts), Links { parents, artefacts }, rows).await?;
        crash::point("release:logged");
        let released = Released { release: passed.cleared.subject().clone(), receipt: passed.cleared.receipt().clone() };
        self.leave(&released).await?;
        Ok(released)
    }
}
