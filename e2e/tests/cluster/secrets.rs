//! A missing Secret is reported and waited for, and never created.

use sc_auth_e2e::database;
use sc_auth_e2e::kube::{Cleanup, apply, condition, eventually, get, lend_namespace, make_secret, ready, scauth};
use sc_auth_e2e::tenant::Tenant;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_is_named_and_its_creation_is_detected() {
    let name = "e2e-secrets";
    let _cleanup = Cleanup(name);
    let server = database::postgres("e2e_secrets");
    apply(scauth(name, json!({"database": {"external": {"urlFrom": {"name": "late", "key": "uri"}}}}))).unwrap();
    eventually("a condition names the Secret", || {
        let database = condition(name, "DatabaseReady");
        database["reason"] == "SecretNotFound"
            && database["message"].as_str().unwrap().contains("Secret late is missing in namespace e2e-secrets")
    });
    let conditions = [condition(name, "Ready"), condition(name, "Reconciling"), condition(name, "Stalled")];
    assert_eq!(
        conditions.map(|condition| condition["status"].clone()),
        [json!("False"), json!("True"), json!("False")]
    );
    assert!(get("secret", "late", name).is_null(), "it is not created");

    make_secret("late", name, json!({"uri": server.uri("e2e_secrets")}));
    // The kubelet retries a failed mount after up to two minutes.
    ready(name);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_up_error_of_the_server_is_in_the_status() {
    let name = "e2e-refused";
    let tenant = Tenant::external(name).with(json!({"replicas": 1}));
    let server = database::postgres(&tenant.database());
    lend_namespace(name);
    tenant.use_database(&server.uri_of(&server.user, "a-wrong-one", &tenant.database()));
    tenant.apply();
    eventually("the server's own words", || {
        let database = condition(name, "DatabaseReady");
        database["status"] == "False"
            && database["message"].as_str().unwrap().contains("password authentication failed")
    });
    assert!(!get("scauth", name, name).to_string().contains("a-wrong-one"));
}
