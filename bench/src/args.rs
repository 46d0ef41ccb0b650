//! The command line.

use std::path::PathBuf;

use clap::Parser;

#[derive(Debug, Parser)]
pub struct Args {
    /// The server's program, from a release build.
    #[arg(long)]
    pub server: PathBuf,
    /// The URL of the database [default: an embedded database]
    #[arg(long)]
    pub database_url: Option<String>,
    /// How long each load lasts, in seconds.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// The CPU quota, in thousandths of a core.
    #[arg(long, default_value_t = 500)]
    pub cpu: u64,
    /// The memory limit, in MiB.
    #[arg(long, default_value_t = 128)]
    pub memory: u64,
    /// Measure refreshes only.
    #[arg(long)]
    pub refreshes_only: bool,
    /// Measure logins with the page and OpenID Connect only.
    #[arg(long)]
    pub openid_only: bool,
    /// Hash continuously for this time, and print the number of hashes: for the comparison with the bare algorithm.
    #[arg(long, hide = true)]
    pub bare: bool,
}
