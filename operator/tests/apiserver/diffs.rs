//! `diff` shows the changes of applying a manifest, regardless of who applied it before, and changes nothing.

use std::path::Path;

use kube::api::{Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt as _};
use sc_auth_operator::api::ScAuth;
use sc_auth_operator::diff::diff;
use sc_auth_operator::render;
use sc_auth_operator::scauth::validate::Environment;
use serde_json::{Value, json};

use crate::harness::{admin, apply, impersonating, make, manifest, of, operator, scauths, settle, snapshot};

/// Each has a host of its own, since `diff` looks at all ScAuths that there are.
pub fn spec(name: &str) -> Value {
    json!({
        "database": {"external": {"urlFrom": {"name": "db", "key": "uri"}}},
        "expose": {"ingress": {"host": format!("{name}.example.com")}},
    })
}

pub fn environment(client: &Client) -> Environment {
    operator(client.clone()).environment.clone()
}

async fn told(client: &Client, manifest: Value) -> anyhow::Result<String> {
    let scauth: ScAuth = serde_json::from_value(manifest)?;
    Ok(diff(client, &of(scauth), None, &environment(client)).await?.text)
}

fn has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|other| other == *line), "{line:?} is missing in\n{text}");
    }
}

#[tokio::test]
async fn a_manifest_that_is_applied_already_changes_nothing() {
    let (client, name) = (admin().await, "diff-same");
    apply(&client, manifest(name, spec(name))).await;
    settle(&client, name).await;
    assert_eq!(told(&client, manifest(name, spec(name))).await.unwrap(), "");
}

#[tokio::test]
async fn each_change_of_a_child_is_shown_and_none_is_made() {
    let (client, name) = (admin().await, "diff-change");
    apply(&client, manifest(name, spec(name))).await;
    settle(&client, name).await;
    let before = snapshot(&client, name).await;
    let mut changed = spec(name);
    changed["replicas"] = json!(5);
    changed.as_object_mut().unwrap().remove("expose");
    let text = told(&client, manifest(name, changed)).await.unwrap();
    has(
        &text,
        &[
            "--- live/ScAuth/diff-change",
            "+++ applied/ScAuth/diff-change",
            "--- live/Deployment/diff-change/diff-change",
            "-  replicas: 2",
            "+  replicas: 5",
            "--- live/Ingress/diff-change/diff-change-ingress",
            "+++ /dev/null",
            "-  - host: diff-change.example.com",
        ],
    );
    assert!(!text.contains("/Service/"), "{text}");
    assert_eq!(snapshot(&client, name).await, before);
}

#[tokio::test]
async fn of_a_new_one_all_is_new() {
    let client = admin().await;
    let text = told(&client, manifest("diff-new", spec("diff-new"))).await.unwrap();
    has(&text, &["--- /dev/null", "+++ applied/Namespace/diff-new", "+kind: Namespace", "+kind: Deployment"]);
    for stored in ["status:", "finalizers:", "uid:", "creationTimestamp:"] {
        assert!(!text.contains(stored), "{stored} in\n{text}");
    }
    assert!(scauths(&client).get_opt("diff-new").await.unwrap().is_none());
}

/// The sample for PostgreSQL, in a cluster that has none of its objects.
#[tokio::test]
async fn the_namespace_in_the_same_file_counts() {
    let client = admin().await;
    let sample = render::read(Path::new("../config/samples/postgresql.yaml")).unwrap();
    let text = diff(&client, &sample, None, &environment(&client)).await.unwrap().text;
    has(&text, &["+++ applied/ScAuth/shop-auth", "+++ applied/Deployment/shop/shop-auth"]);
    assert!(!text.contains("/Namespace/"), "{text}");
}

#[tokio::test]
async fn what_the_api_server_or_the_operator_would_refuse_is_an_error_that_says_why() {
    let client = admin().await;
    let mut wrong = manifest("diff-wrong", spec("diff-wrong"));
    wrong["spec"]["expose"]["ingress"]["host"] = json!("https://auth.example.com");
    let error = told(&client, wrong).await.unwrap_err();
    assert!(format!("{error:#}").contains("ScAuth diff-wrong"), "{error:#}");
    assert!(format!("{error:#}").contains("is the bare host name"), "{error:#}");

    make(&client, "namespaces", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "diff-foreign"}}))
        .await;
    let error = told(&client, manifest("diff-foreign", spec("diff-foreign"))).await.unwrap_err();
    assert!(format!("{error:#}").contains("NamespaceNotAllowed"), "{error:#}");
}

