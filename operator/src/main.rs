//! sc-auth-operator: keeps one auth API for each ScAuth object.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sc_auth_operator::{api, diff, render, run};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Runs one auth service for each ScAuth object.
#[derive(Debug, Parser)]
#[command(name = "sc-auth-operator", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Reconcile every ScAuth until SIGTERM.
    Run(run::RunArgs),
    /// Print the CustomResourceDefinition.
    Crds,
    /// Print the objects that the ScAuths of a manifest become, without a cluster. What the schema forbids is an error:
    /// unknown and missing fields, values out of range, fields that exclude each other. Rules (CEL) about the entries of
    /// a list, amounts, durations and changes are checked only by the API server, which `diff` asks.
    Render(render::RenderArgs),
    /// Print what applying a manifest would change in the cluster, as a unified diff, and change nothing. Exit code 0:
    /// nothing would change; 1: something would change; 2: the manifest would be refused, names a Secret or ConfigMap that
    /// does not exist, or the cluster cannot be read.
    Diff(diff::DiffArgs),
}

fn main() -> ExitCode {
    let action = Cli::parse().command;
    let trouble = if matches!(action, Action::Diff(_)) { ExitCode::from(2) } else { ExitCode::FAILURE };
    carry_out(action).unwrap_or_else(|error| {
        if !is_gone(&error) {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
        }
        trouble
    })
}

fn carry_out(action: Action) -> anyhow::Result<ExitCode> {
    let text = match action {
        Action::Run(args) => return start(args).map(|()| ExitCode::SUCCESS),
        Action::Crds => api::to_yaml()?,
        Action::Render(args) => render::render(args)?,
        Action::Diff(args) => {
            return preview(&runtime()?.block_on(diff::run(args))?);
        }
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Notes and problems are no part of the diff, which other programs read.
fn preview(preview: &diff::Preview) -> anyhow::Result<ExitCode> {
    print(&preview.text)?;
    for note in &preview.notes {
        let _ = writeln!(std::io::stderr(), "note: {note}");
    }
    for problem in &preview.problems {
        let _ = writeln!(std::io::stderr(), "error: {problem}");
    }
    let code = if preview.problems.is_empty() { u8::from(!preview.text.is_empty()) } else { 2 };
    Ok(ExitCode::from(code))
}

fn print(text: &str) -> std::io::Result<()> {
    std::io::stdout().write_all(text.as_bytes())
}

/// Whether the error means only that the reader has closed the pipe, as `head` does.
fn is_gone(error: &anyhow::Error) -> bool {
    let is_broken = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref().is_some_and(is_broken))
}

fn start(args: run::RunArgs) -> anyhow::Result<()> {
    let wanted = std::env::var("RUST_LOG").ok().and_then(|wanted| wanted.parse::<Targets>().ok());
    let filter = wanted.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_target(false).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        registry.with(lines.compact()).init();
    } else {
        registry.with(lines.json().flatten_event(true).with_span_list(false)).init();
    }
    runtime()?.block_on(run::run(args))
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_closed_pipe_is_no_error_to_report() {
        let error = |kind: ErrorKind| Err::<(), _>(Error::from(kind)).context("printing").unwrap_err();
        assert!(is_gone(&error(ErrorKind::BrokenPipe)));
        assert!(!is_gone(&error(ErrorKind::NotFound)));
    }
}
