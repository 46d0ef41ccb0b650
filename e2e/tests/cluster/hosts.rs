//! Two ScAuths with one host, behind Traefik.

use sc_auth_e2e::client::PASSWORD;
use sc_auth_e2e::kube::{eventually, get};
use sc_auth_e2e::tenant::Tenant;
use serde_json::json;

const SECOND: &str = "e2e-host-second";
const HOST: &str = "one-host.example.com";

#[tokio::test(flavor = "multi_thread")]
async fn requests_still_reach_the_scauth_that_had_the_host_first() {
    let [first, second] = ["e2e-host-first", SECOND].map(|name| Tenant::embedded(name).host(HOST));
    first.apply().ready();
    let client = first.client().await;
    client.register("alice").await;
    tokio::task::block_in_place(|| {
        second.apply();
        eventually("the second is told", || second.condition("Exposed")["reason"] == "HostTaken");
        eventually("its pod is up", || second.condition("Ready")["reason"] == "HostTaken");
        assert!(get("ingress", &format!("{SECOND}-ingress"), SECOND).is_null());
    });
    for _ in 0..20 {
        client.login("alice", PASSWORD).await;
    }
    tokio::task::block_in_place(|| {
        assert_eq!(first.condition("Ready")["status"], "True");
        // Without a class, the owner of the host depends on the cluster's default class, which the operator reads.
        second.apply_with(json!({"suspend": true, "expose": {"ingress": {"className": null}}}));
        eventually("it is looked at", || second.condition("Ready")["reason"] == "Suspended");
    });
}
