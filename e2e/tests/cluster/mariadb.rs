//! MariaDB, and two replicas.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::client::{Client, PASSWORD};
use crate::common::database;
use crate::common::kube::{Cleanup, apply, pods, ready, run, scauth};

const NAME: &str = "e2e-mariadb";
const HOST: &str = "mariadb.example.com";

fn manifests() -> Vec<Value> {
    let server = database::mariadb("e2e_mariadb");
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME, "annotations": {"sc-auth.io/allow": NAME}}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": NAME},
            "stringData": {"username": server.user, "password": server.password}}),
        scauth(
            NAME,
            json!({
                "database": {"external": {
                    "engine": "mariadb", "host": server.host, "port": server.port, "name": "e2e_mariadb",
                    "credentialsFrom": {"name": "db"},
                }},
                "expose": {"ingress": {"host": HOST, "className": "traefik"}},
            }),
        ),
    ]
}

/// Asks again and again until told to stop; what was not 200 is told.
async fn load(access: String, stop: Arc<AtomicBool>) -> (usize, Vec<String>) {
    let client = Client::at(HOST);
    let (mut asked, mut failures) = (0, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        asked += 1;
        match client.try_call("GET", "/api/v1/accounts/me", Some(&access), None).await {
            Ok((200, _)) => {}
            other => failures.push(format!("{other:?}")),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    (asked, failures)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_are_one_service_and_no_request_fails_while_they_are_replaced() {
    let _cleanup = Cleanup(NAME);
    for manifest in manifests() {
        apply(manifest).unwrap();
    }
    ready(NAME);
    let both = pods(NAME, NAME);
    assert_eq!(both.len(), 2);
    let (first, second) = (Client::of_pod(&both[0]), Client::of_pod(&both[1]));
    first.register("alice").await;
    let (access, _) = first.login("alice", PASSWORD).await;
    assert_eq!(second.me(&access).await, 200);
    second.logout(&access).await;
    assert_eq!(first.me(&access).await, 401);

    let ingress = Client::at(HOST);
    ingress.answers().await;
    let (access, _) = ingress.login("alice", PASSWORD).await;
    let stop = Arc::new(AtomicBool::new(false));
    let loads: Vec<_> = (0..4).map(|_| tokio::spawn(load(access.clone(), Arc::clone(&stop)))).collect();
    tokio::task::block_in_place(|| {
        run(&["delete", "pod", both[0]["metadata"]["name"].as_str().unwrap(), "-n", NAME, "--wait=false"]);
        std::thread::sleep(Duration::from_secs(2));
        ready(NAME);
        run(&["rollout", "restart", "deployment", NAME, "-n", NAME]);
        run(&["rollout", "status", "deployment", NAME, "-n", NAME, "--timeout=120s"]);
        // Until the last of the old pods has drained.
        std::thread::sleep(Duration::from_secs(12));
    });
    stop.store(true, Ordering::Relaxed);
    let mut asked = 0;
    for load in loads {
        let (count, failures) = load.await.unwrap();
        assert!(failures.is_empty(), "{} of {count} failed: {:?}", failures.len(), &failures[..failures.len().min(5)]);
        asked += count;
    }
    assert!(asked > 500, "only {asked} requests");
}
