//! The target that attacks play against: a deployed project with its real gatehouses, or the same code without them.

use std::collections::BTreeMap;
use std::ops::Range;

use artifact::{Content, Parts as PartsSubject};
use attacks::{
    Ask, Asked, Broken, Defence, Delivery, Feature, Fed, Judged, KeyWish, LabelMove, Offer, Parts, Row, Tampering, Target, Write,
};
use gate::{Clause, Cleared, Outcome, Receipt, Step};
use generate::MarketRow;
use identity::Session;
use learn::Ensemble;
use outlier::market::{MarketRow as Known, MarketState};
use tabular::{Contract, TypedTable};
use tokio::runtime::{Handle, Runtime};

use super::world::{self, World};
use crate::desk::{Desk, now};
use crate::evidence::{Links, Recorder};
use crate::gather::{s01, s06};
use crate::policy::FeedPolicy;
use crate::progress::Silent;
use crate::run::labels::{LabelRows, parse_labels};
use crate::run::{Run, Settled, TrainedState};
use crate::serving::Service;
use crate::{Houses, PipelineError, Project};

/// First week that is attacked: by then every rule has its history.
const FIRST_WEEK: u32 = 110;

/// What intake knows at a week.
#[derive(Default)]
pub(super) struct Intake {
    pub(super) known: Vec<Known>,
    pub(super) state: MarketState,
    pub(super) sequence: u64,
}

/// A deployed project and everything that an attacker can reach.
pub struct Field {
    pub(super) handle: Handle,
    /// `None` only while it is started anew.
    pub(super) service: Option<Service>,
    pub(super) houses: Houses,
    pub(super) world: World,
    pub(super) defence: Defence,
    pub(super) project: Project,
    pub(super) feed_policy: FeedPolicy,
    pub(super) feed_contract: Contract,
    pub(super) history: Vec<Known>,
    pub(super) intake: Intake,
    pub(super) table: TypedTable,
    pub(super) latest: BTreeMap<String, usize>,
    pub(super) features: Vec<Feature>,
    pub(super) ensemble: Ensemble,
    pub(super) labels: LabelRows,
    pub(super) trained: TrainedState,
    pub(super) settled: Settled,
    pub(super) staged: (PartsSubject, Receipt),
    /// Two honest deliveries that came through, as the log has them.
    pub(super) delivered: Vec<Cleared<Content>>,
    pub(super) link_session: Option<Session>,
    pub(super) applications: u64,
    // Last, so that everything above has let go of it.
    _runtime: Option<Runtime>,
}

pub(super) fn broken(error: impl std::fmt::Display) -> Broken {
    Broken(error.to_string())
}

/// What became of a subject at its gatehouse.
pub(super) fn judged<S: Step>(outcome: &Outcome<S>) -> Judged {
    match outcome {
        Outcome::Cleared(_) => Judged::through(),
        Outcome::Held(held) => Judged::stopped(held.findings.first().map_or("held", |(gate, _)| gate)),
        Outcome::Refused { gate, .. } => Judged::stopped(*gate),
        Outcome::Unrecorded(_) => Judged::stopped("log"),
    }
}

impl Field {
    /// Makes and deploys the project. Call it from a thread that may block.
    pub fn set(seed: u64) -> Result<Self, PipelineError> {
        let (handle, runtime) = match Handle::try_current() {
            Ok(handle) => (handle, None),
            Err(_) => {
                let runtime = Runtime::new().map_err(PipelineError::internal)?;
                (runtime.handle().clone(), Some(runtime))
            }
        };
        let world = handle.block_on(World::make(seed))?;
        let project = Project::open(&world.scratch.0)?;
        let service = handle.block_on(Service::open(&project))?;
        let desk = service.desk();
        let pointer = |name: &str| {
            let value = handle.block_on(desk.pointer(name))?;
            value.ok_or_else(|| PipelineError::Internal(format!("the run left no `{name}`")))
        };
        let settled: Settled = serde_json::from_value(pointer("source")?).map_err(PipelineError::internal)?;
        let trained: TrainedState = serde_json::from_value(pointer("trained")?).map_err(PipelineError::internal)?;
        let labels = parse_labels(&desk.objects.get(&trained.candidate.labels)?);
        let table = crate::run::read_customers(&project, &settled)?;
        let ensemble = super::serving::ensemble(&project, &trained)?;
        let houses = Houses::open()?;
        let staged = stage(desk, &houses)?;
        let below = project.path(&format!("feeds/{}.contract.toml", world::FEED));
        let contract = String::from_utf8_lossy(&store::disk::read_limited(&below, 1 << 20)?).into_owned();
        let feed_policy = project.policy.feeds.first().cloned().ok_or_else(|| PipelineError::Internal("no feed".into()))?;
        let mut field = Self {
            feed_contract: Contract::parse(&contract).map_err(PipelineError::internal)?,
            history: s01::history(desk, world::FEED)?,
            intake: Intake::default(),
            latest: crate::data::latest_rows(&table),
            features: super::serving::features(&ensemble, &table),
            service: Some(service),
            defence: Defence::On,
            delivered: Vec::new(),
            link_session: None,
            applications: 0,
            _runtime: runtime,
            handle,
            houses,
            world,
            project,
            feed_policy,
            table,
            ensemble,
            labels,
            trained,
            settled,
            staged,
        };
        field.deliver_twice()?;
        Ok(field)
    }

