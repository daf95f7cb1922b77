//! The accept loop (T2: throttling): places, times and an end for every connection; TLS or nothing.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConnection;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::asks::{Asks, Note};
use crate::config::{BUFFER_BYTES_MAX, Clients, Config, HEADER_BYTES_MAX, HEADERS_MAX, Limits, STREAMS_MAX};
use crate::crowd::Seat;
use crate::error::ServerError;
use crate::pages::source::ConsoleSource;
use crate::serve::{App, Who};
use crate::tls::Keeper;
use crate::workload::{NotAWorkload, Workload, identity_of_peer};

/// How often the certificate is looked at.
const CERTIFICATE_EVERY: Duration = Duration::from_secs(12 * 3600);
/// Rest after a failed accept: the usual cause, too many open files, does not go away at once.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// The server.
#[derive(Clone, Copy, Debug)]
pub struct Server;

/// A running server; stops when told to, or when this is dropped.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<Drained>,
}

/// What became of the connections that were open when the server was told to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Ended in time.
    pub finished: usize,
    /// Cut at the deadline.
    pub cut: usize,
}

impl Server {
    /// Makes or reads the certificate, listens, and serves until [`Running::shutdown`]. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`ServerError`]: no usable certificate, or the address is taken.
    pub async fn start<A: Asks, C: ConsoleSource>(config: Config, asks: A, console: C) -> Result<Running, ServerError> {
        let identification = config.identification.clone();
        let keeper = blocking(move || Keeper::open(identification, SystemTime::now())).await?;
        let acceptor = TlsAcceptor::from(Arc::new(keeper.config(&config.clients)?));
        let listen_failed = |source| ServerError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen_failed)?;
        let address = listener.local_addr().map_err(listen_failed)?;
        let app = Arc::new(App::new(asks, console, config.limits, config.serves)?);
        let (stop, stopped) = watch::channel(false);
        let trust_domain = match config.clients {
            Clients::NotAsked => None,
            Clients::Asked { trust_domain, .. } => Some(Arc::from(trust_domain)),
        };
        let door = Door { app, acceptor, trust_domain, builder: builder(&config.limits), stopped };
        let task = tokio::spawn(door.accept(listener, keeper));
        Ok(Running { address, stop, task })
    }
}

impl Running {
    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, lets what is being answered end, and cuts the rest at the deadline.
    pub async fn shutdown(self) -> Drained {
        let _told = self.stop.send(true);
        self.task.await.unwrap_or_default()
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, ServerError> + Send + 'static) -> Result<T, ServerError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| ServerError::Crypto(error.to_string()))?
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits.header_seconds))
        .max_headers(HEADERS_MAX)
        .max_buf_size(BUFFER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX)
        .keep_alive_interval(Duration::from_secs(limits.idle_seconds.max(1)))
        .keep_alive_timeout(Duration::from_secs(limits.header_seconds.max(1)));
    builder
}

/// What the accept loop holds.
struct Door<A, C> {
    app: Arc<App<A, C>>,
    acceptor: TlsAcceptor,
    /// Of clients that prove themselves by a certificate.
    trust_domain: Option<Arc<str>>,
    builder: Builder<TokioExecutor>,
    stopped: watch::Receiver<bool>,
}

impl<A: Asks, C: ConsoleSource> Door<A, C> {
    async fn accept(mut self, listener: TcpListener, keeper: Arc<Keeper>) -> Drained {
        let places = Arc::new(Semaphore::new(self.app.limits.connections_max.min(Semaphore::MAX_PERMITS)));
        let mut connections = JoinSet::new();
        let mut certificate = tokio::time::interval(CERTIFICATE_EVERY);
        certificate.reset();
        let mut stopped = self.stopped.clone();
        loop {
            tokio::select! {
                // First of all: a connection that ends because of the stop is counted by the drain, not swept here.
                biased;
                () = told_to_stop(&mut stopped) => break,
                _ = certificate.tick() => self.refresh(&keeper).await,
                Some(_) = connections.join_next() => {}
                (place, accepted) = next(&listener, &places) => match accepted {
                    Ok((stream, from)) => self.admit(&mut connections, stream, from, place),
                    Err(_) => tokio::time::sleep(ACCEPT_REST).await,
                },
            }
        }
        drop(listener);
        self.drain(connections).await
    }

    async fn refresh(&mut self, keeper: &Arc<Keeper>) {
        let keeper = Arc::clone(keeper);
        if let Err(error) = blocking(move || keeper.refresh(SystemTime::now())).await {
            let why = format!("the certificate was not renewed: {error}; help: {}", error.help());
            self.app.asks.note(&Note { reference: "certificate".to_owned(), status: 500, why });
        }
    }

    fn admit(&self, connections: &mut JoinSet<()>, stream: TcpStream, from: SocketAddr, place: Option<OwnedSemaphorePermit>) {
        let Some(seat) = self.app.crowd.seat(from.ip(), self.app.limits.connections_per_address_max) else {
            self.app.tallies.turned_away.inc();
            return;
        };
        let line = Line {
            app: Arc::clone(&self.app),
            acceptor: self.acceptor.clone(),
            trust_domain: self.trust_domain.clone(),
            builder: self.builder.clone(),
            stopped: self.stopped.clone(),
            from,
            _seat: seat,
            _place: place,
        };
        connections.spawn(line.serve(stream));
    }

