//! All ways to apply manifests, and all orders in which objects are created.

use sc_auth_e2e::database;
use sc_auth_e2e::kube::{Cleanup, eventually, get, kubectl, lend_namespace, ready, scauth};
use sc_auth_e2e::tenant::Tenant;
use serde_json::{Value, json};

fn manifest(name: &str, memory: &str) -> Value {
    scauth(name, json!({"database": {"embedded": {}}, "resources": {"limits": {"memory": memory}}}))
}

/// Applies with a command. Returns whether nothing differs afterwards.
fn by(command: &[&str], manifest: &Value) {
    let text = manifest.to_string();
    let output = kubectl(&[command, &["-f", "-"]].concat(), &text);
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let is_server_side = command.contains(&"--server-side");
    let diff: &[&str] = if is_server_side { &["diff", "--server-side", "-f", "-"] } else { &["diff", "-f", "-"] };
    let diff = kubectl(diff, &text);
    assert!(diff.status.success(), "{command:?}: {}", String::from_utf8_lossy(&diff.stdout));
}

#[test]
fn client_side_apply_server_side_apply_and_replace_all_work_and_nothing_differs_afterwards() {
    let name = "e2e-applying";
    let _cleanup = Cleanup(name);
    for (command, memory) in [
        (&["apply"][..], "130Mi"),
        (&["apply", "--server-side", "--force-conflicts"], "131Mi"),
        (&["replace"], "132Mi"),
        (&["apply"], "133Mi"),
    ] {
        let manifest = manifest(name, memory);
        by(command, &manifest);
        ready(name);
        let deployment = get("deployment", name, name);
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["resources"]["limits"]["memory"], memory, "{command:?}");
        // The operator's own changes are not a difference either.
        let diff = kubectl(&["diff", "-f", "-"], &manifest.to_string());
        assert!(diff.status.success(), "{command:?}: {}", String::from_utf8_lossy(&diff.stdout));
    }
}

#[derive(Debug, Clone, Copy)]
enum Part {
    ScAuth,
    Namespace,
    Secret,
    Database,
}

fn arrives(part: Part, tenant: &Tenant) {
    let name = tenant.name();
    match part {
        Part::ScAuth => {
            tenant.apply();
        }
        Part::Namespace => lend_namespace(name),
        Part::Secret => {
            // The operator has created the namespace, if nobody else has.
            eventually("the namespace is there", || !get("namespace", name, name).is_null());
            tenant.use_database(&database::postgres_server().uri(&tenant.database()));
        }
        Part::Database => drop(database::postgres(&tenant.database())),
    }
}

fn in_order(name: &'static str, order: [Part; 4]) {
    let tenant = Tenant::external(name).with(json!({"replicas": 1}));
    database::without_postgres(&tenant.database());
    for part in order {
        arrives(part, &tenant);
        std::thread::sleep(std::time::Duration::from_secs(2));
    }
    // The kubelet retries a failed mount after up to two minutes.
    eventually("Ready", || tenant.condition("Ready")["status"] == "True");
    tenant.ready();
    let namespace = get("namespace", name, name);
    assert!(namespace["metadata"]["ownerReferences"].is_null(), "{order:?}: it is the user's");
}

#[test]
fn scauth_namespace_secret_and_database_can_be_created_in_any_order() {
    use Part::{Database, Namespace, ScAuth, Secret};
    in_order("e2e-order-a", [ScAuth, Namespace, Secret, Database]);
    in_order("e2e-order-b", [Namespace, ScAuth, Database, Secret]);
    in_order("e2e-order-c", [Namespace, Secret, ScAuth, Database]);
    in_order("e2e-order-d", [Database, ScAuth, Secret, Namespace]);
}
