//! `stayward api`: keys of applications, and how much each one asks (T2, T3). Works beside a running server, which takes changes up
//! within seconds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use identity::{Action, CustomerScope, KeyInfo, Right};
use pipeline::desk::{now, rfc3339};
use pipeline::{Office, PipelineError};
use serde::Serialize;

use super::{Ended, wrong};
use crate::output::{Output, table};

/// Largest file of customer ids.
const CUSTOMERS_BYTES_MAX: u64 = 16 << 20;
/// How long an old key lives beside its successor, unless said otherwise.
const GRACE_HOURS: i64 = 24;
const DAY_SECONDS: i64 = 86_400;

#[derive(Debug, Args)]
pub(crate) struct ApiArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// API keys.
    Key {
        #[command(subcommand)]
        what: KeyWhat,
    },
    /// Calls and different customers of today, by application.
    Usage {
        /// One application; all where absent.
        app: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum KeyWhat {
    /// Make a key; it is shown once. The application is made if it is new.
    Create(CreateArgs),
    /// List keys; never their texts.
    Ls,
    /// Give a key a successor of equal rights; the old one stays valid for a while.
    Rotate {
        /// The key's id.
        id: String,
        /// Hours that the old key stays valid.
        #[arg(long, default_value_t = GRACE_HOURS)]
        grace_hours: i64,
    },
    /// End a key at once.
    Revoke {
        /// The key's id.
        id: String,
    },
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// The application.
    #[arg(long)]
    app: String,
    /// Who answers for it; the person who makes the key where absent.
    #[arg(long)]
    owner: Option<String>,
    /// What the key may do: ask, what-if, metrics. May be repeated.
    #[arg(long = "right", value_parser = right, default_values_t = [Spelled(Right::Ask)])]
    rights: Vec<Spelled>,
    /// A file with the ids of the customers that may be asked about, one a line.
    #[arg(long, group = "scope")]
    customers: Option<PathBuf>,
    /// A segment whose customers may be asked about. May be repeated.
    #[arg(long = "segment", group = "scope")]
    segments: Vec<String>,
    /// A region whose customers may be asked about. May be repeated.
    #[arg(long = "region", group = "scope")]
    regions: Vec<String>,
}

/// A right as it is typed.
#[derive(Clone, Copy, Debug)]
struct Spelled(Right);

impl std::fmt::Display for Spelled {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.0.as_str())
    }
}

fn right(text: &str) -> Result<Spelled, String> {
    Right::parse(text).map(Spelled).ok_or_else(|| "rights are: ask, what-if, metrics".to_owned())
}

pub(crate) async fn run(args: ApiArgs, root: &Path, out: &Output) -> Ended {
    let office = Office::open(root).await?;
    match args.what {
        What::Key { what: KeyWhat::Create(create) } => make(create, &office, out).await,
        What::Key { what: KeyWhat::Ls } => list(&office, out).await,
        What::Key { what: KeyWhat::Rotate { id, grace_hours } } => rotate(&id, grace_hours, &office, out).await,
        What::Key { what: KeyWhat::Revoke { id } } => {
            office.authorised(Action::ManageKeys).await?;
            office.identity.revoke_key(&id, now()).await?;
            office.put_on_record().await?;
            out.result(&serde_json::json!({ "revoked": id }), || {
                format!("key {id} is revoked; a running server stops taking it within seconds")
            });
            Ok(0)
        }
        What::Usage { app } => usage(app.as_deref(), &office, out).await,
    }
}

async fn make(args: CreateArgs, office: &Office, out: &Output) -> Ended {
    let session = office.authorised(Action::ManageKeys).await?;
    let scope = scope(&args)?;
    let rights: Vec<Right> = args.rights.iter().map(|right| right.0).collect();
    let owner = args.owner.as_deref().unwrap_or(&session.person);
    let key = office.issue_key(&args.app, owner, &rights, &scope).await?;
    office.put_on_record().await?;
    out.result(&key, || key.key.clone());
    out.say(&format!("key {} of `{}`, valid until {}; it is shown this once", key.id, key.application, key.expires));
    Ok(0)
}

fn scope(args: &CreateArgs) -> Result<CustomerScope, PipelineError> {
    let set = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
    if let Some(path) = &args.customers {
        let bytes = store::disk::read_limited(path, CUSTOMERS_BYTES_MAX)
            .map_err(|error| wrong(error.to_string(), "give a text file with one customer id a line"))?;
        let text = String::from_utf8_lossy(&bytes);
        return Ok(CustomerScope::Customers(
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect(),
        ));
    }
    Ok(match (args.segments.is_empty(), args.regions.is_empty()) {
        (false, _) => CustomerScope::Segments(set(&args.segments)),
        (true, false) => CustomerScope::Regions(set(&args.regions)),
        (true, true) => CustomerScope::All,
    })
}

