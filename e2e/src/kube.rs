//! The cluster, through kubectl.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};

/// Runs kubectl with this standard input; it may fail.
pub fn kubectl(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new("kubectl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("kubectl: {error}. Run `make test`, which starts a cluster."));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Runs kubectl, which must succeed.
pub fn run(arguments: &[&str]) -> String {
    let output = kubectl(arguments, "");
    assert!(output.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Applies a manifest. Fails with kubectl's error.
pub fn apply(manifest: Value) -> Result<(), String> {
    let output = kubectl(&["apply", "-f", "-"], &manifest.to_string());
    if output.status.success() { Ok(()) } else { Err(String::from_utf8(output.stderr).unwrap()) }
}

/// The manifest of a ScAuth.
pub fn scauth(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "sc-auth.io/v1alpha1", "kind": "ScAuth", "metadata": {"name": name}, "spec": spec})
}

/// Creates a namespace that allows the ScAuth of the same name.
pub fn lend_namespace(name: &str) {
    let annotations = json!({"sc-auth.io/allow": name});
    apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "annotations": annotations}}))
        .unwrap();
}

/// Applies a Secret with these keys and values.
pub fn make_secret(name: &str, namespace: &str, content: Value) {
    let metadata = json!({"name": name, "namespace": namespace});
    apply(json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": content})).unwrap();
}

/// An object; `Null` if it does not exist.
pub fn get(kind: &str, name: &str, namespace: &str) -> Value {
    let text = run(&["get", kind, name, "-n", namespace, "--ignore-not-found", "-o", "json"]);
    if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
}

/// The objects of a kind with these labels.
pub fn items(kind: &str, namespace: &str, selector: &str) -> Vec<Value> {
    let text = run(&["get", kind, "-n", namespace, "-l", selector, "-o", "json"]);
    let list: Value = serde_json::from_str(&text).unwrap();
    list["items"].as_array().unwrap().clone()
}

/// The value of a Secret's key.
pub fn secret_value(name: &str, namespace: &str, key: &str) -> String {
    let secret = get("secret", name, namespace);
    let encoded = secret["data"][key].as_str().unwrap_or_else(|| panic!("Secret {name} has no {key}"));
    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(encoded).unwrap()).unwrap()
}

/// A condition of a ScAuth; `Null` if it does not exist.
pub fn condition(name: &str, kind: &str) -> Value {
    let scauth = get("scauth", name, "default");
    condition_of(&scauth, kind)
}

fn condition_of(scauth: &Value, kind: &str) -> Value {
    let conditions = scauth["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|condition| condition["type"] == kind).unwrap_or_default()
}

/// How long a test waits for a condition: longer than a slow machine needs, and shorter than the operator's resync,
/// which must not be the cause.
pub(crate) const PATIENCE: Duration = Duration::from_mins(4);

/// Waits for a condition.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Waits until the ScAuth is Ready with its current spec.
pub fn ready(name: &str) {
    let started = Instant::now();
    loop {
        let scauth = get("scauth", name, "default");
        // Check one answer: the next one may be newer.
        let condition = condition_of(&scauth, "Ready");
        let generation = &scauth["metadata"]["generation"];
        if condition["status"] == "True" && condition["observedGeneration"] == *generation {
            assert_eq!(scauth["status"]["observedGeneration"], *generation);
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{name} is not Ready: {}", scauth["status"]);
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// The pods of a ScAuth that are not being deleted.
pub fn pods(name: &str, namespace: &str) -> Vec<Value> {
    let pods = items("pods", namespace, &format!("sc-auth.io/scauth={name}"));
    pods.into_iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()).collect()
}

/// Deletes a ScAuth, and its namespace with everything that the test has left there, at the end of the test.
pub struct Cleanup(pub &'static str);

impl Drop for Cleanup {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Keep it for inspection after a failure.
            return;
        }
        kubectl(&["delete", "scauth", self.0, "--ignore-not-found"], "");
        kubectl(&["delete", "namespace", self.0, "--ignore-not-found", "--wait=false"], "");
    }
}
