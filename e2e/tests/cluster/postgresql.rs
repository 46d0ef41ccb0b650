//! PostgreSQL, by a Secret such as CloudNativePG writes.

use sc_auth_e2e::client::{Client, PASSWORD};
use sc_auth_e2e::database;
use sc_auth_e2e::kube::{Cleanup, apply, condition, eventually, lend_namespace, make_secret, pods, ready, scauth};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_a_secret_is_enough() {
    let name = "e2e-postgresql";
    let _cleanup = Cleanup(name);
    let server = database::postgres("e2e_postgresql");
    let (host, port, user, password) = (server.host, server.port, server.user, server.password);
    apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "annotations": {"sc-auth.io/allow": "*"}}})).unwrap();
    // The keys are those of CloudNativePG's Secret `CLUSTER-app`.
    apply(json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth",
        "metadata": {"name": "db-app", "namespace": name, "labels": {"cnpg.io/cluster": "db"}},
        "stringData": {
            "username": user, "user": user, "password": password, "dbname": "e2e_postgresql", "host": host,
            "port": port.to_string(), "pgpass": format!("{host}:{port}:e2e_postgresql:{user}:{password}\n"),
            "uri": format!("postgresql://{user}:{password}@{host}:{port}/e2e_postgresql"),
            "jdbc-uri": format!("jdbc:postgresql://{host}:{port}/e2e_postgresql?password={password}&user={user}"),
        },
    }))
    .unwrap();
    apply(scauth(name, json!({"database": {"external": {"urlFrom": {"name": "db-app", "key": "uri"}}}}))).unwrap();
    ready(name);
    let pods = pods(name, name);
    assert_eq!(pods.len(), 2);
    Client::of_pod(&pods[0]).register("alice").await;
    Client::of_pod(&pods[1]).login("alice", PASSWORD).await;
}

#[test]
fn a_database_that_goes_is_noticed_and_so_is_its_return() {
    let name = "e2e-lost-database";
    let _cleanup = Cleanup(name);
    let server = database::postgres("e2e_lost_database");
    lend_namespace(name);
    make_secret("db", name, json!({"uri": server.uri("e2e_lost_database")}));
    apply(scauth(name, json!({"database": {"external": {"urlFrom": {"name": "db", "key": "uri"}}}}))).unwrap();
    ready(name);
    let before = pods(name, name);
    database::close("e2e_lost_database");
    eventually("the pods say so", || condition(name, "DatabaseReady")["reason"] == "DatabaseUnreachable");
    assert_eq!(condition(name, "Ready")["reason"], "DatabaseUnreachable");
    database::open("e2e_lost_database");
    eventually("it is back", || condition(name, "DatabaseReady")["status"] == "True");
    ready(name);
    assert_eq!(pods(name, name).len(), before.len());
    for pod in pods(name, name) {
        assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 0, "a restart would not have helped");
    }
}
