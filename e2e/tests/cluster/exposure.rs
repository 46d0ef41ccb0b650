//! From an Ingress to an HTTPRoute of Gateway API and back, with Traefik as both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::client::{Client, PASSWORD, stay_logged_in};
use crate::common::kube::{Cleanup, apply, condition, eventually, get, ready, run, scauth};

const NAME: &str = "e2e-exposure";
const HOST: &str = "exposure.example.com";

fn gateway(allowed: &str) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "edge", "namespace": "traefik"},
        "spec": {"gatewayClassName": "traefik", "listeners": [
            {"name": "web", "port": 8080, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": allowed}}},
        ]},
    })
}

fn spec(expose: Value) -> Value {
    json!({"database": {"embedded": {}}, "auth": {"issuer": format!("http://{HOST}")}, "expose": expose})
}

fn route() -> Value {
    json!({"httpRoute": {"parentRefs": [{"name": "edge", "namespace": "traefik"}], "hostnames": [HOST]}})
}

fn exposed() -> (Value, String) {
    let exposed = condition(NAME, "Exposed");
    (exposed["status"].clone(), exposed["reason"].as_str().unwrap_or_default().to_owned())
}

fn wait_for(status: &str, reason: &str) {
    eventually(reason, 30, || exposed() == (json!(status), reason.to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_httproute_takes_the_ingress_place_and_the_other_way_round_and_no_request_fails() {
    let _cleanup = Cleanup(NAME);
    apply(gateway("All")).unwrap();
    apply(scauth(NAME, spec(json!({"ingress": {"host": HOST, "className": "traefik"}})))).unwrap();
    ready(NAME);
    let client = Client::at(HOST);
    client.answers().await;
    client.register("alice").await;
    let (access, _) = client.login("alice", PASSWORD).await;
    let stop = Arc::new(AtomicBool::new(false));
    let asking = tokio::spawn(stay_logged_in(HOST, access, Duration::from_millis(10), Arc::clone(&stop)));

    tokio::task::block_in_place(|| {
        apply(scauth(NAME, spec(route()))).unwrap();
        wait_for("True", "Admitted");
        eventually("the Ingress is gone", 15, || get("ingress", &format!("{NAME}-ingress"), NAME).is_null());
        assert_eq!(get("scauth", NAME, NAME)["status"]["url"], format!("http://{HOST}"));
        std::thread::sleep(Duration::from_secs(3));
        apply(scauth(NAME, spec(json!({"ingress": {"host": HOST, "className": "traefik"}})))).unwrap();
        eventually("the HTTPRoute is gone", 15, || get("httproute", NAME, NAME).is_null());
        wait_for("True", "Admitted");
        std::thread::sleep(Duration::from_secs(3));
    });
    stop.store(true, Ordering::Relaxed);
    let (asked, failures) = asking.await.unwrap();
    assert!(failures.is_empty(), "{} of {asked} failed: {:?}", failures.len(), &failures[..failures.len().min(5)]);

    tokio::task::block_in_place(|| {
        apply(gateway("Same")).unwrap();
        apply(scauth(NAME, spec(route()))).unwrap();
        wait_for("False", "RouteRefused");
        assert!(condition(NAME, "Ready")["status"] == "True", "the pods serve all the same");
        apply(gateway("All")).unwrap();
        wait_for("True", "Admitted");
        let mut elsewhere = route();
        elsewhere["httpRoute"]["parentRefs"][0]["name"] = json!("nowhere");
        apply(scauth(NAME, spec(elsewhere))).unwrap();
        wait_for("Unknown", "NoGateway");
        apply(scauth(NAME, json!({"database": {"embedded": {}}}))).unwrap();
        wait_for("False", "NotWanted");
        assert!(get("httproute", NAME, NAME).is_null());
    });
    client.vanishes().await;
    run(&["delete", "gateway", "edge", "-n", "traefik"]);
}
