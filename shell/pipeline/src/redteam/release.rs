//! Candidates, releases and parts against s05, s06 and s07.

use std::path::PathBuf;

use artifact::{Candidate, Release};
use attacks::{Broken, Judged, Offer, Parts, Tampering};
use gate::{Digest, Receipt, RulingOutcome, Tray, Witness};
use learn::TrainSpec;
use s05_train::{Facts, Lineage};
use s07_release::Component;

use super::field::{Field, broken, judged};
use crate::evidence::{LogWitness, proof};
use crate::gather::s07::Claim;
use crate::gather::{s06, s07};
use crate::run::environment;
use crate::secrets::due;

/// The file that staging reads requirements from.
const REQUIREMENTS: &str = "requirements.txt";

/// A file that is put back as it was, or away.
struct Planted {
    path: PathBuf,
    before: Option<Vec<u8>>,
}

impl Planted {
    fn plant(path: PathBuf, bytes: &[u8]) -> Result<Self, Broken> {
        let before = std::fs::read(&path).ok();
        store::disk::write_atomic(&path, bytes).map_err(broken)?;
        Ok(Self { path, before })
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        match &self.before {
            Some(bytes) => drop(store::disk::write_atomic(&self.path, bytes)),
            None => drop(std::fs::remove_file(&self.path)),
        }
    }
}

impl Field {
    /// What the log proves to have been cleared under a receipt.
    fn proved(&self, receipt: &Receipt) -> Result<Option<Digest>, Broken> {
        let desk = self.desk()?;
        let keys = desk.statement_keys();
        let witness = LogWitness { reader: &desk.reader, keys: &keys };
        let ruling = witness.ruling(receipt).ok();
        Ok(ruling.filter(|ruling| ruling.outcome == RulingOutcome::Cleared).and_then(|ruling| ruling.cleared))
    }

    pub(super) fn hand_in(&self, tampering: Tampering) -> Result<Judged, Broken> {
        if !self.is_on() {
            return Ok(Judged::through());
        }
        let honest = &self.trained.candidate;
        let source_proved = self.settled.cleared.iter().map(|receipt| self.proved(receipt)).collect::<Result<Vec<_>, _>>()?;
        let proved = !source_proved.is_empty() && source_proved.iter().all(Option::is_some);
        let lineage = |what: &str, digest: Digest| Lineage { what: what.to_owned(), cleared: proved.then_some(digest) };
        let mut environment_used = environment();
        let mut candidate = honest.clone();
        let mut planted = None;
        match tampering {
            Tampering::None => {}
            Tampering::Parameters => {
                let spec =
                    TrainSpec { seed: self.project.policy.train.seed.wrapping_add(1), ..self.project.policy.train.clone() };
                candidate.parameters = Digest::of_json(&spec);
            }
            Tampering::PolicyMidRun => {
                let path = self.project.path("stayward.toml");
                let mut text = std::fs::read(&path).map_err(broken)?;
                text.extend_from_slice(b"\n[quality]\nauc_min = 0.0\n");
                planted = Some(Planted::plant(path, &text)?);
            }
            Tampering::Program => {
                environment_used.insert("lock".to_owned(), Digest::of(b"another lock").to_string());
            }
            Tampering::Data => candidate.source = Digest::of(b"other data"),
            Tampering::Labels => candidate.labels = Digest::of(b"other labels"),
        }
        // Everything else is as it was judged when the model was trained.
        let (_, known): (Candidate, Facts) = proof::judged(self.desk()?, &self.trained.receipt.statement).map_err(broken)?;
        let facts = Facts {
            lineage: vec![
                lineage("source", honest.source),
                lineage("labels", honest.labels),
                lineage("segments", honest.segments),
            ],
            parameters_agreed: Some(Digest::of_json(&self.project.policy.train)),
            policy_digest: (self.project.policy_digest, self.project.policy_digest_now().map_err(broken)?),
            environment: environment_used,
            environment_agreed: environment(),
            ..known
        };
        drop(planted);
        Ok(judged(&self.houses.training.clear(candidate, &facts, &mut Tray::default())))
    }

    pub(super) fn offer(&self, offer: &Offer) -> Result<Judged, Broken> {
        if !self.is_on() {
            return Ok(Judged::through());
        }
        let mut candidate: Candidate = self.trained.candidate.clone();
        let (parts, parts_receipt) = &self.staged;
        let forged = |receipt: &Receipt| Receipt {
            statement: Digest::of(b"forged"),
            id: Digest::of(b"forged").hex().chars().take(16).collect(),
            ..receipt.clone()
        };
        let mut receipts = (self.trained.receipt.clone(), parts_receipt.clone());
        let mut planted = None;
        match offer {
            Offer::Honest | Offer::UncheckedParts | Offer::RightTooMany { .. } | Offer::OldKey(_) => {}
            Offer::OtherModel => {
                if let Some(digest) = candidate.files.values_mut().next() {
                    *digest = Digest::of(b"backdoor");
                }
            }
            Offer::ForgedReceipts => receipts = (forged(&receipts.0), forged(&receipts.1)),
            Offer::File { name, text } => planted = Some(Planted::plant(self.project.path(name), text.as_bytes())?),
        }
        let mut claims = vec![Claim::of("s05-training", &candidate, &receipts.0)];
        if *offer != Offer::UncheckedParts {
            claims.push(Claim::of("s06-dependencies", parts, &receipts.1));
        }
        let desk = self.desk()?;
        let credentials = due::of_vault(&desk.project, &desk.vault).map_err(broken)?;
        let mut facts = self.handle.block_on(s07::gather(desk, &claims, credentials)).map_err(broken)?;
        drop(planted);
        match offer {
            Offer::RightTooMany { component, right } => {
                let granted = |known: &mut Component| known.granted.push(right.clone());
                facts.components.iter_mut().filter(|known| known.name == *component).for_each(granted);
            }
            Offer::OldKey(age_days) => facts.credentials.iter_mut().for_each(|key| key.age_days = *age_days),
            Offer::Honest | Offer::OtherModel | Offer::UncheckedParts | Offer::ForgedReceipts | Offer::File { .. } => {}
        }
        let release =
            Release { files: candidate.files, parts: Digest::of_json(&parts.locks), contract: self.project.contract_digest };
        Ok(judged(&self.houses.release.clear(release, &facts, &mut Tray::default())))
    }

    pub(super) fn stage_parts(&self, parts: &Parts) -> Result<Judged, Broken> {
        if !self.is_on() {
            return Ok(Judged::through());
        }
        let mut project = self.project.clone();
        let mut planted = None;
        if let Parts::Requirements(text) = parts
            && !text.is_empty()
        {
            planted = Some(Planted::plant(self.project.path(REQUIREMENTS), text.as_bytes())?);
            project.policy.dependencies.locks = vec![REQUIREMENTS.to_owned()];
        }
        let (subject, mut facts) = s06::gather(&project).map_err(broken)?;
        drop(planted);
        let places = facts.critical.len().max(1);
        match parts {
            Parts::Requirements(_) => {}
            Parts::CriticalVersion(at) => {
                facts.critical.iter_mut().skip(at % places).take(1).for_each(|critical| critical.1 = "999.0.0".to_owned())
            }
            Parts::CriticalBytes(at) => {
                facts.critical.iter_mut().skip(at % places).take(1).for_each(|critical| critical.2 = "0".repeat(64))
            }
            Parts::ReviewsEnded => facts.reviews.iter_mut().for_each(|review| review.expires = facts.now),
        }
        Ok(judged(&self.houses.dependencies.clear(subject, &facts, &mut Tray::default())))
    }
}
