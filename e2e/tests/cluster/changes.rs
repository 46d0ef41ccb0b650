//! Changes of the spec reach the children, and log no user out.

use sc_auth_e2e::client::{Client, PASSWORD};
use sc_auth_e2e::kube::{get, run};
use sc_auth_e2e::tenant::Tenant;
use serde_json::json;

const NAME: &str = "e2e-changes";

#[tokio::test(flavor = "multi_thread")]
async fn host_image_replicas_and_limits_follow_and_tokens_stay_valid() {
    let tenant = Tenant::postgres(NAME).host("before.example.com");
    tenant.apply_with(json!({"replicas": 1, "resources": {"limits": {"memory": "128Mi"}}})).ready();
    let before = tenant.client().await;
    before.register("alice").await;
    let (access, refresh) = before.login("alice", PASSWORD).await;

    // The same image under another name: a reference by digest.
    let image = running_image();
    let after = json!({
        "image": image, "replicas": 2, "resources": {"limits": {"memory": "160Mi"}},
        "expose": {"ingress": {"host": "after.example.com"}},
    });
    tenant.apply_with(after).ready();
    let deployment = get("deployment", NAME, NAME);
    assert_eq!(deployment["spec"]["replicas"], 2);
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["resources"]["limits"], json!({"cpu": "500m", "memory": "160Mi"}));
    assert_eq!(container["image"], json!(image));
    assert_eq!(get("ingress", &format!("{NAME}-ingress"), NAME)["spec"]["rules"][0]["host"], "after.example.com");
    let status = tenant.status();
    assert_eq!((&status["url"], &status["image"]), (&json!("http://after.example.com"), &json!(image)));
    assert_eq!((&status["observedGeneration"], &status["readyReplicas"]), (&json!(2), &json!(2)));
    assert_eq!(tenant.pods().len(), 2);

    let client = Client::at("after.example.com");
    client.answers().await;
    assert_eq!(client.me(&access).await, 200, "it was issued under the old host");
    let (status, answer) = client.call("POST", "/api/v1/accounts/refresh", Some(&refresh), None).await;
    assert_eq!(status, 200, "{answer}");

    // Fields that are removed from the spec are removed from the children.
    assert!(!get("pdb", NAME, NAME).is_null());
    tenant.apply_with(json!({"image": image, "replicas": 1, "expose": null, "resources": null})).ready();
    assert!(get("ingress", &format!("{NAME}-ingress"), NAME).is_null());
    assert!(get("pdb", NAME, NAME).is_null(), "it would block every drain of the last pod's node");
    let deployment = get("deployment", NAME, NAME);
    assert_eq!(deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"], "128Mi");
}

/// The server's image under its second name.
fn running_image() -> String {
    let image = run(&["get", "scauth", NAME, "-o", "jsonpath={.status.image}"]);
    image.replace("registry.example.com/", "docker.io/local/")
}
