//! `stayward user` and `stayward logout`: who there is, a one-time link to the console, the end of a session.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use identity::passkey::PasskeyInfo;
use identity::{Action, LOGIN_LINK_SECONDS, Person, Role, matrix};
use pipeline::desk::{now, rfc3339};
use pipeline::setup::{self, NewAccount};
use pipeline::{Office, PipelineError};
use serde::Serialize;

use super::{Ended, wrong};
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
    /// Admin: add a person. Password and second factor are made and shown once.
    Add {
        /// Login name: 1 to 64 of a-z, 0-9, `.`, `-`, `_`.
        name: String,
        /// Roles, for instance `trainer`; several with a comma between. `stayward user roles` alone lists them.
        #[arg(long, value_delimiter = ',', required = true)]
        roles: Vec<String>,
        /// Team.
        #[arg(long, default_value = "data")]
        team: String,
        /// Name for people to read.
        #[arg(long)]
        display_name: Option<String>,
    },
    /// Admin: replace a person's roles; without a name, list the roles and what they may do.
    Roles {
        /// Login name.
        name: Option<String>,
        /// The roles from now on, with a comma between.
        #[arg(long, value_delimiter = ',', requires = "name")]
        roles: Vec<String>,
    },
    /// Admin: switch a person off, with all sessions. Nobody is deleted: the evidence still names them.
    Disable {
        /// Login name.
        name: String,
    },
    /// Give yourself new recovery codes; the earlier ones work no more. Wants a second factor of the last 15 minutes.
    Recovery,
    /// Admin: give a person who lost phone and codes a new second factor and new recovery codes, and end all sessions.
    Reset {
        /// Login name.
        name: String,
    },
    /// Passkeys of people; they are added in the console, by the person's name at the top.
    Passkey {
        #[command(subcommand)]
        what: PasskeyWhat,
    },
    /// Admin: bind a person to a subject of the identity provider that stayward.toml names; roles are then those of the groups there.
    Bind {
        /// Login name.
        name: String,
        /// The claim `sub` of the person's ID tokens.
        #[arg(long)]
        subject: String,
    },
    /// Admin: forget wrong attempts on a name, so that it can be tried again at once.
    Unlock {
        /// Login name.
        name: String,
    },
    /// Admin: take the people, roles and keys in the database for right, though no signed change says so: after a machine died in the
    /// middle of a change, or after you have looked into what `stayward evidence verify` named. Your name stands with it for good.
    Reconcile,
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

#[derive(Debug, Subcommand)]
enum PasskeyWhat {
    /// List passkeys, of one person or of all.
    Ls {
        /// Login name.
        name: Option<String>,
    },
    /// Remove one of your own, or, as an admin, anybody's; the person's sessions end.
    Rm {
        /// Login name.
        name: String,
        /// The passkey's id.
        #[arg(long)]
        id: String,
    },
}

pub(crate) async fn run(args: UserArgs, root: &Path, out: &Output) -> Ended {
    if let What::Code { name, credentials } = &args.what {
        let code = pipeline::setup::code_of(&super::login::account(credentials, name)?, now())?;
        out.result(&serde_json::json!({ "code": code }), || code.clone());
        return Ok(0);
    }
    let office = Office::open(root).await?;
    let reads = matches!(
        args.what,
        What::Ls | What::Link { .. } | What::Roles { name: None, .. } | What::Passkey { what: PasskeyWhat::Ls { .. } }
    );
    let ended = carry_out(args.what, &office, out).await?;
    if !reads {
        office.put_on_record().await?;
    }
    Ok(ended)
}