    pub(super) fn service(&self) -> Result<&Service, Broken> {
        self.service.as_ref().ok_or_else(|| Broken("the service is down".to_owned()))
    }

    pub(super) fn desk(&self) -> Result<&Desk, Broken> {
        self.service().map(Service::desk)
    }

    /// A run of the pipeline in a session, as far as its facts need one.
    pub(super) fn in_run<T>(&self, session: &Session, work: impl FnOnce(&Run<'_>) -> T) -> Result<T, Broken> {
        let mut silent = Silent;
        let (desk, houses) = (self.desk()?, &self.houses);
        let run = Run {
            desk,
            houses,
            progress: &mut silent,
            session: session.clone(),
            id: "attack".into(),
            started: now(),
            stopped_deliveries: 0,
            again: None,
        };
        Ok(work(&run))
    }

    pub(super) fn is_on(&self) -> bool {
        self.defence == Defence::On
    }
}

/// The parts as the real gate let them through, with the log's receipt.
fn stage(desk: &Desk, houses: &Houses) -> Result<(PartsSubject, Receipt), PipelineError> {
    let (parts, facts) = s06::gather(&desk.project)?;
    match houses.dependencies.clear(parts, &facts, &mut Recorder::new(desk, "parts", Links::default())) {
        Outcome::Cleared(cleared) => Ok((cleared.subject().clone(), cleared.receipt().clone())),
        Outcome::Held(_) | Outcome::Refused { .. } | Outcome::Unrecorded(_) => {
            Err(PipelineError::Internal("the program's own parts do not pass".into()))
        }
    }
}

impl Target for Field {
    fn defend(&mut self, defence: Defence) {
        self.defence = defence;
        self.intake = Intake::default();
    }

    fn weeks(&self) -> Range<u32> {
        FIRST_WEEK..self.world.last_week
    }

    fn prices(&self, week: u32) -> Vec<MarketRow> {
        world::prices(&self.world.generator, week)
    }

    fn rewind(&mut self, week: u32) -> Result<(), Broken> {
        self.rewind_intake(week);
        Ok(())
    }

    fn last_sequence(&self) -> u64 {
        self.intake.sequence
    }

    fn feed_name(&self) -> String {
        world::FEED.to_owned()
    }

    fn feed(&mut self, delivery: &Delivery) -> Result<Fed, Broken> {
        self.deliver(delivery)
    }

    fn write(&mut self, write: &Write) -> Result<Judged, Broken> {
        self.write_source(write)
    }

    fn labels(&self) -> Vec<(String, bool)> {
        self.labels.labels.iter().map(|((id, _), churned)| (id.clone(), *churned)).collect()
    }

    fn label(&mut self, change: &LabelMove) -> Result<Judged, Broken> {
        self.relabel(change)
    }

    fn customers(&self) -> Vec<String> {
        self.latest.keys().cloned().collect()
    }

    fn row(&self, customer: &str) -> Row {
        self.customer_row(customer)
    }

    fn features(&self) -> Vec<Feature> {
        self.features.clone()
    }

    fn key(&mut self, wish: KeyWish) -> Result<String, Broken> {
        self.issue(wish)
    }

    fn restart(&mut self) -> Result<(), Broken> {
        self.reopen()
    }

    fn ask(&mut self, ask: &Ask) -> Result<Asked, Broken> {
        self.question(ask)
    }

    fn debug(&mut self, members: &BTreeMap<String, String>) -> Result<Judged, Broken> {
        self.answer_with(members)
    }

    fn watch(&mut self) -> Result<Vec<Clause>, Broken> {
        self.judge_window()
    }

    fn train(&mut self, tampering: Tampering) -> Result<Judged, Broken> {
        self.hand_in(tampering)
    }

    fn release(&mut self, offer: &Offer) -> Result<Judged, Broken> {
        self.offer(offer)
    }

    fn stage(&mut self, parts: &Parts) -> Result<Judged, Broken> {
        self.stage_parts(parts)
    }
}
