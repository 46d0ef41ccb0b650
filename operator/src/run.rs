//! `run`: waits to be the leader, then reconciles until told to stop.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::routing::get;
use clap::Args;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube_runtime::events::{Recorder, Reporter};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::controller;
use crate::leader::{self, Candidate};
use crate::names::FIELD_MANAGER;
use crate::reconcile::Context;
use crate::reconcile::validate::Environment;

#[derive(Debug, Args)]
pub struct RunArgs {
    /// The image of the server's pods where a ScAuth names none.
    #[arg(long, env = "SERVER_IMAGE", default_value = concat!("docker.io/sc-auth/sc-auth-server:", env!("CARGO_PKG_VERSION")))]
    pub server_image: String,
    /// The operator's own namespace: the Lease lies there, and no ScAuth may.
    #[arg(long, env = "POD_NAMESPACE", default_value = "sc-auth-system")]
    pub namespace: String,
    /// The operator's own name, to tell candidates apart.
    #[arg(long, env = "POD_NAME", default_value = "sc-auth-operator")]
    pub name: String,
    /// Where health is served.
    #[arg(long, env = "LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: std::net::SocketAddr,
    /// How often a ScAuth that is well is looked at again.
    #[arg(long, env = "RESYNC", default_value = "5m", value_parser = humantime::parse_duration)]
    pub resync: Duration,
}

#[expect(clippy::disallowed_methods, reason = "everything else is given a clock")]
fn now() -> Timestamp {
    Timestamp::now()
}

pub async fn run(args: RunArgs) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        stopping.cancel();
    });
    let client = Client::try_default().await.context("connecting to the API server")?;
    let listener = tokio::net::TcpListener::bind(args.listen).await.context("LISTEN")?;
    let health = Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(|| async { "ok\n" }));
    tokio::spawn(async move { axum::serve(listener, health).await });

    let identity = leader::identity(&args.name, now());
    let mut candidate = Candidate::new(client.clone(), &args.namespace, identity.clone(), now);
    tracing::info!(identity, "waiting to lead");
    if !candidate.lead(&stop).await {
        return Ok(());
    }
    tracing::info!("leading");
    let reporter = Reporter { controller: FIELD_MANAGER.into(), instance: Some(args.name) };
    let context = Context {
        recorder: Recorder::new(client.clone(), reporter),
        client,
        environment: Environment { server_image: args.server_image, namespace: args.namespace },
        clock: now,
        resync: args.resync,
    };
    // The controller first, then the Lease: a successor must not start while a reconcile is under way.
    let (never, release) = (CancellationToken::new(), CancellationToken::new());
    tokio::select! {
        () = controller::run(Arc::new(context), stop) => {
            release.cancel();
            candidate.keep(&release).await?;
            Ok(())
        }
        lost = candidate.keep(&never) => Ok(lost?),
    }
}
