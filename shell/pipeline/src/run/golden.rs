//! The golden set of a feed (T1): trusted rows that no third party ever fed, adopted by a person with a second factor, and what is learnt
//! from them. Every learnt profile is an entry of the log; deliveries never teach it.

use gate::Digest;
use identity::{Action, Session};
use screen::{Delivery, Profile, State};
use serde::{Deserialize, Serialize};
use store::control::Control;
use store::objects::Objects;
use store::table::Table;
use tabular::Contract;
use tabular::contract::Role;

use super::Run;
use super::source::proved_commit;
use crate::access::allow;
use crate::desk::Desk;
use crate::evidence::deed::DeedKind;
use crate::evidence::{Artefact, Links, proof};
use crate::gather::s01::rows::Accepted;
use crate::policy::{FeedKind, FeedPolicy};
use crate::{PipelineError, data};

/// Accepted deliveries that still count for slow drifts.
const DELIVERIES_COUNTED: usize = 16;
/// Largest golden set that is read.
const GOLDEN_BYTES_MAX: u64 = 1 << 30;

/// What a person adopts: rows for one feed. The entry of the log is about its digest, so that no other feed can be given them.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Adopted {
    /// The feed.
    feed: String,
    /// Digest of the rows' bytes.
    content: Digest,
    /// The file's name, which says how to read it.
    name: String,
}

/// Where a feed's golden set stands; nothing counts but what the log proves.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Place {
    /// Digest of what was adopted.
    adopted: Digest,
    /// The entry of who adopted it.
    evidence: String,
}

/// What was learnt from it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Learnt {
    /// The golden set.
    golden: Digest,
    /// The contract that read it.
    contract: Digest,
    /// The profile.
    profile: Digest,
    /// The entry that says so.
    evidence: String,
}

pub(super) fn golden_name(feed: &str) -> String {
    format!("golden/{feed}")
}

fn profile_name(feed: &str) -> String {
    format!("profile/{feed}")
}

/// Makes a file the golden set of a feed.
///
/// # Errors
/// The person may not, has no second factor in this session; the file breaks the feed's contract, or has too few rows to learn from.
pub async fn adopt_golden(
    desk: &Desk,
    session: &Session,
    feed: &str,
    path: &std::path::Path,
) -> Result<(Digest, u64, String), PipelineError> {
    allow(&desk.project, &desk.identity, session, Action::ReviewQuarantine).await?;
    let contract = crate::validate::feed_contract(&desk.project, feed)?;
    if desk.project.policy.feeds.iter().any(|known| known.name == feed && known.kind != FeedKind::Rows) {
        return Err(PipelineError::wrong(
            format!("feed `{feed}` brings market prices, which are judged against the weeks before"),
            "golden sets are for feeds with `kind = \"rows\"`",
        ));
    }
    let bytes = store::disk::read_limited(path, GOLDEN_BYTES_MAX)
        .map_err(|error| PipelineError::wrong(error.to_string(), "check the path"))?;
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    // What cannot teach is not adopted.
    let profile = learn(&bytes, &name, &contract)?;
    let content = desk.objects.put(&bytes)?;
    let adopted = desk.objects.put_json(&Adopted { feed: feed.to_owned(), content, name })?;
    let receipt = desk.record_deed(DeedKind::Golden, session, ("golden", adopted), None).await?;
    let place = Place { adopted, evidence: receipt.id.clone() };
    desk.set_pointer(&golden_name(feed), &serde_json::to_value(place).map_err(PipelineError::internal)?).await?;
    Ok((content, profile.trusted_rows(), receipt.id))
}

/// The golden set of a feed, for those who only look: a run proves it.
pub(crate) async fn golden_bytes(
    control: &Control,
    objects: &Objects,
    feed: &str,
) -> Result<Option<(Vec<u8>, String)>, PipelineError> {
    let Some(pointer) = control.pointer(&golden_name(feed)).await.map_err(PipelineError::internal)? else { return Ok(None) };
    let place: Place = serde_json::from_value(pointer.value).map_err(PipelineError::internal)?;
    let adopted: Adopted = serde_json::from_slice(&objects.get(&place.adopted)?).map_err(PipelineError::internal)?;
    Ok(Some((objects.get(&adopted.content)?, adopted.name)))
}

fn learn(bytes: &[u8], name: &str, contract: &Contract) -> Result<Profile, PipelineError> {
    let loaded = data::load_bytes(bytes.to_vec(), name)?;
    let mut table = data::typed(contract, &loaded.batches)?;
    data::fill_ids(&mut table);
    let help = "trusted rows keep the contract; `stayward validate FILE --feed FEED` lists what does not";
    if let Some(first) = table.violations.first() {
        return Err(PipelineError::wrong(format!("the golden set breaks the feed's contract: {}", data::in_words(first)), help));
    }
    if loaded.broken_count > 0 {
        return Err(PipelineError::wrong(format!("`{}` records cannot be read", loaded.broken_count), help));
    }
    crate::validate::learned(&table, contract, "the golden set")
}

