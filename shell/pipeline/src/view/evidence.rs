//! The chain from an answer back to the feeds, each link checked now, with the published keys alone (T6, T7).

use std::collections::{BTreeMap, BTreeSet};

use console::view::evidence::{CheckpointView, EvidenceView, Integrity, LinkKind, LinkView};
use console::view::{Chrome, Fact, FindingView};
use gate::RulingOutcome;

use crate::desk::{Published, published, rfc3339};
use crate::evidence::{Chain, Link, LinkState, verify};
use crate::{PipelineError, Project};

/// Links that one page shows; broken ones are shown first of all.
const LINKS_SHOWN: usize = 400;
/// Files of one folder that are listed by name.
const FILES_LISTED: usize = 12;

/// The Evidence page. Reads and hashes every file that the chain answers for: not to be called where waiting hurts.
///
/// # Errors
/// The published keys or the log's head cannot be read. An id that the log does not have gives an empty chain.
pub fn evidence_view(project: &Project, id: Option<&str>) -> Result<EvidenceView, PipelineError> {
    let asked = id.map(str::trim).unwrap_or_default().to_owned();
    let evidence = published(project)?;
    let checkpoint = Some(checkpoint(&evidence)?);
    let verify_command =
        if asked.is_empty() { String::new() } else { format!("stayward evidence verify {}", console::command::quoted(&asked)) };
    let view = EvidenceView { chrome: Chrome::default(), asked: asked.clone(), chain: Vec::new(), checkpoint, verify_command };
    if asked.is_empty() {
        return Ok(view);
    }
    match verify(project, Some(&asked)) {
        Ok(chain) => Ok(EvidenceView { chain: links(&chain), ..view }),
        Err(PipelineError::Wrong { .. }) => Ok(view),
        Err(error) => Err(error),
    }
}

fn checkpoint(evidence: &Published) -> Result<CheckpointView, PipelineError> {
    let head = evidence.reader.head()?;
    let note = evidence.reader.head_note()?;
    let signed = ledger::Checkpoint::open(note.as_bytes(), &evidence.origin, std::slice::from_ref(&evidence.checkpoint));
    let signed = signed.map_err(|error| PipelineError::broken(error.to_string()))?;
    let by: Vec<&str> = signed.signed_by.iter().map(|by| by.name.as_str()).collect();
    let at = signed.signed_by.iter().find_map(|by| by.posix_seconds).and_then(|seconds| i64::try_from(seconds).ok());
    Ok(CheckpointView {
        entries: head.size,
        root: head.root.to_base64(),
        signed_by: format!("{} (key {:08x})", by.join(", "), evidence.checkpoint.key_id()),
        at: at.map(rfc3339).unwrap_or_default(),
    })
}

/// Newest first: an entry rests only on older ones, so this is the order from the answer down to the feeds.
fn links(chain: &Chain) -> Vec<LinkView> {
    let mut links: Vec<&Link> = chain.links.iter().collect();
    links.sort_by_key(|link| std::cmp::Reverse((link.index, link.depth)));
    let damage = chain.log_damage.as_ref().map(|why| LinkView {
        kind: LinkKind::Entry,
        title: "the log itself".into(),
        integrity: Integrity::Broken,
        finding: Some(broken("", why)),
        ..LinkView::default()
    });
    let unfinished = chain.unfinished.as_ref().map(|why| LinkView {
        kind: LinkKind::Entry,
        title: "further entries".into(),
        integrity: Integrity::NotChecked,
        facts: vec![Fact::new("not checked", why.clone())],
        ..LinkView::default()
    });
    let (bad, good): (Vec<&Link>, Vec<&Link>) = links.iter().partition(|link| link.state != LinkState::Holds);
    let room = LINKS_SHOWN.saturating_sub(bad.len());
    let kept: BTreeSet<(u64, &str)> =
        bad.iter().take(LINKS_SHOWN).chain(good.iter().take(room)).map(|link| (link.index, link.id.as_str())).collect();
    let shown = links.iter().filter(|link| kept.contains(&(link.index, link.id.as_str()))).map(|link| view(link));
    let mut out: Vec<LinkView> = damage.into_iter().chain(unfinished).chain(shown).collect();
    let hidden = links.len().saturating_sub(kept.len());
    if let Some(last) = out.last_mut().filter(|_| hidden > 0) {
        last.facts.push(Fact::new("not listed", format!("{hidden} older links that hold; the command below lists them")));
    }
    out
}

