//! One request (T2, T3): found in the table, answered or refused, and nothing else; a panic inside is a refusal outside.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::{hmac, rand};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap};
use hyper::{Request, StatusCode};
use tokio::sync::Semaphore;

use crate::answer::{self, Answer, Refusal};
use crate::asks::{Asks, Note};
use crate::body::Pending;
use crate::config::{DELIVERIES_AT_A_TIME, LOGINS_AT_A_TIME, Limits, PROVIDER_LOGINS_AT_A_TIME, Serves};
use crate::crowd::Crowd;
use crate::error::ServerError;
use crate::metrics::{self, Tallies};
use crate::pages::{self, source::ConsoleSource};
use crate::route::{self, Endpoint, Found};
use crate::workload::Workload;
use crate::{feeds, labels, oip, openapi, v1};

/// What all requests share.
pub(crate) struct App<A, C> {
    pub(crate) asks: A,
    pub(crate) console: C,
    pub(crate) limits: Limits,
    pub(crate) serves: Serves,
    pub(crate) crowd: Arc<Crowd>,
    pub(crate) tallies: Tallies,
    pub(crate) csrf: hmac::Key,
    pub(crate) logins: Semaphore,
    /// Who waits for the identity provider does not keep others from their passwords.
    pub(crate) provider_logins: Semaphore,
    /// Places for files of feeds that are coming.
    pub(crate) deliveries: Semaphore,
    requests: Arc<Semaphore>,
    started: Instant,
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) peer: IpAddr,
    /// The machine that proved itself by a certificate.
    pub(crate) workload: Option<Arc<Workload>>,
}

/// A request with what the table took from its path.
pub(crate) struct Asked<'r> {
    pub(crate) taken: Option<&'r str>,
    /// What the second braces took.
    pub(crate) second: Option<&'r str>,
    pub(crate) query: &'r str,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) peer: IpAddr,
    pub(crate) workload: Option<&'r Workload>,
}

impl<A: Asks, C: ConsoleSource> App<A, C> {
    pub(crate) fn new(asks: A, console: C, limits: Limits, serves: Serves) -> Result<Self, ServerError> {
        let csrf = hmac::Key::generate(hmac::HMAC_SHA256, &rand::SystemRandom::new())
            .map_err(|_| ServerError::Crypto("no random bytes".to_owned()))?;
        Ok(Self {
            asks,
            console,
            limits,
            serves,
            crowd: Arc::new(Crowd::default()),
            tallies: Tallies::default(),
            csrf,
            logins: Semaphore::new(LOGINS_AT_A_TIME),
            provider_logins: Semaphore::new(PROVIDER_LOGINS_AT_A_TIME),
            deliveries: Semaphore::new(DELIVERIES_AT_A_TIME),
            requests: Arc::new(Semaphore::new(limits.requests_max.min(Semaphore::MAX_PERMITS))),
            started: Instant::now(),
        })
    }

    /// Answers one request, whatever happens.
    ///
    /// The work runs in a task of its own: a panic stays in it, and work that has begun is brought to its end although the caller
    /// has gone or has waited too long, so that what it reserved is settled.
    pub(crate) async fn answer(self: Arc<Self>, who: Who, request: Request<Incoming>) -> Answer {
        let host = host_of(&request);
        let is_page = route::is_console(request.uri().path()) && self.serves != Serves::Api;
        // A file of a feed may take longer to come than any other body.
        let seconds = match route::find(request.method(), request.uri().path(), self.serves) {
            Found::Route(route, _) if route.endpoint == Endpoint::FeedFile => {
                self.limits.request_seconds.saturating_add(self.limits.delivery_seconds)
            }
            Found::Route(..) | Found::OtherMethod(_) | Found::Nowhere => self.limits.request_seconds,
        };
        let outcome = match Arc::clone(&self.requests).try_acquire_owned() {
            Err(_) => Err(Refusal::later(StatusCode::SERVICE_UNAVAILABLE, "too many requests at a time", 1)),
            Ok(permit) => {
                let app = Arc::clone(&self);
                let work = tokio::spawn(async move {
                    let outcome = app.handle(who, request).await;
                    drop(permit);
                    outcome
                });
                match tokio::time::timeout(Duration::from_secs(seconds), work).await {
                    Ok(Ok(outcome)) => outcome,
                    Ok(Err(_panicked)) => {
                        self.tallies.faults.inc();
                        Err(Refusal::internal("the work on a request broke off"))
                    }
                    Err(_) => Err(Refusal::later(StatusCode::SERVICE_UNAVAILABLE, "the answer took too long", 1)),
                }
            }
        };
        let mut answer = outcome.unwrap_or_else(|refusal| self.refuse(&refusal, is_page));
        answer::add_common_headers(answer.headers_mut(), host.as_deref());
        self.tallies.count(answer.status());
        answer
    }

