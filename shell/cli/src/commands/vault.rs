//! `stayward vault`: what secrets there are and how old they are (never their values), and rotation of the signing keys.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use identity::Action;
use pipeline::Office;
use pipeline::desk::{CHECKPOINT_KEY, STATEMENT_KEY, now};
use serde::Serialize;

use super::{Ended, wrong};
use crate::output::{Output, table};

const DAY_SECONDS: u64 = 86_400;

#[derive(Debug, Args)]
pub(crate) struct VaultArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Put a password that stayward.toml names into the vault, or a new version of it; it is read from a file or from standard input,
    /// never from the command line.
    Put {
        /// The secret's name, as stayward.toml has it.
        name: String,
        /// The file; `-` is standard input. One line end at its end does not count.
        #[arg(long)]
        file: PathBuf,
    },
    /// List secrets by name, with version and age.
    Ls,
    /// Give a signing key a successor: `evidence-p256` (statements and models) or `checkpoint-ed25519` (the log's head). What was
    /// signed before stays verifiable. Needs the project for itself: stop `stayward serve` first.
    Rotate {
        /// The secret's name.
        name: String,
    },
}

pub(crate) async fn run(args: VaultArgs, root: &Path, out: &Output) -> Ended {
    match args.what {
        What::Put { name, file } => put(&name, &file, root, out).await,
        What::Ls => list(root, out).await,
        What::Rotate { name } => rotate(&name, root, out).await,
    }
}

#[derive(Serialize)]
struct Secret {
    name: String,
    version: u32,
    versions: usize,
    age_days: u64,
    days_max: Option<i64>,
}

async fn list(root: &Path, out: &Output) -> Ended {
    let office = Office::open(root).await?;
    let mut secrets = Vec::new();
    for name in office.vault.names()? {
        let versions = office.vault.versions(&name)?;
        let signing = [STATEMENT_KEY, CHECKPOINT_KEY].contains(&name.as_str());
        secrets.push(Secret {
            version: versions.last().map_or(0, |version| version.version),
            versions: versions.len(),
            age_days: office.vault.age(&name, now())? / DAY_SECONDS,
            days_max: signing.then_some(office.project.policy.secrets.age_days_max),
            name,
        });
    }
    out.result(&secrets, || {
        let row = |one: &Secret| {
            let most = one.days_max.map_or_else(|| "-".to_owned(), |days| days.to_string());
            vec![one.name.clone(), format!("v{}", one.version), one.age_days.to_string(), most]
        };
        table(&["secret", "version", "age in days", "rotate after"], &secrets.iter().map(row).collect::<Vec<_>>())
    });
    Ok(0)
}

async fn put(name: &str, file: &Path, root: &Path, out: &Output) -> Ended {
    let office = Office::open(root).await?;
    office.authorised(Action::RotateSecrets).await?;
    let unreadable = |error: std::io::Error| wrong(format!("`{}`: {error}", file.display()), "check the path");
    if file == Path::new("-") {
        pipeline::internal::put_password(&office, name, &mut std::io::stdin().lock())?;
    } else {
        pipeline::internal::put_password(&office, name, &mut std::fs::File::open(file).map_err(unreadable)?)?;
    }
    out.say(&format!("`{name}` is in the vault"));
    Ok(0)
}

async fn rotate(name: &str, root: &Path, out: &Output) -> Ended {
    Office::open(root).await?.authorised(Action::RotateSecrets).await?;
    let rotated = pipeline::keys::rotate(root, name).await?;
    out.result(&rotated, || {
        let kept = if rotated.earlier == 1 {
            "key stays published, so what it signed stays verifiable"
        } else {
            "keys stay published, so what they signed stays verifiable"
        };
        format!(
            "{} has a new key; {} earlier {kept}\nevidence {}\n{}\nnext:\n  stayward evidence verify",
            rotated.key,
            rotated.earlier,
            rotated.evidence,
            rotated.public.trim_end()
        )
    });
    Ok(0)
}
