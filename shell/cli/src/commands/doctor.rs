//! `stayward doctor`: checks the project and this machine, and names the command that mends what is wrong.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use clap::Args;
use pipeline::desk::{now, published, rfc3339};
use pipeline::internal::Connector;
use pipeline::secrets::due;
use pipeline::{Office, PipelineError, Project};
use s07_release::{Credential, CredentialKind};
use serde::Serialize;

use super::Ended;
use super::database::Checked;
use crate::output::{Output, many, table, wrapped};

/// Free space below which runs may fail: a model, a table's version and their evidence.
const FREE_KIB_MIN: u64 = 1 << 20;
/// No release of this program is older: a clock before it is wrong. 2026-01-01.
const CLOCK_MIN: i64 = 1_767_225_600;
/// Letters of a line of what was seen, so that the table fits a terminal of 100.
const CELL_LETTERS: usize = 70;

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print the policy in force, defaults included, as TOML.
    #[arg(long)]
    policy: bool,
}

/// One check.
#[derive(Serialize)]
struct Check {
    check: &'static str,
    ok: bool,
    seen: String,
    mend: String,
}

fn fine(check: &'static str, seen: impl Into<String>) -> Check {
    Check { check, ok: true, seen: seen.into(), mend: String::new() }
}

fn bad(check: &'static str, seen: impl Into<String>, mend: impl Into<String>) -> Check {
    Check { check, ok: false, seen: seen.into(), mend: mend.into() }
}

fn failed(check: &'static str, error: &PipelineError) -> Check {
    bad(check, error.to_string(), error.help())
}

pub(crate) async fn run(args: DoctorArgs, root: &Path, out: &Output) -> Ended {
    if args.policy {
        let policy = super::open(root)?.policy;
        let text = toml_text(&policy)?;
        out.result(&policy, || text.clone());
        return Ok(0);
    }
    let mut checks =
        vec![clock(now()), space(root), fine("other programs", "none are needed: no Python, no database, no service")];
    match Project::open(root) {
        Err(error) => checks.push(failed("project", &error)),
        Ok(project) => {
            checks.push(fine(
                "project",
                format!(
                    "`{}` with {} columns and {} feeds",
                    project.policy.project.name,
                    project.contract.columns.len(),
                    project.policy.feeds.len()
                ),
            ));
            checks.push(data(&project));
            checks.push(folder(root));
            checks.push(log(&project));
            checks.extend(office(root).await);
            checks.push(model(&project).await);
        }
    }
    out.result(&checks, || {
        let rows: Vec<Vec<String>> = checks.iter().flat_map(lines).collect();
        table(&["", "check", "seen"], &rows)
    });
    Ok(u8::from(checks.iter().any(|check| !check.ok)))
}

/// A check in lines that fit a terminal: what was seen, then what mends it.
fn lines(one: &Check) -> Vec<Vec<String>> {
    let mend = if one.mend.is_empty() { Vec::new() } else { wrapped(&format!("mend it: {}", one.mend), CELL_LETTERS) };
    let cells = wrapped(&one.seen, CELL_LETTERS).into_iter().chain(mend).enumerate();
    let word = if one.ok { "ok" } else { "PROBLEM" };
    cells
        .map(|(at, cell)| match at {
            0 => vec![word.to_owned(), one.check.to_owned(), cell],
            _ => vec![String::new(), String::new(), cell],
        })
        .collect()
}

/// The policy as TOML; every key that may be left out is there.
fn toml_text(policy: &pipeline::Policy) -> Result<String, PipelineError> {
    policy.to_toml().map_err(PipelineError::Internal)
}

fn clock(now: i64) -> Check {
    if now < CLOCK_MIN {
        let seen = format!("the clock says {}, which is before this program was made", rfc3339(now));
        return bad(
            "clock",
            seen,
            "set the clock, for instance with `timedatectl set-ntp true`: signatures and codes depend on it",
        );
    }
    fine("clock", rfc3339(now))
}

/// Free space by `df -Pk`, whose form POSIX fixes.
fn space(root: &Path) -> Check {
    const CHECK: &str = "disk space";
    let folder = if root.is_dir() { root } else { Path::new(".") };
    let answer = Command::new("df").arg("-Pk").arg("--").arg(folder).output();
    let free = answer
        .ok()
        .filter(|answer| answer.status.success())
        .and_then(|answer| free_kib(&String::from_utf8_lossy(&answer.stdout)));
    match free {
        None => bad(CHECK, "could not be found out", "see that `df` is installed, or look at the disk yourself"),
        Some(free) if free < FREE_KIB_MIN => bad(CHECK, format!("{} MiB are free", free >> 10), "make room: 1 GiB at least"),
        Some(free) => fine(
            CHECK,
            format!("{:.1} GiB are free", std::time::Duration::from_millis(free).as_secs_f64() * 1000.0 / f64::from(1_u32 << 20)),
        ),
    }
}

