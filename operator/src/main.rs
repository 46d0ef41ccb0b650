//! sc-auth-operator: keeps one auth API for each ScAuth object.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sc_auth_operator::{api, run};

/// Keeps one auth API for each ScAuth object.
#[derive(Debug, Parser)]
#[command(name = "sc-auth-operator", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Keep an auth API for each ScAuth, until SIGTERM.
    Run(run::RunArgs),
    /// Print the CustomResourceDefinition.
    Crds,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Action::Run(args) => start(args),
        Action::Crds => api::to_yaml().and_then(|yaml| Ok(std::io::stdout().write_all(yaml.as_bytes())?)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn start(args: run::RunArgs) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::builder().with_default_directive(tracing::Level::INFO.into());
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_span_list(false)
        .with_env_filter(filter.from_env_lossy())
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run::run(args))
}
