//! `run`: waits for the Lease of its installation and that of the cluster, then reconciles until SIGTERM.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use k8s_openapi::jiff::Timestamp;
use kube::{Client, Config};
use kube_runtime::events::{Recorder, Reporter};
use kube_runtime::reflector::{self, ObjectRef, Store};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api::ScAuth;
use crate::release_args::ReleaseArgs;
use crate::scauth::controller::{self, Feeds};
use crate::scauth::health::HealthCache;
use crate::scauth::validate::Environment;
use crate::scauth::{self, Context, DEFINITION, classes, poll};
use crate::shared::attempts::Attempts;
use crate::shared::cache::ApplyCache;
use crate::shared::changes::Changes;
use crate::shared::claim::{Claim, Installation, Waiting};
use crate::shared::client;
use crate::shared::definitions::{self, Definitions};
use crate::shared::freshness::Freshness;
use crate::shared::leader::{self, Candidate, Lost};
use crate::shared::locks::Locks;
use crate::shared::metrics::Metrics;
use crate::shared::names::FIELD_MANAGER;
use crate::shared::probes::{self, Probes};

/// Time limit of reconciles after SIGTERM; Kubernetes kills the process after 30 s.
const LONGEST_STOP: Duration = Duration::from_secs(20);
/// Much longer than a reconcile takes.
const LONGEST_RECONCILE: Duration = Duration::from_secs(25);

/// The label of the operator's own Deployment, in each release and way to install it.
const OPERATORS: &str = "app.kubernetes.io/name=sc-auth-operator";

/// The flags of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    #[command(flatten)]
    release: ReleaseArgs,
    /// The operator's own name, which distinguishes the candidates for the Lease.
    #[arg(long, env = "POD_NAME", default_value = "sc-auth-operator")]
    name: String,
    /// Name of the Lease for leader election.
    #[arg(long, env = "LEASE", default_value = "sc-auth-operator")]
    lease: String,
    /// Address for health and metrics.
    #[arg(long, env = "LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// How often to reconcile a healthy ScAuth again.
    #[arg(long, env = "RESYNC", default_value = "5m", value_parser = humantime::parse_duration)]
    resync: Duration,
    /// How long a signing key is published before it signs, so that the pods and all verifiers that cache the published
    /// keys have it.
    #[arg(long, env = "PUBLISH_KEYS_FOR", default_value = "15m", value_parser = humantime::parse_duration)]
    publish_keys_for: Duration,
    /// Drop a connection to the API server after this long without data; watches receive a bookmark about once a
    /// minute.
    #[arg(long, env = "LONGEST_SILENCE", default_value = "150s", value_parser = humantime::parse_duration)]
    longest_silence: Duration,
}

#[expect(clippy::disallowed_methods, reason = "everything else is given a clock")]
fn now() -> Timestamp {
    Timestamp::now()
}

/// # Errors
/// If the server's image is not named, the cluster cannot be reached, the address is in use, or a Lease is lost.
pub async fn run(args: RunArgs) -> anyhow::Result<()> {
    args.release.ensure_image()?;
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        stopping.cancel();
    });
    let config = Config::infer().await.context("connecting to the API server")?;
    operate(args, config, stop).await
}

/// The same with a given API server, until `stop`.
///
/// # Errors
/// As [`run`].
pub async fn operate(args: RunArgs, config: Config, stop: CancellationToken) -> anyhow::Result<()> {
    args.release.ensure_image()?;
    let (fleet, writer) = reflector::store();
    let (metrics, freshness) = (Metrics::new([scauth::fleet(fleet.clone())]), Freshness::default());
    let client = client::client(config, args.longest_silence, &metrics, &freshness)?;
    let (known, mut definitions) = watch::channel(Definitions::new());
    let environment = args.release.environment(args.publish_keys_for);
    let (mut claim, waiting) = claim(&client, &environment.namespace, &args.lease, &metrics);
    let probes = Probes {
        freshness: freshness.clone(),
        longest_silence: args.longest_silence * 3,
        definitions: definitions.clone(),
        needed: &[DEFINITION],
        waiting,
        metrics: metrics.clone(),
    };
    // All tasks end with this function.
    let mut tasks = JoinSet::new();
    serve(&mut tasks, args.listen, probes).await?;
    tasks.spawn(definitions::follow(client.clone(), scauth::needs_definition, known));

    let identity = leader::identity(&args.name, now());
    let mut candidate = Candidate::new(client.clone(), &environment.namespace, args.lease, identity.clone(), now);
    if !is_defined(&mut definitions, &stop).await {
        return Ok(());
    }
    tracing::info!(identity, "waiting to lead");
    if !lead(&mut candidate, &mut claim, &stop).await? {
        return Ok(());
    }
    tracing::info!("leading");
    metrics.leads(true);
    let (sender, receiver) = mpsc::unbounded_channel();
    let context = context(client, environment, fleet, args.name, args.resync);
    follow(&mut tasks, &context, &sender);
    let feeds = Feeds { writer, sender, receiver, definitions, freshness, metrics };
    reconcile(context, feeds, &mut candidate, &mut claim, stop).await?;
    // In this order: the replica that gets our Lease renews the claim of this installation, which must not be shortened
    // then.
    claim.hand_over().await;
    candidate.release().await;
    Ok(())
}

