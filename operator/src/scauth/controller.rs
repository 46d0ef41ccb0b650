//! The watches and the queue. Each watch has its own backoff, and its errors end here: an operator that shares one
//! backoff among all watches can miss events while it looks healthy.

mod neighbours;

use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{FutureExt as _, Stream, StreamExt as _, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ApiResource;
use kube::{Api, Client, ResourceExt as _};
use kube_runtime::controller::{Action, Config};
use kube_runtime::reflector::store::Writer;
use kube_runtime::reflector::{ObjectRef, Store};
use kube_runtime::watcher::Event;
use kube_runtime::{Controller, WatchStreamExt as _, watcher};
use strum::IntoEnumIterator as _;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::child::Child;
use super::names::LABEL_SCAUTH;
use super::{Context, PLURAL, reconcile, retry};
use crate::api::{ScAuth, StoredScAuth};
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
    let Feeds { writer, sender, receiver, definitions, freshness, metrics } = feeds;
    let store = writer.as_reader();
    let stopped = stopped_before_it_began(store.clone(), stop.clone());
    let objects = objects(writer, sender, &context, metrics.clone());
    let config = Config::default().debounce(Duration::from_millis(100)).concurrency(CONCURRENCY);
    let controller = Controller::for_stream(objects, store).with_config(config);
    let news = News { context: Arc::clone(&context), metrics: metrics.clone() };
    let controller = watch_children(controller, &client, &news);
    let mut tasks = JoinSet::new();
    let optional = watch_optional_children(&mut tasks, &client, &definitions, &freshness, &news);
    let running = controller
        .reconcile_on(requests(receiver, Arc::clone(&context)))
        .reconcile_on(received(optional))
        .graceful_shutdown_on(async move { stop.cancelled().await })
        .run(move |scauth, context| measure(scauth, context, metrics.clone()), retry, context)
        .for_each(|result| {
            if let Err(error) = result {
                tracing::debug!(%error, "reconcile failed");
            }
            ready(())
        });
    tokio::select! {
        () = running => {}
        () = stopped => {}
    }
}

/// The Controller delays its first reconcile until the first list of ScAuths, and stops reading from it once stopped.
async fn stopped_before_it_began(fleet: Store<ScAuth>, stop: CancellationToken) {
    stop.cancelled().await;
    if fleet.wait_until_ready().now_or_never().is_some() {
        std::future::pending::<()>().await;
    }
}

/// The ScAuths that change. Those in a list are requested once it is complete: until then the store has the earlier ones,
/// and a reconcile of such a one would count as one of its successor.
fn objects(
    writer: Writer<ScAuth>,
    sender: UnboundedSender<ObjectRef<ScAuth>>,
    context: &Arc<Context>,
    metrics: Metrics,
) -> impl Stream<Item = Result<ScAuth, watcher::Error>> + Send + 'static {
    let api = Api::<StoredScAuth>::all(context.client.clone());
    let (mut neighbours, context) = (Neighbours::default(), Arc::clone(context));
    let events = watcher(api, watcher::Config::default().page_size(PAGE))
        .default_backoff()
        .map(|event| event.map(read))
        .modify(|scauth| scauth.managed_fields_mut().clear())
        .reflect(writer);
    events.filter_map(move |event| {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                tracing::warn!(%error, kind = "ScAuth", "watch failed");
                return ready(None);
            }
        };
        for scauth in neighbours.touched(&event) {
            let _ = sender.send(scauth);
        }
        ready(changed(event, &context.changes, &metrics).map(Ok))
    })
}

/// The event with the ScAuths in it, also those that cannot be read in whole: they are reported, and keep their hosts.
fn read(event: Event<StoredScAuth>) -> Event<ScAuth> {
    match event {
        Event::Apply(stored) => Event::Apply(warn(stored.0)),
        Event::InitApply(stored) => Event::InitApply(warn(stored.0)),
        Event::Delete(stored) => Event::Delete(stored.0),
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
    }
}

fn warn(scauth: ScAuth) -> ScAuth {
    if let Some(problem) = &scauth.spec.unreadable {
        tracing::warn!(name = scauth.name_any(), problem, "the ScAuth has fields that cannot be read");
    }
    scauth
}

