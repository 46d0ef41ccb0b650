//! sc-auth-server: accounts, sessions, roles and tokens over HTTP.

mod account;
mod auth;
mod backchannel;
mod clock;
mod commands;
mod config;
mod deployment;
mod files;
mod http;
mod identity;
mod limits;
mod logging;
mod metrics;
mod recent;
mod reloaded;
mod report;
mod store;
mod terminal;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::CommandFactory as _;

use commands::config_check;
use config::{Action, AdminAction, Cli, ConfigAction, Parsed, ServeArgs};

/// How long a thread may still read a file when everything else has ended.
const SHUTDOWN: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let variable =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned()));
    let environment = std::env::vars_os().filter_map(variable).collect();
    let parsed = match config::parse(Cli::command(), std::env::args_os(), &environment) {
        Ok(parsed) => parsed,
        Err(error) => error.exit(),
    };
    logging::start();
    if let Action::Config { action: ConfigAction::Check(args) } = &parsed.cli.command {
        return check(args, &parsed);
    }
    for warning in &parsed.warnings {
        tracing::warn!("{warning}");
    }
    ended(run(parsed.cli.command))
}

fn run(action: Action) -> anyhow::Result<()> {
    let runtime = runtime()?;
    let result = match action {
        Action::Serve(args) => runtime.block_on(commands::serve::run(*args)),
        Action::Migrate(args) => runtime.block_on(commands::migrate::run(args)),
        Action::Admin { action: AdminAction::Create(args) } => runtime.block_on(commands::admin::create(args)),
        Action::Users { action } => runtime.block_on(commands::users::run(action)),
        Action::Keys { action } => commands::keys::run(action),
        Action::Declared { action } => commands::declared::run(action),
        Action::Config { action: ConfigAction::Check(_) } => Ok(()),
        Action::Healthcheck { ops } => commands::healthcheck::run(ops.ops_listen),
    };
    // A file that cannot be read to its end must not keep the process from ending.
    runtime.shutdown_timeout(SHUTDOWN);
    result
}

/// `config check`, which prints the problems itself.
fn check(args: &ServeArgs, parsed: &Parsed) -> ExitCode {
    match runtime().map_err(anyhow::Error::new).and_then(|runtime| runtime.block_on(config_check::run(args, parsed))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => ended(Err(error)),
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    // With half a core, one thread is faster than two. Hashing has its own threads.
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn ended(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if terminal::is_gone(&error) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!("{}", logging::chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
