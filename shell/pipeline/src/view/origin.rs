//! From a model back to what it was made of, entry by entry (T4, T6): who deployed, released and trained it, on which labels and tables.

use std::collections::{BTreeSet, VecDeque};

use console::view::model::{EvidenceRef, TrainedOn};
use gate::Digest;

use super::entry::{self, Entry};
use crate::{Desk, PipelineError};

/// Entries that a walk from a model visits; behind the data source it does not go.
const ENTRIES_MAX: usize = 64;

/// The entries of one model, each the nearest of its kind.
#[derive(Default)]
pub(super) struct Origin {
    pub(super) deployed: Option<Entry>,
    pub(super) released: Option<Entry>,
    pub(super) staged: Option<Entry>,
    pub(super) judged: Option<Entry>,
    pub(super) made: Option<Entry>,
    pub(super) labels: Option<Entry>,
    pub(super) segments: Option<Entry>,
    pub(super) source: Option<Entry>,
}

/// Walks from an entry to the data source. Entries that cannot be believed are left out: what they prove is then missing.
pub(super) fn walk(desk: &Desk, from: &str) -> Origin {
    let mut origin = Origin::default();
    let mut seen: BTreeSet<Digest> = BTreeSet::new();
    let mut waiting: VecDeque<Entry> = entry::by_id(desk, from).into_iter().collect();
    while let Some(entry) = waiting.pop_front() {
        if let Some(place) = origin.place(&entry).filter(|place| place.is_none()) {
            if entry.part.kind != "source" && seen.len() < ENTRIES_MAX {
                let fresh = entry.part.parents.iter().filter(|parent| seen.insert(**parent));
                waiting.extend(fresh.filter_map(|parent| entry::by_statement(desk, parent).ok()));
            }
            *place = Some(entry);
        }
    }
    origin
}

impl Origin {
    fn place(&mut self, entry: &Entry) -> Option<&mut Option<Entry>> {
        let step = entry.part.rulings.last().map_or("", |ruling| ruling.step.as_str());
        match (entry.part.kind.as_str(), step) {
            ("deployment", _) => Some(&mut self.deployed),
            ("model", _) => Some(&mut self.made),
            ("source", _) => Some(&mut self.source),
            ("ruling", "s07-release") => Some(&mut self.released),
            ("ruling", "s06-dependencies") => Some(&mut self.staged),
            ("ruling", "s05-training") => Some(&mut self.judged),
            ("ruling", "s04-segments") => Some(&mut self.segments),
            ("ruling", "s03-labels") => Some(&mut self.labels),
            _ => None,
        }
    }

    /// What the log says a file of the model is.
    pub(super) fn digest_of(&self, path: &str) -> Option<Digest> {
        [&self.judged, &self.made, &self.released, &self.deployed].into_iter().flatten().find_map(|entry| entry.digest_of(path))
    }

    /// Names and digests of the files below a folder, as the log has them.
    pub(super) fn files(&self, folder: &str) -> Vec<(String, String)> {
        let entry = [&self.judged, &self.made, &self.released, &self.deployed].into_iter().flatten().next();
        let all = entry.into_iter().flat_map(|entry| &entry.part.artefacts);
        all.filter_map(|artefact| Some((artefact.path.strip_prefix(folder)?.to_owned(), artefact.digest.to_string()))).collect()
    }

    /// What each entry proves, in the order in which it came about.
    pub(super) fn refs(&self) -> Vec<EvidenceRef> {
        let proves = [
            ("trained", &self.made),
            ("judged (s05)", &self.judged),
            ("dependencies vetted (s06)", &self.staged),
            ("released (s07)", &self.released),
            ("deployed", &self.deployed),
        ];
        let refs = proves.into_iter().filter_map(|(proves, entry)| Some((proves, entry.as_ref()?)));
        refs.map(|(proves, entry)| EvidenceRef { proves: proves.to_owned(), id: entry.id.clone() }).collect()
    }

    /// Tables, labels, segments.
    pub(super) async fn inputs(&self, desk: &Desk, segmented: u64) -> Result<Vec<TrainedOn>, PipelineError> {
        let mut inputs: Vec<TrainedOn> = self.source.iter().flat_map(|entry| tables(desk, entry)).collect();
        let versions = desk.control.label_versions().await.map_err(PipelineError::internal)?;
        for (role, entry) in [("labels", &self.labels), ("segments", &self.segments)] {
            let Some(entry) = entry else { continue };
            let artefact = entry.part.artefacts.iter().find(|artefact| artefact.role == role);
            let Some(digest) = artefact.map(|artefact| artefact.digest) else { continue };
            let version = versions.iter().find(|version| version.what.content == digest);
            let (what, rows) = match (role, version) {
                ("labels", Some(version)) => (format!("labels, version {}", version.version), version.what.rows),
                ("labels", None) => ("labels, of a version that the register does not know".to_owned(), 0),
                (other, _) => (other.to_owned(), segmented),
            };
            inputs.push(TrainedOn { what, rows, digest: digest.to_string(), evidence: Some(entry.id.clone()) });
        }
        Ok(inputs)
    }
}

fn tables(desk: &Desk, entry: &Entry) -> Vec<TrainedOn> {
    let tables = entry.part.artefacts.iter().filter(|artefact| artefact.role == "table");
    tables
        .map(|artefact| {
            let (name, version) =
                artefact.path.strip_prefix("source/").and_then(|rest| rest.split_once('@')).unwrap_or((&artefact.path, ""));
            let rows = version.parse().ok().and_then(|version| rows(desk, name, version));
            let what = format!("table {name}, version {version}{}", if rows.is_none() { " (cannot be read now)" } else { "" });
            TrainedOn {
                what,
                rows: rows.unwrap_or_default(),
                digest: artefact.digest.to_string(),
                evidence: Some(entry.id.clone()),
            }
        })
        .collect()
}

/// Rows of a table at a version: of the customers, whose every delivery is the whole, those of the last; of a feed, all.
fn rows(desk: &Desk, name: &str, version: u64) -> Option<u64> {
    if name.contains(['/', '\\']) || name.starts_with('.') {
        return None;
    }
    let table = store::table::Table::open(&desk.project.path("source").join(name)).ok()?;
    let history = table.history().ok()?;
    let mut until = history.iter().filter(|commit| commit.version <= version);
    Some(if name == crate::run::CUSTOMERS { until.next_back()?.rows } else { until.map(|commit| commit.rows).sum() })
}