/// The ScAuth to reconcile at once.
fn changed(event: Event<ScAuth>, changes: &Changes, metrics: &Metrics) -> Option<ScAuth> {
    match event {
        Event::Apply(scauth) => {
            changes.report(&scauth.name_any(), Version::of(&scauth.metadata));
            metrics.seen(PLURAL, &scauth.name_any());
            Some(scauth)
        }
        Event::InitApply(scauth) => {
            metrics.seen(PLURAL, &scauth.name_any());
            None
        }
        Event::Delete(_) | Event::Init | Event::InitDone => None,
    }
}

/// Records the changes of children.
#[derive(Clone)]
struct News {
    context: Arc<Context>,
    metrics: Metrics,
}

impl News {
    /// The ScAuth to reconcile.
    fn owner(&self, change: &Change) -> ObjectRef<ScAuth> {
        self.metrics.seen(PLURAL, &change.owner);
        self.context.changes.report(&change.owner, change.version);
        ObjectRef::new(&change.owner)
    }
}

/// The kinds that every cluster has.
fn watch_children(mut controller: Controller<ScAuth>, client: &Client, news: &News) -> Controller<ScAuth> {
    let (whole, by_spec) = watched();
    for resource in whole {
        let (news, changes) = (news.clone(), watches::owners(client, resource, LABEL_SCAUTH));
        controller = controller.reconcile_on(changes.map(move |change| news.owner(&change)));
    }
    for resource in by_spec {
        let (news, changes) = (news.clone(), watches::owners_by_spec(client, resource, LABEL_SCAUTH));
        controller = controller.reconcile_on(changes.map(move |change| news.owner(&change)));
    }
    controller
}

/// The kinds that a cluster may lack.
fn watch_optional_children(
    tasks: &mut JoinSet<()>,
    client: &Client,
    definitions: &Receiver<Definitions>,
    freshness: &Freshness,
    news: &News,
) -> UnboundedReceiver<ObjectRef<ScAuth>> {
    let (sender, receiver) = unbounded_channel();
    for child in Child::iter() {
        let Some(definition) = child.definition() else { continue };
        let optional = Optional { resource: child.resource(), definition, label: LABEL_SCAUTH };
        let (news, sender) = (news.clone(), sender.clone());
        let send = move |change: &Change| sender.send(news.owner(change)).is_ok();
        tasks.spawn(optional.watch(client.clone(), definitions.clone(), freshness.clone(), send));
    }
    receiver
}

/// The requests of other parts of the operator.
fn requests(
    receiver: UnboundedReceiver<ObjectRef<ScAuth>>,
    context: Arc<Context>,
) -> impl Stream<Item = ObjectRef<ScAuth>> + Send + 'static {
    received(receiver).inspect(move |scauth| context.changes.report(&scauth.name, None))
}

fn received(
    mut receiver: UnboundedReceiver<ObjectRef<ScAuth>>,
) -> impl Stream<Item = ObjectRef<ScAuth>> + Send + 'static {
    stream::poll_fn(move |context| receiver.poll_recv(context))
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

    /// Between the beginning of a list and its end, the store still has the earlier version. A reconcile that begins then
    /// must not count as one of the later version.
    #[test]
    fn a_change_that_a_list_brings_is_not_forgotten_by_a_reconcile_before_its_end() {
        let (store, mut writer) = reflector::store();
        let (changes, metrics, now) = (Changes::default(), Metrics::new([]), Instant::now());
        let mut neighbours = Neighbours::default();
        let mut requested = Vec::new();
        let mut happen = |event: Event<ScAuth>| {
            writer.apply_watcher_event(&event);
            requested.extend(neighbours.touched(&event));
            changed(event, &changes, &metrics)
        };
        assert!(happen(Event::Apply(scauth("1"))).is_some());
        assert!(happen(Event::Init).is_none());
        assert!(happen(Event::InitApply(scauth("2"))).is_none(), "the store does not have it yet");
        let earlier = begin("x", &changes, &store, now).unwrap();
        changes.end("x", Version::of(&earlier.metadata), None, now, Duration::from_mins(5));
        assert!(happen(Event::InitDone).is_none());
        assert_eq!(requested, [ObjectRef::new("x")]);
        changes.report("x", None);
        assert_eq!(begin("x", &changes, &store, now).unwrap().resource_version().as_deref(), Some("2"));
    }
}
