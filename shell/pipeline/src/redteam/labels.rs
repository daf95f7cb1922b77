//! Label versions against s03: proposed, signed and archived in the project's own stores, judged by the facts that a run gathers.

use std::collections::BTreeSet;

use artifact::LabelSet;
use attacks::{Broken, Judged, LabelMove, Person};
use gate::{Digest, Tray};
use identity::Session;

use super::field::{Field, broken, judged};
use crate::gather::s03::qa::Known;
use crate::run::approve_labels;
use crate::run::labels::{LabelRows, propose};

impl Field {
    fn person(&self, person: Person) -> &Session {
        let sessions = &self.world.sessions;
        match person {
            Person::Labeller => &sessions.labeller,
            Person::Approver => &sessions.approvers[0],
            Person::SecondApprover => &sessions.approvers[1],
        }
    }

    fn turned(&self, flips: &[usize]) -> LabelRows {
        let mut rows = self.labels.clone();
        let turn = |(at, churned): (usize, &mut bool)| {
            if flips.contains(&at) {
                *churned = !*churned;
            }
        };
        rows.labels.values_mut().enumerate().for_each(turn);
        rows
    }

    pub(super) fn relabel(&mut self, change: &LabelMove) -> Result<Judged, Broken> {
        if !self.is_on() {
            return Ok(Judged::through());
        }
        let desk = self.desk()?;
        let rows = self.turned(&change.flips);
        let content = desk.objects.put(&rows.to_bytes()).map_err(broken)?;
        let author = self.person(change.author);
        // What people saw when they signed.
        let shown = if change.swapped_after { self.turned(change.flips.get(..1).unwrap_or_default()) } else { rows.clone() };
        self.sign(&shown, author, &change.signers)?;
        let author = author.person.clone();
        let previous = self.trained.candidate.labels;
        let archive = desk.objects.path_of(&previous);
        if change.archive_rewritten {
            overwrite(&archive, &rows.to_bytes())?;
        }
        let judged = self.judge_labels(content, author, &rows);
        if change.archive_rewritten {
            overwrite(&archive, &self.labels.to_bytes())?;
        }
        judged
    }

    /// A signature that its person may not give is not given. The proposal is written down whoever makes it, as by somebody who got
    /// around the command's own check of rights.
    fn sign(&self, rows: &LabelRows, author: &Session, signers: &[Person]) -> Result<(), Broken> {
        let desk = self.desk()?;
        self.handle.block_on(propose(desk, author, &rows.to_bytes())).map_err(broken)?;
        for signer in signers {
            drop(self.handle.block_on(approve_labels(desk, self.person(*signer))));
        }
        Ok(())
    }

    fn judge_labels(&self, content: Digest, author: String, rows: &LabelRows) -> Result<Judged, Broken> {
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
        let qa = Known::new(&self.table, rows, std::slice::from_ref(&self.labels), &self.project).quality().ok();
        let known: BTreeSet<String> = self.table.ids.iter().cloned().collect();
        let facts =
            self.in_run(&self.world.sessions.steward, |run| self.handle.block_on(run.label_facts(&set, rows, &known, qa)))?;
        let facts = facts.map_err(broken)?;
        Ok(judged(&self.houses.labels.clear(set, &facts, &mut Tray::default())))
    }
}

/// Writes over a file of the archive, as somebody with the disk would: archived files are read-only, so it is replaced.
fn overwrite(path: &std::path::Path, bytes: &[u8]) -> Result<(), Broken> {
    std::fs::remove_file(path).map_err(broken)?;
    store::disk::write_atomic(path, bytes).map_err(broken)
}
