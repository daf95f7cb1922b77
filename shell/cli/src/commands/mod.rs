//! One file per command.

pub(crate) mod access;
pub(crate) mod api;
pub(crate) mod attack;
pub(crate) mod completions;
pub(crate) mod component;
pub(crate) mod controls;
pub(crate) mod database;
pub(crate) mod demo;
pub(crate) mod deploy;
pub(crate) mod doctor;
pub(crate) mod evidence;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod feed;
pub(crate) mod generate;
pub(crate) mod init;
pub(crate) mod label;
pub(crate) mod login;
pub(crate) mod model;
pub(crate) mod predict;
pub(crate) mod quarantine;
pub(crate) mod run;
pub(crate) mod search;
pub(crate) mod serve;
pub(crate) mod source;
pub(crate) mod status;
pub(crate) mod steps;
pub(crate) mod user;
pub(crate) mod validate;
pub(crate) mod vault;

use std::path::{Path, PathBuf};

use pipeline::{PipelineError, Project};

use crate::args::{Args, Command};
use crate::output::Output;

/// How a command ends: the exit code, or an error that knows its own.
pub(crate) type Ended = Result<u8, PipelineError>;

/// Folders that are looked into where none is named.
const PROJECTS: [&str; 3] = [".", "churn-project", "churn-demo"];

pub(crate) async fn run(args: Args, out: &Output) -> u8 {
    let project = args.project.clone();
    if let Some(named) = project.as_deref().filter(|named| !found_by_itself(named)) {
        crate::address::name_project(named);
    }
    let ended = match args.command {
        Command::Demo(demo) => demo::run(demo, project, out).await,
        Command::Init(init) => init::run(init, project, out).await,
        Command::Run(run) => run::run(run, &found(project), out).await,
        Command::Source(source) => source::run(source, &found(project), out).await,
        Command::Status => status::run(&found(project), out).await,
        Command::Serve(serve) => serve::run(serve, &found(project), out).await,
        Command::Model(model) => model::run(model, &found(project), out).await,
        Command::Deploy => deploy::deploy(&found(project), out).await,
        Command::Rollback(rollback) => deploy::rollback(rollback, &found(project), out).await,
        Command::Evidence(evidence) => evidence::run(evidence, &found(project), out).await,
        Command::Login(login) => login::run(login, &found(project), out).await,
        Command::Logout => user::logout(&found(project), out).await,
        Command::User(user) => user::run(user, &found(project), out).await,
        Command::Feed(feed) => feed::run(feed, &found(project), out).await,
        Command::Quarantine(quarantine) => quarantine::run(quarantine, &found(project), out).await,
        Command::Validate(validate) => validate::run(validate, &found(project), out).await,
        Command::Label(label) => label::run(label, &found(project), out).await,
        Command::Segment => steps::segment(&found(project), out).await,
        Command::Train => steps::train(&found(project), out).await,
        Command::Access(access) => access::run(access, &found(project), out).await,
        Command::Component(component) => component::run(component, &found(project), out).await,
        Command::Api(api) => api::run(api, &found(project), out).await,
        Command::Predict(predict) => predict::run(predict, &found(project), out),
        Command::Vault(vault) => vault::run(vault, &found(project), out).await,
        Command::Controls(controls) => controls::run(controls, &found(project), out),
        Command::Doctor(doctor) => doctor::run(doctor, &found(project), out).await,
        Command::Generate(generate) => generate::run(generate, out),
        Command::Attack(attack) => attack::run(attack, out).await,
        Command::Completions(completions) => completions::run(&completions, out),
    };
    ended.unwrap_or_else(|error| {
        out.failure(&error);
        error.exit_code()
    })
}

/// The project's folder: the one named, or the first that is one.
fn found(project: Option<PathBuf>) -> PathBuf {
    project.unwrap_or_else(|| {
        let known = PROJECTS.iter().map(PathBuf::from).find(|folder| folder.join("stayward.toml").is_file());
        known.unwrap_or_else(|| PathBuf::from("."))
    })
}

/// Whether the next command finds this project although nobody names it.
fn found_by_itself(named: &Path) -> bool {
    match std::env::var_os("STAYWARD_PROJECT") {
        Some(known) => Path::new(&known) == named,
        None => match (std::fs::canonicalize(found(None)), std::fs::canonicalize(named)) {
            (Ok(known), Ok(named)) => known == named,
            // A project that is to be made: `init` and `demo` name it themselves.
            (_, _) => false,
        },
    }
}

/// Reads a project for commands that only look.
pub(crate) fn open(root: &std::path::Path) -> Result<Project, PipelineError> {
    Project::open(root)
}

/// Writes bytes to standard output; a reader that went away (`| head`) is no error.
pub(crate) fn raw(out: &Output, bytes: &[u8]) -> Result<(), PipelineError> {
    match out.raw(bytes) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(wrong(error.to_string(), "write it to a file")),
        Ok(()) | Err(_) => Ok(()),
    }
}

pub(crate) fn wrong(why: impl Into<String>, help: impl Into<String>) -> PipelineError {
    PipelineError::Wrong { why: why.into(), help: help.into() }
}
