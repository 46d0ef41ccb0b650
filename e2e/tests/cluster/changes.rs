//! A change of the spec reaches the children, and nobody is logged out by it.

use sc_auth_e2e::client::{Client, PASSWORD};
use sc_auth_e2e::database;
use sc_auth_e2e::kube::{Cleanup, apply, get, lend_namespace, make_secret, pods, ready, run, scauth};
use serde_json::{Value, json};

const NAME: &str = "e2e-changes";

fn spec(host: &str, replicas: i32, memory: &str) -> Value {
    json!({
        "replicas": replicas,
        "database": {"external": {"urlFrom": {"name": "db", "key": "uri"}}},
        "expose": {"ingress": {"host": host, "className": "traefik"}},
        "resources": {"limits": {"memory": memory}},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn host_image_replicas_and_limits_follow_and_tokens_stay_good() {
    let _cleanup = Cleanup(NAME);
    let server = database::postgres("e2e_changes");
    lend_namespace(NAME);
    make_secret("db", NAME, json!({"uri": server.uri("e2e_changes")}));
    apply(scauth(NAME, spec("before.example.com", 1, "128Mi"))).unwrap();
    ready(NAME);
    let before = Client::at("before.example.com");
    before.answers().await;
    before.register("alice").await;
    let (access, refresh) = before.login("alice", PASSWORD).await;

    // An image of another name with the same content: a reference by digest.
    let image = running_image();
    let mut after = spec("after.example.com", 2, "160Mi");
    after["image"] = json!(image);
    apply(scauth(NAME, after.clone())).unwrap();
    ready(NAME);
    let deployment = get("deployment", NAME, NAME);
    assert_eq!(deployment["spec"]["replicas"], 2);
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["resources"]["limits"], json!({"cpu": "500m", "memory": "160Mi"}));
    assert_eq!(container["image"], json!(image));
    assert_eq!(get("ingress", &format!("{NAME}-ingress"), NAME)["spec"]["rules"][0]["host"], "after.example.com");
    let status = get("scauth", NAME, NAME)["status"].clone();
    assert_eq!((&status["url"], &status["image"]), (&json!("http://after.example.com"), &json!(image)));
    assert_eq!((&status["observedGeneration"], &status["readyReplicas"]), (&json!(2), &json!(2)));
    assert_eq!(pods(NAME, NAME).len(), 2);

    let client = Client::at("after.example.com");
    client.answers().await;
    assert_eq!(client.me(&access).await, 200, "it was issued under the old host");
    let (status, answer) = client.call("POST", "/api/v1/accounts/refresh", Some(&refresh), None).await;
    assert_eq!(status, 200, "{answer}");

    // What is dropped from the spec vanishes from the children.
    after.as_object_mut().unwrap().remove("expose");
    after.as_object_mut().unwrap().remove("resources");
    after["replicas"] = json!(1);
    assert!(!get("pdb", NAME, NAME).is_null());
    apply(scauth(NAME, after)).unwrap();
    ready(NAME);
    assert!(get("ingress", &format!("{NAME}-ingress"), NAME).is_null());
    assert!(get("pdb", NAME, NAME).is_null(), "the last pod would hold up every drain of a node");
    let deployment = get("deployment", NAME, NAME);
    assert_eq!(deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"], "128Mi");
}

/// The server's image under its second name.
fn running_image() -> String {
    let image = run(&["get", "scauth", NAME, "-o", "jsonpath={.status.image}"]);
    image.replace("registry.example.com/", "docker.io/local/")
}
