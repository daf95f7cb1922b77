//! `stayward login`: password and one-time code; the session is kept in the project's vault for the commands that follow.

use std::path::{Path, PathBuf};

use clap::Args;
use pipeline::setup::{self, Account};
use pipeline::{Office, PipelineError};

use super::{Ended, wrong};
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
    /// The one-time code; asked for where absent.
    #[arg(long)]
    code: Option<String>,
    /// A file that `init --credentials` or `demo` wrote: it holds both factors, so it is for scripts and tests only.
    #[arg(long)]
    credentials: Option<PathBuf>,
}

pub(crate) async fn run(args: LoginArgs, root: &Path, out: &Output) -> Ended {
    let office = Office::open(root).await?;
    if args.again {
        return again(&args, &office, out).await;
    }
    let session = match &args.credentials {
        Some(path) => setup::log_in_to(&office.identity, &account(path, &args.name)?).await?,
        None => {
            let password = ask(out, &format!("password of {}: ", args.name))?;
            let code = match args.code {
                Some(code) => code,
                None => ask(out, "one-time code: ")?,
            };
            office.identity.verify_password_and_code(&args.name, &password, &code, pipeline::desk::now()).await?
        }
    };
    office.keep_session(&session)?;
    // As long as the policy says: shorter than the login's own session.
    let session = office.session().await?;
    let until = pipeline::desk::rfc3339(session.expires);
    out.result(&serde_json::json!({ "person": session.person, "until": until }), || {
        format!("{} is logged in until {until}", session.person)
    });
    Ok(0)
}

/// A step-up of the session that is open: the person and the session's end stay.
async fn again(args: &LoginArgs, office: &Office, out: &Output) -> Ended {
    let person = office.session().await?.person;
    let code = match (&args.credentials, &args.code) {
        (Some(path), _) => setup::code_of(&account(path, &person)?, pipeline::desk::now())?,
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
