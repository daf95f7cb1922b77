//! The console's side of the service (T1, T6): who signed in with two factors, what their roles may read, and the pages' views.

use std::sync::Arc;

use console::view::FindingView;
use console::view::controls::ControlsView;
use console::view::entry::{RefusedKind, RefusedView};
use console::view::evidence::EvidenceView;
use console::view::model::ModelView;
use console::view::passkeys::{PasskeyView, PasskeysView};
use console::view::pipeline::{PipelineView, RunView};
use identity::oidc::{Callback, LoginRequest, Provider};
use identity::passkey::{Assertion, Challenges, PasskeyInfo, Registration, RelyingParty};
use identity::{Action, IdentityError, Session, matrix};
use pipeline::desk::{now, rfc3339};
use pipeline::office::within;
use pipeline::serving::Service;
use pipeline::{PipelineError, people, view};
use serde_json::Value;
use server::{Back, ConsoleSource, Entry, Seen, SessionCookie, Signed};
use tokio::runtime::Handle;

use crate::output::Output;

/// What a page needs, any of them; none needs a second factor beyond that of the login.
type Rights = &'static [Action];

/// What is drawn from figures and verdicts.
const READS: Rights = &[Action::ReadEvidence, Action::ReadMetrics];
/// The chain of entries itself.
const READS_EVIDENCE: Rights = &[Action::ReadEvidence];

/// The people and pages of a running service.
pub(crate) struct Console {
    service: Service,
    provider: Option<Arc<Way>>,
    party: Option<RelyingParty>,
    challenges: Challenges,
}

/// The identity provider, and where it sends browsers back to.
struct Way {
    provider: Provider,
    callback: String,
}

impl Console {
    /// Of a service that holds the project, and is served from this address unless the policy names another.
    ///
    /// # Errors
    /// An identity provider is named and cannot be used.
    pub(crate) fn new(service: Service, served: &str) -> Result<Self, PipelineError> {
        let desk = service.desk();
        let url = desk.project.policy.identity.console_url(served);
        let callback = format!("{url}{}", people::CALLBACK_PATH);
        let provider = people::provider_on_record(desk)?.map(|provider| Arc::new(Way { provider, callback }));
        Ok(Self { party: RelyingParty::of_url(&url), challenges: Challenges::default(), service, provider })
    }

    /// A page's view for somebody with one of the rights. It is read aside, as it reads files and checks signatures.
    async fn seen<T, F>(&self, who: &Signed, rights: Rights, read: F) -> Seen<T>
    where
        T: Send + 'static,
        F: FnOnce(&Service, &Handle) -> Result<Option<T>, PipelineError> + Send + 'static,
    {
        self.allow(who, rights).await?;
        let (service, handle) = (self.service.clone(), Handle::current());
        let read = tokio::task::spawn_blocking(move || read(&service, &handle)).await;
        match read {
            Ok(Ok(Some(view))) => Ok(view),
            Ok(Ok(None)) => {
                Err(refused(RefusedKind::NotFound, "there is nothing of that name", "follow a link of the page before", ""))
            }
            Ok(Err(error)) => Err(of_error(&error)),
            Err(error) => Err(refused(RefusedKind::Internal, &error.to_string(), "report this", "")),
        }
    }

    /// A session is as long as the policy says.
    fn entry(&self, result: Result<Session, IdentityError>) -> Entry {
        match result {
            Ok(session) => match within(&self.service.desk().project.policy.secrets, session, now()) {
                None => Entry::Refused,
                Some(session) => {
                    let seconds = u32::try_from(session.expires.saturating_sub(now())).unwrap_or_default();
                    Entry::In(SessionCookie { value: session.id.reveal().to_owned(), seconds })
                }
            },
            Err(IdentityError::LockedOut { seconds }) => {
                Entry::LockedOut { retry_after_seconds: u32::try_from(seconds).unwrap_or(u32::MAX) }
            }
            Err(IdentityError::LoginRefused | IdentityError::NotValid(_) | IdentityError::ProviderLogin(_)) => Entry::Refused,
            Err(error) => {
                Output::log(&format!("a login could not be looked at: {error}"));
                Entry::Refused
            }
        }
    }

