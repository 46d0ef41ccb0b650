//! A release in a real cluster: installed, upgraded, rolled back, uninstalled, installed again. Existing ScAuths serve
//! the whole time.

use std::fs;
use std::path::Path;
use std::process::Command;

use sc_auth_e2e::kube::{apply, eventually, get, items, kubectl, pods, ready, run, scauth};
use sc_auth_e2e::manifests::root;
use serde_json::{Value, json};

use crate::helm::{IMAGES, chart, helm};
use crate::install::alone;

const RELEASE: &str = "sc-auth-operator";
const NAMESPACE: &str = "sc-auth-system";
const NAME: &str = "e2e-charted";
const DEFINITION: &str = "scauths.sc-auth.io";

/// Removes the install of the other tests, and restores it when it is dropped.
struct Kustomized;

impl Kustomized {
    fn replace() -> Self {
        let base = root().join("config/overlay");
        run(&["delete", "-k", base.to_str().unwrap(), "--ignore-not-found", "--timeout=240s"]);
        // Helm creates a release's namespace without this label: the chart's pods must meet the standard.
        let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
        apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}))
            .unwrap();
        Self
    }
}

impl Drop for Kustomized {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let base = root().join("config/overlay");
        run(&["apply", "-k", base.to_str().unwrap()]);
        run(&["rollout", "status", "deployment", RELEASE, "-n", NAMESPACE, "--timeout=240s"]);
    }
}

/// `helm upgrade --install`, as in pipelines.
fn upgrade(chart: &str, more: &[&str]) -> Result<String, String> {
    let fixed = [
        "upgrade",
        "--install",
        RELEASE,
        chart,
        "--namespace",
        NAMESPACE,
        "--wait",
        "--timeout",
        "240s",
        "--reset-values",
    ];
    helm(&[&fixed[..], &IMAGES, more].concat())
}

/// A chart of an earlier release: its definition of ScAuth lacks a column.
fn older_chart(folder: &Path) -> String {
    let copy = Command::new("cp").args(["-r", &chart(), folder.to_str().unwrap()]).status().unwrap();
    assert!(copy.success());
    let chart = folder.join("sc-auth-operator");
    let path = chart.join("files/scauths.yaml");
    let mut definition: Value = serde_yaml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let columns = definition["spec"]["versions"][0]["additionalPrinterColumns"].as_array_mut().unwrap();
    columns.retain(|column| column["name"] != "Replicas");
    fs::write(path, serde_yaml::to_string(&definition).unwrap()).unwrap();
    chart.to_str().unwrap().to_owned()
}

fn has_the_column() -> bool {
    let definition = get("crd", DEFINITION, NAMESPACE);
    let columns = definition["spec"]["versions"][0]["additionalPrinterColumns"].as_array().unwrap().clone();
    columns.iter().any(|column| column["name"] == "Replicas")
}

/// The pod of the ScAuth, which must not change.
fn pod() -> Value {
    pods(NAME, NAME)[0]["metadata"]["uid"].clone()
}

fn operators() -> Vec<Value> {
    items("pods", NAMESPACE, "app.kubernetes.io/name=sc-auth-operator")
}

#[test]
fn a_release_is_installed_upgraded_rolled_back_uninstalled_and_installed_again() {
    let _alone = alone();
    let kustomized = Kustomized::replace();
    let folder = std::env::temp_dir().join("sc-auth-e2e-chart");
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).unwrap();

    let notes = upgrade(&older_chart(&folder), &[]).unwrap();
    assert!(notes.contains("kubectl get scauth"), "{notes}");
    assert!(!has_the_column());
    assert_eq!(operators().len(), 2);
    apply(scauth(NAME, json!({"database": {"embedded": {}}}))).unwrap();
    ready(NAME);
    let pod_before = pod();

    let everything =
        ["metrics.serviceMonitor.enabled=true", "metrics.alerts.enabled=true", "metrics.dashboard.enabled=true"];
    upgrade(&chart(), &["--set", &everything.join(",")]).unwrap();
    assert!(has_the_column(), "an upgrade brings the new definition");
    for (kind, name) in
        [("servicemonitor", RELEASE), ("prometheusrule", RELEASE), ("configmap", "sc-auth-operator-dashboard")]
    {
        assert!(!get(kind, name, NAMESPACE).is_null(), "{kind}");
    }

    let refusal = upgrade(&chart(), &["--set", "image.tag=no-such", "--timeout", "15s"]).unwrap_err();
    assert!(refusal.contains("not ready") || refusal.contains("deadline"), "{refusal}");
    let ready_ones = |pod: &&Value| pod["status"]["containerStatuses"][0]["ready"] == true;
    assert_eq!(operators().iter().filter(ready_ones).count(), 2, "the old ones still run");
    helm(&["rollback", RELEASE, "2", "--namespace", NAMESPACE, "--wait", "--timeout", "240s"]).unwrap();
    eventually("only the old image", || {
        operators().iter().all(|pod| !pod["spec"]["containers"][0]["image"].as_str().unwrap().contains("no-such"))
    });

    helm(&["uninstall", RELEASE, "--namespace", NAMESPACE, "--wait"]).unwrap();
    assert!(get("deployment", RELEASE, NAMESPACE).is_null());
    assert!(!get("scauth", NAME, NAME).is_null(), "an uninstall keeps every ScAuth");
    assert_eq!(pod(), pod_before, "it still serves");

    upgrade(&chart(), &[]).unwrap();
    run(&["scale", "scauth", NAME, "--replicas", "1"]);
    ready(NAME);
    assert_eq!(pod(), pod_before, "clients of the API have not noticed");

    // To delete everything, first set crds.keep to false.
    run(&["delete", "scauth", NAME, "--wait"]);
    eventually("the workload is deleted", || pods(NAME, NAME).is_empty());
    upgrade(&chart(), &["--set", "crds.keep=false"]).unwrap();
    helm(&["uninstall", RELEASE, "--namespace", NAMESPACE, "--wait"]).unwrap();
    eventually("the definition is deleted", || get("crd", DEFINITION, NAMESPACE).is_null());
    assert!(!get("pvc", "e2e-charted-data", NAME).is_null(), "the users stay: deletionPolicy is Retain");

    kubectl(&["delete", "namespace", NAME, "--wait=false"], "");
    drop(kustomized);
    fs::remove_dir_all(folder).unwrap();
}
