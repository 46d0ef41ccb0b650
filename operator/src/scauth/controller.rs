//! The watches and the queue. Each watch has its own backoff, and its errors end here: an operator that shares one
//! backoff among all watches can miss events while it looks healthy.

mod neighbours;

use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ApiResource;
use kube::{Api, ResourceExt as _};
use kube_runtime::controller::{Action, Config};
use kube_runtime::reflector::store::Writer;
use kube_runtime::reflector::{ObjectRef, Store};
use kube_runtime::watcher::Event;
use kube_runtime::{Controller, WatchStreamExt as _, watcher};
use strum::IntoEnumIterator as _;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::watch::Receiver;
use tokio_util::sync::CancellationToken;

use super::child::Child;
use super::names::LABEL_SCAUTH;
use super::{Context, PLURAL, reconcile, retry};
use crate::api::ScAuth;
use crate::shared::changes::{Changes, Version};
use crate::shared::definitions::Definitions;
use crate::shared::error::Error;
use crate::shared::freshness::Freshness;
use crate::shared::metrics::Metrics;
use crate::shared::watches::{self, Change, Optional, PAGE};
use neighbours::Neighbours;

/// Number of concurrent reconciles.
const CONCURRENCY: u16 = 16;
/// Inputs of the controller, besides the watches that every cluster has.
pub struct Feeds {
    /// Receives the watched ScAuths.
    pub writer: Writer<ScAuth>,
    /// Requests for reconciles from other parts of the operator.
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
    let (mut neighbours, concerned, news) = (Neighbours::default(), sender.clone(), Arc::clone(&context));
    let objects = watcher(Api::<ScAuth>::all(client.clone()), watcher::Config::default().page_size(PAGE))
        .default_backoff()
        .modify(|scauth| scauth.managed_fields_mut().clear())
        .reflect(writer)
        .inspect_ok(move |event| {
            match event {
                Event::Apply(scauth) => news.changes.report(&scauth.name_any(), Version::of(&scauth.metadata)),
                Event::InitApply(scauth) => news.changes.report(&scauth.name_any(), None),
                Event::Delete(_) | Event::Init | Event::InitDone => {}
            }
            for scauth in neighbours.touched(event) {
                let _ = concerned.send(scauth);
            }
        })
        .applied_objects()
        .filter(move |result| {
            match result {
                Ok(scauth) => seen.seen(PLURAL, &scauth.name_any()),
                Err(error) => tracing::warn!(%error, kind = "ScAuth", "watch failed"),
            }
            ready(result.is_ok())
        });
    // The Controller delays its first reconcile until the first list of ScAuths, and stops reading from it once
    // stopped.
    let (fleet, stopped) = (store.clone(), stop.clone());
    let stopped_before_it_began = async move {
        stopped.cancelled().await;
        if fleet.wait_until_ready().now_or_never().is_some() {
            std::future::pending::<()>().await;
        }
    };
    let config = Config::default().debounce(Duration::from_millis(100)).concurrency(CONCURRENCY);
    let mut controller = Controller::for_stream(objects, store).with_config(config);
    let (counted, news) = (metrics.clone(), Arc::clone(&context));
    let changed = move |change: &Change| {
        counted.seen(PLURAL, &change.owner);
        news.changes.report(&change.owner, change.version);
        ObjectRef::new(&change.owner)
    };
    let (whole, by_spec) = watched();
    for resource in whole {
        let (changed, owners) = (changed.clone(), watches::owners(&client, resource, LABEL_SCAUTH));
        controller = controller.reconcile_on(owners.map(move |change| changed(&change)));
    }
    for resource in by_spec {
        let (changed, owners) = (changed.clone(), watches::owners_by_spec(&client, resource, LABEL_SCAUTH));
        controller = controller.reconcile_on(owners.map(move |change| changed(&change)));
    }
    let mut tasks = tokio::task::JoinSet::new();
    let (optional_sender, mut optional) = tokio::sync::mpsc::unbounded_channel();
    for child in Child::iter() {
        let Some(definition) = child.definition() else { continue };
        let optional = Optional { resource: child.resource(), definition, label: LABEL_SCAUTH };
        let (changed, sender) = (changed.clone(), optional_sender.clone());
        let send = move |change: &Change| sender.send(changed(change)).is_ok();
        tasks.spawn(optional.watch(client.clone(), definitions.clone(), freshness.clone(), send));
    }
    let (measured, news) = (metrics.clone(), Arc::clone(&context));
    let requests = stream::poll_fn(move |context| receiver.poll_recv(context));
    let running = controller
        .reconcile_on(requests.inspect(move |scauth: &ObjectRef<ScAuth>| news.changes.report(&scauth.name, None)))
        .reconcile_on(stream::poll_fn(move |context| optional.poll_recv(context)))
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
    let started = Instant::now();
    let scauth = match begin(&scauth.name_any(), &context.changes, &context.fleet, started) {
        Ok(latest) => latest,
        Err(action) => {
            metrics.skipped(PLURAL, &scauth.name_any());
            return Ok(action);
        }
    };
    metrics.begun(PLURAL, &scauth.name_any());
    context.forget_deleted();
    let result = reconcile(scauth, context).await;
    let outcome = result.as_ref().map_or_else(Error::outcome, |_| "done");
    metrics.ended(outcome, started.elapsed());
    result
}