    /// Roles are those of this moment, not of the login.
    async fn allow(&self, who: &Signed, rights: Rights) -> Result<(), Box<RefusedView>> {
        let person = self.service.desk().identity.person(&who.person).await.map_err(|error| of_error(&error.into()))?;
        if person.disabled_at.is_none() && rights.iter().any(|right| matrix::any_allowed(&person.roles, *right)) {
            return Ok(());
        }
        let action = rights.first().copied().unwrap_or(Action::ReadEvidence);
        let denial = identity::Denial::NoRole { action };
        Err(refused(RefusedKind::NotAllowed, &denial.to_string(), &denial.help(), "role-matrix"))
    }
}

/// Why there are no passkeys at an address that is no domain.
const NO_DOMAIN: &str = "passkeys need a console at a domain's address: set `[identity] url` in stayward.toml";

/// What somebody who is signed in reads; whatever is not about the passkey itself stays with the operator.
fn passkey_words(error: &IdentityError) -> String {
    if matches!(error, IdentityError::NotFresh { .. }) {
        return "sign out and in again: this wants a second factor of the last 15 minutes".to_owned();
    }
    if matches!(error, IdentityError::Passkey(_) | IdentityError::Text { .. } | IdentityError::Range { .. }) {
        return format!("{error}; {}", error.help());
    }
    Output::log(&format!("a passkey could not be added: {error}; help: {}", error.help()));
    "it could not be added; the operator's log says why".to_owned()
}

fn of_error(error: &PipelineError) -> Box<RefusedView> {
    let kind = match error {
        PipelineError::NotAllowed { .. } => RefusedKind::NotAllowed,
        PipelineError::Refused { .. }
        | PipelineError::Held { .. }
        | PipelineError::Broken { .. }
        | PipelineError::Wrong { .. }
        | PipelineError::Internal(_) => RefusedKind::Internal,
    };
    refused(kind, &error.to_string(), &error.help(), "")
}

fn refused(kind: RefusedKind, why: &str, help: &str, rule: &str) -> Box<RefusedView> {
    let finding = FindingView { rule: rule.to_owned(), why: why.to_owned(), help: help.to_owned(), ..FindingView::default() };
    Box::new(RefusedView { kind, finding: Some(finding), ..RefusedView::default() })
}

impl ConsoleSource for Console {
    async fn login(&self, name: &str, password: &str, code: &str) -> Entry {
        self.entry(self.service.desk().identity.verify_password_and_code(name, password, code, now()).await)
    }

    async fn link_person(&self, token: &str) -> Option<String> {
        self.service.desk().identity.login_link_person(token, now()).await.ok()
    }

    /// The link is used up by the attempt; its session lives on only if the code is right as well.
    async fn use_link(&self, token: &str, code: &str) -> Entry {
        let identity = &self.service.desk().identity;
        let session = match identity.use_login_link(token, now()).await {
            Ok(session) => session,
            Err(error) => return self.entry(Err(error)),
        };
        let confirmed = identity.step_up(session.id.reveal(), code, now()).await;
        if confirmed.is_err()
            && let Err(error) = identity.revoke_session(session.id.reveal(), now()).await
        {
            Output::log(&format!("the session of a link without its code could not be ended: {error}"));
        }
        self.entry(confirmed)
    }

    fn has_provider(&self) -> bool {
        self.provider.is_some()
    }

    async fn provider_url(&self, request: LoginRequest) -> Option<String> {
        let way = self.provider.clone()?;
        let asked =
            tokio::task::spawn_blocking(move || way.provider.authorization_url(&request, &way.callback, now())).await.ok()?;
        asked.inspect_err(|error| Output::log(&format!("{error}; help: {}", error.help()))).ok()
    }

    async fn provider_login(&self, request: LoginRequest, back: Back) -> Entry {
        let Some(way) = self.provider.clone() else { return Entry::Refused };
        let asked = Arc::clone(&way);
        let redeemed = tokio::task::spawn_blocking(move || match back {
            Back::Code { code, issuer } => {
                let callback = Callback { code: &code, issuer: issuer.as_deref() };
                asked.provider.redeem(&request, callback, &asked.callback, now())
            }
            Back::Error(error) => Err(IdentityError::ProviderLogin(format!("the provider answered `{}`", error.escape_debug()))),
        });
        let Ok(proven) = redeemed.await else { return Entry::Refused };
        self.entry(self.service.desk().identity.log_in_by_provider(way.provider.rules(), proven, now()).await)
    }

