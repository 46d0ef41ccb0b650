//! The watches of the children: which ScAuths their changes concern.

use std::collections::HashMap;
use std::future::ready;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ApiResource;
use kube::core::{DynamicObject, PartialObjectMeta};
use kube::{Api, Client, Resource, ResourceExt as _};
use kube_runtime::reflector::ObjectRef;
use kube_runtime::watcher::Event;
use kube_runtime::{WatchStreamExt as _, watcher};
use strum::IntoEnumIterator as _;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch::Receiver;

use super::PAGE;
use crate::api::ScAuth;
use crate::child::Child;
use crate::definitions::Definitions;
use crate::freshness::Freshness;
use crate::metrics::Metrics;
use crate::names::LABEL_SCAUTH;

/// What every cluster has.
pub fn watched() -> Vec<ApiResource> {
    let others = [Child::OpsService, Child::Autoscaler];
    let kinds = Child::iter().filter(|kind| kind.definition().is_none() && !others.contains(kind));
    kinds.map(Child::resource).chain([ApiResource::erase::<Pod>(&())]).collect()
}

/// The ScAuths whose children of one kind have changed or gone. Only metadata is read.
pub fn children(
    client: &Client,
    resource: ApiResource,
    metrics: Metrics,
) -> impl Stream<Item = ObjectRef<ScAuth>> + Send + 'static {
    let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(client.clone(), &resource);
    owners(watcher(api, ours()).default_backoff(), resource.kind, metrics)
}

/// The same of autoscalers, which write down what they measure every few seconds: their status is no news to us.
pub fn autoscalers(client: &Client, metrics: Metrics) -> impl Stream<Item = ObjectRef<ScAuth>> + Send + 'static {
    let resource = Child::Autoscaler.resource();
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let mut known = SpecHashes::default();
    let events = watcher(api, ours()).default_backoff().filter(move |result| {
        let event = result.as_ref();
        ready(event.map_or(true, |event| known.are_changed_by(event)))
    });
    owners(events, resource.kind, metrics)
}

/// What the objects of a watch are like, but for their status.
#[derive(Default)]
struct SpecHashes(HashMap<String, u64>);

impl SpecHashes {
    fn are_changed_by(&mut self, event: &Event<DynamicObject>) -> bool {
        match event {
            Event::Init => self.0.clear(),
            Event::InitDone => {}
            Event::Delete(object) => {
                self.0.remove(&key(object));
            }
            Event::Apply(object) | Event::InitApply(object) => {
                let spec_hash = spec_hash(object);
                return self.0.insert(key(object), spec_hash) != Some(spec_hash);
            }
        }
        true
    }
}

fn key(object: &DynamicObject) -> String {
    format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any())
}

/// A hash of all but the status and what changes with it.
fn spec_hash(object: &DynamicObject) -> u64 {
    let mut object = object.clone();
    object.metadata.resource_version = None;
    object.metadata.managed_fields = None;
    if let Some(fields) = object.data.as_object_mut() {
        fields.remove("status");
    }
    let mut hasher = DefaultHasher::new();
    serde_json::json!(object).to_string().hash(&mut hasher);
    hasher.finish()
}

/// The objects that carry our label.
fn ours() -> watcher::Config {
    watcher::Config::default().labels(LABEL_SCAUTH).page_size(PAGE)
}

/// The ScAuths that the objects of a watch belong to.
fn owners<K: Resource + Send + 'static>(
    events: impl Stream<Item = Result<Event<K>, watcher::Error>> + Send + 'static,
    kind: String,
    metrics: Metrics,
) -> impl Stream<Item = ObjectRef<ScAuth>> + Send + 'static {
    events.touched_objects().filter_map(move |result| {
        ready(match result {
            Ok(child) => child.labels().get(LABEL_SCAUTH).map(|name| {
                metrics.seen(name);
                ObjectRef::new(name)
            }),
            Err(error) => {
                tracing::warn!(%error, kind, "watch failed");
                None
            }
        })
    })
}

/// The same of a kind that the cluster may lack: watched while it is there.
pub async fn optional(
    client: Client,
    kind: Child,
    mut definitions: Receiver<Definitions>,
    sender: UnboundedSender<ObjectRef<ScAuth>>,
    freshness: Freshness,
    metrics: Metrics,
) {
    let is_there = |known: &Definitions| kind.definition().is_some_and(|name| known.contains(&name));
    while definitions.wait_for(is_there).await.is_ok() {
        let mut touched = std::pin::pin!(children(&client, kind.resource(), metrics.clone()));
        loop {
            tokio::select! {
                Some(scauth) = touched.next() => {
                    if sender.send(scauth).is_err() {
                        return;
                    }
                }
                gone = definitions.wait_for(|known| !is_there(known)) => {
                    if gone.is_err() {
                        return;
                    }
                    break;
                }
            }
        }
        freshness.forget(&kind.resource().plural);
    }
}
