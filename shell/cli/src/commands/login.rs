//! `stayward login`: password and one-time code; the session is kept in the project's vault for the commands that follow.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use identity::oidc::{Callback, LoginRequest};
use identity::{Factor, IdentityError, Session};
use pipeline::desk::now;
use pipeline::setup::{self, Account};
use pipeline::{Office, PipelineError, people};

use super::{Ended, wrong};
use crate::loopback::Loopback;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// Account name.
    #[arg(default_value = "owner")]
    name: String,
    /// Confirm the session that is open with a fresh one-time code: what changes what people or callers get wants one of the last
    /// 15 minutes.
    #[arg(long, conflicts_with = "name")]
    again: bool,
    /// Log in with your organisation's account (`[identity.oidc]` in stayward.toml): prints the address to open in a browser.
    #[arg(long, conflicts_with_all = ["name", "again", "code", "credentials"])]
    oidc: bool,
    /// The port of this machine to which the browser comes back; 0 takes a free one.
    #[arg(long, default_value_t = 0, requires = "oidc")]
    port: u16,
    /// The one-time code; asked for where absent.
    #[arg(long)]
    code: Option<String>,
    /// A file that `init --credentials` or `demo` wrote: it holds both factors, so it is for scripts and tests only.
    #[arg(long)]
    credentials: Option<PathBuf>,
}

/// A session of both factors, not kept yet.
pub(crate) async fn prove(args: &LoginArgs, office: &Office, out: &Output) -> Result<Session, PipelineError> {
    match &args.credentials {
        _ if args.oidc => by_provider(office, args.port, out).await,
        Some(path) => setup::log_in_to(&office.identity, &account(path, &args.name)?).await,
        None => {
            let password = ask(out, &format!("password of {}: ", args.name))?;
            let code = match &args.code {
                Some(code) => code.clone(),
                None => ask(out, "one-time code: ")?,
            };
            Ok(office.identity.verify_password_and_code(&args.name, &password, &code, now()).await?)
        }
    }
}

pub(crate) async fn run(args: LoginArgs, root: &Path, out: &Output) -> Ended {
    let office = Office::open(root).await?;
    if args.again {
        return again(&args, &office, out).await;
    }
    let session = prove(&args, &office, out).await?;
    office.keep_session(&session)?;
    // As long as the policy says: shorter than the login's own session.
    let session = office.session().await?;
    let until = pipeline::desk::rfc3339(session.expires);
    out.result(&serde_json::json!({ "person": session.person, "until": until }), || {
        format!("{} is logged in until {until}", session.person)
    });
    Ok(0)
}

/// A login by the organisation's identity provider, in a browser on this machine (RFC 8252).
async fn by_provider(office: &Office, port: u16, out: &Output) -> Result<Session, PipelineError> {
    let provider = people::provider(&office.project, &office.vault)?.ok_or_else(|| {
        wrong("stayward.toml names no identity provider", "add `[identity.oidc]`, or log in with `stayward login NAME`")
    })?;
    let provider = Arc::new(provider);
    let loopback = Loopback::listen(port).await?;
    let redirect_uri = loopback.redirect_uri();
    let request = Arc::new(LoginRequest::fresh()?);
    let (asked, of, to) = (Arc::clone(&provider), Arc::clone(&request), redirect_uri.clone());
    let url = aside(move || asked.authorization_url(&of, &to, now())).await?;
    out.tell(&format!("open this address in a browser on this machine:\n{url}"));
    let answered = loopback.wait(&request).await?;
    let asked = Arc::clone(&provider);
    let proven = tokio::task::spawn_blocking(move || {
        let callback = Callback { code: &answered.code, issuer: answered.issuer.as_deref() };
        asked.redeem(&request, callback, &redirect_uri, now())
    });
    let proven = proven.await.map_err(|error| PipelineError::Internal(error.to_string()))?;
    Ok(office.identity.log_in_by_provider(provider.rules(), proven, now()).await?)
}

/// Work that waits for the network, off the async threads.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T, IdentityError> + Send + 'static) -> Result<T, PipelineError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| PipelineError::Internal(error.to_string()))?;
    Ok(done?)
}

/// A step-up of the session that is open: the person and the session's end stay.
async fn again(args: &LoginArgs, office: &Office, out: &Output) -> Ended {
    let session = office.session().await?;
    if session.amr.contains(&Factor::Provider) {
        return Err(wrong("this session was opened by the identity provider", "confirm it there: `stayward login --oidc`"));
    }
    let person = session.person;
    let code = match (&args.credentials, &args.code) {
        (Some(path), _) => setup::code_of(&account(path, &person)?, now())?,
        (None, Some(code)) => code.clone(),
        (None, None) => ask(out, &format!("one-time code of {person}: "))?,
    };
    let session = office.confirm(&code).await?;
    let fresh_until = session.second_factor_at.unwrap_or(session.auth_time).saturating_add(identity::matrix::STEP_UP_SECONDS);
    let fresh_until = pipeline::desk::rfc3339(fresh_until.min(session.expires));
    out.result(&serde_json::json!({ "person": person, "fresh_until": fresh_until }), || {
        format!("{person} has confirmed with a second factor, which is fresh until {fresh_until}")
    });
    Ok(0)
}

pub(crate) fn account(path: &Path, name: &str) -> Result<Account, PipelineError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| wrong(format!("`{}`: {error}", path.display()), "name the file that init or demo wrote"))?;
    let accounts: Vec<Account> = serde_json::from_str(&text)
        .map_err(|error| wrong(format!("`{}`: {error}", path.display()), "name the file that init or demo wrote"))?;
    accounts
        .into_iter()
        .find(|account| account.name == name)
        .ok_or_else(|| wrong(format!("`{}` has no account `{name}`", path.display()), "choose another name"))
}

/// Reads a line from standard input. The terminal shows what is typed; use `--credentials` or a pipe where that matters.
fn ask(out: &Output, question: &str) -> Result<String, PipelineError> {
    out.tell(question);
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|error| wrong(error.to_string(), "give the answer on standard input"))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