/// Begins a reconcile of that ScAuth as it is now, or returns when to look again. The Controller has read the ScAuth
/// before this runs; `Changes` forgets a later version that was reported in between.
fn begin(name: &str, changes: &Changes, fleet: &Store<ScAuth>, now: Instant) -> Result<Arc<ScAuth>, Action> {
    if let Some(rest) = changes.begin(name, now) {
        return Err(Action::requeue(rest));
    }
    fleet.get(&ObjectRef::new(name)).ok_or_else(Action::await_change)
}

/// The kinds that every cluster has, each of them once: those that are watched as a whole, and those by their spec.
fn watched() -> (Vec<ApiResource>, Vec<ApiResource>) {
    let (mut whole, mut by_spec) = (vec![ApiResource::erase::<Pod>(&())], Vec::new());
    for child in Child::iter().filter(|child| child.definition().is_none()) {
        let watched = if child.is_watched_by_spec() { &mut by_spec } else { &mut whole };
        let resource = child.resource();
        if !watched.contains(&resource) {
            watched.push(resource);
        }
    }
    (whole, by_spec)
}

#[cfg(test)]
mod tests {
    use kube_runtime::reflector;
    use serde_json::json;

    use super::*;

    fn scauth(version: &str) -> ScAuth {
        serde_json::from_value(json!({
            "apiVersion": "sc-auth.io/v1alpha1", "kind": "ScAuth",
            "metadata": {"name": "x", "uid": "u", "resourceVersion": version}, "spec": {"database": {"embedded": {}}},
        }))
        .unwrap()
    }

    #[test]
    fn a_version_that_is_reported_before_the_reconcile_begins_is_the_one_that_it_gets() {
        let (store, mut writer) = reflector::store();
        let (changes, now) = (Changes::default(), Instant::now());
        let mut report = |version: &str| {
            writer.apply_watcher_event(&Event::Apply(scauth(version)));
            changes.report("x", Version::of(&scauth(version).metadata));
        };
        report("1");
        let read = store.get(&ObjectRef::new("x")).unwrap();
        report("2");
        let latest = begin(&read.name_any(), &changes, &store, now).unwrap();
        assert_eq!(latest.resource_version().as_deref(), Some("2"));
    }

    #[test]
    fn one_that_was_deleted_before_the_reconcile_begins_is_not_reconciled() {
        let (store, _writer) = reflector::store();
        assert_eq!(begin("x", &Changes::default(), &store, Instant::now()).unwrap_err(), Action::await_change());
    }
}
