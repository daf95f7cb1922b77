//! Label versions against s03: proposed, signed and archived in the project's own stores, judged by the facts that a run gathers.

use artifact::LabelSet;
use attacks::{Broken, Judged, LabelMove, Person};
use gate::{Digest, Receipt, Tray};
use identity::Session;

use super::field::{Field, broken, judged};
use crate::evidence::deed::DeedKind;
use crate::gather::s03::Looked;
use crate::policy::BlindPolicy;
use crate::run::approve_labels;
use crate::run::labels::{LabelRows, propose, proposed};
use crate::run::second::Drawn;

/// Who labelled, where an attack says so.
const INSIDER: &str = "insider";
const COLLEAGUES: [&str; 3] = ["ida", "olaf", "uma"];
/// Second labels that rule out 2 % of wrong labels, but once in twenty times.
const BLIND: BlindPolicy = BlindPolicy { share: 0.02, miss: 0.05 };

impl Field {
    fn person(&self, person: Person) -> &Session {
        let sessions = &self.world.sessions;
        match person {
            Person::Labeller => &sessions.labeller,
            Person::Approver => &sessions.approvers[0],
            Person::SecondApprover => &sessions.approvers[1],
        }
    }

    fn turned(&self, flips: &[usize], own: &[usize]) -> LabelRows {
        let mut rows = self.labels.clone();
        let turn = |(at, churned): (usize, &mut bool)| {
            if flips.contains(&at) {
                *churned = !*churned;
            }
        };
        rows.labels.values_mut().enumerate().for_each(turn);
        if !own.is_empty() {
            let who = |at: usize| if own.contains(&at) { INSIDER } else { COLLEAGUES.get(at % 3).copied().unwrap_or(INSIDER) };
            rows.labellers = rows.labels.keys().enumerate().map(|(at, key)| (key.clone(), who(at).to_owned())).collect();
        }
        rows
    }

    pub(super) fn relabel(&mut self, change: &LabelMove) -> Result<Judged, Broken> {
        if !self.is_on() {
            return Ok(Judged::through());
        }
        let desk = self.desk()?;
        let rows = self.turned(&change.flips, &change.own);
        let content = desk.objects.put(&rows.to_bytes()).map_err(broken)?;
        let author = self.person(change.author);
        // What people saw when they signed.
        let shown =
            if change.swapped_after { self.turned(change.flips.get(..1).unwrap_or_default(), &change.own) } else { rows.clone() };
        self.sign(&shown, author, &change.signers)?;
        if change.second_labels {
            self.second(&shown)?;
        }
        let author = author.person.clone();
        let previous = self.trained.candidate.labels;
        let archive = desk.objects.path_of(&previous);
        if change.archive_rewritten {
            overwrite(&archive, &rows.to_bytes())?;
        }
        let judged = self.judge_labels(content, author, &rows, change.second_labels);
        if change.archive_rewritten {
            overwrite(&archive, &self.labels.to_bytes())?;
        }
        judged
    }

    /// A signature that its person may not give is not given. The proposal is written down whoever makes it, as by somebody who got
    /// around the command's own check of rights.
    fn sign(&self, rows: &LabelRows, author: &Session, signers: &[Person]) -> Result<(), Broken> {
        let desk = self.desk()?;
        self.handle.block_on(propose(desk, author, &rows.to_bytes(), false)).map_err(broken)?;
        for signer in signers {
            drop(self.handle.block_on(approve_labels(desk, self.person(*signer))));
        }
        Ok(())
    }

    /// Somebody who did not propose the labels has rows drawn, and answers them as they were before the insider came.
    fn second(&self, rows: &LabelRows) -> Result<(), Broken> {
        let (desk, session) = (self.desk()?, self.person(Person::SecondApprover));
        let content = Digest::of(&rows.to_bytes());
        let (proposal, _) =
            self.handle.block_on(proposed(desk, content)).map_err(broken)?.ok_or_else(|| Broken("no proposal".into()))?;
        let deed = |kind, what, about: &Receipt| {
            self.handle.block_on(desk.record_deed(kind, session, what, Some(about))).map_err(broken)
        };
        deed(DeedKind::Draw, ("labels", content), &proposal)?;
        let drawn = Drawn::find(desk, &proposal, rows, &BLIND).map_err(broken)?;
        let drawn = drawn.ok_or_else(|| Broken("no draw".into()))?;
        let truth = |key: &(String, i64)| Some((key.clone(), *self.labels.labels.get(key)?));
        let answers = LabelRows { labels: drawn.keys.iter().filter_map(truth).collect(), ..LabelRows::default() };
        let kept = desk.objects.put(&answers.to_bytes()).map_err(broken)?;
        deed(DeedKind::Second, ("second-labels", kept), &drawn.receipt).map(drop)
    }

    fn judge_labels(&self, content: Digest, author: String, rows: &LabelRows, second_labels: bool) -> Result<Judged, Broken> {
        let versions = self.handle.block_on(self.desk()?.control.label_versions()).map_err(broken)?;
        let last = versions.iter().max_by_key(|version| version.version).ok_or_else(|| Broken("no approved labels".into()))?;
        let set = LabelSet {
            version: last.version + 1,
            content,
            rows: u64::try_from(rows.labels.len()).unwrap_or(u64::MAX),
            positives: u64::try_from(rows.labels.values().filter(|churned| **churned).count()).unwrap_or(u64::MAX),
            author,
            supersedes: Some(last.what.content),
        };
        let mut project = self.project.clone();
        project.policy.labels.blind = second_labels.then_some(BLIND);
        let looked = Looked::at(&project, &self.table, (rows, set.version), std::slice::from_ref(&self.labels), None);
        let facts = self.in_run(&self.world.sessions.steward, |run| self.handle.block_on(run.label_facts(&set, rows, looked)))?;
        let facts = facts.map_err(broken)?;
        Ok(judged(&self.houses.labels.clear(set, &facts, &mut Tray::default())))
    }
}

/// Writes over a file of the archive, as somebody with the disk would: archived files are read-only, so it is replaced.
fn overwrite(path: &std::path::Path, bytes: &[u8]) -> Result<(), Broken> {
    std::fs::remove_file(path).map_err(broken)?;
    store::disk::write_atomic(path, bytes).map_err(broken)
}
