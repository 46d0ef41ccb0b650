//! SQLite on a volume.

use sc_auth_e2e::client::{Client, PASSWORD};
use sc_auth_e2e::kube::{Cleanup, apply, condition, get, pods, ready, run, scauth, secret_value};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn users_outlive_the_pod() {
    let name = "e2e-embedded";
    let _cleanup = Cleanup(name);
    let host = "embedded.example.com";
    let spec = json!({"database": {"embedded": {}}, "expose": {"ingress": {"host": host, "className": "traefik"}}});
    apply(scauth(name, spec)).unwrap();
    ready(name);
    assert_eq!(condition(name, "DatabaseReady")["status"], "True");

    let client = Client::at(host);
    client.answers().await;
    let admin = client.login("admin", &secret_value(&format!("{name}-admin"), name, "password")).await;
    assert_eq!(client.call("GET", "/api/v1/users", Some(&admin.0), None).await.0, 200);
    client.register("alice").await;
    let (access, _) = client.login("alice", PASSWORD).await;

    let pod = pods(name, name)[0]["metadata"]["name"].as_str().unwrap().to_owned();
    run(&["delete", "pod", &pod, "-n", name]);
    ready(name);
    client.answers().await;
    assert_eq!(client.me(&access).await, 200, "the token from before is still good");
    client.login("alice", PASSWORD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_meet_the_restricted_standard_and_hold_no_token_of_the_api_server() {
    let name = "e2e-restricted";
    let _cleanup = Cleanup(name);
    apply(scauth(name, json!({"database": {"embedded": {}}}))).unwrap();
    ready(name);
    let namespace = get("namespace", name, name);
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    let pod = pods(name, name).remove(0);
    assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
    assert_eq!(pod["spec"]["enableServiceLinks"], false);
    assert!(!pod.to_string().contains("kube-api-access"));
    let limits = &pod["spec"]["containers"][0]["resources"]["limits"];
    assert_eq!(*limits, json!({"cpu": "500m", "memory": "128Mi"}));
    assert_eq!(pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(condition(name, "Exposed")["reason"], "NotWanted");
}
