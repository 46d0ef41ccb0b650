//! `migrate`: run before new servers start, so that they find the schema they know.

use crate::auth::hasher::Hasher;
use crate::config::MigrateArgs;
use crate::metrics::HashMetrics;

use super::first_admin;

pub async fn run(args: MigrateArgs) -> anyhow::Result<()> {
    let store = super::connect(&args.database).await?;
    store.migrate().await?;
    tracing::info!(engine = store.engine(), "the schema is up to date");
    if let Some(folder) = &args.bootstrap.bootstrap_admin {
        let hasher = Hasher::start(HashMetrics::default(), &mut rand::rng())?;
        first_admin::from_folder(
            &store,
            &hasher,
            folder,
            usize::from(args.password.password_min_length),
            crate::clock::system(),
        )
        .await?;
    }
    store.close().await;
    Ok(())
}
