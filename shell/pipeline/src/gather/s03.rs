//! Facts of a label set: who signed, what the archive still holds, what statistics say.

use std::collections::{BTreeMap, BTreeSet};

use ::access::Resource;
use artifact::LabelSet;
use gate::{Digest, Receipt};
use identity::Action;
use s03_label_qa::{Approval, Facts, Policy, Previous, Qa, Watches};
use store::control::LabelVersion;
use tabular::TypedTable;

use crate::evidence::deed::DeedKind;
use crate::evidence::proof;
use crate::policy::LabelPolicy;
use crate::run::Run;
use crate::run::labels::{LabelRows, parse_labels, proposed};
use crate::{PipelineError, Project, access};

mod blind;
pub(crate) mod qa;
pub(crate) mod recount;
pub(crate) mod watch;

/// What was made of labels and customers before facts are gathered.
pub(crate) struct Looked {
    /// What the policy asks of labels.
    policy: LabelPolicy,
    /// Customers that the data source knows.
    known: BTreeSet<String>,
    qa: Option<Qa>,
    watches: Option<Watches>,
}

impl Looked {
    /// Looks at a candidate for a version. `earlier` are all versions before it, oldest first; `before` what the last of them left of
    /// the watch, absent where it left nothing.
    pub(crate) fn at(
        project: &Project,
        customers: &TypedTable,
        (rows, version): (&LabelRows, u64),
        earlier: &[LabelRows],
        before: Option<Watches>,
    ) -> Self {
        let qa = qa::Known::new(customers, rows, earlier, project).quality().ok();
        let known: BTreeSet<String> = customers.ids.iter().cloned().collect();
        let watches = watch::watched(project, customers, (rows, version), earlier, before).ok();
        Self { policy: project.policy.labels.clone(), known, qa, watches }
    }
}

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
                        labels.is_some() && access::may(&rules, person, Action::ApproveLabels, labels.clone())
                    }),
                    content: deed.content,
                    second_factor: deed.second_factor(),
                    team: deed.team,
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

    /// What the watch over labellers had seen when this version was cleared: the state stands in the facts that the log binds, so it is
    /// proved, not trusted. Absent where the version is older than the watch, or its facts are gone.
    pub(crate) fn watches(&self, booked: &LabelVersion) -> Option<Watches> {
        let receipt: Receipt = serde_json::from_value(booked.what.receipt.clone()).ok()?;
        let (set, facts): (LabelSet, Facts) = proof::judged(self.desk, &receipt.statement).ok()?;
        let same = set.version == booked.version && set.content == booked.what.content;
        facts.watches.filter(|watches| same && watches.version == booked.version)
    }

    pub(crate) async fn label_facts(&self, set: &LabelSet, rows: &LabelRows, looked: Looked) -> Result<Facts, PipelineError> {
        let project = &self.desk.project;
        let policy = &looked.policy;
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
            u64::try_from(rows.labels.keys().filter(|(id, _)| !looked.known.contains(id)).count()).unwrap_or(u64::MAX);
        let label = project.contract.label.as_ref();
        Ok(Facts {
            approvals,
            previous,
            archive_violations,
            author_team: proposed(self.desk, set.content).await?.map(|(_, deed)| deed.team).unwrap_or_default(),
            watches: looked.watches,
            blind: self.blind(set, rows, policy.blind.as_ref()).await?,
            qa: looked.qa.map(|qa| Qa { unknown_customers, contradictions: rows.contradictions, ..qa }),
            recount: recount::recount(project, rows),
            policy: Policy {
                approvals_needed: policy.approvals_needed,
                author_may_approve: policy.author_may_approve,
                change_share_max: policy.change_share_max,
                suspect_share_max: policy.suspect_share_max,
                positive_share: label.map_or((0.0, 1.0), |label| (label.rate_min, label.rate_max)),
                pattern_alpha: policy.pattern_alpha,
                other_team: policy.other_team,
                blind_share: policy.blind.map(|blind| blind.share),
                watch_alpha: policy.watch_alpha,
                mismatches_max: policy.events.as_ref().map_or(0, |events| events.mismatches_max),
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