/// A field that is left out goes only where it was applied by who applies now: the one who applied last, by default.
#[tokio::test]
async fn a_field_that_is_left_out_goes_however_it_was_applied_before() {
    let (client, name) = (admin().await, "diff-left-out");
    let mut with_replicas = manifest(name, spec(name));
    with_replicas["spec"]["replicas"] = json!(4);
    let params = PatchParams::apply("kustomize-controller").force();
    scauths(&client).patch(name, &params, &Patch::Apply(&with_replicas)).await.unwrap();
    settle(&client, name).await;
    let text = told(&client, manifest(name, spec(name))).await.unwrap();
    has(&text, &["--- live/Deployment/diff-left-out/diff-left-out", "-  replicas: 4", "+  replicas: 2"]);

    let other = serde_json::from_value(manifest(name, spec(name))).unwrap();
    let text = diff(&client, &of(other), Some("another"), &environment(&client)).await.unwrap().text;
    assert_eq!(text, "");
}

#[tokio::test]
async fn of_one_applied_on_the_clients_side_the_annotation_tells_what_is_left_out() {
    let (client, name) = (admin().await, "diff-client-side");
    let mut with_replicas = manifest(name, spec(name));
    with_replicas["spec"]["replicas"] = json!(4);
    let mut stored: ScAuth = serde_json::from_value(with_replicas.clone()).unwrap();
    let last = ("kubectl.kubernetes.io/last-applied-configuration".to_owned(), with_replicas.to_string());
    stored.annotations_mut().extend([last]);
    scauths(&client).create(&PostParams::default(), &stored).await.unwrap();
    settle(&client, name).await;
    assert_eq!(told(&client, with_replicas).await.unwrap(), "");
    let text = told(&client, manifest(name, spec(name))).await.unwrap();
    has(&text, &["-  replicas: 4", "+  replicas: 2"]);
}

#[tokio::test]
async fn towards_autoscaling_the_number_of_pods_stays_and_a_suspended_one_changes_only_itself() {
    let (client, name) = (admin().await, "diff-auto");
    apply(&client, manifest(name, spec(name))).await;
    settle(&client, name).await;
    let mut auto = spec(name);
    auto["autoscaling"] = json!({"min": 2, "max": 6});
    let text = told(&client, manifest(name, auto.clone())).await.unwrap();
    has(&text, &["+++ applied/HorizontalPodAutoscaler/diff-auto/diff-auto", "+  maxReplicas: 6"]);
    assert!(!text.contains("-  replicas: 2"), "{text}");

    auto["suspend"] = json!(true);
    let text = told(&client, manifest(name, auto)).await.unwrap();
    has(&text, &["+  suspend: true"]);
    assert!(!text.contains("HorizontalPodAutoscaler"), "{text}");
}

/// For a pipeline: what it may do is what it shows, and no Secret is among it.
#[tokio::test]
async fn no_right_to_secrets_is_needed() {
    let (client, name) = (admin().await, "diff-rights");
    apply(&client, manifest(name, spec(name))).await;
    settle(&client, name).await;
    make(
        &client,
        "clusterroles",
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "diff-pipeline"},
            "rules": [{
                "apiGroups": ["sc-auth.io", "apps", "networking.k8s.io", "policy", "autoscaling", "gateway.networking.k8s.io", "monitoring.coreos.com"],
                "resources": ["*"], "verbs": ["get", "patch"],
            }, {
                "apiGroups": [""], "resources": ["namespaces", "serviceaccounts", "services", "persistentvolumeclaims"],
                "verbs": ["get", "patch"],
            }],
        }),
    )
    .await;
    make(
        &client,
        "clusterrolebindings",
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "diff-pipeline"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "diff-pipeline"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "pipeline"}],
        }),
    )
    .await;
    let pipeline = impersonating("pipeline").await;
    let mut changed = spec(name);
    changed["replicas"] = json!(3);
    let text = told(&pipeline, manifest(name, changed)).await.unwrap();
    has(&text, &["-  replicas: 2", "+  replicas: 3"]);
    let error = told(&impersonating("nobody").await, manifest(name, spec(name))).await.unwrap_err();
    assert!(format!("{error:#}").contains("is forbidden"), "{error:#}");
}

#[tokio::test]
async fn both_programs_warn_of_an_upgrade_that_is_not_known() {
    drop(admin().await);
    let mut scauth = manifest("diff-warned", json!({"database": {"embedded": {}}}));
    scauth["metadata"]["annotations"] = json!({"sc-auth.io/upgrade-to": ""});
    let file = std::env::temp_dir().join(format!("sc-auth-warned-{}", std::process::id()));
    std::fs::write(&file, scauth.to_string()).unwrap();
    for (command, code) in [("render", 0), ("diff", 1)] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_sc-auth-operator"))
            .args([command, "--server-image", "registry.test/server:9", "-f", file.to_str().unwrap()])
            .env("KUBECONFIG", std::env::var("SCDEV_API_KUBECONFIG").unwrap())
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{told}");
        let beginning = "warning: ScAuth diff-warned: annotation sc-auth.io/upgrade-to has no effect: it is empty";
        assert!(told.starts_with(beginning), "{command}: {told}");
    }
    std::fs::remove_file(file).unwrap();
}

