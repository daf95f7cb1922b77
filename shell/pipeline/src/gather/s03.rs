//! Facts of a label set: who signed, what the archive still holds, what statistics say.

use std::collections::{BTreeMap, BTreeSet};

use artifact::LabelSet;
use gate::{Digest, Receipt};
use identity::{Action, matrix};
use learn::gbm::Booster;
use learn::{BoosterSpec, Preprocess, Split};
use s03_label_qa::{Approval, Facts, Policy, Previous, Qa};
use store::control::LabelVersion;

use crate::PipelineError;
use crate::evidence::deed::DeedKind;
use crate::evidence::proof;
use crate::run::Run;
use crate::run::labels::{LabelRows, parse_labels, proposed};

/// A label is suspect when a model that did not see it gives it less than this probability.
pub(crate) const SUSPECT_PROBABILITY: f64 = 0.05;
/// Folds of that model.
const FOLDS: usize = 3;
/// Its trees.
const TREES: u32 = 100;
/// Its seed; any would do, it must only stay the same.
const SEED: u64 = 3;

impl Run<'_> {
    /// Signatures under exactly this proposal that the log proves; the control database only says where to look.
    async fn signatures(&self, set: &LabelSet, violations: &mut Vec<String>) -> Result<Vec<Approval>, PipelineError> {
        let proposal = proposed(self.desk, set.content).await?.map(|(receipt, _)| receipt.statement);
        let people: BTreeMap<String, _> =
            self.desk.identity.people().await?.into_iter().map(|person| (person.name.clone(), person)).collect();
        let mut signatures = Vec::new();
        for booked in self.desk.control.approvals(&set.content).await.map_err(PipelineError::internal)? {
            match self.desk.proved_deed(&booked.what.evidence, DeedKind::Approval, set.content) {
                Ok((_, deed)) if deed.about.is_some() && deed.about == proposal => signatures.push(Approval {
                    may_approve: people.get(&deed.person).is_some_and(|person| {
                        person.disabled_at.is_none() && matrix::any_allowed(&person.roles, Action::ApproveLabels)
                    }),
                    content: deed.content,
                    second_factor: deed.amr.iter().any(|factor| factor == "otp"),
                    person: deed.person,
                }),
                Ok((receipt, _)) => violations.push(format!("signature {} is under another proposal", receipt.id)),
                Err(why) => violations.push(format!("a signature is booked that the log does not prove: {why}")),
            }
        }
        Ok(signatures)
    }

    /// A booked version, as the log proves it: the next of its line, with its bytes in the archive.
    fn archived(&self, booked: &LabelVersion, before: Option<Digest>) -> Result<LabelSet, String> {
        let receipt: Receipt = serde_json::from_value(booked.what.receipt.clone()).map_err(|error| error.to_string())?;
        let set = proof::cleared::<artifact::Labels>(self.desk, &receipt)?;
        if set.version != booked.version || set.content != booked.what.content || set.supersedes != before {
            return Err(format!("its evidence {} is of another version", receipt.id));
        }
        self.desk.objects.get(&set.content).map(drop).map_err(|error| error.to_string())?;
        Ok(set)
    }

    pub(crate) async fn label_facts(
        &self,
        set: &LabelSet,
        rows: &LabelRows,
        known: &BTreeSet<String>,
        qa: Option<Qa>,
    ) -> Result<Facts, PipelineError> {
        let project = &self.desk.project;
        let control = &self.desk.control;
        let mut archive_violations = Vec::new();
        let approvals = self.signatures(set, &mut archive_violations).await?;
        let mut versions = control.label_versions().await.map_err(PipelineError::internal)?;
        versions.sort_by_key(|version| version.version);
        let mut previous: Option<LabelSet> = None;
        for version in &versions {
            match self.archived(version, previous.as_ref().map(|previous| previous.content)) {
                Ok(set) => previous = Some(set),
                Err(why) => archive_violations.push(format!("version {}: {why}", version.version)),
            }
        }
        let previous = previous.filter(|set| versions.last().is_some_and(|last| last.version == set.version));
        let previous = previous.map(|set| {
            let bytes = self.desk.objects.get(&set.content).ok();
            let old = bytes.as_deref().map(parse_labels).unwrap_or_default();
            compare(&set, bytes.map(|bytes| Digest::of(&bytes)), &old, rows)
        });
        let unknown_customers =
            u64::try_from(rows.labels.keys().filter(|(id, _)| !known.contains(id)).count()).unwrap_or(u64::MAX);
        let label = project.contract.label.as_ref();
        Ok(Facts {
            approvals,
            previous,
            archive_violations,
            qa: qa.map(|qa| Qa { unknown_customers, contradictions: rows.contradictions, ..qa }),
            policy: Policy {
                approvals_needed: project.policy.labels.approvals_needed,
                author_may_approve: project.policy.labels.author_may_approve,
                change_share_max: project.policy.labels.change_share_max,
                suspect_share_max: project.policy.labels.suspect_share_max,
                positive_share: label.map_or((0.0, 1.0), |label| (label.rate_min, label.rate_max)),
            },
        })
    }
}

fn compare(set: &LabelSet, archived: Option<Digest>, old: &LabelRows, new: &LabelRows) -> Previous {
    let count = |pick: &dyn Fn(Option<&bool>, bool) -> bool| {
        u64::try_from(old.labels.iter().filter(|(key, churned)| pick(new.labels.get(*key), **churned)).count())
            .unwrap_or(u64::MAX)
    };
    Previous {
        version: set.version,
        content: set.content,
        archived,
        changed: count(&|new, old| new.is_some_and(|new| *new != old)),
        dropped: count(&|new, _| new.is_none()),
    }
}

/// What a booster that did not see a label says of it, out of fold: counts, and its belief in each label, row by row.
pub(crate) fn quality(frame: &frame::Frame, labels: &[bool]) -> Result<(Qa, Vec<f64>), PipelineError> {
    let internal = |error: learn::LearnError| PipelineError::internal(error);
    let spec = BoosterSpec { trees: TREES, ..BoosterSpec::default() };
    let mut beliefs = vec![1.0; labels.len()];
    for fold in (Split::Stratified { folds: FOLDS, seed: SEED }).folds(frame, labels).map_err(internal)? {
        let train = frame.take(&fold.train);
        let known: Vec<bool> = fold.train.iter().filter_map(|row| labels.get(*row).copied()).collect();
        let preprocess = Preprocess::fit(&train, &[]).map_err(internal)?;
        let booster = Booster::fit(&preprocess.encode(&train).map_err(internal)?, &known, &spec, SEED).map_err(internal)?;
        let test = preprocess.encode(&frame.take(&fold.test)).map_err(internal)?;
        for (row, margin) in fold.test.iter().zip(booster.margins(&test).map_err(internal)?) {
            let chance = Booster::chance(margin);
            let believed = if labels.get(*row) == Some(&true) { chance } else { 1.0 - chance };
            if let Some(place) = beliefs.get_mut(*row) {
                *place = believed;
            }
        }
    }
    let rows = u64::try_from(labels.len()).unwrap_or(u64::MAX);
    let suspects = beliefs.iter().filter(|believed| **believed < SUSPECT_PROBABILITY).count();
    #[expect(clippy::cast_precision_loss, reason = "row counts stay far below 2^53")]
    let suspect_share = suspects as f64 / rows.max(1) as f64;
    Ok((Qa { rows, suspect_share, unknown_customers: 0, contradictions: 0 }, beliefs))
}
