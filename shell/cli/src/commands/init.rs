//! `stayward init`: from a churn table to a project, with a contract to look at.

use std::path::{Path, PathBuf};

use clap::Args;
use identity::{CustomerScope, Right};
use pipeline::setup::{self, Account, ONE_PERSON};
use pipeline::{Base, PipelineError, SplitPolicy, Trial, data, template_with, try_bases};
use serde::Serialize;
use tabular::Contract;
use tabular::contract::{Kind, Role};

use super::{Ended, wrong};
use crate::output::{Output, table};

/// Where a project goes if nothing else is said.
const PROJECT: &str = "churn-project";

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The table: CSV (any dialect, plain or gz) or Parquet, one row a customer (and moment).
    #[arg(long)]
    data: PathBuf,
    /// The column that says who churned.
    #[arg(long)]
    target: String,
    /// The level that means churn, where it cannot be guessed (yes, true, 1).
    #[arg(long)]
    positive: Option<String>,
    /// Settings that training starts from: guarded, balanced or accurate; without it, those that remember least of each person among those that lose little AUC on a
    /// trial.
    #[arg(long)]
    base: Option<Base>,
    /// Also write the accounts' secrets to this file (mode 0600), outside of the project: for scripts and tests.
    #[arg(long)]
    credentials: Option<PathBuf>,
}

#[derive(Serialize)]
struct Made {
    project: String,
    rows: u64,
    /// Settings that training starts from.
    base: Base,
    /// The trial that chose them; absent where they were given, or nothing could be tried.
    trial: Option<Trial>,
    columns: Vec<Guess>,
    accounts: Vec<Account>,
    key: setup::IssuedKey,
}

#[derive(Serialize)]
struct Guess {
    column: String,
    role: Role,
    kind: String,
    why: String,
}

pub(crate) async fn run(args: InitArgs, project: Option<PathBuf>, out: &Output) -> Ended {
    let root = project.unwrap_or_else(|| PathBuf::from(PROJECT));
    setup::check_free(&root)?;
    out.say(&format!("reading {}", args.data.display()));
    let loaded = data::load(&args.data)?;
    let profile = tabular::profile::profile(&loaded.batches, loaded.decimal)
        .map_err(|error| wrong(error.to_string(), "give a CSV or Parquet file"))?;
    let contract = Contract::guess(&profile, Some(&args.target), args.positive.as_deref()).map_err(|error| {
        let unread = match loaded.broken.first() {
            Some(first) => format!("; {} of its records could not be read: {first}", loaded.broken_count),
            None => String::new(),
        };
        wrong(format!("{error}{unread}"), "name the column with --target, and the level that means churn with --positive")
    })?;
    let name = args
        .data
        .file_name()
        .map_or_else(|| "churn".to_owned(), |name| name.to_string_lossy().split('.').next().unwrap_or("churn").to_owned());
    let contract = Contract { name: name.clone(), ..contract };
    let file = absolute(&args.data)?;
    let (base, trial, why) = settings(args.base, &contract, &loaded, out)?;
    let policy = template_with(&name, (&file, ""), true, 0.65, (base, &why));
    let desk = setup::create_project(&root, &policy, &contract.to_toml()).await?;
    let accounts = setup::create_people(&desk, &ONE_PERSON).await?;
    if let Some(owner) = accounts.first() {
        let session = setup::log_in(&desk, owner).await?;
        desk.keep_session(&session)?;
    }
    let key = setup::issue_key(&desk, "first-app", "owner", &[Right::Ask], &CustomerScope::All).await?;
    if let Some(path) = &args.credentials {
        write_credentials(path, &root, &accounts)?;
    }
    let made =
        Made { project: root.display().to_string(), rows: profile.rows, base, trial, columns: guesses(&contract), accounts, key };
    out.result(&made, || show(&made));
    if contract.of_role(Role::Id).is_none() {
        out.tell(
            "\nNo column was taken for the customer's id: callers ask by place, `row-1`, `row-2`, ... Give the id's column the role `id` in contract.toml.",
        );
    }
    next(out, &made, (loaded.broken_count, loaded.broken.first()), &file);
    Ok(0)
}

/// The settings that were asked for, or those of a trial; and why, as a comment of stayward.toml.
fn settings(
    asked: Option<Base>,
    contract: &Contract,
    loaded: &data::Loaded,
    out: &Output,
) -> Result<(Base, Option<Trial>, String), PipelineError> {
    if let Some(asked) = asked {
        return Ok((asked, None, String::new()));
    }
    out.say("trying settings on the table: how much AUC does it cost to remember less of each person?");
    let table = data::typed(contract, &loaded.batches)?;
    let mut tell = |base: Base, auc: f64| out.say(&format!("  {:<9} AUC {auc:.4}", base.name()));
    match try_bases(&table, SplitPolicy::default().horizon_days, &mut tell) {
        Ok(trial) => {
            let [guarded, balanced, accurate] = trial.auc;
            let words = format!("AUC guarded {guarded:.4}, balanced {balanced:.4}, accurate {accurate:.4}");
            out.say(&format!("`{}` it is: it remembers least among those that lose no more than 0.005", trial.base.name()));
            let why = format!("# Tried by `init` on {} rows in three folds: {words}.\n", trial.rows);
            Ok((trial.base, Some(trial), why))
        }
        // Training itself will say what is wrong with the table.
        Err(error) => {
            out.say(&format!("nothing could be tried ({error}): `guarded` it is"));
            Ok((Base::Guarded, None, String::new()))
        }
    }
}

