//! sc-auth-operator: keeps one auth API for each ScAuth object.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sc_auth_operator::{api, render, run};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

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
    /// Print what a manifest's ScAuths become, without a cluster.
    Render(render::RenderArgs),
}

fn main() -> ExitCode {
    let print = |text: String| Ok(std::io::stdout().write_all(text.as_bytes())?);
    let result = match Cli::parse().command {
        Action::Run(args) => start(args),
        Action::Crds => api::to_yaml().and_then(print),
        Action::Render(args) => render::render(args).and_then(print),
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
    let wanted = std::env::var("RUST_LOG").ok().and_then(|wanted| wanted.parse::<Targets>().ok());
    let filter = wanted.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_target(false).with_span_list(false);
    tracing_subscriber::registry().with(filter).with(lines.with_writer(std::io::stderr)).init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run::run(args))
}
