//! `stayward vault`: which secrets there are and when they are due (never their values), how they come in, out and are made new (T4).

mod exec;

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use identity::Action;
use pipeline::desk::{CHECKPOINT_KEY, STATEMENT_KEY, now, rfc3339};
use pipeline::secrets::{self, RotationProgram, due};
use pipeline::{Desk, Office, PipelineError};
use s07_release::CredentialKind;
use serde::Serialize;
use vault::{Replacement, Rotator, SECRET_BYTES_MAX, SecretStore, Stage, StoredVersion, Wanted};
use zeroize::Zeroizing;

use super::login::{LoginArgs, prove};
use super::{Ended, wrong};
use crate::output::{Output, table};

const DAY_SECONDS: i64 = 86_400;
/// What stands for standard input.
const STANDARD_INPUT: &str = "-";

#[derive(Debug, Args)]
pub(crate) struct VaultArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List secrets by name, with stages, age and the day on which they are due.
    Ls,
    /// Say what is due: keys, secrets, tokens and rotations that nobody finished. Exit code 1 if a release would be refused for it.
    Check,
    /// Put a new secret, which others gave you: a password, a token. Its value comes from a file or standard input, never as an
    /// argument, which every user of the machine could read. Needs the project for itself, as `get`, `rotate` and `exec` do: each
    /// leaves an entry of evidence.
    Put {
        /// The secret's name.
        name: String,
        /// The file; `-` reads standard input. A line end at the end is not part of the secret.
        #[arg(long)]
        file: PathBuf,
    },
    /// Write a secret to a file that only you can read. It is an entry of evidence who read what.
    Get {
        /// The secret's name.
        name: String,
        /// The file; it must not exist.
        #[arg(long)]
        file: PathBuf,
        /// Which version.
        #[arg(long, value_enum, default_value_t = At::Current)]
        stage: At,
    },
    /// Make a secret new, in four steps: create, set, test, finish. A rotation that was interrupted goes on where it was. The signing
    /// keys are `evidence-p256` (statements and models), `checkpoint-ed25519` (the log's head) and `access-token-p256` (components'
    /// tokens); what they signed before stays verifiable. Needs the project for itself: stop `stayward serve` first.
    Rotate(RotateArgs),
    /// Start a program that reads secrets as files in the folder `CREDENTIALS_DIRECTORY`, in memory; arguments and environment hold
    /// none. The files go when it ends.
    Exec {
        /// A secret that it needs; may be given several times.
        #[arg(long = "secret", required = true)]
        secrets: Vec<String>,
        /// The program with its arguments.
        #[arg(last = true, required = true)]
        program: Vec<std::ffi::OsString>,
    },
    /// Take a vault from a backup although the ledger knows a newer one; then make every secret in it new. Needs both factors.
    AcceptOlder(LoginArgs),
}

#[derive(Debug, Args)]
struct RotateArgs {
    /// The secret's name.
    name: String,
    /// The new value: a file, or `-` for standard input. Where absent, 43 random letters.
    #[arg(long)]
    file: Option<PathBuf>,
    /// A program that has the other side take the new value: called as `PROGRAM set NAME` and `PROGRAM test NAME`, with the files
    /// `current` and `pending` in the folder `CREDENTIALS_DIRECTORY`. May be called twice with the same values.
    #[arg(long)]
    program: Option<PathBuf>,
    /// Id of the new version, 32 to 64 letters, digits and `-`: the same command a second time then does nothing.
    #[arg(long)]
    token: Option<String>,
    /// Drop the version of an unfinished rotation.
    #[arg(long, conflicts_with_all = ["file", "program", "token", "back"])]
    discard: bool,
    /// Make the version before current again.
    #[arg(long, conflicts_with_all = ["file", "program", "token"])]
    back: bool,
}

/// A stage whose value can be read.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum At {
    Current,
    Previous,
    Pending,
}

pub(crate) async fn run(args: VaultArgs, root: &Path, out: &Output) -> Ended {
    match args.what {
        What::Ls => list(root, out).await,
        What::Check => check(root, out).await,
        What::Put { name, file } => {
            let value = value_of(&file)?;
            let done = secrets::put(root, &name, &value).await?;
            out.result(&done, || {
                format!("{} is kept in {}\nevidence {}\nnext:\n  stayward vault ls", done.name, done.store, done.evidence)
            });
            Ok(0)
        }
        What::Get { name, file, stage } => get(&name, &file, stage, root, out).await,
        What::Rotate(args) => rotate(&args, root, out).await,
        What::Exec { secrets, program } => exec::run(&secrets, &program, root).await,
        What::AcceptOlder(login) => accept_older(&login, root, out).await,
    }
}