/// Specs, and the field that the message names where the API server refuses one.
fn judged() -> Vec<(&'static str, Value)> {
    let external = |more: Value| {
        let mut external = json!({"urlFrom": {"name": "db", "key": "uri"}});
        external.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"database": {"external": external}})
    };
    let with = |field: &str, value: Value| {
        let mut spec = external(json!({}));
        spec[field] = value;
        spec
    };
    let volume = |volume: Value| with("podTemplate", json!({"volumes": [volume]}));
    vec![
        ("", external(json!({}))),
        ("", json!({"database": {"embedded": {"size": "2Gi"}}})),
        ("", with("expose", json!({"none": {}}))),
        ("", with("podTemplate", json!({"annotations": {"a": "b"}, "env": [{"name": "A", "value": ""}]}))),
        ("", volume(json!({"name": "a", "emptyDir": {"sizeLimit": 5}}))),
        ("", with("networkPolicy", json!({"egressTo": [{"ports": [{"port": "dns"}, {"port": 53}]}]}))),
        ("spec.database", json!({})),
        ("spec.database.embeded", json!({"database": {"embeded": {}}})),
        ("spec.database", json!({"database": {}})),
        ("spec.database", json!({"database": {"embedded": {}, "external": {"urlFrom": {"name": "a", "key": "b"}}}})),
        ("", json!({"database": {"embedded": {"size": "1G"}}})),
        ("spec.database.embedded.size", json!({"database": {"embedded": {"size": "1GB"}}})),
        ("spec.database.embedded.size", json!({"database": {"embedded": {"size": 1.5}}})),
        ("spec.database.external", external(json!({"host": "db"}))),
        ("spec.database.external", external(json!({"port": 5432}))),
        ("spec.database.external", json!({"database": {"external": {"host": "db"}}})),
        ("spec.database.external.urlFrom.key", json!({"database": {"external": {"urlFrom": {"name": "a"}}}})),
        ("spec.database.external.tls.mode", external(json!({"tls": {"mode": "maybe"}}))),
        ("spec.replicas", with("replicas", json!(0))),
        ("spec.replicas", with("replicas", json!("2"))),
        ("spec.replicas", with("replicas", json!(51))),
        ("spec.replicas", with("replicas", json!(2.5))),
        ("spec", json!({"database": {"embedded": {}}, "replicas": 2})),
        ("spec", json!({"database": {"embedded": {}}, "autoscaling": {"max": 3}})),
        ("spec.autoscaling.max", with("autoscaling", json!({}))),
        ("spec.expose", with("expose", json!({}))),
        ("spec.expose", with("expose", json!({"none": {}, "ingress": {"host": "a.test"}}))),
        ("spec.expose.nome", with("expose", json!({"none": {}, "nome": []}))),
        ("spec.expose.ingress.host", with("expose", json!({"ingress": {"host": "https://a.test"}}))),
        ("spec.namespace", with("namespace", json!("default"))),
        ("spec.image", with("image", json!(""))),
        ("spec.auth", with("auth", json!({"registration": "Domains"}))),
        ("spec.podTemplate.volumes[0]", volume(json!({"name": "a"}))),
        ("spec.podTemplate.volumes[0].name", volume(json!({"name": "A", "emptyDir": {}}))),
        ("spec.podTemplate.volumes[0].emptyDirs", volume(json!({"name": "a", "emptyDir": {}, "emptyDirs": {}}))),
        ("spec.podTemplate.annotations.a", with("podTemplate", json!({"annotations": {"a": 1}}))),
        ("spec.suspend", with("suspend", json!("yes"))),
    ]
}

/// The API server refuses a null only in a server-side apply; `kubectl apply` drops it, and so does `render`.
#[tokio::test]
async fn render_refuses_what_the_schema_forbids_and_nothing_else() {
    let client = admin().await;
    let params = PatchParams { dry_run: true, ..PatchParams::apply("person") }.validation_strict();
    let file = std::env::temp_dir().join(format!("sc-auth-judged-{}", std::process::id()));
    for (field, spec) in judged() {
        let scauth = manifest("judged", spec);
        std::fs::write(&file, scauth.to_string()).unwrap();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_sc-auth-operator"))
            .args(["render", "--server-image", "registry.test/server:9", "-f", file.to_str().unwrap()])
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        let answer = scauths(&client).patch("judged", &params, &Patch::Apply(&scauth)).await;
        assert_eq!(output.status.success(), answer.is_ok(), "{scauth}: {told}: {answer:?}");
        assert_eq!(output.status.success(), field.is_empty(), "{scauth}: {told}");
        let is_named = [format!(": {field}: "), format!("; {field}: "), format!("unknown field \"{field}\"")];
        assert!(field.is_empty() || is_named.iter().any(|name| told.contains(name)), "{field}: {told}");
    }
    std::fs::remove_file(file).unwrap();
}
