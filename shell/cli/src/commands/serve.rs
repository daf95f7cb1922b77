//! `stayward serve`: predictions and console over HTTPS, until the process is told to stop.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Args;
use identity::access_token::{TokenKeys, TokenScope};
use identity::{Action, Component, Right};
use pipeline::arrival::{ArrivalError, Deliverer, Inbox, RefusedDelivery, Staged, Taken};
use pipeline::desk::now;
use pipeline::run::{self, Proposed, Upload};
use pipeline::serving::{Call, Counters, PublicModel, Reply, Service};
use pipeline::{PipelineError, Project, access, people};
use server::workload::{Workload, WorkloadAuthority, WorkloadName};
use server::{Admitted, Asks, Clients, Config, Declined, Identification, Note, Presented, Running, Server};
use tokio::runtime::Handle;
use tokio::task::JoinError;

use super::{Ended, wrong};
use crate::console::Console;
use crate::output::{Output, many};

/// How often keys that were made or revoked are taken up.
const KEYS_EVERY: Duration = Duration::from_secs(2);
/// How often the last uses of keys are written down, which are kept to the minute.
const USES_EVERY: Duration = Duration::from_secs(60);
/// How often it is looked whether a new day began, whose predecessors' customers are to be forgotten.
const DAY_EVERY: Duration = Duration::from_secs(600);
/// How often the window of events is judged (s11), and the vault is held against the log's.
const WATCH_EVERY: Duration = Duration::from_secs(300);

#[derive(Clone, Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) listen: IpAddr,
    /// Port; 0 takes a free one.
    #[arg(long, default_value_t = 8443)]
    pub(crate) port: u16,
    /// A host name for the certificate, beside localhost.
    #[arg(long)]
    pub(crate) host: Option<String>,
    /// Let machines prove themselves by certificates of `stayward component certificate`.
    #[arg(long)]
    pub(crate) client_certificates: bool,
    /// A certificate chain (PEM) instead of the project's own authority.
    #[arg(long, requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
}

/// The service as the server asks it.
pub(crate) struct Api {
    service: Service,
    tokens: TokenKeys,
    issuer: String,
}

impl Api {
    /// Of a service, with the keys of components' tokens as they are now.
    fn new(service: Service) -> Result<Self, PipelineError> {
        let desk = service.desk();
        let (tokens, issuer) = (people::token_keys(&desk.vault)?, people::token_issuer(&desk.project));
        Ok(Self { service, tokens, issuer })
    }

    /// Whether the rules in force, the project's own among them, let a component do it; a machine has no second factor.
    fn permitted(&self, component: Component, action: Action) -> bool {
        let rules = access::rules(&self.service.desk().project);
        rules.is_ok_and(|rules| access::component_may(&rules, component, action, None))
    }

    /// Whose token it is, if it is good now.
    async fn component_of(&self, token: &str) -> Option<Component> {
        let identity = &self.service.desk().identity;
        let scope = TokenScope { issuer: &self.issuer, audience: &self.issuer };
        let component = match token.starts_with("swc_") {
            true => identity.verify_component_token(token, now()).await,
            false => identity.verify_access_token(&self.tokens, scope, token, now()).await,
        };
        component.ok()
    }

    /// Whether a machine's certificate was not ended since.
    async fn lives(&self, workload: &Workload) -> bool {
        let identity = &self.service.desk().identity;
        identity.workload_lives(&workload.serial, &workload.name.to_string(), now()).await.unwrap_or(false)
    }

    async fn deliverer(&self, shown: Presented<'_>) -> Result<Deliverer, String> {
        match shown {
            Presented::Nothing => Err("neither a certificate nor a component's token, or more than one of them".to_owned()),
            Presented::Token(token) => {
                let component = self.component_of(token).await.ok_or("a token that is not good")?;
                Ok(Deliverer::Component { component, serial: None })
            }
            Presented::Certificate(workload) if !self.lives(workload).await => {
                Err(format!("the certificate {} of `{}` was ended, or is not of this project", workload.serial, workload.name))
            }
            Presented::Certificate(workload) => Ok(match &workload.name {
                WorkloadName::Supplier(name) => Deliverer::Supplier { name: name.clone(), serial: workload.serial.clone() },
                WorkloadName::Component(component) => {
                    Deliverer::Component { component: *component, serial: Some(workload.serial.clone()) }
                }
            }),
        }
    }
}