async fn rotate(id: &str, grace_hours: i64, office: &Office, out: &Output) -> Ended {
    office.authorised(Action::ManageKeys).await?;
    let key = office.identity.rotate_key(id, grace_hours.saturating_mul(3600), now()).await?;
    office.put_on_record().await?;
    let (text, expires) = (key.text.reveal().to_owned(), rfc3339(key.expires_at));
    let value = serde_json::json!({ "id": key.id, "key": text, "expires": expires, "replaces": id, "grace_hours": grace_hours });
    out.result(&value, || text.clone());
    out.say(&format!("key {} replaces {id}, which stays valid for {grace_hours} hours; the new key is shown this once", key.id));
    Ok(0)
}

#[derive(Serialize)]
struct Key {
    id: String,
    app: String,
    rights: Vec<&'static str>,
    scope: String,
    per_minute: u32,
    customers_per_day: u32,
    expires: String,
    state: &'static str,
    last_used: Option<String>,
    replaced_by: Option<String>,
}

fn shown(key: KeyInfo, now: i64) -> Key {
    let grant = key.grant;
    let count = |entries: &BTreeSet<String>, what: &str| {
        let names: Vec<&str> = entries.iter().take(3).map(String::as_str).collect();
        format!("{} {what}: {}{}", entries.len(), names.join(", "), if entries.len() > names.len() { ", ..." } else { "" })
    };
    Key {
        scope: match &*grant.scope {
            CustomerScope::All => "all customers".to_owned(),
            CustomerScope::Customers(ids) => count(ids, "customers"),
            CustomerScope::Segments(names) => count(names, "segments"),
            CustomerScope::Regions(names) => count(names, "regions"),
        },
        state: match (key.revoked_at, grant.expires_at > now, &key.replaced_by) {
            (Some(_), _, _) => "revoked",
            (None, false, _) => "expired",
            (None, true, Some(_)) => "replaced",
            (None, true, None) => "valid",
        },
        id: grant.key_id,
        app: grant.app,
        rights: grant.rights.iter().map(|right| right.as_str()).collect(),
        per_minute: grant.limits.per_minute,
        customers_per_day: grant.limits.distinct_customers_per_day,
        expires: rfc3339(grant.expires_at),
        last_used: key.last_used_at.map(rfc3339),
        replaced_by: key.replaced_by,
    }
}

async fn list(office: &Office, out: &Output) -> Ended {
    let now = now();
    let keys: Vec<Key> = office.identity.keys().await?.into_iter().map(|key| shown(key, now)).collect();
    out.result(&keys, || {
        if keys.is_empty() {
            return "no keys yet: make one with `stayward api key create --app NAME`".to_owned();
        }
        let row = |key: &Key| {
            let limits = format!("{}/min, {} customers/day", key.per_minute, key.customers_per_day);
            vec![
                key.id.clone(),
                key.app.clone(),
                key.state.to_owned(),
                key.rights.join(" "),
                key.scope.clone(),
                limits,
                key.expires.clone(),
                key.last_used.clone().unwrap_or_else(|| "never".to_owned()),
            ]
        };
        table(
            &["id", "application", "state", "rights", "customers", "limits", "expires", "last used"],
            &keys.iter().map(row).collect::<Vec<_>>(),
        )
    });
    Ok(0)
}

async fn usage(app: Option<&str>, office: &Office, out: &Output) -> Ended {
    let day = now().div_euclid(DAY_SECONDS);
    let all = office.control.usage_all(day).await.map_err(|error| PipelineError::Internal(error.to_string()))?;
    if let Some(app) = app.filter(|app| !all.iter().any(|used| used.app == *app)) {
        let known = office.identity.apps().await?.into_iter().any(|known| known.name == app);
        if !known {
            return Err(wrong(format!("there is no application `{app}`"), "list applications with `stayward api key ls`"));
        }
    }
    let used: Vec<_> = all.into_iter().filter(|used| app.is_none_or(|app| used.app == app)).collect();
    out.result(&used, || {
        if used.is_empty() {
            return "nobody asked anything today".to_owned();
        }
        let row = |one: &store::control::AppUsage| {
            vec![one.app.clone(), one.used.calls_today.to_string(), one.used.distinct_today.to_string()]
        };
        table(&["application", "calls today", "different customers today"], &used.iter().map(row).collect::<Vec<_>>())
    });
    Ok(0)
}
