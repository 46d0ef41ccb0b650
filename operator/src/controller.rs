//! What is watched, and how the queue is fed. Each watch has its own backoff, and its errors end here: an operator that
//! shares one backoff among all can stay deaf while it looks healthy.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::Ingress;
use kube::core::PartialObjectMeta;
use kube::{Api, Client, Resource, ResourceExt as _};
use kube_runtime::controller::{Action, Config};
use kube_runtime::reflector::{self, ObjectRef};
use kube_runtime::{Controller, WatchStreamExt as _, watcher};
use tokio_util::sync::CancellationToken;

use crate::api::ScAuth;
use crate::names::LABEL_SCAUTH;
use crate::reconcile::{Context, Error, reconcile};

pub async fn run(context: Arc<Context>, stop: CancellationToken) {
    let client = context.client.clone();
    let (reader, writer) = reflector::store();
    let objects = watcher(Api::<ScAuth>::all(client.clone()), watcher::Config::default())
        .default_backoff()
        .modify(|scauth| scauth.managed_fields_mut().clear())
        .reflect(writer)
        .applied_objects()
        .filter(|result| {
            if let Err(error) = result {
                tracing::warn!(%error, "the watch of ScAuth broke off");
            }
            ready(result.is_ok())
        });
    Controller::for_stream(objects, reader)
        .with_config(Config::default().debounce(Duration::from_millis(100)).concurrency(16))
        .reconcile_on(children::<Namespace>(&client))
        .reconcile_on(children::<ServiceAccount>(&client))
        .reconcile_on(children::<PersistentVolumeClaim>(&client))
        .reconcile_on(children::<Deployment>(&client))
        .reconcile_on(children::<Service>(&client))
        .reconcile_on(children::<Ingress>(&client))
        .reconcile_on(children::<Pod>(&client))
        .graceful_shutdown_on(async move { stop.cancelled().await })
        .run(reconcile, retry, context)
        .for_each(|result| {
            if let Err(error) = result {
                tracing::debug!(%error, "a reconcile failed");
            }
            ready(())
        })
        .await;
}

#[expect(clippy::needless_pass_by_value, reason = "the Controller's signature")]
fn retry(scauth: Arc<ScAuth>, error: &Error, _: Arc<Context>) -> Action {
    tracing::warn!(name = scauth.name_any(), %error, "a reconcile failed");
    Action::requeue(Duration::from_secs(5))
}

/// The ScAuths whose children of one kind have changed or gone. Only metadata is read.
fn children<K>(client: &Client) -> impl Stream<Item = ObjectRef<ScAuth>> + Send + 'static
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + Sync + 'static,
{
    let ours = watcher::Config::default().labels(LABEL_SCAUTH);
    watcher(Api::<PartialObjectMeta<K>>::all(client.clone()), ours).default_backoff().touched_objects().filter_map(
        |result| {
            ready(match result {
                Ok(child) => child.labels().get(LABEL_SCAUTH).map(|name| ObjectRef::new(name)),
                Err(error) => {
                    tracing::warn!(%error, kind = %K::kind(&()), "a watch broke off");
                    None
                }
            })
        },
    )
}