impl Asks for Api {
    fn ask(&self, call: Call) -> impl Future<Output = Reply> + Send {
        self.service.ask(call)
    }

    fn model(&self) -> PublicModel {
        self.service.model()
    }

    fn counters(&self) -> Counters {
        self.service.counters()
    }

    fn may(&self, key: Option<&str>, right: Right) -> bool {
        self.service.may(key, right.action())
    }

    async fn component_may(&self, token: &str, action: Action) -> bool {
        self.component_of(token).await.is_some_and(|component| self.permitted(component, action))
    }

    async fn workload_may(&self, workload: &Workload, action: Action) -> bool {
        let WorkloadName::Component(component) = &workload.name else { return false };
        self.lives(workload).await && self.permitted(*component, action)
    }

    async fn open_inbox(&self, shown: Presented<'_>, feed: &str) -> Result<Admitted, String> {
        let who = self.deliverer(shown).await?;
        let inbox = self.service.desk().open_inbox(&who, feed).await.map_err(|error| error.to_string())?;
        Ok(Admitted { inbox, who })
    }

    async fn take_delivery(&self, inbox: Inbox, who: Deliverer, staged: Staged) -> Result<Taken, ArrivalError> {
        // Log and inbox are synced to the disk, and a large file is hashed again: not on the threads that answer.
        let (service, runtime) = (self.service.clone(), Handle::current());
        let work = move || runtime.block_on(service.desk().take_pushed(&inbox, &who, &staged));
        let broke_off = |error: JoinError| ArrivalError::Internal(error.to_string());
        tokio::task::spawn_blocking(work).await.map_err(broke_off)?
    }

    async fn refuse_delivery(&self, refused: RefusedDelivery) -> Option<String> {
        let service = self.service.clone();
        let work = move || service.desk().refuse_delivery(&refused);
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(evidence)) => Some(evidence),
            Ok(Err(error)) => {
                Output::log(&format!("a refusal could not be written into the log: {error}"));
                None
            }
            Err(_) => None,
        }
    }

    async fn is_session(&self, token: &str) -> bool {
        run::is_session(self.service.desk(), token).await
    }

    async fn propose_labels(&self, token: &str, labels: Upload) -> Result<Proposed, Declined> {
        let proposed = run::propose_upload(self.service.desk(), token, labels).await;
        proposed.map_err(|error| match &error {
            PipelineError::NotAllowed { .. } => Declined::Forbidden(error.to_string()),
            PipelineError::Wrong { .. } => Declined::Unfit(error.to_string()),
            PipelineError::Refused { .. }
            | PipelineError::Held { .. }
            | PipelineError::Broken { .. }
            | PipelineError::Internal(_) => Declined::Failed(error.to_string()),
        })
    }

    fn token_keys(&self) -> serde_json::Value {
        self.tokens.public()
    }

    fn note(&self, note: &Note) {
        // Standard error is the operator's log; neither key nor customer stands in a note.
        Output::log(&format!("refused, ref {} ({}): {}", note.reference, note.status, note.why));
    }
}

/// A running service.
pub(crate) struct Up {
    pub(crate) running: Running,
    pub(crate) service: Service,
}

impl Up {
    /// Opens the released model again and listens.
    pub(crate) async fn start(project: &Project, args: &ServeArgs) -> Result<Self, PipelineError> {
        let service = Service::open(project).await?;
        let mut config = Config::own(SocketAddr::new(args.listen, args.port), project.root(), args.host.clone());
        if let (Some(certificate), Some(key)) = (args.tls_cert.clone(), args.tls_key.clone()) {
            config.identification = Identification::Given { certificate, key };
        }
        if args.client_certificates {
            let authority = WorkloadAuthority::open(project.root(), SystemTime::now())
                .map_err(|error| wrong(error.to_string(), error.help()))?;
            let authority = authority.certificate().to_owned();
            config.clients = Clients::Asked { authority, trust_domain: people::trust_domain(project) };
        }
        let served = format!("https://{}:{}", args.host.as_deref().unwrap_or("localhost"), args.port);
        let console = Console::new(service.clone(), &served)?;
        let running = Server::start(config, Api::new(service.clone())?, console)
            .await
            .map_err(|error| wrong(error.to_string(), "choose another address or port with --listen and --port"))?;
        Ok(Self { running, service })
    }
}