async fn carry_out(what: What, office: &Office, out: &Output) -> Ended {
    match what {
        What::Code { .. } => Ok(0),
        What::Ls => list(office, out).await,
        What::Link { name, url } => link(office, &name, &url, out).await,
        What::Add { name, roles, team, display_name } => {
            let roles = parse_roles(&roles)?;
            office.authorised(Action::ManagePeople).await?;
            let display_name = display_name.unwrap_or_else(|| name.clone());
            let roles: Vec<Role> = roles.into_iter().collect();
            let new = NewAccount { name: &name, display_name: &display_name, team: &team, roles: &roles };
            let account = setup::create_person(&office.identity, new).await?;
            out.result(&account, || {
                format!(
                    "{name} is added; shown once: password {}\nsecond factor, for an authenticator app: {}\nrecovery codes, each good once for a lost phone: {}\nnext: {name} logs in with `stayward login {name}`",
                    account.password,
                    account.otpauth_url,
                    account.recovery_codes.join(" ")
                )
            });
            Ok(0)
        }
        What::Reconcile => {
            let session = office.authorised(Action::ManagePeople).await?;
            let differences = office.identity.reconcile(&session.person).await?;
            out.result(&serde_json::json!({ "differences": differences }), || match differences.as_slice() {
                [] => "nothing differed".to_owned(),
                some => format!("taken for right by {}:\n  {}", session.person, some.join("\n  ")),
            });
            Ok(0)
        }
        What::Roles { name: None, .. } => rights(out),
        What::Roles { name: Some(name), roles } => {
            let roles = parse_roles(&roles)?;
            office.authorised(Action::ManagePeople).await?;
            office.identity.set_roles(&name, &roles, now()).await?;
            let words: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
            out.result(&serde_json::json!({ "name": name, "roles": words }), || format!("{name} is now: {}", words.join(" ")));
            Ok(0)
        }
        What::Recovery => recovery(office, out).await,
        What::Reset { name } => reset(office, &name, out).await,
        What::Passkey { what: PasskeyWhat::Ls { name } } => passkeys(office, name.as_deref(), out).await,
        What::Passkey { what: PasskeyWhat::Rm { name, id } } => remove_passkey(office, &name, &id, out).await,
        What::Bind { name, subject } => bind(office, &name, &subject, out).await,
        What::Unlock { name } => {
            office.authorised(Action::ManagePeople).await?;
            office.identity.unlock(&name, now()).await?;
            out.result(&serde_json::json!({ "name": name, "unlocked": true }), || format!("{name} may try again"));
            Ok(0)
        }
        What::Disable { name } => {
            office.authorised(Action::ManagePeople).await?;
            office.identity.disable_person(&name, now()).await?;
            out.result(&serde_json::json!({ "name": name, "active": false }), || format!("{name} is switched off"));
            Ok(0)
        }
    }
}

fn parse_roles(words: &[String]) -> Result<BTreeSet<Role>, PipelineError> {
    let known = || Role::ALL.iter().filter(|role| !role.is_machine()).map(|role| role.as_str()).collect::<Vec<_>>().join(", ");
    if words.is_empty() {
        return Err(wrong("no role is named", format!("roles of people are: {}", known())));
    }
    let parse = |word: &String| {
        Role::parse(word.trim())
            .ok_or_else(|| wrong(format!("there is no role `{word}`"), format!("roles of people are: {}", known())))
    };
    words.iter().map(parse).collect()
}

#[derive(Serialize)]
struct Rights {
    role: &'static str,
    may: Vec<&'static str>,
    not_with: Vec<&'static str>,
}

/// The roles of people, what each may do, and with which it cannot be held together.
fn rights(out: &Output) -> Ended {
    let apart = |role: Role| {
        let pairs = matrix::SEPARATED.iter().filter(move |(one, other)| *one == role || *other == role);
        pairs.map(move |(one, other)| if *one == role { other.as_str() } else { one.as_str() }).collect()
    };
    let people = Role::ALL.iter().copied().filter(|role| !role.is_machine());
    let all: Vec<Rights> = people
        .map(|role| Rights {
            role: role.as_str(),
            may: Action::ALL.iter().filter(|action| matrix::allowed(role, **action)).map(|action| action.as_str()).collect(),
            not_with: apart(role),
        })
        .collect();
    out.result(&all, || {
        let row = |one: &Rights| vec![one.role.to_owned(), one.may.join(" "), one.not_with.join(" ")];
        table(&["role", "may", "never together with"], &all.iter().map(row).collect::<Vec<_>>())
    });
    Ok(0)
}

#[derive(Serialize)]
struct Listed {
    name: String,
    display_name: String,
    team: String,
    roles: Vec<&'static str>,
    active: bool,
    recovery_codes_left: i64,
    by_provider: bool,
    passkeys: i64,
}

