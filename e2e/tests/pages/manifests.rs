//! Validates the manifests on the pages with an API server, without creating anything: `--dry-run=server
//! --validate=strict` refuses unknown fields, wrong types and broken rules.

use std::collections::BTreeSet;
use std::fs;

use sc_auth_e2e::kube::kubectl;
use sc_auth_e2e::manifests::{objects, root};
use serde_json::{Value, json};

/// Kinds that this cluster does not have.
const ELSEWHERE: [&str; 11] = [
    "Application",
    "AuthorizationPolicy",
    "ClientTrafficPolicy",
    "ExternalSecret",
    "GitRepository",
    "HelmRelease",
    "Kustomization",
    "OCIRepository",
    "PeerAuthentication",
    "SecretProviderClass",
    "SecurityPolicy",
];

/// The blocks marked `yaml`, and the here-documents after `<<'YAML'`.
fn manifests(page: &str) -> Vec<String> {
    let between = |start: &str, end: &str| {
        let parts = page.split(start).skip(1).map(|part| part.split(end).next().unwrap().to_owned());
        parts.collect::<Vec<_>>()
    };
    [between("\n```yaml\n", "\n```"), between("<<'YAML'\n", "\nYAML\n")].concat()
}

/// Completes a fragment of a ScAuth. It gets an unused name, since objects of the page, or of another test, may exist.
fn complete(mut object: Value) -> Value {
    if object["kind"].is_null() {
        object["apiVersion"] = json!("sc-auth.io/v1alpha1");
        object["kind"] = json!("ScAuth");
        let spec = object["spec"].as_object_mut().expect("a fragment begins with spec");
        spec.entry("database").or_insert_with(|| json!({"embedded": {}}));
    }
    object["metadata"]["name"] = json!("manifest-of-a-page");
    if object["metadata"]["namespace"].is_string() {
        object["metadata"]["namespace"] = json!("default");
    }
    object
}

fn pages() -> Vec<String> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let docs = docs.filter(|path| path.extension().is_some_and(|end| end == "md"));
    let all = ["README.md", "README.id.md"].map(|name| root().join(name)).into_iter().chain(docs);
    all.map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn the_api_server_accepts_each_manifest() {
    let mut refusals = Vec::new();
    let (mut accepted, mut elsewhere) = (0, BTreeSet::new());
    for object in pages().iter().flat_map(|page| manifests(page)).flat_map(|text| objects(&text)) {
        let kind = object["kind"].as_str().unwrap_or_default();
        if ELSEWHERE.contains(&kind) {
            elsewhere.insert(kind.to_owned());
            continue;
        }
        let text = complete(object).to_string();
        let output = kubectl(&["create", "--dry-run=server", "--validate=strict", "-f", "-"], &text);
        if output.status.success() {
            accepted += 1;
        } else {
            refusals.push(format!("{}{text}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    assert!(refusals.is_empty(), "{}", refusals.join("\n"));
    assert!(accepted > 10, "only {accepted} manifests were found");
    assert!(elsewhere.iter().eq(ELSEWHERE), "no page has the others: {elsewhere:?}");
}
