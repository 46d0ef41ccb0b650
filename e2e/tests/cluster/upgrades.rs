//! A new image: migrate, then roll.

use sc_auth_e2e::client::{Client, PASSWORD};
use sc_auth_e2e::database;
use sc_auth_e2e::kube::{
    Cleanup, apply, condition, eventually, get, lend_namespace, make_secret, pods, ready, run, scauth,
};
use serde_json::json;

const NAME: &str = "e2e-upgrades";
const HOST: &str = "upgrades.example.com";

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_fails_leaves_the_old_pods_serving_and_going_back_works() {
    let _cleanup = Cleanup(NAME);
    let server = database::postgres("e2e_upgrades");
    lend_namespace(NAME);
    make_secret("db", NAME, json!({"uri": server.uri("e2e_upgrades")}));
    let spec = json!({
        "database": {"external": {"urlFrom": {"name": "db", "key": "uri"}}},
        "expose": {"ingress": {"host": HOST, "className": "traefik"}},
    });
    apply(scauth(NAME, spec.clone())).unwrap();
    ready(NAME);
    let client = Client::at(HOST);
    client.answers().await;
    client.register("alice").await;
    let (access, _) = client.login("alice", PASSWORD).await;
    let before: Vec<_> = pods(NAME, NAME).iter().map(|pod| pod["metadata"]["uid"].clone()).collect();

    // The database is one that only a later server understands.
    database::execute(
        "e2e_upgrades",
        "UPDATE sc_auth_schema SET version = 99, oldest_version = 98, oldest_server = '7.0.0'",
    );
    let image = get("scauth", NAME, NAME)["status"]["image"].as_str().unwrap().to_owned();
    let other = image.replace("registry.example.com/", "docker.io/local/");
    let mut upgraded = spec.clone();
    upgraded["image"] = json!(other);
    apply(scauth(NAME, upgraded.clone())).unwrap();
    eventually("a condition has the migration's last words", || {
        let ready = condition(NAME, "Ready");
        ready["reason"] == "MigrationFailed" && ready["message"].as_str().unwrap().contains("7.0.0")
    });
    assert_eq!(condition(NAME, "DatabaseReady")["status"], "False");
    let now: Vec<_> = pods(NAME, NAME).iter().map(|pod| pod["metadata"]["uid"].clone()).collect();
    assert!(before.iter().all(|uid| now.contains(uid)), "the old pods are still there");
    for _ in 0..20 {
        assert_eq!(client.me(&access).await, 200);
    }

    // Back to where it was: the old template is still there, and its pods need not even be replaced.
    apply(scauth(NAME, spec)).unwrap();
    ready(NAME);
    let now: Vec<_> = pods(NAME, NAME).iter().map(|pod| pod["metadata"]["uid"].clone()).collect();
    assert!(before.iter().all(|uid| now.contains(uid)), "they have served all along");

    // And once the database is as it should be, the other image comes up.
    database::execute(
        "e2e_upgrades",
        "UPDATE sc_auth_schema SET version = 1, oldest_version = 1, oldest_server = '0.1.0'",
    );
    apply(scauth(NAME, upgraded)).unwrap();
    ready(NAME);
    assert_eq!(client.me(&access).await, 200);
    let columns = run(&["get", "scauth", NAME]);
    assert!(columns.contains("Serving") && columns.contains("http://upgrades.example.com"), "{columns}");
}
