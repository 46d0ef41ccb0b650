//! Two ScAuths with one host, behind Traefik.

use sc_auth_e2e::client::{Client, PASSWORD};
use sc_auth_e2e::kube::{Cleanup, apply, condition, eventually, get, ready, scauth};
use serde_json::{Value, json};

const FIRST: &str = "e2e-host-first";
const SECOND: &str = "e2e-host-second";
const HOST: &str = "one-host.example.com";

fn spec(class: Option<&str>) -> Value {
    json!({"database": {"embedded": {}}, "expose": {"ingress": {"host": HOST, "className": class}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_on_reaching_the_one_that_had_the_host() {
    let _cleanup = (Cleanup(FIRST), Cleanup(SECOND));
    apply(scauth(FIRST, spec(Some("traefik")))).unwrap();
    ready(FIRST);
    let client = Client::at(HOST);
    client.answers().await;
    client.register("alice").await;
    tokio::task::block_in_place(|| {
        apply(scauth(SECOND, spec(Some("traefik")))).unwrap();
        eventually("the second is told", || condition(SECOND, "Exposed")["reason"] == "HostTaken");
        eventually("its pod is up", || condition(SECOND, "Ready")["reason"] == "HostTaken");
        assert!(get("ingress", &format!("{SECOND}-ingress"), SECOND).is_null());
    });
    for _ in 0..20 {
        client.login("alice", PASSWORD).await;
    }
    tokio::task::block_in_place(|| {
        assert_eq!(condition(FIRST, "Ready")["status"], "True");
        // Without a class: who has the host depends on the cluster's default one, which is asked for.
        let mut unnamed = spec(None);
        unnamed["suspend"] = json!(true);
        unnamed["expose"]["ingress"].as_object_mut().unwrap().remove("className");
        apply(scauth(SECOND, unnamed)).unwrap();
        eventually("it is looked at", || condition(SECOND, "Ready")["reason"] == "Suspended");
    });
}