async fn list(office: &Office, out: &Output) -> Ended {
    let listed = |person: Person| Listed {
        roles: person.roles.iter().map(|role| role.as_str()).collect(),
        name: person.name,
        display_name: person.display_name,
        team: person.team,
        active: person.disabled_at.is_none(),
        recovery_codes_left: person.recovery_codes_left,
        by_provider: person.by_provider,
        passkeys: person.passkeys,
    };
    let people: Vec<Listed> = office.identity.people().await?.into_iter().map(listed).collect();
    out.result(&people, || {
        let row = |one: &Listed| {
            let state = if one.active { "active" } else { "switched off" };
            let enters = if one.by_provider { "provider" } else { "code" };
            let enters = format!("{enters}, {} passkeys, {} recovery codes", one.passkeys, one.recovery_codes_left);
            vec![one.name.clone(), one.display_name.clone(), one.team.clone(), one.roles.join(" "), enters, state.to_owned()]
        };
        table(&["name", "person", "team", "roles", "second factor", "state"], &people.iter().map(row).collect::<Vec<_>>())
    });
    Ok(0)
}

async fn passkeys(office: &Office, name: Option<&str>, out: &Output) -> Ended {
    let held = office.identity.passkeys(name).await?;
    let value = |one: &PasskeyInfo| {
        let used = one.last_used_at.map(rfc3339);
        serde_json::json!({ "person": one.person, "id": one.id, "label": one.label, "synced": one.backed_up,
            "created": rfc3339(one.created_at), "last_used": used })
    };
    out.result(&held.iter().map(value).collect::<Vec<_>>(), || {
        let row = |one: &PasskeyInfo| {
            let used = one.last_used_at.map_or_else(|| "never".to_owned(), rfc3339);
            vec![one.person.clone(), one.label.clone(), one.id.clone(), rfc3339(one.created_at), used]
        };
        table(&["person", "label", "id", "added", "last used"], &held.iter().map(row).collect::<Vec<_>>())
    });
    Ok(0)
}

async fn remove_passkey(office: &Office, name: &str, id: &str, out: &Output) -> Ended {
    let session = office.session().await?;
    if session.person == name {
        session.fresh(now())?;
    } else {
        office.authorised(Action::ManagePeople).await?;
    }
    office.identity.remove_passkey(name, id, now()).await?;
    out.result(&serde_json::json!({ "name": name, "removed": id }), || {
        format!("the passkey is removed, and {name}'s sessions have ended")
    });
    Ok(0)
}

async fn bind(office: &Office, name: &str, subject: &str, out: &Output) -> Ended {
    office.authorised(Action::ManagePeople).await?;
    let oidc = office.project.policy.identity.oidc.as_ref();
    let none = || wrong("stayward.toml names no identity provider", "add `[identity.oidc]`");
    let issuer = oidc.ok_or_else(none)?.issuer.as_str();
    office.identity.bind_to_provider(name, issuer, subject, now()).await?;
    let value = serde_json::json!({ "name": name, "issuer": issuer, "subject": subject });
    out.result(&value, || format!("{name} logs in with `stayward login --oidc` as {subject}"));
    Ok(0)
}

async fn recovery(office: &Office, out: &Output) -> Ended {
    let session = office.session().await?;
    let codes = setup::revealed(&office.identity.renew_recovery_codes(session.id.reveal(), now()).await?);
    out.result(&serde_json::json!({ "person": session.person, "recovery_codes": codes }), || codes.join("\n"));
    out.say("shown once; each works once in place of a one-time code, and the earlier ones work no more");
    Ok(0)
}

async fn reset(office: &Office, name: &str, out: &Output) -> Ended {
    office.authorised(Action::ManagePeople).await?;
    let enrolment = office.identity.reset_second_factor(name, now()).await?;
    let codes = setup::revealed(&enrolment.recovery_codes);
    let url = enrolment.otpauth_url.reveal();
    let value = serde_json::json!({ "name": name, "otpauth_url": url, "recovery_codes": codes });
    out.result(&value, || {
        format!("{name} has a new second factor, shown once: {url}\nrecovery codes: {}\nnext: {name} logs in with `stayward login {name}`", codes.join(" "))
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
