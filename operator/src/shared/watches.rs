//! Watches children and finds their owners: a label of each child names its owner.

use std::collections::HashMap;
use std::future::ready;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use futures::{Stream, StreamExt as _};
use kube::api::ApiResource;
use kube::core::{DynamicObject, PartialObjectMeta};
use kube::{Api, Client, Resource, ResourceExt as _};
use kube_runtime::watcher::Event;
use kube_runtime::{WatchStreamExt as _, watcher};
use tokio::sync::watch::Receiver;

use super::changes::Version;
use super::definitions::Definitions;
use super::freshness::Freshness;

/// Objects per page of a list: a list of a thousand at once would determine the operator's peak memory.
pub const PAGE: u32 = 50;

/// A change of a child.
pub struct Change {
    pub owner: String,
    /// The child's version; `None` if it is gone, or comes from a new list: then others may be gone.
    pub version: Option<Version>,
}

impl Change {
    fn of<K: Resource>(event: Event<K>, label: &str) -> Option<Self> {
        let (child, is_alone) = match event {
            Event::Apply(child) => (child, true),
            Event::Delete(child) | Event::InitApply(child) => (child, false),
            Event::Init | Event::InitDone => return None,
        };
        let version = Version::of(child.meta()).filter(|_| is_alone);
        child.meta().labels.as_ref()?.get(label).map(|owner| Self { owner: owner.clone(), version })
    }
}

/// The changes of the children of one kind. Reads only metadata.
pub fn owners(
    client: &Client,
    resource: ApiResource,
    label: &'static str,
) -> impl Stream<Item = Change> + Send + 'static {
    let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(client.clone(), &resource);
    named(watcher(api, labelled(label)).default_backoff(), resource.kind, label)
}

/// The same, but ignores changes of a child's status.
pub fn owners_by_spec(
    client: &Client,
    resource: ApiResource,
    label: &'static str,
) -> impl Stream<Item = Change> + Send + 'static {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let mut known = SpecHashes::default();
    let events = watcher(api, labelled(label)).default_backoff().filter(move |result| {
        let event = result.as_ref();
        ready(event.map_or(true, |event| known.are_changed_by(event)))
    });
    named(events, resource.kind, label)
}

fn labelled(label: &str) -> watcher::Config {
    watcher::Config::default().labels(label).page_size(PAGE)
}

fn named<K: Resource + Send + 'static>(
    events: impl Stream<Item = Result<Event<K>, watcher::Error>> + Send + 'static,
    kind: String,
    label: &'static str,
) -> impl Stream<Item = Change> + Send + 'static {
    events.filter_map(move |result| {
        ready(match result {
            Ok(event) => Change::of(event, label),
            Err(error) => {
                tracing::warn!(%error, kind, "watch failed");
                None
            }
        })
    })
}

/// A kind that the cluster may lack.
pub struct Optional {
    pub resource: ApiResource,
    /// The name of its CustomResourceDefinition.
    pub definition: String,
    /// The label that names the owner.
    pub label: &'static str,
}

impl Optional {
    /// Watches while the kind exists, until `changed` returns false.
    pub async fn watch(
        self,
        client: Client,
        mut definitions: Receiver<Definitions>,
        freshness: Freshness,
        changed: impl Fn(&Change) -> bool + Send,
    ) {
        let exists = |known: &Definitions| known.contains(&self.definition);
        while definitions.wait_for(exists).await.is_ok() {
            let mut touched = std::pin::pin!(owners(&client, self.resource.clone(), self.label));
            loop {
                tokio::select! {
                    Some(change) = touched.next() => {
                        if !changed(&change) {
                            return;
                        }
                    }
                    gone = definitions.wait_for(|known| !exists(known)) => {
                        if gone.is_err() {
                            return;
                        }
                        break;
                    }
                }
            }
            freshness.forget(&self.resource.plural);
        }
    }
}

/// Hashes of a watch's objects without their status.
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

/// A hash of the object without its status and the metadata that changes with it.
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
