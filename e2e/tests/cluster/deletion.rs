//! Deletion of a ScAuth: the objects that are deleted or kept, and namespaces and objects of other owners.

use sc_auth_e2e::client::PASSWORD;
use sc_auth_e2e::kube::{condition, eventually, get, kubectl, run, secret_value};
use sc_auth_e2e::tenant::Tenant;
use serde_json::{Value, json};

fn deletion_policy(policy: &str) -> Value {
    json!({"deletionPolicy": policy})
}

#[tokio::test(flavor = "multi_thread")]
async fn with_delete_everything_is_deleted() {
    let name = "e2e-delete";
    let tenant = Tenant::embedded(name);
    tenant.apply_with(deletion_policy("Delete")).ready();
    run(&["delete", "scauth", name]);
    eventually("the namespace is gone", || get("namespace", name, name).is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_retain_a_scauth_of_the_same_name_finds_its_users_and_keys() {
    let name = "e2e-retain";
    let tenant = Tenant::embedded(name);
    tenant.apply().ready();
    tenant.pod_client().register("alice").await;
    let (access, _) = tenant.pod_client().login("alice", PASSWORD).await;
    let keys = secret_value(&format!("{name}-secret"), name, "keys.json");

    run(&["delete", "scauth", name]);
    eventually("the workload is gone", || {
        get("deployment", name, name).is_null()
            && get("service", &format!("{name}-svc"), name).is_null()
            && tenant.pods().is_empty()
    });
    assert!(!get("pvc", &format!("{name}-data"), name).is_null());

    tenant.apply().ready();
    assert_eq!(secret_value(&format!("{name}-secret"), name, "keys.json"), keys);
    assert_eq!(tenant.pod_client().me(&access).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_can_change() {
    let name = "e2e-policy-changes";
    let tenant = Tenant::embedded(name);
    tenant.apply().ready();
    tenant.apply_with(deletion_policy("Delete")).ready();
    for (kind, child) in [
        ("namespace", name.to_owned()),
        ("secret", format!("{name}-secret")),
        ("secret", format!("{name}-admin")),
        ("pvc", format!("{name}-data")),
    ] {
        let metadata = get(kind, &child, name)["metadata"].clone();
        assert_eq!(metadata["ownerReferences"][0]["name"], name, "{kind} {child}");
        assert!(metadata["labels"]["sc-auth.io/retained-by"].is_null(), "{kind} {child}");
    }
    tenant.apply_with(deletion_policy("Retain"));
    eventually("nothing of it is owned any more", || {
        ["namespace", "secret", "pvc"].iter().all(|kind| {
            let child = match *kind {
                "namespace" => name.to_owned(),
                "secret" => format!("{name}-secret"),
                _ => format!("{name}-data"),
            };
            get(kind, &child, name)["metadata"]["ownerReferences"].is_null()
        })
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_a_finalizer_keeps_serves_and_its_status_stays_true() {
    let name = "e2e-finalizer";
    let tenant = Tenant::embedded(name);
    tenant.apply().ready();
    let finalizers = |names: Value| {
        let patch = json!({"metadata": {"finalizers": names}}).to_string();
        run(&["patch", "scauth", name, "--type", "merge", "-p", &patch]);
    };
    finalizers(json!(["example.com/hold"]));
    run(&["delete", "scauth", name, "--wait=false"]);
    eventually("the deletion is reported", || condition(name, "Ready")["reason"] == "Terminating");
    let ready = condition(name, "Ready");
    assert_eq!(ready["status"], "True", "{ready}");
    tenant.pod_client().register("alice").await;
    tenant.pod_client().login("alice", PASSWORD).await;

    finalizers(Value::Null);
    eventually("the workload is gone", || get("deployment", name, name).is_null());
    assert!(!get("pvc", &format!("{name}-data"), name).is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_namespace_is_used_only_if_its_owner_allows_it_and_it_is_kept() {
    let name = "e2e-theirs";
    let tenant = Tenant::embedded(name);
    run(&["create", "namespace", name]);
    run(&["create", "configmap", "precious", "-n", name]);
    tenant.apply_with(deletion_policy("Delete"));
    eventually("it is refused", || condition(name, "Ready")["reason"] == "NamespaceNotAllowed");
    let message = condition(name, "Ready")["message"].as_str().unwrap().to_owned();
    assert!(message.contains(&format!("kubectl annotate namespace {name} sc-auth.io/allow={name}")), "{message}");
    assert!(get("deployment", name, name).is_null());

    run(&["annotate", "namespace", name, &format!("sc-auth.io/allow={name}")]);
    tenant.ready();
    let namespace = get("namespace", name, name);
    assert!(namespace["metadata"]["ownerReferences"].is_null());
    run(&["delete", "scauth", name]);
    eventually("the workload is gone", || get("deployment", name, name).is_null());
    assert!(get("namespace", name, name)["metadata"]["deletionTimestamp"].is_null());
    assert!(!get("configmap", "precious", name).is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_another_owner_is_not_changed() {
    let name = "e2e-conflict";
    let tenant = Tenant::embedded(name);
    run(&["create", "namespace", name]);
    run(&["annotate", "namespace", name, "sc-auth.io/allow=*"]);
    // The legacy service's Secret has this very name, and contains the only SECRET_KEY.
    run(&["create", "secret", "generic", &format!("{name}-secret"), "-n", name, "--from-literal=secret=precious"]);
    tenant.apply();
    eventually("it is told", || condition(name, "Ready")["reason"] == "NameConflict");
    assert_eq!(secret_value(&format!("{name}-secret"), name, "secret"), "precious");
    assert!(get("deployment", name, name).is_null(), "no pod may mount it");

    kubectl(&["delete", "secret", &format!("{name}-secret"), "-n", name], "");
    tenant.ready();
}
