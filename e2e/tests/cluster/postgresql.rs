//! PostgreSQL, with a Secret like those of CloudNativePG.

use sc_auth_e2e::client::{Client, PASSWORD};
use sc_auth_e2e::database;
use sc_auth_e2e::kube::{apply, eventually};
use sc_auth_e2e::tenant::Tenant;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_a_secret_is_enough() {
    let name = "e2e-postgresql";
    let tenant =
        Tenant::external(name).with(json!({"database": {"external": {"urlFrom": {"name": "db-app", "key": "uri"}}}}));
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
    tenant.apply().ready();
    let pods = tenant.pods();
    assert_eq!(pods.len(), 2);
    Client::of_pod(&pods[0]).register("alice").await;
    Client::of_pod(&pods[1]).login("alice", PASSWORD).await;
}

#[test]
fn an_outage_of_the_database_and_its_end_are_reported() {
    let tenant = Tenant::postgres("e2e-lost-database");
    tenant.apply().ready();
    let before = tenant.pods();
    database::close(&tenant.database());
    eventually("the pods say so", || tenant.condition("DatabaseReady")["reason"] == "DatabaseUnreachable");
    assert_eq!(tenant.condition("Ready")["reason"], "DatabaseUnreachable");
    database::open(&tenant.database());
    eventually("it is back", || tenant.condition("DatabaseReady")["status"] == "True");
    tenant.ready();
    assert_eq!(tenant.pods().len(), before.len());
    for pod in tenant.pods() {
        assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 0, "a restart would not have helped");
    }
}
