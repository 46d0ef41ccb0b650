//! `serve`: from the settings to a running server, and back to nothing without dropping a request.

mod background;
mod turn;

use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::first_admin;
use crate::auth::hasher::Hasher;
use crate::auth::keys::KeyRing;
use crate::auth::parties::KnownParties;
use crate::auth::session::Sessions;
use crate::clock;
use crate::config::ServeArgs;
use crate::http::layers::Draining;
use crate::http::rate_limits::RateLimits;
use crate::http::{self, App, Settings, listener};
use crate::metrics::Metrics;
use crate::store::Store;
use turn::Turn;

pub async fn run(args: ServeArgs) -> anyhow::Result<()> {
    args.check().map_err(anyhow::Error::msg)?;
    // Before anything else, so that a stop during a slow start is noticed too: the kernel gives the first process of a
    // container no signal that it does not ask for.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    let metrics = Metrics::new();
    let stopped = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let Some((app, turn)) = app(&args, &metrics, stopped).await? else {
        tracing::info!("stopped before it had a database");
        return Ok(());
    };
    let sessions = Arc::clone(&app.sessions);
    let drain = args.drain(sessions.store.engine());

    let draining = Draining::default();
    let (api, ops) =
        (bind("SC_AUTH_LISTEN", args.listen).await?, bind("SC_AUTH_OPS_LISTEN", args.ops.ops_listen).await?);
    tracing::info!(listen = %api.local_addr()?, ops_listen = %ops.local_addr()?, version = env!("CARGO_PKG_VERSION"), "ready");

    let (stop_api, stop_ops) = (CancellationToken::new(), CancellationToken::new());
    background::start(&app, &args, &stop_api);
    let api = tokio::spawn(listener::serve(api, http::router(app, draining.clone()), stop_api.clone()));
    let ops_router = http::ops::router(Arc::clone(&sessions), metrics, draining.clone());
    let ops = tokio::spawn(listener::serve(ops, ops_router, stop_ops.clone()));

    tokio::select! {
        _ = terminate.recv() => {
            tracing::info!(drain = %humantime::format_duration(drain), "stopping");
            draining.start();
            tokio::time::sleep(drain).await;
        }
        // Somebody at a terminal, who does not want to wait.
        _ = interrupt.recv() => draining.start(),
    }
    stop_api.cancel();
    api.await?;
    stop_ops.cancel();
    ops.await?;
    sessions.store.close().await;
    drop(turn);
    tracing::info!("stopped");
    Ok(())
}

/// None where it is stopped while it waits for the database. A migration that has begun is not broken off.
async fn app(
    args: &ServeArgs,
    metrics: &Metrics,
    stopped: impl Future<Output = ()>,
) -> anyhow::Result<Option<(App, Turn)>> {
    let database = args.database.resolve().map_err(anyhow::Error::msg)?;
    let policy = args.password.policy()?;
    let old_tokens = args.old_tokens.resolve()?;
    let keys = KeyRing::load(&args.keys.keys_file, clock::system().unix_timestamp(), &mut rand::rng())?;
    let connect = async {
        let turn = Turn::wait(&database, args.ops.ops_listen).await?;
        let store = Store::connect(&database).await.context("connecting to the database")?;
        Ok::<_, anyhow::Error>((turn, store))
    };
    let (turn, store) = tokio::select! {
        connected = connect => connected?,
        () = stopped => return Ok(None),
    };
    store.migrate().await?;
    tracing::info!(engine = store.engine().name(), "the database is there and its schema up to date");
    let hasher = Hasher::start(args.hash.settings(), metrics.hash(), &mut rand::rng())?;
    match (&args.bootstrap.bootstrap_admin, database.folder()) {
        (Some(folder), _) => {
            first_admin::from_folder(&store, &hasher, folder, &policy, clock::system()).await?;
        }
        (None, Some(folder)) => first_admin::generated(&store, &hasher, &folder, clock::system()).await?,
        (None, None) => {}
    }
    let refresh_tokens = args.refresh_tokens(old_tokens.is_some() || store.has_old_tables());
    tracing::info!(
        ?refresh_tokens,
        honours_old_tokens = old_tokens.is_some(),
        coexists = args.hash.coexist.is_on(),
        "for clients of the old service"
    );
    let sessions = Sessions {
        store,
        hasher,
        keys: Arc::new(keys),
        parties: KnownParties::new(args.tokens.issuer.clone(), args.audience()),
        metrics: metrics.clone(),
        lifetimes: args.lifetimes(),
        refresh_tokens,
        old_tokens,
        form: args.hash.form(),
        throttles: args.guards.rate_limits.is_on(),
        leeway: i64::try_from(args.tokens.leeway.as_secs()).unwrap_or(0),
    };
    let settings = Settings {
        policy,
        registration: args.guards.registration.clone(),
        trusted_proxies: args.guards.trusted_proxies.clone(),
        rate_limits: args.guards.rate_limits.is_on().then(RateLimits::new),
        cors_origins: args.guards.cors_origins.clone(),
        verify_warnings: http::verify::Warnings::default(),
    };
    let (sessions, settings) = (Arc::new(sessions), Arc::new(settings));
    Ok(Some((App { sessions, metrics: metrics.clone(), clock: clock::system, settings }, turn)))
}

async fn bind(name: &str, address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{name}: {address} cannot be listened on"))
}
