//! sc-auth-server: accounts, sessions, roles and tokens over HTTP.

mod account;
mod auth;
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
mod report;
mod store;
mod terminal;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::CommandFactory as _;

use config::{Action, AdminAction, Cli, ConfigAction};

fn main() -> ExitCode {
    let variable =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned()));
    let environment = std::env::vars_os().filter_map(variable).collect();
    let (cli, matches) = match config::parse(Cli::command(), std::env::args_os(), &environment) {
        Ok(parsed) => parsed,
        Err(error) => error.exit(),
    };
    logging::start();
    // With half a core, one thread is faster than two. Hashing has its own threads.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let result = match cli.command {
        Action::Serve(args) => runtime.block_on(commands::serve::run(*args)),
        Action::Migrate(args) => runtime.block_on(commands::migrate::run(args)),
        Action::Admin { action: AdminAction::Create(args) } => runtime.block_on(commands::admin::create(args)),
        Action::Users { action } => runtime.block_on(commands::users::run(action)),
        Action::Keys { action } => commands::keys::run(action),
        Action::Config { action: ConfigAction::Check(args) } => commands::config_check::run(&args, &matches),
        Action::Healthcheck { ops } => commands::healthcheck::run(ops.ops_listen),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if terminal::is_gone(&error) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    tracing::error!("{}", logging::chain(error.as_ref()));
    ExitCode::FAILURE
}
