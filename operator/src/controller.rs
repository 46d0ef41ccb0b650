//! What is watched, and how the queue is fed. Each watch has its own backoff, and its errors end here: an operator that
//! shares one backoff among all can stay deaf while it looks healthy.

mod neighbours;
mod watches;

use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use kube::{Api, ResourceExt as _};
use kube_runtime::controller::{Action, Config};
use kube_runtime::reflector::ObjectRef;
use kube_runtime::reflector::store::Writer;
use kube_runtime::{Controller, WatchStreamExt as _, watcher};
use strum::IntoEnumIterator as _;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::watch::Receiver;
use tokio_util::sync::CancellationToken;

use crate::api::ScAuth;
use crate::child::Child;
use crate::definitions::Definitions;
use crate::freshness::Freshness;
use crate::metrics::Metrics;
use crate::reconcile::{ApplyError, Context, Error, reconcile, retry};
use neighbours::Neighbours;

/// How many are reconciled at once.
const CONCURRENCY: u16 = 16;
/// How many objects a page of a list has: a thousand at once would be the most memory that the operator ever takes.
const PAGE: u32 = 50;

/// What the controller is fed by, beside the watches that every cluster has.
pub struct Feeds {
    /// Where the ScAuths that are watched go.
    pub writer: Writer<ScAuth>,
    /// Others may have a ScAuth reconciled.
    pub sender: UnboundedSender<ObjectRef<ScAuth>>,
    pub receiver: UnboundedReceiver<ObjectRef<ScAuth>>,
    pub definitions: Receiver<Definitions>,
    pub freshness: Freshness,
    pub metrics: Metrics,
}

pub async fn run(context: Arc<Context>, feeds: Feeds, stop: CancellationToken) {
    let client = context.client.clone();
    let Feeds { writer, sender, mut receiver, definitions, freshness, metrics } = feeds;
    let store = writer.as_reader();
    let seen = metrics.clone();
    let (mut neighbours, concerned) = (Neighbours::default(), sender.clone());
    let objects = watcher(Api::<ScAuth>::all(client.clone()), watcher::Config::default().page_size(PAGE))
        .default_backoff()
        .modify(|scauth| scauth.managed_fields_mut().clear())
        .reflect(writer)
        .inspect_ok(move |event| {
            for scauth in neighbours.touched(event) {
                let _ = concerned.send(scauth);
            }
        })
        .applied_objects()
        .filter(move |result| {
            match result {
                Ok(scauth) => seen.seen(&scauth.name_any()),
                Err(error) => tracing::warn!(%error, kind = "ScAuth", "watch failed"),
            }
            ready(result.is_ok())
        });
    // The Controller lets its first reconcile wait for the first list of ScAuths, and once stopped it reads no more of it.
    let (fleet, stopped) = (store.clone(), stop.clone());
    let stopped_before_it_began = async move {
        stopped.cancelled().await;
        if fleet.wait_until_ready().now_or_never().is_some() {
            std::future::pending::<()>().await;
        }
    };
    let config = Config::default().debounce(Duration::from_millis(100)).concurrency(CONCURRENCY);
    let mut controller = Controller::for_stream(objects, store).with_config(config);
    for resource in watches::watched() {
        controller = controller.reconcile_on(watches::children(&client, resource, metrics.clone()));
    }
    controller = controller.reconcile_on(watches::autoscalers(&client, metrics.clone()));
    let mut tasks = tokio::task::JoinSet::new();
    for kind in Child::iter().filter(|kind| kind.definition().is_some()) {
        let (client, metrics) = (client.clone(), metrics.clone());
        tasks.spawn(watches::optional(client, kind, definitions.clone(), sender.clone(), freshness.clone(), metrics));
    }
    let measured = metrics.clone();
    let running = controller
        .reconcile_on(stream::poll_fn(move |context| receiver.poll_recv(context)))
        .graceful_shutdown_on(async move { stop.cancelled().await })
        .run(move |scauth, context| measure(scauth, context, measured.clone()), retry, context)
        .for_each(|result| {
            if let Err(error) = result {
                tracing::debug!(%error, "reconcile failed");
            }
            ready(())
        });
    tokio::select! {
        () = running => {}
        () = stopped_before_it_began => {}
    }
}

async fn measure(scauth: Arc<ScAuth>, context: Arc<Context>, metrics: Metrics) -> Result<Action, Error> {
    metrics.begun(&scauth.name_any());
    context.forget_deleted();
    let started = Instant::now();
    let result = reconcile(scauth, context).await;
    let outcome = match &result {
        Ok(_) => "done",
        Err(Error::TimedOut | Error::Apply(ApplyError::TimedOut)) => "timed_out",
        Err(Error::Report(_)) => "not_reported",
        Err(Error::Apply(ApplyError::Unread(_))) => "not_read",
        Err(Error::Apply(_)) => "not_applied",
    };
    metrics.ended(outcome, started.elapsed());
    result
}