/// The value in a file, or on standard input, without the line end that editors and `echo` add.
fn value_of(file: &Path) -> Result<Zeroizing<Vec<u8>>, PipelineError> {
    let unreadable = |error: std::io::Error| wrong(format!("`{}`: {error}", file.display()), "name a file that holds the secret");
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_BYTES_MAX + 2));
    let most = u64::try_from(SECRET_BYTES_MAX + 2).unwrap_or(u64::MAX);
    if file == Path::new(STANDARD_INPUT) {
        std::io::stdin().take(most).read_to_end(&mut bytes).map_err(unreadable)?;
    } else {
        std::fs::File::open(file).and_then(|open| open.take(most).read_to_end(&mut bytes)).map_err(unreadable)?;
    }
    for end in [b"\n", b"\r"] {
        if bytes.ends_with(end) {
            bytes.pop();
        }
    }
    if bytes.is_empty() {
        return Err(wrong(format!("`{}` is empty", file.display()), "write the secret into it"));
    }
    Ok(bytes)
}

async fn get(name: &str, file: &Path, stage: At, root: &Path, out: &Output) -> Ended {
    let wanted = match stage {
        At::Current => Wanted::Current,
        At::Previous => Wanted::Previous,
        At::Pending => Wanted::Pending,
    };
    let failed = |error: std::io::Error| wrong(format!("`{}`: {error}", file.display()), "name a file that does not exist yet");
    // Made before the secret is read: a read that has nowhere to go should not stand in the evidence.
    let mut open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(failed)?;
    let done = match secrets::get(root, name, wanted).await {
        Ok((secret, done)) => open.write_all(&secret.bytes).and_then(|()| open.sync_all()).map(|()| done).map_err(failed),
        Err(error) => Err(error),
    };
    if done.is_err() {
        let _was_empty = std::fs::remove_file(file);
    }
    let done = done?;
    out.result(&done, || format!("{} is in {}, for you alone\nevidence {}", done.name, file.display(), done.evidence));
    Ok(0)
}

#[derive(Serialize)]
struct Listed {
    name: String,
    store: String,
    version: String,
    stages: Vec<String>,
    age_days: i64,
    days_max: Option<i64>,
    due: Option<String>,
}

fn listed(name: String, store: &str, versions: &[StoredVersion], days_max: Option<i64>) -> Listed {
    let current = versions.iter().find(|version| version.stage == Stage::Current);
    let created_at = current.map_or_else(now, |version| version.created_at);
    let staged = versions.iter().filter(|version| matches!(version.stage, Stage::Current | Stage::Previous | Stage::Pending));
    Listed {
        name,
        store: store.to_owned(),
        version: current.map_or_else(String::new, |version| version.id.clone()),
        stages: staged.map(|version| format!("{:?}", version.stage).to_lowercase()).collect(),
        age_days: now().saturating_sub(created_at).div_euclid(DAY_SECONDS),
        days_max,
        due: days_max.map(|days| rfc3339(created_at.saturating_add(days.saturating_mul(DAY_SECONDS)))),
    }
}

async fn list(root: &Path, out: &Output) -> Ended {
    let office = Office::open(root).await?;
    let policy = &office.project.policy;
    let mut all = Vec::new();
    let embedded = SecretStore::place(&*office.vault);
    for name in office.vault.names()?.into_iter().filter(|name| secrets::is_own(name)) {
        let signing = secrets::SIGNING.contains(&name.as_str());
        let versions = SecretStore::versions(&*office.vault, &name)?;
        all.push(listed(name, &embedded, &versions, signing.then_some(policy.secrets.age_days_max)));
    }
    let store = secrets::store(&office.project, &office.vault)?;
    for name in store.names()?.into_iter().filter(|name| !secrets::is_own(name)) {
        let versions = store.versions(&name)?;
        all.push(listed(name, &store.place(), &versions, Some(policy.vault.days_max)));
    }
    out.result(&all, || {
        let row = |one: &Listed| {
            let due = one.due.as_deref().and_then(|due| due.split('T').next()).unwrap_or("-").to_owned();
            let version: String = one.version.chars().take(8).collect();
            vec![one.name.clone(), version, one.stages.join(", "), one.age_days.to_string(), due, one.store.clone()]
        };
        table(&["secret", "version", "stages", "age in days", "due", "store"], &all.iter().map(row).collect::<Vec<_>>())
    });
    Ok(0)
}

