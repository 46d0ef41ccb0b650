//! Switching from an Ingress to an HTTPRoute of Gateway API and back, with Traefik for both.

use std::time::Duration;

use sc_auth_e2e::client::{Client, Load, PASSWORD};
use sc_auth_e2e::kube::{apply, condition, eventually, get, items, run};
use sc_auth_e2e::tenant::Tenant;
use serde_json::{Value, json};

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

/// Replaces the Ingress.
fn route(gateway: &str) -> Value {
    let route = json!({"parentRefs": [{"name": gateway, "namespace": "traefik"}], "hostnames": [HOST]});
    json!({"expose": {"ingress": null, "httpRoute": route}})
}

fn exposed() -> (Value, String) {
    let exposed = condition(NAME, "Exposed");
    (exposed["status"].clone(), exposed["reason"].as_str().unwrap_or_default().to_owned())
}

fn wait_for(status: &str, reason: &str) {
    eventually(reason, || exposed() == (json!(status), reason.to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_httproute_replaces_the_ingress_and_vice_versa_and_no_request_fails() {
    let tenant = Tenant::embedded(NAME).with(json!({"auth": {"issuer": format!("http://{HOST}")}})).host(HOST);
    apply(gateway("All")).unwrap();
    tenant.apply().ready();
    let client = tenant.client().await;
    client.register("alice").await;
    let (access, _) = client.login("alice", PASSWORD).await;
    let asking = Load::of_me(HOST, &access, Duration::from_millis(10));

    tokio::task::block_in_place(|| {
        tenant.apply_with(route("edge"));
        wait_for("True", "Admitted");
        eventually("the Ingress is gone", || get("ingress", &format!("{NAME}-ingress"), NAME).is_null());
        assert_eq!(tenant.status()["url"], format!("http://{HOST}"));
    });
    asking.goes_on(50).await;
    tokio::task::block_in_place(|| {
        tenant.apply();
        eventually("the HTTPRoute is gone", || get("httproute", NAME, NAME).is_null());
        wait_for("True", "Admitted");
    });
    asking.goes_on(50).await;
    asking.ends_well().await;

    tokio::task::block_in_place(|| {
        apply(gateway("Same")).unwrap();
        tenant.apply_with(route("edge"));
        wait_for("False", "RouteRefused");
        assert!(condition(NAME, "Ready")["status"] == "True", "the pods still serve");
        apply(gateway("All")).unwrap();
        wait_for("True", "Admitted");
        tenant.apply_with(route("nowhere"));
        wait_for("Unknown", "NoGateway");
        tenant.apply_with(json!({"auth": null, "expose": null}));
        wait_for("False", "NotWanted");
        assert!(get("httproute", NAME, NAME).is_null());
    });
    client.vanishes().await;
    run(&["delete", "gateway", "edge", "-n", "traefik"]);
}

/// Registers until it is refused, but no more than `most` times. Returns the last status.
async fn register_often(client: &Client, prefix: &str, most: usize) -> u16 {
    for number in 0..most {
        let body = json!({
            "username": format!("{prefix}{number}"), "name": "Some Body", "email": format!("{prefix}{number}@example.com"),
            "password": PASSWORD,
        });
        let (status, _) = client.call("POST", "/api/v1/accounts/register", None, Some(body)).await;
        if status != 201 {
            return status;
        }
    }
    201
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_limited_by_address_once_the_ingress_controller_s_network_is_named() {
    let name = "e2e-proxies";
    let tenant = Tenant::embedded(name).host("proxies.example.com");
    tenant.apply_with(json!({"expose": {"trustedProxies": []}})).ready();
    let client = tenant.client().await;
    tokio::task::block_in_place(|| {
        eventually("a hint", || {
            condition(name, "Exposed")["message"].as_str().unwrap_or_default().contains("trustedProxies")
        });
    });
    assert_eq!(
        register_often(&client, "unknown", 14).await,
        201,
        "they all may come from one proxy: nobody is limited"
    );

    let traefik = items("pods", "traefik", "app=traefik")[0]["status"]["podIP"].as_str().unwrap().to_owned();
    tenant.apply_with(json!({"expose": {"trustedProxies": [format!("{traefik}/32")]}})).ready();
    client.answers().await;
    assert_eq!(register_often(&client, "one", 60).await, 429, "too many from one address");
    // Without the ingress, and so from another address.
    let other = tenant.pod_client();
    other.register("another").await;
    let message = condition(name, "Exposed")["message"].as_str().unwrap().to_owned();
    assert!(!message.contains("trustedProxies"), "{message}");
}
