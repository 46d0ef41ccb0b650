//! The database never changes silently: not through its Secret, an empty volume, or the loss of the namespace.

use sc_auth_e2e::client::{Client, PASSWORD};
use sc_auth_e2e::database;
use sc_auth_e2e::kube::{condition, eventually, get, items, kubectl, run};
use sc_auth_e2e::tenant::Tenant;
use serde_json::json;

fn message(name: &str, kind: &str) -> String {
    condition(name, kind)["message"].as_str().unwrap_or_default().to_owned()
}

/// The identity that the operator has recorded, once the pods have reported it.
fn identity(name: &str) -> String {
    let mut identity = String::new();
    eventually("the database's identity is known", || {
        let known = get("scauth", name, name)["status"]["database"]["identity"].clone();
        known.as_str().unwrap_or_default().clone_into(&mut identity);
        !identity.is_empty()
    });
    identity
}

/// Runs the command in the condition's message.
fn accept(name: &str) {
    let message = message(name, "DatabaseReady");
    let (_, command) = message.split_once("kubectl annotate ").unwrap_or_else(|| panic!("no command in {message}"));
    let arguments: Vec<_> = command.split_whitespace().take(4).collect();
    run(&[&["annotate"], &arguments[..]].concat());
}

fn is(name: &str, kind: &str, status: &str, reason: &str) -> bool {
    let condition = condition(name, kind);
    condition["status"] == status && condition["reason"] == reason
}

async fn login_status(client: &Client, username: &str) -> u16 {
    let body = json!({"username": username, "password": PASSWORD});
    client.call("POST", "/api/v1/accounts/login", None, Some(body)).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_do_not_follow_their_secret_to_another_database_until_it_is_accepted() {
    let name = "e2e-identity";
    let tenant = Tenant::postgres(name).host("identity.example.com");
    let other = database::postgres("e2e_identity_other").uri("e2e_identity_other");
    tenant.apply().ready();
    let client = tenant.client().await;
    client.register("alice").await;
    let first = identity(name);

    tenant.use_database(&other);
    eventually("the change is noticed", || is(name, "DatabaseReady", "False", "DatabaseChanged"));
    assert!(message(name, "DatabaseReady").contains(&first), "both are named");
    assert!(is(name, "Ready", "True", "Serving"), "{}", condition(name, "Ready"));
    assert_eq!(login_status(&client, "alice").await, 200);

    // A new pod does not follow either.
    let pod = tenant.pods()[0]["metadata"]["name"].as_str().unwrap().to_owned();
    run(&["delete", "pod", &pod, "-n", name]);
    eventually("its successor holds back", || is(name, "Ready", "False", "DatabaseChanged"));
    for _ in 0..20 {
        assert_eq!(login_status(&client, "alice").await, 200, "the other pod serves");
    }

    accept(name);
    eventually("the other database is used", || {
        let known = get("scauth", name, name)["status"]["database"]["identity"].clone();
        let is_new = known.as_str().is_some_and(|known| known != first && !known.starts_with("empty-"));
        is_new && is(name, "Ready", "True", "Serving") && is(name, "DatabaseReady", "True", "Migrated")
    });
    // While a pod of the first database drains, it may still get a request.
    eventually("the pods of the first database are deleted", || {
        items("pods", name, &format!("sc-auth.io/scauth={name}")).len() == tenant.pods().len()
    });
    client.register("alice").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_volume_is_not_used_until_the_loss_is_accepted() {
    let name = "e2e-volume-lost";
    let tenant = Tenant::embedded(name);
    tenant.apply().ready();
    let first = identity(name);
    tenant.pod_client().register("alice").await;

    run(&["delete", "pvc", &format!("{name}-data"), "-n", name, "--wait=false"]);
    eventually("a Warning comes while the pod lives", || is(name, "DatabaseReady", "False", "VolumeAtRisk"));
    assert!(is(name, "Ready", "True", "Serving"), "{}", condition(name, "Ready"));
    let users = run(&[
        "exec",
        "-n",
        name,
        &format!("deploy/{name}"),
        "-c",
        "server",
        "--",
        "/sc-auth-server",
        "users",
        "export",
        "-",
    ]);
    assert!(message(name, "DatabaseReady").contains("-- /sc-auth-server users export -"));
    assert!(users.contains("alice"), "{users}");

    let pod = tenant.pods()[0]["metadata"]["name"].as_str().unwrap().to_owned();
    run(&["delete", "pod", &pod, "-n", name]);
    eventually("the loss is told", || is(name, "DatabaseReady", "False", "DatabaseLost"));
    assert!(message(name, "DatabaseReady").contains(&first));
    assert!(is(name, "Ready", "False", "DatabaseLost"), "{}", condition(name, "Ready"));
    let client = tenant.pod_client();
    let body = json!({"username": "alice", "name": "A Stranger", "email": "s@example.com", "password": PASSWORD});
    assert_eq!(client.call("POST", "/api/v1/accounts/register", None, Some(body)).await.0, 503);

    accept(name);
    eventually("an empty database is in use", || {
        is(name, "Ready", "True", "Serving") && !identity(name).starts_with("empty-")
    });
    assert_ne!(identity(name), first);
    tenant.pod_client().register("alice").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loss_of_a_namespace_and_a_second_scauth_on_one_database_are_reported() {
    let (name, younger) = ("e2e-namespace-lost", "e2e-younger");
    let (tenant, second) = (Tenant::external(name), Tenant::external(younger));
    let database = database::postgres("e2e_namespace_lost").uri("e2e_namespace_lost");
    let start = |tenant: &Tenant| {
        tenant.apply_with(json!({"replicas": 1}));
        eventually("the Secret of the database is missed", || tenant.condition("Ready")["reason"] == "SecretNotFound");
        tenant.use_database(&database);
        eventually("it is Ready", || tenant.condition("Ready")["status"] == "True");
    };
    start(&tenant);
    let first = identity(name);
    let client = tenant.pod_client();
    client.register("alice").await;
    client.login("alice", PASSWORD).await;
    eventually("the first Admin is one", || is(name, "AdminReady", "True", "AdminCreated"));

    kubectl(&["delete", "namespace", name], "");
    eventually("the namespace is back", || !get("secret", &format!("{name}-secret"), name).is_null());
    tenant.use_database(&database);
    eventually("keys are gone", || is(name, "KeysReady", "False", "KeysLost") && is(name, "Ready", "True", "Serving"));
    eventually("the new password is nobody's", || is(name, "AdminReady", "False", "AdminNotCreated"));
    assert_eq!(identity(name), first);
    let admin = get("secret", &format!("{name}-admin"), name);
    assert_eq!(admin["metadata"]["annotations"]["sc-auth.io/admin"], "not-created");
    assert!(admin["data"]["password"].is_null(), "it would not work");

    start(&second);
    eventually("the younger is told", || is(younger, "DatabaseReady", "False", "DatabaseShared"));
    assert!(message(younger, "DatabaseReady").contains(&format!("ScAuth {name} ")));
    assert!(is(name, "DatabaseReady", "True", "Migrated"), "{}", condition(name, "DatabaseReady"));
}