    async fn passkey_challenge(&self) -> Option<Value> {
        self.challenges.for_login(self.party.as_ref()?, now()).ok()
    }

    async fn passkey_login(&self, answer: Value) -> Entry {
        let (Some(party), Ok(sent)) = (&self.party, Assertion::parse(answer)) else { return Entry::Refused };
        self.entry(self.service.desk().identity.log_in_by_passkey(party, &self.challenges, &sent, now()).await)
    }

    async fn passkey_options(&self, cookie: &str) -> Result<Value, String> {
        let party = self.party.as_ref().ok_or(NO_DOMAIN)?;
        let asked = self.service.desk().identity.begin_passkey(party, &self.challenges, cookie, now()).await;
        asked.map_err(|error| passkey_words(&error))
    }

    async fn passkey_add(&self, cookie: &str, answer: Value) -> Result<(), String> {
        let party = self.party.as_ref().ok_or(NO_DOMAIN)?;
        let sent = Registration::parse(answer).map_err(|error| error.to_string())?;
        let added = self.service.desk().identity.add_passkey(party, &self.challenges, cookie, &sent, now()).await;
        added.map(drop).map_err(|error| passkey_words(&error))
    }

    async fn passkeys(&self, who: &Signed) -> Seen<PasskeysView> {
        let held = self.service.desk().identity.passkeys(Some(&who.person)).await.map_err(|error| of_error(&error.into()))?;
        let view = |one: PasskeyInfo| PasskeyView {
            id: one.id,
            label: one.label,
            synced: one.backed_up,
            created_at: rfc3339(one.created_at),
            last_used_at: one.last_used_at.map(rfc3339).unwrap_or_default(),
        };
        Ok(PasskeysView { person: who.person.clone(), passkeys: held.into_iter().map(view).collect(), ..PasskeysView::default() })
    }

    /// A session without a second factor opens no page, whatever made it.
    async fn session(&self, cookie: &str) -> Option<Signed> {
        let session = self.service.desk().identity.session(cookie, now()).await.ok()?;
        let session = within(&self.service.desk().project.policy.secrets, session, now())?;
        session.second_factor_at?;
        let roles: Vec<&str> = session.roles.iter().map(|role| role.as_str()).collect();
        Some(Signed { person: session.person, role: roles.join(", ") })
    }

    async fn logout(&self, cookie: &str) {
        if let Err(error) = self.service.desk().identity.revoke_session(cookie, now()).await {
            Output::log(&format!("a session could not be ended: {error}"));
        }
    }

    async fn pipeline(&self, who: &Signed) -> Seen<PipelineView> {
        let read =
            |service: &Service, handle: &Handle| handle.block_on(view::pipeline_view(service.desk(), service.houses())).map(Some);
        self.seen(who, READS, read).await
    }

    async fn run(&self, who: &Signed, id: Option<&str>) -> Seen<RunView> {
        let id = id.map(str::to_owned);
        let read = move |service: &Service, handle: &Handle| {
            handle.block_on(view::run_view(service.desk(), service.houses(), id.as_deref()))
        };
        self.seen(who, READS, read).await
    }

    async fn model(&self, who: &Signed, id: Option<&str>) -> Seen<ModelView> {
        let id = id.map(str::to_owned);
        let read = move |service: &Service, handle: &Handle| handle.block_on(view::model_view(service.desk(), id.as_deref()));
        self.seen(who, READS, read).await
    }

    async fn evidence(&self, who: &Signed, id: Option<&str>) -> Seen<EvidenceView> {
        let id = id.map(str::to_owned);
        let read = move |service: &Service, _: &Handle| view::evidence_view(&service.desk().project, id.as_deref()).map(Some);
        self.seen(who, READS_EVIDENCE, read).await
    }

    async fn controls(&self, who: &Signed) -> Seen<ControlsView> {
        let read =
            |service: &Service, handle: &Handle| handle.block_on(view::controls_view(service.desk(), service.houses())).map(Some);
        self.seen(who, READS, read).await
    }
}