fn view(link: &Link) -> LinkView {
    let (integrity, finding) = match &link.state {
        LinkState::Holds => (Integrity::Verified, None),
        LinkState::Broken(why) => (Integrity::Broken, Some(broken(&link.id, why))),
    };
    LinkView {
        kind: kind(link),
        title: title(link),
        id: link.id.clone(),
        digest: link.subject.map_or_else(String::new, |digest| digest.to_string()),
        at: link.at.clone(),
        integrity,
        facts: facts(link),
        finding,
    }
}

fn broken(id: &str, why: &str) -> FindingView {
    FindingView {
        rule: "evidence-chain".into(),
        why: why.to_owned(),
        help: "restore the file from a backup, and find out who wrote to it; what rests on this link is not proved".into(),
        command: if id.is_empty() {
            "stayward evidence verify".into()
        } else {
            format!("stayward evidence verify {}", console::command::quoted(id))
        },
        release_by: String::new(),
    }
}

/// The step that ruled, for an entry of one step.
fn step(link: &Link) -> &str {
    link.rulings.last().map_or("", |ruling| ruling.step.as_str())
}

fn kind(link: &Link) -> LinkKind {
    match link.kind.as_str() {
        "answer" | "refusal" => LinkKind::Answer,
        "model" | "deployment" => LinkKind::Model,
        "approval" => LinkKind::Labels,
        "source" => LinkKind::Data,
        "ruling" => match step(link) {
            "s01-door" | "s01-content" => LinkKind::Feed,
            "s02-source" | "s04-segments" => LinkKind::Data,
            "s03-labels" => LinkKind::Labels,
            "s05-training" | "s07-release" => LinkKind::Model,
            _ => LinkKind::Entry,
        },
        _ => LinkKind::Entry,
    }
}

fn title(link: &Link) -> String {
    let about = link.name.split_once('/').map_or(link.name.as_str(), |(_, about)| about);
    match link.kind.as_str() {
        "answer" => "an answered request".into(),
        "refusal" => "a refused request".into(),
        "ruling" => {
            let known = artifact::STEPS.iter().find(|info| info.id == step(link));
            format!("{}: {about}", known.map_or(step(link), |info| info.title))
        }
        "approval" => format!("a person signed: {about}"),
        "deployment" => format!("deployment: {}", link.name),
        "model" => format!("trained: {}", link.name),
        "source" => "the data source, table by table".into(),
        "unknown" => "an entry that cannot be read".into(),
        other => format!("{other}: {}", link.name),
    }
}

fn facts(link: &Link) -> Vec<Fact> {
    let mut facts = Vec::new();
    if link.kind != "unknown" {
        facts.push(Fact::new("place in the log", link.index.to_string()));
    }
    for ruling in &link.rulings {
        let passed = ruling.gates.iter().filter(|gate| gate.decision == gate::Decision::Pass).count();
        let word = match ruling.outcome {
            RulingOutcome::Cleared => "cleared",
            RulingOutcome::Held => "held",
            RulingOutcome::Refused => "refused",
        };
        let stopped = ruling.gates.iter().find(|gate| gate.decision != gate::Decision::Pass);
        let by = stopped.map_or_else(String::new, |gate| format!(" by {}", gate.gate));
        facts.push(Fact::new(ruling.step.clone(), format!("{word}{by}, {passed} of {} gates passed", ruling.gates.len())));
    }
    facts.extend(files(link));
    facts
}

/// Files by role and folder: a folder's name once, then the names in it.
fn files(link: &Link) -> Vec<Fact> {
    let mut folders: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for artefact in &link.artefacts {
        let (folder, name) = artefact.path.rsplit_once('/').unwrap_or(("", &artefact.path));
        folders.entry((artefact.role.as_str(), folder)).or_default().push(name);
    }
    let listed = |((role, folder), names): ((&str, &str), Vec<&str>)| {
        let slash = if folder.is_empty() { "" } else { "/" };
        let many = if names.len() > FILES_LISTED { format!(" and {} more", names.len() - FILES_LISTED) } else { String::new() };
        let names = names.into_iter().take(FILES_LISTED).collect::<Vec<_>>();
        match names.as_slice() {
            [name] => Fact::new(role, format!("{folder}{slash}{name}")),
            names => Fact::new(role, format!("{folder}{slash} {}{many}", names.join(", "))),
        }
    };
    folders.into_iter().map(listed).collect()
}
