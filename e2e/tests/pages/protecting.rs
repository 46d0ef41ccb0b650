//! The pages about ingress controllers, here Traefik: Gateway API, and forward auth for an app without passwords.

use sc_auth_e2e::client::{Client, PASSWORD, until};
use sc_auth_e2e::kube::{apply, run};
use sc_auth_e2e::manifests::sample;
use sc_auth_e2e::shell::{blocks, paste, section};
use serde_json::{Value, json};

use crate::turns::{HOST, SAMPLE, with_the_sample};

const APP: &str = "wiki";
const WHO: &str = "/cgi-bin/who";

/// The sample's Gateway, which accepts all routes, until it is dropped.
struct Edge;

impl Edge {
    fn open() -> Self {
        for object in sample("gateway-api.yaml").into_iter().filter(|object| object["kind"] != "ScAuth") {
            apply(object).unwrap();
        }
        Self
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        run(&["delete", "namespace", "gateways"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_api() {
    tokio::task::block_in_place(|| {
        let _turn = with_the_sample();
        let _edge = Edge::open();
        let said = paste(&section("docs/network.md", "## Replace the Ingress with an HTTPRoute", &[("NAME", SAMPLE)]));
        assert!(said.contains(HOST), "{said}");
    });
}

/// An app that returns the user name that it received.
fn app() {
    let labels = json!({"app": APP});
    let metadata = json!({"name": APP, "namespace": APP});
    let script = "#!/busybox sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\nprintf '%s %s' \"$HTTP_X_AUTH_USER\" \"$HTTP_X_AUTH_ROLE\"\n";
    let container = json!({"name": APP, "image": "docker.io/local/busybox:1", "imagePullPolicy": "Never",
        "args": ["httpd", "-f", "-p", "8080", "-h", "/www"], "volumeMounts": [{"name": "www", "mountPath": "/www/cgi-bin"}]});
    let volume = json!({"name": "www", "configMap": {"name": APP, "defaultMode": 0o755}});
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [container], "volumes": [volume]}});
    let backend = json!({"service": {"name": APP, "port": {"number": 80}}});
    let rule = json!({"host": "wiki.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}});
    for object in [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": APP}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"who": script}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
            "spec": {"selector": {"matchLabels": labels}, "template": template}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata,
            "spec": {"ingressClassName": "traefik", "rules": [rule]}}),
    ] {
        apply(object).unwrap();
    }
    run(&["-n", APP, "rollout", "status", "deployment/wiki", "--timeout=240s"]);
}

/// Calls the app, which is reachable a moment after a change, until it answers with this status.
async fn settles(app: &Client, token: Option<&str>, status: u16) -> Value {
    let mut found = Value::Null;
    until(&format!("the app answers {status}"), async || match app.try_call("GET", WHO, token, None).await {
        Ok((now, body)) if now == status => {
            found = body;
            true
        }
        _ => false,
    })
    .await;
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn another_app_behind_forward_auth() {
    let _turn = tokio::task::block_in_place(with_the_sample);
    let _edge = tokio::task::block_in_place(|| {
        app();
        let edge = Edge::open();
        paste(&blocks("docs/forward-auth.md", ""));
        edge
    });
    let auth = Client::at(HOST);
    auth.register("dora").await;
    let (token, _) = auth.login("dora", PASSWORD).await;

    let wiki = Client::at("wiki.example.com");
    settles(&wiki, None, 401).await;
    assert_eq!(settles(&wiki, Some(&token), 200).await, "dora User");

    // Behind the Gateway, only Admins are allowed.
    let back_office = Client::at("wiki.edge.example.com");
    settles(&back_office, None, 401).await;
    settles(&back_office, Some(&token), 403).await;

    auth.logout(&token).await;
    let (status, _) = wiki.call("GET", WHO, Some(&token), None).await;
    assert_eq!(status, 401, "a logout takes effect with the next request");
    run(&["delete", "namespace", APP, "--wait=false"]);
}
