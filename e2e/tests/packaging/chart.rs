//! The manifests that the chart renders.

use std::collections::BTreeMap;
use std::process::Command;

use sc_auth_e2e::manifests::{objects, root};
use serde_json::{Value, json};

use crate::helm::{chart, template, template_of};

/// Helm reads no files outside of a chart, so the chart has copies.
#[test]
fn the_charts_copies_are_up_to_date() {
    for (original, copy) in [
        ("crds/sc-auth.io_scauths.yaml", "scauths.yaml"),
        ("config/rbac/cluster-role.yaml", "cluster-role.yaml"),
        ("config/monitoring/alerts.yaml", "alerts.yaml"),
        ("config/monitoring/dashboard.json", "dashboard.json"),
    ] {
        let copied = std::fs::read(format!("{}/files/{copy}", chart())).unwrap();
        assert!(std::fs::read(root().join(original)).unwrap() == copied, "{copy} differs; run: make generated");
    }
}

/// Compares with a stored snapshot; `UPDATE=1` updates it.
fn matches_snapshot(name: &str, text: &str) {
    let path = root().join("e2e/tests/packaging/snapshots").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == text,
        "{name} differs from what the chart renders. UPDATE=1 stores it anew; read the difference."
    );
}

#[test]
fn the_defaults_render_the_snapshot() {
    // Without the definition, which is long and generated.
    matches_snapshot("default.yaml", &template(&["--set", "crds.install=false"]).unwrap());
}

#[test]
fn all_values_render_the_snapshot() {
    let values = root().join("e2e/tests/packaging/snapshots/everything.values.yaml");
    let text = template_of(&["--values", values.to_str().unwrap()]).unwrap();
    // Without the dashboard's text, which is a copy.
    let text: Vec<_> = text.lines().filter(|line| !line.starts_with("  sc-auth.json: ")).collect();
    matches_snapshot("everything.yaml", &(text.join("\n") + "\n"));
}

fn by_kind(text: &str) -> BTreeMap<String, Value> {
    objects(text).into_iter().map(|object| (object["kind"].as_str().unwrap().to_owned(), object)).collect()
}

