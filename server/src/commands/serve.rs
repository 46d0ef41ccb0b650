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

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, OnceLock};

use axum::Router;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::open::{Opened, Ready};
use crate::auth::session::Sessions;
use crate::clock;
use crate::config::ServeArgs;
use crate::http::gate::Gate;
use crate::http::layers::Draining;
use crate::http::listener::room::{self, Room};
use crate::http::ops::Ops;
use crate::http::{self, App, listener};
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
    let reading = Start::read(&args, Metrics::new());
    let Some(start) = stops.or(reading, "stopped before the settings and files were read").await? else {
        return Ok(());
    };
    let database = start.database()?;
    let opening = async {
        let turn = Turn::wait(&database, args.ops.ops_listen).await?;
        Ok((turn, start.open(&database).await?))
    };
    let Some((turn, opened)) = stops.or(opening, "stopped before the database was open").await? else {
        return Ok(());
    };
    serve(&args, &start, opened, &database, stops).await?;
    drop(turn);
    tracing::info!("stopped");
    Ok(())
}

/// Serves until a signal stops the server.
async fn serve(
    args: &ServeArgs,
    start: &Start<'_>,
    opened: Opened,
    database: &Database,
    mut stops: Stops,
) -> anyhow::Result<()> {
    let report = Report::default();
    let begun = match opened {
        Opened::Ready(ready) => match begin(start, ready, database, &mut stops).await? {
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
    let (stop_api, stop_ops) = (CancellationToken::new(), CancellationToken::new());
    let service = Service {
        args,
        start,
        report,
        draining: Draining::default(),
        listen: api.local_addr()?,
        ops_listen: ops.local_addr()?,
        stop: stop_api.clone(),
        sessions: Arc::default(),
        app: OnceLock::new(),
    };
    let gate = Gate::default();
    let is_held = begun.is_none();
    let router = begun.map_or_else(|| gate.router(), |begun| service.begin(begun));
    let ops_router = http::ops::router(service.state());
    let proxies = args.guards.trusted_proxies.clone();
    let api = tokio::spawn(listener::serve(api, router, room, proxies, stop_api.clone()));
    let ops = tokio::spawn(listener::serve_ops(ops, ops_router, stop_ops.clone()));

    let stop = if is_held { service.wait_for_database(&gate, &mut stops).await? } else { stops.next().await };
    service.drain(stop).await;
    stop_api.cancel();
    api.await?;
    stop_ops.cancel();
    ops.await?;
    service.close().await;
    Ok(())
}

/// The server from the moment when it listens.
struct Service<'a> {
    args: &'a ServeArgs,
    start: &'a Start<'a>,
    report: Report,
    draining: Draining,
    listen: SocketAddr,
    ops_listen: SocketAddr,
    /// Stops the API.
    stop: CancellationToken,
    /// Set once the database is open, as is `app`.
    sessions: Arc<OnceLock<Arc<Sessions>>>,
    app: OnceLock<App>,
}

impl Service<'_> {
    /// Starts the background tasks. Returns the routes of the API.
    fn begin(&self, begun: Begun) -> Router {
        let app = begun.app.clone();
        let _ = self.app.set(app.clone());
        let _ = OnceLock::set(&self.sessions, Arc::clone(&app.sessions));
        background::start(begun, self.args, self.start, &self.report, &self.stop);
        let (listen, ops_listen) = (self.listen, self.ops_listen);
        tracing::info!(%listen, %ops_listen, version = env!("CARGO_PKG_VERSION"), "ready");
        http::router(app, self.draining.clone())
    }

    /// Answers 503 until the expected database is there. Returns the signal that stops the server.
    async fn wait_for_database(&self, gate: &Gate, stops: &mut Stops) -> anyhow::Result<Stop> {
        let (listen, ops_listen) = (self.listen, self.ops_listen);
        tracing::warn!(%listen, %ops_listen, "waiting for the expected database");
        let (ready, database) = tokio::select! {
            found = hold::wait(self.start, &self.report) => found,
            stop = stops.next() => return Ok(stop),
        };
        // Outside the select: a signal must not interrupt a migration, as during a normal start.
        if let Some(begun) = begin(self.start, ready, &database, stops).await? {
            self.report.set_offered(None);
            self.report.set_held(None);
            gate.open(self.begin(begun));
        }
        Ok(stops.next().await)
    }

    async fn drain(&self, stop: Stop) {
        self.draining.start();
        if stop == Stop::Terminate {
            let drain =
                self.sessions.get().map(|sessions| self.args.drain(sessions.store.engine())).unwrap_or_default();
            tracing::info!(drain = %humantime::format_duration(drain), "stopping");
            tokio::time::sleep(drain).await;
        }
    }

    async fn close(&self) {
        if let Some(app) = self.app.get() {
            http::refusals::flush_all(app).await;
            app.sessions.store.close().await;
        }
    }

    fn state(&self) -> Ops {
        let start = self.start;
        Ops {
            metrics: start.metrics.clone(),
            draining: self.draining.clone(),
            report: self.report.clone(),
            keys: Arc::clone(&start.keys),
            deployment: Arc::clone(&start.deployment),
            oidc_keys: start.openid.as_ref().map(|openid| Arc::clone(&openid.keys)),
            declared: start.declared.clone(),
            logo: start.look.logo.clone(),
            bootstrap: self.args.bootstrap.bootstrap_admin.clone(),
            clock: clock::system,
            warnings: self.args.warnings().into(),
            sessions: Arc::clone(&self.sessions),
        }
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

    /// Waits for `step`; `None` if a signal comes first, with this message in the log.
    async fn or<T>(
        &mut self,
        step: impl Future<Output = anyhow::Result<T>>,
        stopped: &str,
    ) -> anyhow::Result<Option<T>> {
        tokio::select! {
            done = step => done.map(Some),
            _ = self.next() => {
                tracing::info!("{stopped}");
                Ok(None)
            }
        }
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
