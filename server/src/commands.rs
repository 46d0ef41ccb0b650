//! One file a command.

pub mod admin;
pub mod config_check;
pub mod first_admin;
pub mod healthcheck;
pub mod keys;
pub mod migrate;
pub mod serve;
pub mod users;

use anyhow::Context as _;

use crate::config::DatabaseArgs;
use crate::store::Store;

/// Connects to the database that the settings name.
async fn connect(args: &DatabaseArgs) -> anyhow::Result<Store> {
    let database = args.resolve().map_err(anyhow::Error::msg)?;
    Store::connect(&database).await.context("connecting to the database")
}
