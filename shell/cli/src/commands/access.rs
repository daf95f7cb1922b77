//! `stayward access`: who may do what, by which rule, and what no rule may ever permit (T1, T2, T4, T6).

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::access::{ACCESS_BYTES_MAX, Access, OwnLabels, Principal, ProofReport, Properties, Request, Solver, Verdict};
use clap::{Args, Subcommand};
use identity::Action;
use pipeline::access::{PROJECT_FILE, allow, refused};
use pipeline::{Desk, Office, PipelineError, Project};

use super::{Ended, wrong};
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct AccessArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Say whether somebody may do something, by which rule, and what to do if not.
    Why {
        /// A person of the project, a role, or a component; `role:trainer` and `component:trainer` where a word is both.
        who: String,
        /// The action, for instance `approve-labels`; `stayward access matrix` lists them.
        what: String,
        /// How many seconds ago the second factor was given.
        #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
        second_factor_age: i64,
        /// In a session without a second factor.
        #[arg(long, conflicts_with = "second_factor_age")]
        without_second_factor: bool,
    },
    /// Every right of every role, component and key, as the rules decide it.
    Matrix {
        /// Rules of a project; else its access.cedar, if there is one.
        #[arg(long)]
        policy: Option<PathBuf>,
    },
    /// Prove that no request breaks what must hold, or show the request that does. Needs the solver cvc5. Of a project's rules it
    /// becomes evidence, if somebody is logged in who may stage: a release wants it.
    Prove {
        /// Rules of a project; else its access.cedar, if there is one.
        #[arg(long)]
        policy: Option<PathBuf>,
    },
}

pub(crate) async fn run(args: AccessArgs, root: &Path, out: &Output) -> Ended {
    match args.what {
        What::Why { who, what, second_factor_age, without_second_factor } => {
            let action = Action::parse(&what)
                .ok_or_else(|| wrong(format!("there is no action `{what}`"), "list them with `stayward access matrix`"))?;
            let age = (!without_second_factor).then_some(second_factor_age);
            let request = Request::new(principal(&who, root).await?, action, None, 0);
            let explanation = rules(root, None)?.why(&Request { second_factor_age_seconds: age, ..request });
            out.result(&explanation, || explanation.to_string());
            Ok(u8::from(!explanation.decision.allowed))
        }
        What::Matrix { policy } => {
            let table = rules(root, policy.as_deref())?.matrix();
            out.result(&serde_json::json!({ "matrix": table }), || table.clone());
            Ok(0)
        }
        What::Prove { policy } => {
            let rules = rules(root, policy.as_deref())?;
            let properties = Properties::load(None).map_err(refused)?;
            let solver = Solver::find().await;
            let report = ::access::prove(&rules, &properties, solver.as_ref().map_err(Clone::clone)).await;
            out.result(&report, || report.to_string());
            if policy.is_none() && is_project(root) {
                record(&report, root, out).await?;
            }
            if own_labels(root)? == OwnLabels::Allowed {
                out.say("this project lets people sign what they proposed themselves (`labels.author_may_approve`): `nobody-signs-own-labels` and `nobody-releases-own-rows` are broken by that");
            }
            if solver.is_err() {
                out.say("nothing is proved without the solver: install the package `cvc5`, or name its file in $CVC5");
            }
            Ok(match report.verdict() {
                Verdict::Proved => 0,
                Verdict::Counterexample => 1,
                Verdict::NotProved => 3,
            })
        }
    }
}

/// A person of the project, else a role or a component.
async fn principal(who: &str, root: &Path) -> Result<Principal, PipelineError> {
    if is_project(root) {
        let people = Office::open(root).await?.identity.people().await?;
        if let Some(person) = people.into_iter().find(|person| person.name == who && person.disabled_at.is_none()) {
            return Ok(Principal::Person { name: person.name, roles: person.roles, team: person.team });
        }
    }
    Principal::parse(who).ok_or_else(|| {
        wrong(
            format!("`{who}` is no person of the project, no role and no component"),
            "list people with `stayward user ls`, roles and components with `stayward access matrix`",
        )
    })
}

fn is_project(root: &Path) -> bool {
    root.join("stayward.toml").is_file()
}

fn own_labels(root: &Path) -> Result<OwnLabels, PipelineError> {
    if is_project(root) { Ok(pipeline::access::own_labels(&Project::open(root)?)) } else { Ok(OwnLabels::Forbidden) }
}

/// The program's rules with those of a file that is named, else with those of the project.
fn rules(root: &Path, named: Option<&Path>) -> Result<Arc<Access>, PipelineError> {
    match named {
        None if is_project(root) => pipeline::access::rules(&Project::open(root)?),
        _ => {
            let own = root.join(PROJECT_FILE);
            let file = named.or_else(|| own.is_file().then_some(own.as_path()));
            let text = file.map(read).transpose()?;
            Access::load(text.as_deref(), own_labels(root)?).map(Arc::new).map_err(refused)
        }
    }
}

/// Puts a proof of the project's rules into the log, where somebody is logged in who may; says so, or why not.
async fn record(report: &ProofReport, root: &Path, out: &Output) -> Result<(), PipelineError> {
    let recorded = async {
        let desk = Desk::open(root).await?;
        let session = desk.session().await?;
        allow(&desk.project, &desk.identity, &session, Action::Stage).await?;
        desk.record_access_proof(report).await
    };
    match recorded.await {
        Ok(id) => out.say(&format!("evidence {id}; releases rest on it as long as these rules are in force")),
        Err(error) => out.say(&format!("not recorded, so releases do not rest on it: {error}; {}", error.help())),
    }
    Ok(())
}

/// Reads no more than a little beyond what rules may have.
fn read(path: &Path) -> Result<String, PipelineError> {
    let failed = |error: std::io::Error| wrong(format!("`{}`: {error}", path.display()), "name a file of Cedar rules");
    let mut text = String::new();
    let limit = u64::try_from(ACCESS_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(path).map_err(failed)?.take(limit).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}