pub(crate) async fn run(args: ServeArgs, root: &Path, out: &Output) -> Ended {
    let project = super::open(root)?;
    let up = Up::start(&project, &args).await?;
    let address = up.running.address();
    let model = up.service.model();
    let url = format!("https://localhost:{}", address.port());
    let ca = root.join("tls").join("ca.pem");
    out.result(&serde_json::json!({ "address": address.to_string(), "model": model.version, "ca": ca }), || {
        format!(
            "model {} answers at {url} (console {url}/console); clients trust {}\nask:   curl --cacert {} -H 'Authorization: Bearer KEY' {url}/v1/customers/ID/churn\nstop:  ctrl-c",
            model.version,
            ca.display(),
            ca.display()
        )
    });
    let jobs = [
        tokio::spawn(take_keys(up.service.clone())),
        tokio::spawn(note_uses(up.service.clone())),
        tokio::spawn(forget(up.service.clone())),
        tokio::spawn(watch(up.service.clone())),
    ];
    stopped().await;
    out.say("stopping: answers under way are finished");
    jobs.iter().for_each(tokio::task::JoinHandle::abort);
    let drained = up.running.shutdown().await;
    up.service.note_key_uses().await?;
    up.service.watch().await?;
    out.say(&format!("stopped: {}", drained_words(drained)));
    Ok(0)
}

fn drained_words(drained: server::Drained) -> String {
    let count = |connections: usize| many(u64::try_from(connections).unwrap_or(u64::MAX), "connection", "connections");
    match (drained.finished, drained.cut) {
        (0, 0) => "no connection was open".to_owned(),
        (finished, 0) => format!("{} ended in time", count(finished)),
        (finished, cut) => format!("{} ended in time, {} cut off at the deadline", count(finished), cut),
    }
}

/// Waits for ctrl-c or a request to terminate.
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        drop(tokio::signal::ctrl_c().await);
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

async fn take_keys(service: Service) {
    loop {
        tokio::time::sleep(KEYS_EVERY).await;
        if let Err(error) = service.refresh_keys().await {
            Output::log(&format!("keys could not be read again: {error}"));
        }
    }
}

async fn note_uses(service: Service) {
    loop {
        tokio::time::sleep(USES_EVERY).await;
        if let Err(error) = service.note_key_uses().await {
            Output::log(&format!("the last uses of keys could not be written down: {error}"));
        }
    }
}

/// Opening the service forgot the days before; this does it on each day that begins while it serves.
async fn forget(service: Service) {
    let mut done = today();
    loop {
        tokio::time::sleep(DAY_EVERY).await;
        if today() != done {
            match service.forget_customers().await {
                Ok(_) => done = today(),
                Err(error) => Output::log(&format!("the customers of past days could not be forgotten: {error}")),
            }
        }
    }
}

/// Days since 1970, UTC.
fn today() -> i64 {
    pipeline::desk::now().div_euclid(86_400)
}

async fn watch(service: Service) {
    loop {
        tokio::time::sleep(WATCH_EVERY).await;
        match service.alarms().await {
            Ok(gates) if gates.is_empty() => {}
            Ok(gates) => Output::log(&format!("ALARM by {}: see `stayward evidence log`", gates.join(", "))),
            Err(error) => Output::log(&format!("the window of events could not be judged: {error}")),
        }
        // By itself: a vault that is refused must not hide what the window shows.
        if let Err(error) = service.witness_vault().await {
            Output::log(&format!("ALARM: {error}; {}", error.help()));
        }
    }
}