/// The claim of this installation to the cluster.
fn claim(client: &Client, namespace: &str, lease: &str, metrics: &Metrics) -> (Claim, Waiting) {
    let installation = Installation { namespace: namespace.to_owned(), lease: lease.to_owned(), operators: OPERATORS };
    Claim::new(client.clone(), DEFINITION, installation, now, metrics.clone())
}

/// Serves health and metrics.
async fn serve(tasks: &mut JoinSet<()>, listen: SocketAddr, probes: Probes) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind(listen).await.context("LISTEN")?;
    tasks.spawn(async move {
        let _ = axum::serve(listener, probes::router(probes)).await;
    });
    Ok(())
}

fn context(client: Client, environment: Environment, fleet: Store<ScAuth>, name: String, resync: Duration) -> Context {
    let reporter = Reporter { controller: FIELD_MANAGER.into(), instance: Some(name) };
    Context {
        recorder: Recorder::new(client.clone(), reporter),
        client,
        environment,
        clock: now,
        resync,
        patience: LONGEST_RECONCILE,
        fleet,
        health_cache: HealthCache::asking(now),
        attempts: Attempts::default(),
        changes: Changes::default(),
        apply_cache: ApplyCache::default(),
        namespaces: Locks::default(),
        oidc_keys: Semaphore::new(1),
    }
}

/// Follows what no watch reports: the pods' own status, and the IngressClasses.
fn follow(tasks: &mut JoinSet<()>, context: &Context, changed: &UnboundedSender<ObjectRef<ScAuth>>) {
    let (client, fleet) = (&context.client, &context.fleet);
    tasks.spawn(poll::run(client.clone(), fleet.clone(), context.health_cache.clone(), changed.clone()));
    tasks.spawn(classes::follow(client.clone(), fleet.clone(), changed.clone()));
}

/// Until `stop`, or until a Lease is lost.
async fn reconcile(
    context: Context,
    feeds: Feeds,
    candidate: &mut Candidate,
    claim: &mut Claim,
    stop: CancellationToken,
) -> Result<(), Lost> {
    let stopping = stop.clone();
    let deadline = async {
        stopping.cancelled().await;
        tokio::time::sleep(LONGEST_STOP).await;
    };
    // The controller stops first, then the Lease is released: a successor must not start during a reconcile. A
    // reconcile that does not end in time is aborted, which is safe at any point.
    tokio::select! {
        () = controller::run(Arc::new(context), feeds, stop) => {}
        () = deadline => tracing::warn!("abandoning reconciles that did not finish in time"),
        lost = candidate.keep() => return Err(lost),
        lost = claim.keep() => return Err(lost),
    }
    Ok(())
}

/// Waits until both Leases are ours, or until `stop`: that of the replicas, and that of the cluster.
async fn lead(candidate: &mut Candidate, claim: &mut Claim, stop: &CancellationToken) -> Result<bool, Lost> {
    if !candidate.lead(stop).await {
        return Ok(false);
    }
    let is_alone = tokio::select! {
        is_alone = claim.make(stop) => is_alone,
        lost = candidate.keep() => return Err(lost),
    };
    if !is_alone {
        candidate.release().await;
    }
    Ok(is_alone)
}

/// Waits for our own CustomResourceDefinition, or until `stop`.
async fn is_defined(definitions: &mut watch::Receiver<Definitions>, stop: &CancellationToken) -> bool {
    if !definitions.borrow().contains(DEFINITION) {
        tracing::info!(definition = DEFINITION, "waiting for the CustomResourceDefinition");
    }
    tokio::select! {
        found = definitions.wait_for(|known| known.contains(DEFINITION)) => found.is_ok(),
        () = stop.cancelled() => false,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        run: RunArgs,
    }

    /// Runs before a cluster is configured.
    #[tokio::test]
    async fn without_an_image_of_the_server_it_does_not_start_and_asks_for_one() {
        let placeholder = "registry.invalid/sc-auth-server:0.2.0";
        for arguments in [&["run"][..], &["run", "--server-image", " "], &["run", "--server-image", placeholder]] {
            let error = run(Arguments::parse_from(arguments).run).await.unwrap_err().to_string();
            assert!(error.contains("set --server-image or SERVER_IMAGE to the one in your registry"), "{error}");
            assert_eq!(error.contains("is a placeholder"), arguments.contains(&placeholder), "{error}");
        }
    }
}