impl Run<'_> {
    /// What a feed's deliveries are judged against; `None` where no golden set was adopted.
    pub(crate) async fn trusted(
        &self,
        policy: &FeedPolicy,
        contract: &Contract,
    ) -> Result<Option<(Profile, State)>, PipelineError> {
        let place = self.desk.pointer(&golden_name(&policy.name)).await?;
        let place: Option<Place> = place.map(serde_json::from_value).transpose().map_err(PipelineError::internal)?;
        // The log says which adoption is the last: the control database only where it lies.
        let last = self.last_adopted(&policy.name)?;
        if last != place.as_ref().map(|place| place.adopted) {
            return Err(PipelineError::broken(format!(
                "the golden set of feed `{}` is not the one that was adopted last",
                policy.name
            )));
        }
        let Some(place) = place else { return Ok(None) };
        let broken = |why: String| PipelineError::broken(format!("the golden set of feed `{}`: {why}", policy.name));
        let (receipt, deed) = self.desk.proved_deed(&place.evidence, DeedKind::Golden, place.adopted).map_err(&broken)?;
        if !deed.second_factor() {
            return Err(broken("it was adopted without a second factor".to_owned()));
        }
        let adopted: Adopted =
            serde_json::from_slice(&self.desk.objects.get(&place.adopted)?).map_err(PipelineError::internal)?;
        if adopted.feed != policy.name {
            return Err(broken(format!("it was adopted for feed `{}`", adopted.feed)));
        }
        let rules = contract.to_toml();
        let under = Digest::of(rules.as_bytes());
        let known = self.desk.pointer(&profile_name(&policy.name)).await?;
        let known: Option<Learnt> = known.map(serde_json::from_value).transpose().map_err(PipelineError::internal)?;
        let profile = match known.filter(|known| known.golden == adopted.content && known.contract == under) {
            Some(known) => {
                let entry = proof::entry(self.desk, &known.evidence).map_err(&broken)?;
                let subject = entry.statement.subject.first().map(|subject| subject.digest);
                let of_this = entry.part.kind == "profile"
                    && subject == Some(known.profile)
                    && entry.part.parents.contains(&receipt.statement)
                    && entry.part.artefacts.iter().any(|artefact| artefact.role == "contract" && artefact.digest == under);
                if !of_this {
                    return Err(broken(format!("evidence {} is of another profile", known.evidence)));
                }
                serde_json::from_slice(&self.desk.objects.get(&known.profile)?).map_err(PipelineError::internal)?
            }
            None => {
                let profile = learn(&self.desk.objects.get(&adopted.content)?, &adopted.name, contract)?;
                let digest = self.desk.objects.put_json(&profile)?;
                let rules = self.desk.objects.put(rules.as_bytes())?;
                let artefacts = vec![Artefact::object("golden", adopted.content), Artefact::object("contract", rules)];
                let links = Links { parents: vec![receipt], artefacts };
                let parameters = serde_json::json!({ "feed": policy.name, "rows": profile.trusted_rows() });
                let parameters = parameters.as_object().cloned().unwrap_or_default();
                let made =
                    self.desk.record_made(("profile", &policy.name, digest), parameters, &links, &self.id, self.started)?;
                let learnt = Learnt { golden: adopted.content, contract: under, profile: digest, evidence: made.id };
                let learnt = serde_json::to_value(learnt).map_err(PipelineError::internal)?;
                self.desk.set_pointer(&profile_name(&policy.name), &learnt).await?;
                profile
            }
        };
        let state = self.added_up(policy, contract, &profile)?;
        Ok(Some((profile, state)))
    }

    /// What was adopted last for a feed, by the log.
    fn last_adopted(&self, feed: &str) -> Result<Option<Digest>, PipelineError> {
        let of_feed = |adopted: &Digest| {
            let bytes = self.desk.objects.get(adopted).map_err(|error| error.to_string())?;
            let adopted: Adopted = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
            Ok(adopted.feed == feed)
        };
        proof::last_deed(self.desk, DeedKind::Golden, &of_feed).map_err(PipelineError::broken)
    }

    /// Customer and moment of every row that was accepted before: nobody sends one twice.
    pub(crate) fn accepted_rows(&self, policy: &FeedPolicy, contract: &Contract) -> Result<Accepted, PipelineError> {
        let dir = self.desk.project.path("source").join(&policy.name);
        if !dir.is_dir() || contract.of_role(Role::Time).is_none() {
            return Ok(Accepted::new());
        }
        let broken = |error: store::table::TableError| PipelineError::broken(error.to_string());
        let batches = Table::open(&dir).map_err(broken)?.read(None).map_err(broken)?;
        let typed = data::typed(contract, &batches)?;
        Ok(crate::gather::s01::rows::keys(&typed).into_iter().flatten().collect())
    }

    /// What the last accepted deliveries add up to, from the rows that the log proves.
    fn added_up(&self, policy: &FeedPolicy, contract: &Contract, profile: &Profile) -> Result<State, PipelineError> {
        let mut state = State::default();
        let dir = self.desk.project.path("source").join(&policy.name);
        if !dir.is_dir() {
            return Ok(state);
        }
        let broken = |error: store::table::TableError| PipelineError::broken(error.to_string());
        let table = Table::open(&dir).map_err(broken)?;
        let history = table.history().map_err(broken)?;
        let written: Vec<_> = history.iter().filter(|commit| commit.data.is_some()).collect();
        for commit in written.iter().skip(written.len().saturating_sub(DELIVERIES_COUNTED)) {
            proved_commit(self.desk, (&policy.name, &table), commit)?;
            let typed = data::typed(contract, &table.read_appended(commit.version).map_err(broken)?)?;
            let (frame, _) = screen::of_typed(&typed, contract);
            state = profile.screen(&Delivery::of(&frame), &state).map_err(PipelineError::internal)?.state;
        }
        Ok(state)
    }
}
