//! SQLite on a volume.

use sc_auth_e2e::client::PASSWORD;
use sc_auth_e2e::kube::{get, run, secret_value};
use sc_auth_e2e::tenant::Tenant;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn users_outlive_the_pod() {
    let name = "e2e-embedded";
    let tenant = Tenant::embedded(name).host("embedded.example.com");
    tenant.apply().ready();
    assert_eq!(tenant.condition("DatabaseReady")["status"], "True");

    let client = tenant.client().await;
    let admin = client.login("admin", &secret_value(&format!("{name}-admin"), name, "password")).await;
    assert_eq!(client.call("GET", "/api/v1/users", Some(&admin.0), None).await.0, 200);
    client.register("alice").await;
    let (access, _) = client.login("alice", PASSWORD).await;

    let pod = tenant.pods()[0]["metadata"]["name"].as_str().unwrap().to_owned();
    run(&["delete", "pod", &pod, "-n", name]);
    tenant.ready();
    client.answers().await;
    assert_eq!(client.me(&access).await, 200, "the earlier token is still valid");
    client.login("alice", PASSWORD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_meet_the_restricted_standard_and_have_no_token_for_the_api_server() {
    let name = "e2e-restricted";
    let tenant = Tenant::embedded(name);
    tenant.apply().ready();
    let namespace = get("namespace", name, name);
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    let pod = tenant.pods().remove(0);
    assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
    assert_eq!(pod["spec"]["enableServiceLinks"], false);
    assert!(!pod.to_string().contains("kube-api-access"));
    let limits = &pod["spec"]["containers"][0]["resources"]["limits"];
    assert_eq!(*limits, json!({"cpu": "500m", "memory": "128Mi"}));
    assert_eq!(pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(tenant.condition("Exposed")["reason"], "NotWanted");
}
