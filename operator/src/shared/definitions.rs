//! The relevant CustomResourceDefinitions that the cluster has. They may be installed and deleted at any time.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::PartialObjectMeta;
use kube::{Api, Client, ResourceExt as _};
use kube_runtime::watcher::Event;
use kube_runtime::{WatchStreamExt as _, watcher};
use tokio::sync::watch;

pub type Definitions = BTreeSet<String>;

/// Watches them permanently.
pub async fn follow(client: Client, is_of_interest: fn(&str) -> bool, known: watch::Sender<Definitions>) {
    let api: Api<PartialObjectMeta<CustomResourceDefinition>> = Api::all(client);
    let mut events = std::pin::pin!(watcher(api, watcher::Config::default()).default_backoff());
    let mut first = Definitions::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => first.clear(),
            Ok(Event::InitApply(definition)) => {
                first.extend(Some(definition.name_any()).filter(|name| is_of_interest(name)));
            }
            Ok(Event::InitDone) => {
                let _ = known.send_replace(std::mem::take(&mut first));
            }
            Ok(Event::Apply(definition)) if is_of_interest(&definition.name_any()) => {
                known.send_modify(|known| known.extend([definition.name_any()]));
            }
            Ok(Event::Delete(definition)) => {
                known.send_modify(|known| known.retain(|name| *name != definition.name_any()));
            }
            Ok(Event::Apply(_)) => {}
            Err(error) => tracing::warn!(%error, kind = "CustomResourceDefinition", "watch failed"),
        }
    }
}
