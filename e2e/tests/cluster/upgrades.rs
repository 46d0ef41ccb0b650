//! A new image: migrate, then roll.

use sc_auth_e2e::client::PASSWORD;
use sc_auth_e2e::database;
use sc_auth_e2e::kube::{condition, eventually, run};
use sc_auth_e2e::tenant::Tenant;
use serde_json::json;

const NAME: &str = "e2e-upgrades";

#[tokio::test(flavor = "multi_thread")]
async fn old_pods_serve_after_a_failed_migration_and_a_rollback_works() {
    let tenant = Tenant::postgres(NAME).host("upgrades.example.com");
    tenant.apply().ready();
    let client = tenant.client().await;
    client.register("alice").await;
    let (access, _) = client.login("alice", PASSWORD).await;
    let before = tenant.pod_uids();

    // The schema requires a later server.
    database::execute(
        "e2e_upgrades",
        "UPDATE sc_auth_schema SET version = 99, oldest_version = 98, oldest_server = '7.0.0'",
    );
    let image = tenant.status()["image"].as_str().unwrap().to_owned();
    let other = image.replace("registry.example.com/", "docker.io/local/");
    tenant.apply_with(json!({"image": other}));
    eventually("a condition has the migration's last words", || {
        let ready = condition(NAME, "Ready");
        ready["reason"] == "MigrationFailed" && ready["message"].as_str().unwrap().contains("7.0.0")
    });
    assert_eq!(condition(NAME, "DatabaseReady")["status"], "False");
    let now = tenant.pod_uids();
    assert!(before.iter().all(|uid| now.contains(uid)), "the old pods are still there");
    for _ in 0..20 {
        assert_eq!(client.me(&access).await, 200);
    }

    // Roll back: the pods of the old template still exist, and are not replaced.
    tenant.apply().ready();
    let now = tenant.pod_uids();
    assert!(before.iter().all(|uid| now.contains(uid)), "they have served the whole time");

    // Once the schema is supported again, the other image starts.
    database::execute(
        "e2e_upgrades",
        "UPDATE sc_auth_schema SET version = 1, oldest_version = 1, oldest_server = '0.1.0'",
    );
    tenant.apply_with(json!({"image": other})).ready();
    assert_eq!(client.me(&access).await, 200);
    let columns = run(&["get", "scauth", NAME]);
    assert!(columns.contains("Serving") && columns.contains("http://upgrades.example.com"), "{columns}");
}