    async fn handle(&self, who: Who, request: Request<Incoming>) -> Result<Answer, Refusal> {
        let (head, body) = request.into_parts();
        let body = Pending::new(body, self.limits.body_bytes_max);
        let path = head.uri.path();
        let (route, [first, second]) = match route::find(&head.method, path, self.serves) {
            Found::Route(route, taken) => (route, taken),
            Found::OtherMethod(allow) => {
                let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "the path is there for other methods");
                return Err(Refusal { allow: Some(allow), ..refusal });
            }
            Found::Nowhere if route::is_console(path) && self.serves != Serves::Api => {
                return pages::nowhere(self, &head.headers).await;
            }
            Found::Nowhere => return Err(Refusal::nowhere()),
        };
        let query = head.uri.query().unwrap_or_default();
        let asked =
            Asked { taken: first, second, query, headers: &head.headers, peer: who.peer, workload: who.workload.as_deref() };
        match route.endpoint {
            Endpoint::Churn => v1::churn(self, &asked).await,
            Endpoint::Predictions => v1::predictions(self, &asked, body).await,
            Endpoint::WhatIf => v1::what_if(self, &asked, body).await,
            Endpoint::Look(look) => oip::look(self, &asked, look),
            Endpoint::Infer => oip::infer(self, &asked, body).await,
            Endpoint::OpenApi => openapi::route(),
            Endpoint::Metrics => metrics::route(self, &asked).await,
            Endpoint::Jwks => answer::json(&self.asks.token_keys()),
            Endpoint::LabelProposal => labels::propose(self, &asked, body).await,
            Endpoint::FeedFile => feeds::put(self, &asked, body).await,
            Endpoint::Entry(entry) => pages::enter(self, &asked, entry, body).await,
            Endpoint::Page(page) => pages::page(self, &asked, page).await,
        }
    }

    /// Takes a refusal down for the operator and tells the caller its reference.
    pub(crate) fn refuse(&self, refusal: &Refusal, is_page: bool) -> Answer {
        let reference = refusal.settled_reference();
        let why = match &refusal.reference {
            Some(_) => format!("{}; see `stayward evidence show {reference}`", refusal.why),
            None => refusal.why.clone().into_owned(),
        };
        self.asks.note(&Note { reference: reference.clone(), status: refusal.status.as_u16(), why });
        if is_page { pages::refused(refusal, &reference) } else { refusal.told(&reference) }
    }
}

impl<A, C> App<A, C> {
    /// Refuses an address that was refused too often in this minute.
    pub(crate) fn hold_stranger(&self, peer: IpAddr) -> Result<(), Refusal> {
        match self.crowd.must_wait(peer, self.limits.strangers_per_minute_max, self.seconds()) {
            None => Ok(()),
            Some(seconds) => Err(Refusal::later(StatusCode::TOO_MANY_REQUESTS, "too many refusals from one address", seconds)),
        }
    }

    /// Counts a refusal against an address.
    pub(crate) fn take_down_stranger(&self, peer: IpAddr) {
        self.crowd.refused(peer, self.seconds());
    }

    /// Seconds since the server's start.
    pub(crate) fn seconds(&self) -> u64 {
        self.started.elapsed().as_secs()
    }
}

/// The name that the caller used for this server: of the URI (HTTP/2) or the header (HTTP/1).
fn host_of(request: &Request<Incoming>) -> Option<String> {
    let header = || request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    request.uri().authority().map(|authority| authority.as_str()).or_else(header).map(str::to_owned)
}
