//! Polls the pods: only they know their database and whether they reach it. Healthy ones are polled every half minute,
//! others more often; a changed answer triggers a reconcile of their ScAuth.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, ListParams};
use kube::{Api, Client, ResourceExt as _};
use kube_runtime::reflector::{ObjectRef, Store};
use sc_auth_contract::places::OPS_PORT;
use sc_auth_contract::status::Status;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

use crate::api::ScAuth;
use crate::scauth::health::{Ask, Health, HealthCache};
use crate::scauth::names::{LABEL_SCAUTH, Names};
use crate::scauth::rollout;

/// How often to check whether a poll is due.
const TICK: Duration = Duration::from_secs(1);
/// Pods that become ready together are polled together.
const PAUSE: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_secs(5);
const AT_ONCE: usize = 8;
/// The largest answer: with the most applications, each with the longest name, a pod sends 0.7 MiB.
const MOST_BYTES: usize = 1024 * 1024;

type Http = legacy::Client<HttpConnector, Empty<Bytes>>;

/// Polls until it is dropped. Sends each ScAuth whose answer has changed to `changed`.
pub async fn run(
    client: Client,
    fleet: Store<ScAuth>,
    health_cache: HealthCache,
    changed: UnboundedSender<ObjectRef<ScAuth>>,
) {
    let http = legacy::Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let places = Places::default();
    let asker = Arc::new(Asker { client, http, health_cache: health_cache.clone(), changed, places });
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = health_cache.wanted() => tokio::time::sleep(PAUSE).await,
            Some(_) = tasks.join_next() => continue,
        }
        let all = fleet.state();
        health_cache.keep_only(&all.iter().map(|scauth| scauth.name_any()).collect());
        for scauth in all {
            if let Some(ask) = health_cache.due(&scauth.name_any(), Instant::now()) {
                tasks.spawn(Arc::clone(&asker).ask(scauth, ask));
            }
        }
    }
}

/// What all polls share.
struct Asker {
    client: Client,
    http: Http,
    health_cache: HealthCache,
    changed: UnboundedSender<ObjectRef<ScAuth>>,
    places: Places,
}

/// Limits the polls at one time. Those of settled pods wait for the cluster's DNS, which has no time limit of ours: new pods
/// must not wait for them.
struct Places {
    settled: Semaphore,
    others: Semaphore,
}

impl Default for Places {
    fn default() -> Self {
        Self { settled: Semaphore::new(AT_ONCE), others: Semaphore::new(AT_ONCE) }
    }
}

impl Places {
    fn of(&self, ask: &Ask) -> &Semaphore {
        if ask.is_settled { &self.settled } else { &self.others }
    }
}

impl Asker {
    async fn ask(self: Arc<Self>, scauth: Arc<ScAuth>, ask: Ask) {
        let Ok(_place) = self.places.of(&ask).acquire().await else { return };
        let health = ask_all(&self.client, &self.http, &scauth, ask.is_settled).await;
        if self.health_cache.set(&scauth, &ask, health, Instant::now()) {
            let _ = self.changed.send(ObjectRef::from_obj(scauth.as_ref()));
        }
    }
}

async fn ask_all(client: &Client, http: &Http, scauth: &ScAuth, is_settled: bool) -> Option<Health> {
    let mut pods = if is_settled { by_name(scauth).await } else { Vec::new() };
    if pods.is_empty() {
        pods = by_list(client, scauth).await;
    }
    let answers = futures::future::join_all(pods.into_iter().map(|pod| ask_pod(http, pod))).await;
    Health::of(&answers.into_iter().flatten().collect::<Vec<_>>())
}

/// The ready pods, from the headless Service: this does not load the API server, and may be some seconds old.
async fn by_name(scauth: &ScAuth) -> Vec<SocketAddr> {
    let names = Names::of(scauth);
    let pods = tokio::net::lookup_host((format!("{}.{}.svc", names.ops_service(), names.namespace), OPS_PORT)).await;
    pods.map(Iterator::collect).unwrap_or_default()
}

/// All current pods, including those that are not ready.
async fn by_list(client: &Client, scauth: &ScAuth) -> Vec<SocketAddr> {
    let names = Names::of(scauth);
    let api: Api<rollout::Pod> =
        Api::namespaced_with(client.clone(), &names.namespace, &ApiResource::erase::<Pod>(&()));
    let ours = ListParams::default().labels(&format!("{LABEL_SCAUTH}={}", names.scauth));
    let pods = match api.list(&ours).await {
        Ok(pods) => pods.items,
        Err(error) => {
            tracing::warn!(name = names.scauth, %error, "could not list the pods to query");
            return Vec::new();
        }
    };
    let staying = pods.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    let addresses = staying.filter_map(|pod| pod.status?.pod_ip?.parse::<IpAddr>().ok());
    addresses.map(|address| SocketAddr::new(address, OPS_PORT)).collect()
}

async fn ask_pod(http: &Http, pod: SocketAddr) -> Option<Status> {
    let request = async {
        let answer = http.get(format!("http://{pod}/status").parse().ok()?).await.ok()?;
        let body = Limited::new(answer.into_body(), MOST_BYTES).collect().await;
        let body = body.inspect_err(|error| tracing::warn!(%pod, error, "could not read the status of a pod")).ok()?;
        let status = serde_json::from_slice(&body.to_bytes());
        status.inspect_err(|error| tracing::warn!(%pod, %error, "could not read the status of a pod")).ok()
    };
    tokio::time::timeout(LIMIT, request).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scauth::rollout::Rollout;

    #[test]
    fn new_pods_do_not_wait_for_the_polls_of_settled_ones() {
        let (health_cache, places) =
            (HealthCache::asking(|| k8s_openapi::jiff::Timestamp::UNIX_EPOCH), Places::default());
        health_cache.of("new", &Rollout { replicas: 1, ..Rollout::default() });
        let ask = health_cache.due("new", Instant::now()).unwrap();
        let _all = places.settled.try_acquire_many(u32::try_from(AT_ONCE).unwrap()).unwrap();
        assert!(places.of(&ask).try_acquire().is_ok());
    }
}