    async fn drain(&self, mut connections: JoinSet<()>) -> Drained {
        let mut drained = Drained::default();
        let deadline = tokio::time::sleep(Duration::from_secs(self.app.limits.drain_seconds));
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                () = &mut deadline => break,
                ended = connections.join_next() => match ended {
                    Some(_) => drained.finished += 1,
                    None => break,
                },
            }
        }
        drained.cut = connections.len();
        connections.shutdown().await;
        drained
    }
}

/// Returns when the server is told to stop, or when nobody is left to tell it.
async fn told_to_stop(stopped: &mut watch::Receiver<bool>) {
    let _told = stopped.wait_for(|stop| *stop).await.is_ok();
}

/// The next connection, once there is a place for it; until then the system's queue holds it back.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (Option<OwnedSemaphorePermit>, std::io::Result<(TcpStream, SocketAddr)>) {
    let place = Arc::clone(places).acquire_owned().await.ok();
    (place, listener.accept().await)
}

/// One connection.
struct Line<A, C> {
    app: Arc<App<A, C>>,
    acceptor: TlsAcceptor,
    trust_domain: Option<Arc<str>>,
    builder: Builder<TokioExecutor>,
    stopped: watch::Receiver<bool>,
    from: SocketAddr,
    _seat: Seat,
    _place: Option<OwnedSemaphorePermit>,
}

impl<A: Asks, C: ConsoleSource> Line<A, C> {
    async fn serve(mut self, stream: TcpStream) {
        // Answers are small and whole: waiting to fill a packet only delays them. Not to be had is no reason to refuse.
        let _hinted = stream.set_nodelay(true);
        let handshake = Duration::from_secs(self.app.limits.handshake_seconds);
        let Ok(Ok(stream)) = tokio::time::timeout(handshake, self.acceptor.accept(stream)).await else {
            self.app.tallies.handshakes_failed.inc();
            return;
        };
        let Ok(workload) = proved(stream.get_ref().1, self.trust_domain.as_deref()) else {
            self.app.tallies.handshakes_failed.inc();
            return;
        };
        // By what TLS agreed on, not by looking at the first bytes: looking has no time limit.
        let builder = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => self.builder.clone().http2_only(),
            Some(_) | None => self.builder.clone().http1_only(),
        };
        let pulse = Arc::new(Pulse::new());
        let service = service_fn(|request| {
            let (app, pulse) = (Arc::clone(&self.app), Arc::clone(&pulse));
            let who = Who { peer: self.from.ip(), workload: workload.clone() };
            async move {
                let _beat = Beat::new(pulse);
                Ok::<_, Infallible>(app.answer(who, request).await)
            }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let idle = Duration::from_secs(self.app.limits.idle_seconds);
        let mut look = tokio::time::interval((idle / 8).max(Duration::from_millis(100)));
        let mut ending = Ending::No;
        loop {
            tokio::select! {
                _ = connection.as_mut() => return,
                () = told_to_stop(&mut self.stopped), if ending == Ending::No => {
                    connection.as_mut().graceful_shutdown();
                    ending = Ending::Asked;
                }
                _ = look.tick() => {
                    if pulse.idle() < idle {
                        continue;
                    }
                    if ending == Ending::Cutting {
                        return;
                    }
                    connection.as_mut().graceful_shutdown();
                    ending = if ending == Ending::No { Ending::Asked } else { Ending::Cutting };
                }
            }
        }
    }
}

/// The machine that the client's certificate names; none where it showed none.
fn proved(session: &ServerConnection, trust_domain: Option<&str>) -> Result<Option<Arc<Workload>>, NotAWorkload> {
    let shown = session.peer_certificates().and_then(|chain| chain.first());
    match (shown, trust_domain) {
        (Some(certificate), Some(trust_domain)) => identity_of_peer(certificate, trust_domain).map(|found| Some(Arc::new(found))),
        (Some(_), None) | (None, _) => Ok(None),
    }
}

/// How far the end of a connection has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    No,
    Asked,
    Cutting,
}

/// When a connection was last at work.
struct Pulse {
    began: Instant,
    last_milliseconds: AtomicU64,
    in_work: AtomicUsize,
}

impl Pulse {
    fn new() -> Self {
        Self { began: Instant::now(), last_milliseconds: AtomicU64::new(0), in_work: AtomicUsize::new(0) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// How long there has been no request in work.
    fn idle(&self) -> Duration {
        if self.in_work.load(Ordering::Relaxed) > 0 {
            return Duration::ZERO;
        }
        Duration::from_millis(self.now().saturating_sub(self.last_milliseconds.load(Ordering::Relaxed)))
    }
}

/// One request in work.
struct Beat(Arc<Pulse>);

impl Beat {
    fn new(pulse: Arc<Pulse>) -> Self {
        pulse.in_work.fetch_add(1, Ordering::Relaxed);
        Self(pulse)
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.0.last_milliseconds.store(self.0.now(), Ordering::Relaxed);
        self.0.in_work.fetch_sub(1, Ordering::Relaxed);
    }
}
