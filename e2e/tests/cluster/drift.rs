//! Manual changes and deletions are reverted.

use sc_auth_e2e::audit::wait_for_silence;
use sc_auth_e2e::kube::{eventually, get, run, secret_value};
use sc_auth_e2e::tenant::Tenant;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn children_are_restored() {
    let name = "e2e-drift";
    let tenant = Tenant::embedded(name).host("drift.example.com");
    tenant.apply().ready();
    let (service, ingress, secret, admin) =
        (format!("{name}-svc"), format!("{name}-ingress"), format!("{name}-secret"), format!("{name}-admin"));

    for (kind, child, patch, path, value) in [
        (
            "deployment",
            name,
            json!({"spec": {"template": {"spec": {"automountServiceAccountToken": true}}}}),
            "/spec/template/spec/automountServiceAccountToken",
            json!(false),
        ),
        ("service", &service, json!({"spec": {"type": "NodePort"}}), "/spec/type", json!("ClusterIP")),
        (
            "ingress",
            &ingress,
            json!({"spec": {"rules": [{"host": "evil.example.com"}]}}),
            "/spec/rules/0/host",
            json!("drift.example.com"),
        ),
        (
            "serviceaccount",
            name,
            json!({"automountServiceAccountToken": true}),
            "/automountServiceAccountToken",
            json!(false),
        ),
        (
            "namespace",
            name,
            json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": null}}}),
            "/metadata/labels/pod-security.kubernetes.io~1enforce",
            json!("restricted"),
        ),
        (
            "service",
            &service,
            json!({"metadata": {"labels": {"sc-auth.io/scauth": null}}}),
            "/metadata/labels/sc-auth.io~1scauth",
            json!(name),
        ),
    ] {
        run(&["patch", kind, child, "-n", name, "--type=merge", "-p", &patch.to_string()]);
        eventually(&format!("{kind} {child} is as it was: {path}"), || {
            get(kind, child, name).pointer(path) == Some(&value)
        });
    }
    tenant.ready();

    for (kind, child) in [("deployment", name), ("service", &service), ("ingress", &ingress), ("serviceaccount", name)]
    {
        let uid = |object: &Value| object["metadata"]["uid"].clone();
        let before = uid(&get(kind, child, name));
        run(&["delete", kind, child, "-n", name]);
        eventually(&format!("{kind} {child} is back"), || {
            let now = get(kind, child, name);
            !now.is_null() && uid(&now) != before
        });
    }
    tenant.ready();

    // Secrets are not watched: they are checked with each reconcile of their ScAuth.
    let keys = secret_value(&secret, name, "keys.json");
    run(&["delete", "secret", &secret, &admin, "-n", name]);
    run(&["annotate", "scauth", name, "example.com/looked-at=now"]);
    eventually("the Secret with the keys is back", || !get("secret", &secret, name).is_null());
    assert_ne!(secret_value(&secret, name, "keys.json"), keys);
    eventually("a Warning tells that every token is void", || {
        run(&[
            "get",
            "events",
            "-n",
            "default",
            "--field-selector",
            &format!("involvedObject.name={name}"),
            "-o",
            "jsonpath={.items[*].reason}",
        ])
        .contains("KeysLost")
    });
    run(&["annotate", "scauth", name, "--overwrite", "example.com/looked-at=again"]);
    wait_for_silence(name);
    assert!(get("secret", &admin, name).is_null(), "the first Admin's Secret is not recreated");
}
