//! Asks the pods how they are: whether they reach their database is known to them alone. Each ScAuth that has pods is
//! asked every half minute, and a change of the answer has it reconciled.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use futures::StreamExt as _;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::ResourceExt as _;
use kube_runtime::reflector::{ObjectRef, Store};
use serde::Deserialize;
use tokio::sync::mpsc::UnboundedSender;

use crate::api::ScAuth;
use crate::reconcile::validate::names;

const EVERY: Duration = Duration::from_secs(30);
const LIMIT: Duration = Duration::from_secs(5);
const AT_ONCE: usize = 8;
const MOST_BYTES: usize = 64 * 1024;
const OPS_PORT: u16 = 8001;

/// What pods say of themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    pub database_reachable: bool,
}

/// The last answer for each ScAuth.
#[derive(Debug, Clone, Default)]
pub struct Healths(Arc<Mutex<HashMap<String, Health>>>);

impl Healths {
    pub fn get(&self, name: &str) -> Option<Health> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }

    /// Returns whether it tells something new. That all is well is no news: a ScAuth that nobody has asked yet is taken
    /// to be.
    fn set(&self, name: &str, health: Health) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.insert(name.to_owned(), health);
        before.unwrap_or(Health { database_reachable: true }) != health
    }

    fn keep_only(&self, names: &[String]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|name, _| names.contains(name));
    }
}

#[derive(Deserialize)]
struct Answer {
    database: Database,
}

#[derive(Deserialize)]
struct Database {
    reachable: bool,
}

/// Asks for ever. Whose answer has changed is sent to `changed`.
pub async fn run(fleet: Store<ScAuth>, healths: Healths, changed: UnboundedSender<ObjectRef<ScAuth>>) {
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    loop {
        tokio::time::sleep(EVERY).await;
        let all = fleet.state();
        healths.keep_only(&all.iter().map(|scauth| scauth.name_any()).collect::<Vec<_>>());
        let serving = all
            .iter()
            .filter(|scauth| scauth.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0) > 0);
        futures::stream::iter(serving)
            .for_each_concurrent(AT_ONCE, |scauth| async {
                let health = ask_all(&client, scauth).await;
                // No answer says nothing of the database: the probes will tell of the pod.
                if health.is_some_and(|health| healths.set(&scauth.name_any(), health)) {
                    drop(changed.send(ObjectRef::from_obj(scauth.as_ref())));
                }
            })
            .await;
    }
}

/// Asks each pod behind the headless Service; none may have lost its database.
async fn ask_all(client: &Client<HttpConnector, Empty<Bytes>>, scauth: &ScAuth) -> Option<Health> {
    let names = names(scauth);
    let pods = tokio::net::lookup_host((format!("{}.{}.svc", names.ops_service(), names.namespace), OPS_PORT)).await;
    let answers = futures::future::join_all(pods.ok()?.map(|pod| ask(client, pod))).await;
    let answers: Vec<_> = answers.into_iter().flatten().collect();
    let database_reachable = answers.iter().all(|answer| answer.database.reachable);
    (!answers.is_empty()).then_some(Health { database_reachable })
}

async fn ask(client: &Client<HttpConnector, Empty<Bytes>>, pod: SocketAddr) -> Option<Answer> {
    let request = async {
        let answer = client.get(format!("http://{pod}/status").parse().ok()?).await.ok()?;
        let body = Limited::new(answer.into_body(), MOST_BYTES).collect().await.ok()?.to_bytes();
        serde_json::from_slice(&body).ok()
    };
    tokio::time::timeout(LIMIT, request).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_change_has_a_scauth_reconciled() {
        let healths = Healths::default();
        let answers = [true, true, false, false, true].map(|database_reachable| Health { database_reachable });
        assert_eq!(answers.map(|health| healths.set("a", health)), [false, false, true, false, true]);
        assert!(healths.set("b", Health { database_reachable: false }), "another one, of which nothing was known");
    }
}
