//! Arguments. Nouns are the boxes of the threat model's diagram.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Exit codes, as `--help` prints them.
const EXIT_CODES: &str = "Exit codes:
  0  done, every check passed      5  evidence broken: signature, hash or chain mismatch
  1  a check or gate said no       6  waiting for a person
  2  usage, or a file is wrong     7  limit or budget used up
  3  could not check; counts as no 70 internal error
  4  not logged in or not allowed  130 interrupted (Ctrl-C)
Nothing is sent anywhere: no telemetry. Everything of a project lies in its one folder.";

/// A secured customer-churn pipeline: from a supplier's signed feed to a served, evidenced answer.
#[derive(Debug, Parser)]
#[command(name = "stayward", version, after_help = EXIT_CODES, propagate_version = true)]
pub(crate) struct Args {
    /// The project's folder; else $STAYWARD_PROJECT, the current folder if it is one, ./churn-project, ./churn-demo.
    #[arg(long, global = true, env = "STAYWARD_PROJECT")]
    pub(crate) project: Option<PathBuf>,
    /// How results are written to standard output.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    /// No progress on standard error.
    #[arg(long, global = true)]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// One JSON document.
    Json,
    /// One JSON document a line.
    Ndjson,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// See the whole pipeline work in a minute, on generated data, with attacks that are stopped on screen.
    Demo(super::commands::demo::DemoArgs),
    /// Make a project from your own table.
    Init(super::commands::init::InitArgs),
    /// Run the pipeline: feeds, data source, labels, segments, training, staging, deployment.
    Run(super::commands::run::RunArgs),
    /// Say what is deployed, what ran last, and what waits for people.
    Status,
    /// Serve predictions and the console over HTTPS.
    Serve(super::commands::serve::ServeArgs),
    /// Look at models, and check their signatures.
    Model(super::commands::model::ModelArgs),
    /// Deploy what the last run released.
    Deploy,
    /// Go back to an earlier model.
    Rollback(super::commands::deploy::RollbackArgs),
    /// Look at evidence and check it, offline.
    Evidence(super::commands::evidence::EvidenceArgs),
    /// Log in with password and one-time code.
    Login(super::commands::login::LoginArgs),
    /// End the current session.
    Logout,
    /// List people; make a one-time link to the console.
    User(super::commands::user::UserArgs),
    /// Third-party feeds: sign and check files, trust suppliers' keys, receive and accept deliveries.
    Feed(super::commands::feed::FeedArgs),
    /// The data source: its versions, what changed, and who brought a row.
    Source(super::commands::source::SourceArgs),
    /// Rows that were set aside: look at them, propose what becomes of them, sign what another person proposed.
    Quarantine(super::commands::quarantine::QuarantineArgs),
    /// Check a file against the contract, before it is delivered.
    Validate(super::commands::validate::ValidateArgs),
    /// Propose, review and sign labels.
    Label(super::commands::label::LabelArgs),
    /// Segment customers again, and show the segments.
    Segment,
    /// Train again on the current data, labels and segments, and show the figures.
    Train,
    /// Who may do what, by which rule; prove what no rule may ever permit.
    Access(super::commands::access::AccessArgs),
    /// Tokens of the pipeline's parts: made, listed, ended.
    Component(super::commands::component::ComponentArgs),
    /// API keys of applications, and their use.
    Api(super::commands::api::ApiArgs),
    /// Ask the running service whether customers will leave.
    Predict(super::commands::predict::PredictArgs),
    /// Secrets by name and age; rotate the signing keys.
    Vault(super::commands::vault::VaultArgs),
    /// Every clause of the threat model: which gates keep it, or why none does.
    Controls(super::commands::controls::ControlsArgs),
    /// Check the project and this machine, and say what mends what is wrong.
    Doctor(super::commands::doctor::DoctorArgs),
    /// Make synthetic data of a known law, honest or poisoned.
    Generate(super::commands::generate::GenerateArgs),
    /// Attack the pipeline as it ships, with its defences off and on, and measure both.
    Attack(super::commands::attack::AttackArgs),
    /// Print a completion script for a shell.
    Completions(super::commands::completions::CompletionsArgs),
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::Args;

    #[test]
    fn every_command_that_the_console_names_is_one() {
        let shown = console::command::evidence_show("8c21");
        for command in console::command::ALL.into_iter().chain([shown.as_str(), "stayward evidence verify"]) {
            let parsed = Args::try_parse_from(command.split_whitespace());
            assert!(parsed.is_ok(), "{command}: {:?}", parsed.err());
        }
        assert!(Args::try_parse_from(["stayward", "role", "ls"]).is_err());
    }
}
