//! The server as OpenShift's SCC restricted-v2 runs it. There is no OpenShift here: the pod names the ids that the SCC
//! would assign: a user that no image knows, in group 0, with a group for the volumes.

use sc_auth_e2e::client::{Client, PASSWORD};
use sc_auth_e2e::kube::{apply, get, kubectl, run};
use serde_json::{Value, json};

const USER: u32 = 1_000_620_000;

/// The server's image, under the name that this cluster has it by.
fn image() -> String {
    let environment = "jsonpath={.spec.template.spec.containers[0].env[?(@.name==\"SERVER_IMAGE\")].value}";
    run(&["get", "deployment", "sc-auth-operator", "-n", "sc-auth-system", "-o", environment])
}

fn container(name: &str, command: &str) -> Value {
    json!({
        "name": name, "image": image(), "imagePullPolicy": "IfNotPresent", "args": [command],
        "env": [
            {"name": "DATABASE_URL", "value": "sqlite:/var/lib/sc-auth/sc-auth.db"},
            {"name": "SC_AUTH_KEYS_FILE", "value": "/var/lib/sc-auth/keys.json"},
        ],
        "volumeMounts": [{"name": "data", "mountPath": "/var/lib/sc-auth"}],
        "securityContext": {
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true,
            "capabilities": {"drop": ["ALL"]},
        },
    })
}

/// A pod of that name serves a login, in a namespace of its own.
async fn serves_a_login(name: &str, mut spec: Value) {
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})).unwrap();
    spec["automountServiceAccountToken"] = json!(false);
    spec["securityContext"] = json!({
        "runAsNonRoot": true, "runAsUser": USER, "runAsGroup": 0, "fsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    spec["containers"][0]["readinessProbe"] = json!({"httpGet": {"path": "/readyz", "port": 8001}, "periodSeconds": 1});
    apply(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": name}, "spec": spec}))
        .unwrap();
    run(&["wait", "--for", "condition=Ready", &format!("pod/{name}"), "-n", name, "--timeout", "240s"]);
    let client = Client::of_pod(&get("pod", name, name));
    client.register("alice").await;
    let (access, _) = client.login("alice", PASSWORD).await;
    assert_eq!(client.me(&access).await, 200);
    kubectl(&["delete", "namespace", name, "--wait=false"], "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_the_cluster_assigns_migrates_and_serves_a_login() {
    let spec = json!({
        "initContainers": [container("migrate", "migrate")],
        "containers": [container("server", "serve")],
        "volumes": [{"name": "data", "emptyDir": {}}],
    });
    serves_a_login("e2e-assigned-user", spec).await;
}

/// As `docker run --user 1000620000:0`: in the image's own folder.
#[tokio::test(flavor = "multi_thread")]
async fn that_user_needs_no_volume() {
    let mut server = container("server", "serve");
    server["env"] = json!([]);
    server["volumeMounts"] = json!([]);
    server["securityContext"]["readOnlyRootFilesystem"] = json!(false);
    serves_a_login("e2e-assigned-user-image", json!({"containers": [server]})).await;
}
