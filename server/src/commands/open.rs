//! Opens the database that the settings name, if it is the one that holds this ScAuth's data.

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use crate::auth::session::random_uuid;
use crate::config::{DatabaseArgs, DeploymentArgs};
use crate::identity::{self, Decision};
use crate::report::Held;
use crate::store::{Contents, Database, Engine, NewIdentity, Store, StoreError};

/// The result of checking the database.
pub enum Opened {
    Ready(Ready),
    /// It is another database, and was not changed.
    Held(Held),
}

/// A database that may be used, with the identity to assign if it has none.
pub struct Ready {
    pub store: Store,
    pub identity: NewIdentity,
}

impl Ready {
    /// Migrates the schema to this version, unless `stop` is cancelled before it can begin.
    pub async fn migrate(self, database: &Database, stop: &CancellationToken) -> Result<Store, StoreError> {
        self.store.migrate(&self.identity, stop).await?;
        self.store.hold_on(database).await?;
        Ok(self.store)
    }
}

/// `connections` is the size of the pool.
///
/// # Errors
/// If it cannot be reached, or is neither empty nor ours.
pub async fn open(database: &Database, connections: u32, expected: Option<&str>) -> anyhow::Result<Opened> {
    let decide = |contents: &Contents| identity::decide(expected, contents, &database.place(), new_identity());
    if expected.is_some() && database.folder().is_some() {
        // Inspect it read-only first: connecting creates a file that does not exist.
        let contents = Store::look_at(database).await.context("inspecting the database")?;
        if let Decision::Hold(hold) = decide(&contents) {
            return Ok(Opened::Held(Held { hold, engine: Engine::of(database), contents }));
        }
    }
    let store = Store::connect(database, connections).await.context("connecting to the database")?;
    if expected.is_none() {
        let identity = NewIdentity { identity: new_identity(), accepted_as: None };
        return Ok(Opened::Ready(Ready { store, identity }));
    }
    let contents = store.contents().await?;
    match decide(&contents) {
        Decision::Use(identity) => Ok(Opened::Ready(Ready { store, identity })),
        Decision::Hold(hold) => {
            store.close().await;
            Ok(Opened::Held(Held { hold, engine: Engine::of(database), contents }))
        }
    }
}

fn new_identity() -> String {
    random_uuid(&mut rand::rng()).to_string()
}

/// Opens the database for a command, which does not wait for the right one.
///
/// # Errors
/// Also if it is another database: the message says what to do.
pub async fn or_refuse(args: &DatabaseArgs, deployment: &DeploymentArgs) -> anyhow::Result<(Ready, Database)> {
    let database = args.resolve().map_err(anyhow::Error::msg)?;
    let file = deployment.load()?;
    match open(&database, args.pool_size(), file.expected().as_deref()).await? {
        Opened::Ready(ready) => Ok((ready, database)),
        Opened::Held(held) => {
            let scauth = file.get().map(|deployment| deployment.name.clone()).unwrap_or_default();
            Err(Refused(identity::refusal(&held.hold, &scauth)).into())
        }
    }
}

/// Like [`or_refuse`], and migrates the schema to this version.
///
/// # Errors
/// Like [`or_refuse`].
pub async fn migrated(args: &DatabaseArgs, deployment: &DeploymentArgs) -> anyhow::Result<Store> {
    let (ready, database) = or_refuse(args, deployment).await?;
    // A signal ends the process.
    Ok(ready.migrate(&database, &CancellationToken::new()).await?)
}

/// The database is not the expected one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);
