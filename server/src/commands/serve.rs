//! `serve`: from the settings to a running server, and back to nothing without dropping a request.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::first_admin;
use crate::auth::hasher::Hasher;
use crate::auth::keys::Keys;
use crate::auth::parties::KnownParties;
use crate::auth::session::{Lifetimes, Sessions};
use crate::clock;
use crate::config::ServeArgs;
use crate::http::layers::Draining;
use crate::http::{self, App, listener};
use crate::metrics::Metrics;
use crate::store::Store;

pub async fn run(args: ServeArgs) -> anyhow::Result<()> {
    args.check().map_err(anyhow::Error::msg)?;
    // Before anything else, so that a stop during a slow start is noticed too.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    let metrics = Metrics::new();
    let app = app(&args, &metrics).await?;
    let store = app.sessions.store.clone();

    let draining = Draining::default();
    let (api, ops) =
        (bind("SC_AUTH_LISTEN", args.listen).await?, bind("SC_AUTH_OPS_LISTEN", args.ops.ops_listen).await?);
    tracing::info!(listen = %api.local_addr()?, ops_listen = %ops.local_addr()?, version = env!("CARGO_PKG_VERSION"), "ready");

    let (stop_api, stop_ops) = (CancellationToken::new(), CancellationToken::new());
    let api = tokio::spawn(listener::serve(api, http::router(app, draining.clone()), stop_api.clone()));
    let ops = tokio::spawn(listener::serve(ops, http::ops::router(metrics, draining.clone()), stop_ops.clone()));

    tokio::select! {
        _ = terminate.recv() => {
            tracing::info!(drain = %humantime::format_duration(args.drain), "stopping");
            draining.start();
            tokio::time::sleep(args.drain).await;
        }
        // Somebody at a terminal, who does not want to wait.
        _ = interrupt.recv() => draining.start(),
    }
    stop_api.cancel();
    api.await?;
    stop_ops.cancel();
    ops.await?;
    store.close().await;
    tracing::info!("stopped");
    Ok(())
}

async fn app(args: &ServeArgs, metrics: &Metrics) -> anyhow::Result<App> {
    let database = args.database.resolve().map_err(anyhow::Error::msg)?;
    let keys = Keys::load(&args.keys_file, &mut rand::rng())?;
    let store = Store::connect(&database).await.context("connecting to the database")?;
    store.migrate().await?;
    tracing::info!(engine = store.engine(), "the database is there and its schema up to date");
    let hasher = Hasher::start(metrics.hash.clone(), &mut rand::rng())?;
    let password_min_length = usize::from(args.password.password_min_length);
    match (&args.bootstrap.bootstrap_admin, database.folder()) {
        (Some(folder), _) => {
            first_admin::from_folder(&store, &hasher, folder, password_min_length, clock::system()).await?;
        }
        (None, Some(folder)) => first_admin::generated(&store, &hasher, &folder, clock::system()).await?,
        (None, None) => {}
    }
    let sessions = Sessions {
        store,
        hasher,
        keys: Arc::new(keys),
        parties: KnownParties::new(args.issuer.clone(), args.audience()),
        lifetimes: Lifetimes { access: args.access_token_ttl, refresh: args.refresh_token_ttl },
    };
    Ok(App { sessions: Arc::new(sessions), metrics: metrics.clone(), clock: clock::system, password_min_length })
}

async fn bind(name: &str, address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{name}: {address} cannot be listened on"))
}
