//! `stayward component`: tokens of the pipeline's parts (T4). Each part has its own, with the rights of its work alone, for a day at most.

use std::path::Path;

use clap::{Args, Subcommand};
use identity::access_token::TokenScope;
use identity::{Action, COMPONENT_TOKEN_SECONDS_MAX, Component, ComponentTokenInfo};
use pipeline::desk::{now, rfc3339};
use pipeline::{Office, PipelineError, people};

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
    /// List tokens that live, with their age; never their texts.
    Ls,
    /// Admin: end one token, or all of a part, at once.
    Revoke {
        /// A part of the pipeline, or the id (`jti`) of one token.
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
            let until = rfc3339(now().saturating_add(seconds.clamp(0, COMPONENT_TOKEN_SECONDS_MAX)));
            let value = serde_json::json!({ "component": component.as_str(), "token": token.reveal(), "expires": until });
            out.result(&value, || token.reveal().to_owned());
            out.say(&format!("token of `{component}`, valid until {until}; it is shown this once"));
            Ok(0)
        }
        What::Ls => list(&office, out).await,
        What::Revoke { what } => {
            office.authorised(Action::ManageKeys).await?;
            let ended = match Component::parse(&what) {
                Some(component) => office.identity.revoke_component_tokens(component, now()).await?,
                None => office.identity.revoke_component_token(&what, now()).await.map(|_| 1)?,
            };
            out.result(&serde_json::json!({ "revoked": ended }), || format!("{ended} token(s) ended"));
            Ok(0)
        }
    }
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
    out.result(&tokens.iter().map(value).collect::<Vec<_>>(), || {
        let row = |one: &ComponentTokenInfo| {
            vec![one.id.clone(), one.component.to_string(), rfc3339(one.created_at), rfc3339(one.expires_at)]
        };
        table(&["id", "component", "made", "ends"], &tokens.iter().map(row).collect::<Vec<_>>())
    });
    Ok(0)
}