async fn check(root: &Path, out: &Output) -> Ended {
    let office = Office::open(root).await?;
    let all = due::of_all(&office.project, &office.vault, &office.identity).await?;
    let overdue = all.iter().any(s07_release::Credential::overdue);
    out.result(&all, || {
        let row = |one: &s07_release::Credential| {
            let left = one.age_days_max.saturating_sub(one.age_days);
            let when = if one.kind == CredentialKind::Unknown {
                return vec!["unknown".to_owned(), one.name.clone(), "?".to_owned(), one.unknown.clone()];
            } else if one.age_days < 0 {
                "made in the future".to_owned()
            } else if left < 0 {
                format!("{} days ago", left.unsigned_abs())
            } else {
                format!("in {left} days")
            };
            vec![format!("{:?}", one.kind).to_lowercase(), one.name.clone(), one.age_days.to_string(), when]
        };
        let lines = table(&["kind", "name", "age in days", "due"], &all.iter().map(row).collect::<Vec<_>>());
        let next = if overdue {
            "a release is refused until what is overdue is made new, and every store answers"
        } else {
            "nothing is overdue"
        };
        format!("{lines}\n{next}")
    });
    Ok(u8::from(overdue))
}

async fn rotate(args: &RotateArgs, root: &Path, out: &Output) -> Ended {
    let name = args.name.as_str();
    if secrets::SIGNING.contains(&name) {
        if args.file.is_some() || args.program.is_some() || args.token.is_some() || args.discard || args.back {
            return Err(wrong(format!("`{name}` is made by the program alone"), format!("run `stayward vault rotate {name}`")));
        }
        if [STATEMENT_KEY, CHECKPOINT_KEY].contains(&name) {
            return rotate_key(name, root, out).await;
        }
        let rotated = secrets::rotate_token_key(root).await?;
        out.result(&rotated, || {
            format!("{name} has a new key; tokens of the one before live on until they end\nevidence {}", rotated.done.evidence)
        });
        return Ok(0);
    }
    if args.discard || args.back {
        let done = if args.discard { secrets::discard(root, name).await? } else { secrets::roll_back(root, name).await? };
        let what = if args.discard { "its unfinished rotation is dropped" } else { "the version before is current again" };
        out.result(&done, || format!("{}: {what}\nevidence {}", done.name, done.evidence));
        return Ok(0);
    }
    let value = match &args.file {
        Some(file) => Replacement::by(value_of(file)?),
        None => Replacement::random(),
    };
    let how: Box<dyn Rotator> = match &args.program {
        Some(program) => Box::new(RotationProgram::new(program, value)),
        None => Box::new(value),
    };
    let rotated = secrets::rotate(root, name, args.token.as_deref(), &*how).await?;
    out.result(&rotated, || {
        let done = &rotated.done;
        if rotated.from == "nothing" {
            return format!("{} has this version already; nothing was done", done.name);
        }
        let resumed = if rotated.from == "create" { String::new() } else { format!(" (went on with step `{}`)", rotated.from) };
        format!("{} has a new value{resumed}; the one before stays readable as previous\nevidence {}", done.name, done.evidence)
    });
    Ok(0)
}

async fn rotate_key(name: &str, root: &Path, out: &Output) -> Ended {
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

async fn accept_older(login: &LoginArgs, root: &Path, out: &Output) -> Ended {
    let office = Office::open_with_any_vault(root).await?;
    let session = prove(login, &office, out).await?;
    pipeline::access::allow(&office.project, &office.identity, &session, Action::RotateSecrets).await?;
    drop(office);
    let state = Desk::accept_older_vault(root).await?.vault.state()?;
    out.result(&state, || {
        format!(
            "the vault is taken as it is, with counter {}; secrets that were made new since that backup are the old ones again\nnext:\n  \
             stayward vault ls\n  stayward vault rotate NAME",
            state.counter
        )
    });
    Ok(0)
}
