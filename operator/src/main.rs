//! sc-auth-operator: keeps one auth API for each ScAuth object.

mod api;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Keeps one auth API for each ScAuth object.
#[derive(Debug, Parser)]
#[command(name = "sc-auth-operator", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the CustomResourceDefinition.
    Crds,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Action::Crds => api::to_yaml().map(|yaml| print!("{yaml}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
