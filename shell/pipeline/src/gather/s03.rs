//! Facts of a label set: who signed, what the archive still holds, what statistics say.

use std::collections::{BTreeMap, BTreeSet};

use ::access::Resource;
use artifact::LabelSet;
use gate::{Digest, Receipt};
use s03_label_qa::{Approval, Facts, Policy, Previous, Qa};
use store::control::LabelVersion;

use crate::evidence::deed::DeedKind;
use crate::evidence::proof;
use crate::run::Run;
use crate::run::labels::{LabelRows, parse_labels, proposed};
use crate::{PipelineError, access};

pub(crate) mod qa;
pub(crate) mod recount;

impl Run<'_> {
    /// Signatures under exactly this proposal that the log proves; the control database only says where to look.
    async fn signatures(&self, set: &LabelSet, violations: &mut Vec<String>) -> Result<Vec<Approval>, PipelineError> {
        let proposed = proposed(self.desk, set.content).await?;
        let proposal = proposed.as_ref().map(|(receipt, _)| receipt.statement);
        let labels = proposed.map(|(_, deed)| Resource::Labels { name: set.content.hex(), author: deed.person, team: deed.team });
        let rules = access::rules(&self.desk.project)?;
        let people: BTreeMap<String, _> =
            self.desk.identity.people().await?.into_iter().map(|person| (person.name.clone(), person)).collect();
        let mut signatures = Vec::new();
        for booked in self.desk.control.approvals(&set.content).await.map_err(PipelineError::internal)? {
            match self.desk.proved_deed(&booked.what.evidence, DeedKind::Approval, set.content) {
                Ok((_, deed)) if deed.about.is_some() && deed.about == proposal => signatures.push(Approval {
                    may_approve: people.get(&deed.person).is_some_and(|person| {
                        person.disabled_at.is_none()
                            && labels.as_ref().is_some_and(|labels| access::may_sign(&rules, person, labels.clone()))
                    }),
                    content: deed.content,
                    second_factor: deed.second_factor(),
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
            recount: recount::recount(project, rows),
            policy: Policy {
                approvals_needed: project.policy.labels.approvals_needed,
                author_may_approve: project.policy.labels.author_may_approve,
                change_share_max: project.policy.labels.change_share_max,
                suspect_share_max: project.policy.labels.suspect_share_max,
                positive_share: label.map_or((0.0, 1.0), |label| (label.rate_min, label.rate_max)),
                pattern_alpha: project.policy.labels.pattern_alpha,
                mismatches_max: project.policy.labels.events.as_ref().map_or(0, |events| events.mismatches_max),
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