fn free_kib(answer: &str) -> Option<u64> {
    answer.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

fn data(project: &Project) -> Check {
    let policy = &project.policy.source;
    let files = [&policy.data, &policy.labels].into_iter().filter(|path| !path.is_empty());
    let missing: Vec<String> =
        files.map(|path| project.resolve(path)).filter(|path| !path.is_file()).map(|path| path.display().to_string()).collect();
    if missing.is_empty() {
        fine("data files", if policy.data.is_empty() && policy.labels.is_empty() { "none are named" } else { "all there" })
    } else {
        bad("data files", format!("not there: {}", missing.join(", ")), "put them back, or change [source] in stayward.toml")
    }
}

/// Nobody else may look into the vault or the database.
fn folder(root: &Path) -> Check {
    const CHECK: &str = "permissions";
    let open = |below: &str| {
        let path = root.join(below);
        let mode = std::fs::metadata(&path).ok()?.permissions().mode() & 0o077;
        (mode != 0).then(|| path.display().to_string())
    };
    let found: Vec<String> = ["vault", "vault/kek", "control.db"].iter().filter_map(|below| open(below)).collect();
    if found.is_empty() {
        fine(CHECK, "vault and database are open to their owner only")
    } else {
        bad(CHECK, format!("open to others: {}", found.join(", ")), format!("run `chmod -R go-rwx {}`", found.join(" ")))
    }
}

fn log(project: &Project) -> Check {
    const CHECK: &str = "evidence log";
    match published(project) {
        Err(error) => failed(CHECK, &error),
        Ok(published) => match published.reader.check_all(&published.statements) {
            Ok(report) => fine(CHECK, format!("{}, all signatures and hashes hold", many(report.head.size, "entry", "entries"))),
            Err(error) => bad(
                CHECK,
                error.to_string(),
                "see which links hold with `stayward evidence verify`; restore the folder from a backup",
            ),
        },
    }
}

/// The model that answers must be the one that was released, file by file, and its signature must hold.
async fn model(project: &Project) -> Check {
    const CHECK: &str = "deployed model";
    let control = match store::control::Control::open(&project.path("control.db")).await {
        Ok(control) => control,
        Err(error) => return bad(CHECK, error.to_string(), "restore the folder from a backup"),
    };
    let proved = pipeline::view::deployed_proved(project, &control).await;
    let proved = proved.and_then(|known| {
        known.map(|(name, _)| super::model::verified(project, &name).map(|(files, _)| (name, files.len()))).transpose()
    });
    match proved {
        Ok(None) => fine(CHECK, "none yet: `stayward run` makes one"),
        Ok(Some((name, files))) => fine(CHECK, format!("{name}: {files} files are as they were released, the signature holds")),
        Err(error) => failed(CHECK, &error),
    }
}

async fn office(root: &Path) -> Vec<Check> {
    let office = match Office::open(root).await {
        Ok(office) => office,
        Err(error) => return vec![failed("vault and database", &error)],
    };
    let mut checks = vec![fine("vault and database", "they open")];
    checks.extend(credentials(&office).await);
    if office.project.policy.source.connector == Connector::Postgres {
        checks.push(database(&office).await);
    }
    checks.push(match office.session().await {
        Ok(session) => fine("session", format!("{} until {}", session.person, rfc3339(session.expires))),
        Err(error) => fine("session", format!("{error}; commands that need one say so")),
    });
    checks
}

/// Keys, secrets and tokens, as the release's gate judges them; those that are not the program's own only where one is overdue.
async fn credentials(office: &Office) -> Vec<Check> {
    const CHECK: &str = "credentials";
    let all = match due::of_all(&office.project, &office.vault, &office.identity).await {
        Ok(all) => all,
        Err(error) => return vec![failed(CHECK, &error)],
    };
    let checked = |one: &Credential| {
        if one.overdue() {
            return Some(bad(CHECK, one.why(), one.way_out()));
        }
        let days = many(u64::try_from(one.age_days).unwrap_or(0), "day", "days");
        let seen = format!("`{}` is {days} old, {} are allowed", one.name, one.age_days_max);
        (one.kind == CredentialKind::Signing).then(|| fine(CHECK, seen))
    };
    all.iter().filter_map(checked).collect()
}

/// The role that reads the customers must not be able to do more.
async fn database(office: &Office) -> Check {
    const CHECK: &str = "database role";
    match Checked::of(office).await {
        Err(error) => failed(CHECK, &error),
        Ok(checked) if checked.ok => fine(CHECK, checked.sum()),
        Ok(checked) => bad(CHECK, checked.sum(), "see what is wrong with `stayward source check`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_is_read_from_df() {
        let text = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/x 100 40 60 40% /\n";
        assert_eq!(free_kib(text), Some(60));
        assert_eq!(free_kib("nothing"), None);
    }

    #[test]
    fn a_clock_of_1970_is_wrong() {
        assert!(!clock(0).ok);
        assert!(clock(CLOCK_MIN + 1).ok);
    }
}
