//! Follows changed database settings while the server runs. A new address is tried beside the existing connections. If
//! it leads to the same database, new connections use it. If it leads to another database, or to none, the server keeps
//! the previous one and reports that in its status.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sc_auth_contract::status::Offered;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::auth::session::Sessions;
use crate::commands::open::Ready;
use crate::config::DatabaseArgs;
use crate::files::{MAX_BYTES, read_regular};
use crate::identity;
use crate::logging;
use crate::report::Report;
use crate::store::{Contents, Database, NewIdentity, Store};

/// How often files are checked. Kubernetes takes about a minute to update a mounted one.
const FILES: Duration = Duration::from_secs(5);

pub async fn watch(sessions: Arc<Sessions>, args: DatabaseArgs, report: Report) {
    let mut in_use = digest(&args);
    loop {
        tokio::time::sleep(FILES).await;
        let now = digest(&args);
        if now == in_use && !sessions.store.has_strayed() && sessions.store.check_file().is_ok() {
            report.set_offered(None);
            continue;
        }
        let offered = match look(&sessions.store, &args).await {
            Ok(None) => {
                if now != in_use {
                    tracing::info!("the database credentials have changed; new connections use them");
                }
                in_use = now;
                None
            }
            Ok(Some(offered)) => Some(offered),
            Err(error) => Some(Offered { identity: None, error: Some(logging::chain(error.as_ref())) }),
        };
        if report.set_offered(offered.clone())
            && let Some(Offered { identity, error }) = offered
        {
            tracing::error!(
                identity,
                error,
                "the settings lead to another database, or to none; keeping the previous one"
            );
        }
    }
}

/// Checks the database that the settings lead to. Returns it if it is another one; otherwise, new connections use the
/// new settings.
async fn look(store: &Store, args: &DatabaseArgs) -> anyhow::Result<Option<Offered>> {
    let database = args.resolve().map_err(anyhow::Error::msg).context("invalid database settings")?;
    let mut contents = Store::look_at(&database).await?;
    if let (Contents::Ours { identity: None, .. }, Some(own)) = (&contents, store.own_identity()) {
        // A database of release 0.2, for instance restored from an old backup, has no identity: treat it as the same.
        adopt(&database, own).await?;
        contents = Store::look_at(&database).await?;
    }
    let name = identity::name(&contents, &database.place());
    if name.as_deref() != store.own_identity() {
        return Ok(Some(Offered { identity: name, error: None }));
    }
    store.check_file()?;
    Ok(match store.reconnect_as(&database) {
        Ok(()) => None,
        Err(error) => Some(Offered { identity: name, error: Some(error) }),
    })
}

async fn adopt(database: &Database, own: &str) -> anyhow::Result<()> {
    let store = Store::connect(database, 1).await?;
    let identity = NewIdentity { identity: own.to_owned(), accepted_as: None };
    let store = Ready { store, identity }.migrate(database, &CancellationToken::new()).await?;
    store.close().await;
    Ok(())
}

fn digest(args: &DatabaseArgs) -> Vec<u8> {
    let files = [&args.database_url_file, &args.db_user_file, &args.db_pass_file];
    let mut digest = Sha256::new();
    for file in files.into_iter().flatten() {
        // A pipe has only one content, which was read at the start.
        digest.update(read_regular(file, MAX_BYTES).map_or_else(|_| String::new(), |(content, _)| content));
        digest.update(b"\0");
    }
    digest.finalize().to_vec()
}
