//! `stayward user` and `stayward logout`: who there is, a one-time link to the console, the end of a session.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use identity::{Action, LOGIN_LINK_SECONDS, Person};
use pipeline::Office;
use pipeline::desk::now;
use serde::Serialize;

use super::Ended;
use crate::output::{Output, table};

#[derive(Debug, Args)]
pub(crate) struct UserArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List people, their roles and teams.
    Ls,
    /// Make a link that logs a person into the console once, within 15 minutes; it gives no second factor. For yourself, or, as an
    /// admin, for others.
    Link {
        /// Login name.
        name: String,
        /// Where the console is.
        #[arg(long, default_value = "https://localhost:8443")]
        url: String,
    },
    /// The one-time code of the moment, for a person whose second factor lies in a credentials file: for demos and tests.
    Code {
        /// Login name.
        name: String,
        /// The file that `demo` or `init --credentials` wrote.
        #[arg(long)]
        credentials: PathBuf,
    },
}

pub(crate) async fn run(args: UserArgs, root: &Path, out: &Output) -> Ended {
    if let What::Code { name, credentials } = &args.what {
        let code = pipeline::setup::code_of(&super::login::account(credentials, name)?, now())?;
        out.result(&serde_json::json!({ "code": code }), || code.clone());
        return Ok(0);
    }
    let office = Office::open(root).await?;
    match args.what {
        What::Code { .. } => Ok(0),
        What::Ls => list(&office, out).await,
        What::Link { name, url } => link(&office, &name, &url, out).await,
    }
}

#[derive(Serialize)]
struct Listed {
    name: String,
    display_name: String,
    team: String,
    roles: Vec<&'static str>,
    active: bool,
    recovery_codes_left: i64,
}

async fn list(office: &Office, out: &Output) -> Ended {
    let listed = |person: Person| Listed {
        roles: person.roles.iter().map(|role| role.as_str()).collect(),
        name: person.name,
        display_name: person.display_name,
        team: person.team,
        active: person.disabled_at.is_none(),
        recovery_codes_left: person.recovery_codes_left,
    };
    let people: Vec<Listed> = office.identity.people().await?.into_iter().map(listed).collect();
    out.result(&people, || {
        let row = |one: &Listed| {
            let state = if one.active { "active" } else { "switched off" };
            vec![one.name.clone(), one.display_name.clone(), one.team.clone(), one.roles.join(" "), state.to_owned()]
        };
        table(&["name", "person", "team", "roles", "state"], &people.iter().map(row).collect::<Vec<_>>())
    });
    Ok(0)
}

async fn link(office: &Office, name: &str, url: &str, out: &Output) -> Ended {
    // A link for somebody else is somebody else's session: that is for those who manage people.
    let session = office.session().await?;
    if session.person != name {
        office.authorised(Action::ManagePeople).await?;
    }
    let token = office.identity.create_login_link(name, now()).await?;
    let url = format!("{}/console/link/{}", url.trim_end_matches('/'), token.reveal());
    let value = serde_json::json!({ "person": name, "url": url, "valid_seconds": LOGIN_LINK_SECONDS });
    out.result(&value, || url.clone());
    out.say(&format!("good once, for {} minutes; the console is up while `stayward serve` runs", LOGIN_LINK_SECONDS / 60));
    Ok(0)
}

pub(crate) async fn logout(root: &Path, out: &Output) -> Ended {
    let person = Office::open(root).await?.log_out().await?;
    out.result(&serde_json::json!({ "person": person }), || format!("{person} is logged out"));
    Ok(0)
}
