//! `serve`: starts the server from the settings, and stops it without dropping a request.

mod background;
mod bind;
mod clients;
mod credentials;
mod deployment;
mod hold;
mod imported;
mod start;
mod turn;

use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::open::{Opened, Ready};
use crate::clock;
use crate::config::ServeArgs;
use crate::http::gate::Gate;
use crate::http::layers::Draining;
use crate::http::listener::room::{self, Room};
use crate::http::ops::Ops;
use crate::http::{self, listener};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::report::Report;
use crate::store::{Database, StoreError};
use bind::bind;
use start::{Begun, Start};
use turn::Turn;

pub async fn run(args: ServeArgs) -> anyhow::Result<()> {
    args.check().map_err(anyhow::Error::msg)?;
    for warning in args.warnings() {
        tracing::warn!("{warning}");
    }
    // Before anything else, so that a signal can stop a slow start: the kernel does not deliver signals to the first
    // process of a container unless it handles them.
    let mut stops = Stops::new()?;

    let start = tokio::select! {
        start = Start::read(&args, Metrics::new()) => start?,
        _ = stops.next() => {
            tracing::info!("stopped before the settings and files were read");
            return Ok(());
        }
    };
    let database = start.database()?;
    let open = async {
        let turn = Turn::wait(&database, args.ops.ops_listen).await?;
        Ok::<_, anyhow::Error>((turn, start.open(&database).await?))
    };
    let (turn, opened) = tokio::select! {
        opened = open => opened?,
        _ = stops.next() => {
            tracing::info!("stopped before the database was open");
            return Ok(());
        }
    };
    let (report, draining) = (Report::default(), Draining::default());
    let begun = match opened {
        Opened::Ready(ready) => match begin(&start, ready, &database, &mut stops).await? {
            Some(begun) => Some(begun),
            None => return Ok(()),
        },
        Opened::Held(held) => {
            hold::report(&report, held);
            None
        }
    };

    let (api, ops) = (bind("SC_AUTH_LISTEN", args.listen)?, bind("SC_AUTH_OPS_LISTEN", args.ops.ops_listen)?);
    let room = Room::api(room::raise_files(), Limits::read());
    tracing::info!(connections = room.places, bytes = room.bytes, "connection limits");
    let (listen, ops_listen) = (api.local_addr()?, ops.local_addr()?);
    let (stop_api, stop_ops) = (CancellationToken::new(), CancellationToken::new());
    let state = state(&args, &start, &report, &draining);
    let serves = Arc::clone(&state.sessions);
    let apps = OnceLock::new();
    let run = |begun: Begun| {
        let app = begun.app.clone();
        let _ = apps.set(app.clone());
        let _ = OnceLock::set(&serves, Arc::clone(&app.sessions));
        background::start(begun, &args, &start, &report, &stop_api);
        tracing::info!(%listen, %ops_listen, version = env!("CARGO_PKG_VERSION"), "ready");
        http::router(app, draining.clone())
    };
    let gate = Gate::default();
    let is_held = begun.is_none();
    let router = match begun {
        Some(begun) => run(begun),
        None => gate.router(),
    };
    let proxies = args.guards.trusted_proxies.clone();
    let api = tokio::spawn(listener::serve(api, router, room, proxies, stop_api.clone()));
    let ops = tokio::spawn(listener::serve_ops(ops, http::ops::router(state), stop_ops.clone()));

    let stop = if is_held {
        tracing::warn!(%listen, %ops_listen, "waiting for the expected database");
        tokio::select! {
            (ready, database) = hold::wait(&start, &report) => {
                // Outside the select: a signal must not interrupt a migration, as during a normal start.
                if let Some(begun) = begin(&start, ready, &database, &mut stops).await? {
                    report.set_offered(None);
                    report.set_held(None);
                    gate.open(run(begun));
                }
                stops.next().await
            }
            stop = stops.next() => stop,
        }
    } else {
        stops.next().await
    };
    draining.start();
    if stop == Stop::Terminate {
        let drain = serves.get().map_or(Duration::ZERO, |sessions| args.drain(sessions.store.engine()));
        tracing::info!(drain = %humantime::format_duration(drain), "stopping");
        tokio::time::sleep(drain).await;
    }
    stop_api.cancel();
    api.await?;
    stop_ops.cancel();
    ops.await?;
    if let Some(app) = apps.get() {
        http::refusals::flush_all(app).await;
        app.sessions.store.close().await;
    }
    drop(turn);
    tracing::info!("stopped");
    Ok(())
}

fn state(args: &ServeArgs, start: &Start<'_>, report: &Report, draining: &Draining) -> Ops {
    Ops {
        metrics: start.metrics.clone(),
        draining: draining.clone(),
        report: report.clone(),
        keys: Arc::clone(&start.keys),
        deployment: Arc::clone(&start.deployment),
        oidc_keys: start.openid.as_ref().map(|openid| Arc::clone(&openid.keys)),
        declared: start.declared.clone(),
        logo: start.look.logo.clone(),
        bootstrap: args.bootstrap.bootstrap_admin.clone(),
        clock: clock::system,
        warnings: args.warnings().into(),
        sessions: Arc::default(),
    }
}

/// Migrates the database and builds the application; `None` if a signal came before the migration could begin. Later
/// ones are kept.
async fn begin(
    start: &Start<'_>,
    ready: Ready,
    database: &Database,
    stops: &mut Stops,
) -> anyhow::Result<Option<Begun>> {
    let stop = CancellationToken::new();
    let mut begun = pin!(start.app(ready, database, &stop));
    tokio::select! {
        begun = &mut begun => return begun.map(Some),
        signal = stops.next() => {
            stops.kept = Some(signal);
            stop.cancel();
        }
    }
    match begun.await {
        Err(error) if matches!(error.downcast_ref(), Some(StoreError::Stopped)) => {
            tracing::info!("stopped before the migration began");
            Ok(None)
        }
        begun => begun.map(Some),
    }
}

/// The signal that stops a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Terminate,
    /// Ctrl-C at a terminal: stop without draining.
    Interrupt,
}

/// The signals that stop a server. One that arrives before [`Self::next`] is called is kept.
struct Stops {
    terminate: Signal,
    interrupt: Signal,
    /// One that came before it could be obeyed.
    kept: Option<Stop>,
}

impl Stops {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            kept: None,
        })
    }

    async fn next(&mut self) -> Stop {
        if let Some(kept) = self.kept.take() {
            return kept;
        }
        tokio::select! {
            _ = self.terminate.recv() => Stop::Terminate,
            _ = self.interrupt.recv() => Stop::Interrupt,
        }
    }
}