/// Removes fields that only Helm needs, and sorts the environment by name: a patch of kustomize moves changed variables
/// to the front.
fn strip(value: &mut Value) {
    const HELMS: [&str; 6] = [
        "app.kubernetes.io/instance",
        "app.kubernetes.io/version",
        "app.kubernetes.io/component",
        "app.kubernetes.io/part-of",
        "app.kubernetes.io/managed-by",
        "helm.sh/chart",
    ];
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !HELMS.contains(&name.as_str()));
            fields.values_mut().for_each(strip);
            if let Some(Value::Array(variables)) = fields.get_mut("env") {
                variables.sort_by_key(|variable| variable["name"].as_str().map(str::to_owned));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

fn kustomized() -> BTreeMap<String, Value> {
    let base = root().join("config/overlay");
    let output = Command::new("kubectl").args(["kustomize", base.to_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    by_kind(&String::from_utf8(output.stdout).unwrap())
}

/// docs/upgrade.md reads it from the Deployment.
#[test]
fn both_installs_name_the_release() {
    for objects in [kustomized(), by_kind(&template(&[]).unwrap())] {
        let labels = &objects["Deployment"]["metadata"]["labels"];
        assert_eq!(labels["app.kubernetes.io/version"], env!("CARGO_PKG_VERSION"));
    }
}

#[test]
fn chart_and_kustomize_install_the_same() {
    let mut kustomized = kustomized();
    // Helm creates a release's namespace itself.
    kustomized.remove("Namespace").unwrap();
    let mut charted = by_kind(&template(&[]).unwrap());
    for object in kustomized.values_mut().chain(charted.values_mut()) {
        strip(object);
    }
    let definition = &mut charted.get_mut("CustomResourceDefinition").unwrap()["metadata"];
    assert_eq!(definition["annotations"], json!({"helm.sh/resource-policy": "keep"}));
    let fields = definition.as_object_mut().unwrap();
    fields.remove("annotations");
    fields.remove("labels");
    assert_eq!(charted.keys().collect::<Vec<_>>(), kustomized.keys().collect::<Vec<_>>());
    for (kind, object) in &charted {
        assert_eq!(object, &kustomized[kind], "{kind}");
    }
}

#[test]
fn every_object_and_pod_has_the_common_labels() {
    let values = root().join("e2e/tests/packaging/snapshots/everything.values.yaml");
    for object in objects(&template_of(&["--values", values.to_str().unwrap()]).unwrap()) {
        let kind = &object["kind"];
        assert_eq!(object["metadata"]["labels"]["app.kubernetes.io/managed-by"], "Helm", "{kind}");
        assert_eq!(object["metadata"]["labels"]["cost-center"], "42", "{kind}");
    }
}

fn deployment(more: &[&str]) -> Value {
    by_kind(&template(more).unwrap()).remove("Deployment").unwrap()
}

#[test]
fn a_registry_is_prefixed_to_both_images() {
    let names = ["image.repository=team/operator", "serverImage.repository=team/server"].join(",");
    let registry = ["--set", &names, "--set", "global.imageRegistry=mirror.example.com:5000/hub"];
    let container = deployment(&registry)["spec"]["template"]["spec"]["containers"][0].clone();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(container["image"], format!("mirror.example.com:5000/hub/team/operator:{version}"));
    let server = format!("mirror.example.com:5000/hub/team/server:{version}");
    let variables = container["env"].as_array().unwrap();
    assert!(variables.contains(&json!({"name": "SERVER_IMAGE", "value": server})), "{variables:?}");
}

/// Regardless of the objects' names, the NetworkPolicy of every ScAuth admits pods with this label.
#[test]
fn another_name_changes_no_label() {
    for (value, expected) in
        [("nameOverride=identity", "sc-auth-operator-identity"), ("fullnameOverride=identity", "identity")]
    {
        let objects = by_kind(&template(&["--set", value]).unwrap());
        let pods = &objects["Deployment"]["spec"]["template"];
        assert_eq!(pods["metadata"]["labels"]["app.kubernetes.io/name"], "sc-auth-operator", "{value}");
        assert_eq!(pods["spec"]["serviceAccountName"], expected, "{value}");
        for kind in ["Role", "ClusterRole"] {
            let binding = &objects[&format!("{kind}Binding")];
            assert_eq!(binding["roleRef"]["name"], objects[kind]["metadata"]["name"], "{value}: {kind}");
            assert_eq!(
                binding["subjects"][0]["name"], objects["ServiceAccount"]["metadata"]["name"],
                "{value}: {kind}"
            );
        }
    }
}

#[test]
fn fixed_ids_can_be_omitted_and_pods_stay_restricted() {
    let ids = ["runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"];
    let fixed = ["podSecurityContext.fsGroup=1", "securityContext.runAsUser=1"].join(",");
    let nulls = ["podSecurityContext.runAsUser=null", "podSecurityContext.runAsGroup=null"].join(",");
    for values in [&["--set", "openshift=true"][..], &["--set", "openshift=true", "--set", &fixed], &["--set", &nulls]]
    {
        let pod = &deployment(values)["spec"]["template"]["spec"];
        for context in [&pod["securityContext"], &pod["containers"][0]["securityContext"]] {
            assert!(ids.iter().all(|id| context[id].is_null()), "{values:?}: {context}");
        }
        let expected = json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
        assert_eq!(pod["securityContext"], expected, "{values:?}");
        assert_eq!(pod["containers"][0]["securityContext"]["allowPrivilegeEscalation"], false, "{values:?}");
        let variables = pod["containers"][0]["env"].as_array().unwrap();
        let flag = variables.iter().find(|variable| variable["name"] == "OPENSHIFT");
        assert_eq!(flag.map(|flag| &flag["value"]), values.contains(&"openshift=true").then_some(&json!("true")));
    }
}
