//! `stayward component`: tokens of the pipeline's parts (T4). Each part has its own, with the rights of its work alone, for a day at most.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use identity::access_token::TokenScope;
use identity::{Action, COMPONENT_TOKEN_SECONDS_MAX, Component, ComponentTokenInfo, WorkloadInfo};
use pipeline::desk::{now, rfc3339};
use pipeline::{Office, PipelineError, people};
use server::ServerError;
use server::workload::{WorkloadAuthority, WorkloadName, write_workload};

use super::{Ended, wrong};
use crate::output::{Output, table};

#[derive(Debug, Args)]
pub(crate) struct ComponentArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Admin: make a token for a part of the pipeline; it is shown once. Signed by ES256 (RFC 9068), so that others can check it with
    /// the keys at /.well-known/jwks.json.
    Token {
        /// The part: `monitor`, `trainer`, ...; `stayward access matrix` lists them.
        component: String,
        /// Who will check it; this project where absent.
        #[arg(long)]
        audience: Option<String>,
        /// Minutes until it ends; a day at most.
        #[arg(long, default_value_t = 60)]
        minutes: i64,
        /// A token that only this project can read (`swc_..`).
        #[arg(long, conflicts_with = "audience")]
        opaque: bool,
    },
    /// Admin: make a key and a certificate for a machine, for `stayward serve --client-certificates`. The key stays where it is written.
    Certificate {
        /// A part of the pipeline, or, with --supplier, a supplier.
        name: String,
        /// The name is a supplier's.
        #[arg(long)]
        supplier: bool,
        /// The folder for both files.
        #[arg(long)]
        out: PathBuf,
        /// Hours until it ends; a week at most.
        #[arg(long, default_value_t = 24)]
        hours: u64,
    },
    /// List tokens and certificates that live, with their age; never their texts.
    Ls,
    /// Admin: end one token or certificate, or all of a part, at once.
    Revoke {
        /// A part of the pipeline, `supplier/NAME`, the id (`jti`) of a token, or the serial number of a certificate.
        what: String,
    },
}

pub(crate) async fn run(args: ComponentArgs, root: &Path, out: &Output) -> Ended {
    let office = Office::open(root).await?;
    match args.what {
        What::Token { component, audience, minutes, opaque } => {
            let component = parse(&component)?;
            office.authorised(Action::ManageKeys).await?;
            let seconds = minutes.saturating_mul(60);
            let token = if opaque {
                office.identity.issue_component_token(component, seconds, now()).await?
            } else {
                let issuer = people::token_issuer(&office.project);
                let scope = TokenScope { issuer: &issuer, audience: audience.as_deref().unwrap_or(&issuer) };
                let keys = people::token_keys(&office.vault)?;
                office.identity.issue_access_token(&keys, scope, component, seconds, now()).await?
            };
            office.put_on_record().await?;
            let until = rfc3339(now().saturating_add(seconds.clamp(0, COMPONENT_TOKEN_SECONDS_MAX)));
            let value = serde_json::json!({ "component": component.as_str(), "token": token.reveal(), "expires": until });
            out.result(&value, || token.reveal().to_owned());
            out.say(&format!("token of `{component}`, valid until {until}; it is shown this once"));
            Ok(0)
        }
        What::Ls => list(&office, out).await,
        What::Certificate { name, supplier, out: folder, hours } => {
            certificate(&office, (&name, supplier), &folder, hours, out).await
        }
        What::Revoke { what } => {
            office.authorised(Action::ManageKeys).await?;
            let ended = revoke(&office, &what).await?;
            office.put_on_record().await?;
            out.result(&serde_json::json!({ "revoked": ended }), || format!("ended: {ended}"));
            Ok(0)
        }
    }
}

async fn revoke(office: &Office, what: &str) -> Result<u64, PipelineError> {
    if let Some(component) = Component::parse(what) {
        let tokens = office.identity.revoke_component_tokens(component, now()).await?;
        return Ok(tokens + office.identity.end_workload(&format!("component/{component}"), now()).await?);
    }
    let certificates = office.identity.end_workload(what, now()).await?;
    if certificates > 0 {
        return Ok(certificates);
    }
    Ok(office.identity.revoke_component_token(what, now()).await.map(|_| 1)?)
}

async fn certificate(office: &Office, (name, supplier): (&str, bool), folder: &Path, hours: u64, out: &Output) -> Ended {
    let workload = if supplier { WorkloadName::Supplier(name.to_owned()) } else { WorkloadName::Component(parse(name)?) };
    office.authorised(if supplier { Action::ManageSuppliers } else { Action::ManageKeys }).await?;
    let failed = |error: ServerError| wrong(error.to_string(), error.help());
    let at = SystemTime::now();
    let authority = WorkloadAuthority::open(office.project.root(), at).map_err(failed)?;
    let domain = people::trust_domain(&office.project);
    let life = Duration::from_secs(hours.saturating_mul(3600));
    let issued = authority.issue(&workload, &domain, life, at).map_err(failed)?;
    office.identity.keep_workload(&issued.serial, &workload.to_string(), issued.expires_at, now()).await?;
    office.put_on_record().await?;
    let (certificate, key) = write_workload(folder, name, &issued).map_err(failed)?;
    let (id, until) = (format!("spiffe://{domain}/{workload}"), rfc3339(issued.expires_at));
    let value =
        serde_json::json!({ "id": id, "certificate": certificate, "key": key, "serial": issued.serial, "expires": until });
    out.result(&value, || format!("{id}, until {until}\ncertificate {}\nkey {}", certificate.display(), key.display()));
    Ok(0)
}

fn parse(word: &str) -> Result<Component, PipelineError> {
    let known = || Component::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(", ");
    Component::parse(word).ok_or_else(|| wrong(format!("there is no component `{word}`"), format!("components are: {}", known())))
}

async fn list(office: &Office, out: &Output) -> Ended {
    let live = |one: &ComponentTokenInfo| one.revoked_at.is_none() && one.expires_at > now();
    let tokens: Vec<_> = office.identity.component_tokens().await?.into_iter().filter(live).collect();
    let value = |one: &ComponentTokenInfo| {
        serde_json::json!({ "id": one.id, "component": one.component.as_str(), "created": rfc3339(one.created_at),
            "expires": rfc3339(one.expires_at) })
    };
    let held = office.identity.workloads().await?;
    let certificates: Vec<_> = held.into_iter().filter(|one| one.revoked_at.is_none() && one.expires_at > now()).collect();
    let certified = |one: &WorkloadInfo| serde_json::json!({ "serial": one.serial, "name": one.name, "created": rfc3339(one.issued_at), "expires": rfc3339(one.expires_at) });
    let all = serde_json::json!({ "tokens": tokens.iter().map(value).collect::<Vec<_>>(),
        "certificates": certificates.iter().map(certified).collect::<Vec<_>>() });
    out.result(&all, || {
        let row =
            |id: &str, whose: &str, made: i64, ends: i64| vec![id.to_owned(), whose.to_owned(), rfc3339(made), rfc3339(ends)];
        let signed = tokens.iter().map(|one| row(&one.id, one.component.as_str(), one.created_at, one.expires_at));
        let certified = certificates.iter().map(|one| row(&one.serial, &one.name, one.issued_at, one.expires_at));
        table(&["id or serial", "whose", "made", "ends"], &signed.chain(certified).collect::<Vec<_>>())
    });
    Ok(0)
}