fn absolute(path: &Path) -> Result<String, PipelineError> {
    let path = std::fs::canonicalize(path).map_err(|error| wrong(format!("`{}`: {error}", path.display()), "check the path"))?;
    Ok(path.display().to_string())
}

pub(crate) fn write_credentials(path: &Path, root: &Path, accounts: &[Account]) -> Result<(), PipelineError> {
    let inside = path
        .parent()
        .and_then(|folder| std::fs::canonicalize(if folder.as_os_str().is_empty() { Path::new(".") } else { folder }).ok());
    if inside.zip(std::fs::canonicalize(root).ok()).is_some_and(|(folder, root)| folder.starts_with(root)) {
        return Err(wrong(
            "the credentials file would lie inside of the project",
            "choose a place outside; secrets in the project stop its releases",
        ));
    }
    let text = serde_json::to_vec_pretty(accounts).map_err(|error| PipelineError::Internal(error.to_string()))?;
    store::disk::write_atomic(path, &text)?;
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|error| PipelineError::Internal(error.to_string()))
}

fn guesses(contract: &Contract) -> Vec<Guess> {
    let kind = |kind: &Kind| match kind {
        Kind::Number { min, max, .. } => {
            let bound = |bound: &Option<f64>| bound.map_or_else(|| "…".to_owned(), |bound| bound.to_string());
            format!("number {}..{}", bound(min), bound(max))
        }
        Kind::Category { levels } => format!("{} levels", levels.len()),
        Kind::Time { format } => format!("time {format}"),
        Kind::Text => "text".to_owned(),
    };
    contract
        .columns
        .iter()
        .map(|rule| Guess {
            column: rule.name.clone(),
            role: rule.role,
            kind: kind(&rule.kind),
            why: rule.notes.last().cloned().unwrap_or_default(),
        })
        .collect()
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Id => "id",
        Role::Label => "label",
        Role::Time => "time",
        Role::Value => "value",
        Role::ThirdParty => "third-party",
        Role::Protected => "protected",
        Role::Ignore => "ignore",
        Role::Feature => "feature",
    }
}

/// The first words of a reason; contract.toml has it whole.
fn short(why: &str) -> String {
    const CHARS_MAX: usize = 90;
    if why.chars().count() <= CHARS_MAX {
        return why.to_owned();
    }
    let cut: String = why.chars().take(CHARS_MAX).collect();
    let words = cut.rsplit_once(' ').map_or(cut.as_str(), |(words, _)| words);
    format!("{words} …")
}

fn show(made: &Made) -> String {
    let rows: Vec<Vec<String>> = made
        .columns
        .iter()
        .map(|guess| vec![guess.column.clone(), role_name(guess.role).to_owned(), guess.kind.clone(), short(&guess.why)])
        .collect();
    format!("{} rows\n\n{}", made.rows, table(&["column", "role", "values", "why"], &rows))
}

fn next(out: &Output, made: &Made, (broken, first): (u64, Option<&String>), file: &str) {
    let project = &made.project;
    if broken > 0 {
        let first = first.map_or_else(String::new, |first| format!(", the first: {first}"));
        out.say(&format!("\n{broken} record(s) could not be read and will be set aside{first}\nall of them: stayward validate {file} --project {project}"));
    }
    out.tell(&format!("\nProject {project}: look at {project}/contract.toml (roles, ranges) and {project}/stayward.toml (policy).\n\nAccounts, shown once (the second factor goes into an authenticator app):"));
    // In JSON they stand in the result, and need not stand in a log of errors, too.
    let secret = |text: &str| if out.is_text() { text.to_owned() } else { "(in the result)".to_owned() };
    for account in &made.accounts {
        out.tell(&format!("  {:<7} password {}   {}", account.name, secret(&account.password), secret(&account.otpauth_url)));
        out.tell(&format!("          recovery codes {}", secret(&account.recovery_codes.join(" "))));
    }
    out.tell(&format!("API key of application `{}`, shown once:\n  {}", made.key.application, secret(&made.key.key)));
    out.tell("You are logged in as `owner`; the second factor was confirmed on this machine. Protected columns are not used by the model.");
    let flag = if project == PROJECT { String::new() } else { format!(" --project {project}") };
    out.tell(&format!("\nNext:\n  stayward run{flag}\n  stayward serve{flag}"));
}
