//! How many requests a reconcile costs. With a thousand new ScAuths, the API server's work is what takes the time.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use kube::Client;
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::names::Names;
use serde_json::{Value, json};
use strum::IntoEnumIterator as _;

use crate::harness::{Line, admin, apply, generated, manifest, once, scauths};

/// The objects of a ScAuth, with its Secrets.
async fn objects(client: &Client, name: &str) -> usize {
    let names = Names { scauth: name.into(), namespace: name.into() };
    let mut count = generated(client, name).await.len();
    for kind in Child::iter() {
        let child = kind.api(client, &names.namespace).get_opt(&kind.name(&names)).await.unwrap();
        count += usize::from(child.is_some());
    }
    count
}

/// One reconcile of it: the requests, and the writes among them.
async fn reconciled(client: &Client, name: &str) -> (usize, Vec<String>) {
    let line = Arc::new(Line::default());
    once(client, name, &line).await.unwrap().unwrap();
    let writes = line.writes.lock().unwrap().clone();
    (line.requests.load(Ordering::SeqCst), writes)
}

/// With the number of further requests: for the class that the Ingress names, and an event about the missing Secret.
fn specs() -> [(&'static str, Value, usize); 3] {
    let ingress = json!({"ingress": {"host": "requests.example.com", "className": "traefik"}});
    let external = json!({"external": {"urlFrom": {"name": "db", "key": "uri"}}});
    [
        ("requests-embedded", json!({"database": {"embedded": {}}, "expose": ingress}), 1),
        ("requests-external", json!({"database": external, "replicas": 3}), 1),
        ("requests-monitored", json!({"database": external, "monitoring": {"interval": "30s"}}), 1),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn creating_costs_a_request_for_each_object_and_two_more() {
    let client = admin().await;
    for (name, spec, further) in specs() {
        apply(&client, manifest(name, spec)).await;
        let (requests, writes) = reconciled(&client, name).await;
        // Whether the namespace exists, and the status.
        assert_eq!(requests, objects(&client, name).await + further + 2, "{name}: {writes:#?}");
    }
}

/// The operator does not look again at what it has created itself.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_reconcile_leaves_nothing_for_a_second() {
    let client = admin().await;
    for (name, spec, _) in specs() {
        let name = format!("{name}-once");
        apply(&client, manifest(&name, spec)).await;
        reconciled(&client, &name).await;
        let status = scauths(&client).get(&name).await.unwrap().status;
        assert_eq!(reconciled(&client, &name).await.1, [""; 0], "{name}");
        assert_eq!(scauths(&client).get(&name).await.unwrap().status, status, "{name}");
    }
}
