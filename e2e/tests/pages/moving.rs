//! The pages about the database: an existing one, and that of the legacy service.

use sc_auth_e2e::client::{Client, until};
use sc_auth_e2e::database::{Server, execute_in_mariadb, mariadb, postgres};
use sc_auth_e2e::kube::{Cleanup, apply, condition, eventually, get, make_secret, run};
use sc_auth_e2e::shell::{blocks, paste, paste_with, section};
use serde_json::json;

#[test]
fn databases() {
    for url in [mariadb("e2e_page").mysql_uri("e2e_page"), postgres("e2e_page").uri("e2e_page")] {
        paste_with(&[("DATABASE_URL", &url)], &blocks("docs/databases.md", ""));
        run(&["delete", "scauth", "team-a"]);
        run(&["wait", "--for=delete", "pod", "--all", "-n", "team-a", "--timeout=240s"]);
        run(&["delete", "namespace", "team-a"]);
    }
}

/// A database of the legacy service, with an Admin and a user.
fn old_database(name: &str) {
    execute_in_mariadb(&format!(
        "USE `{name}`;
         CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
         CREATE TABLE roles (id INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(64));
         CREATE TABLE users (id INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY, uuid VARCHAR(64) UNIQUE,
             email VARCHAR(120) UNIQUE, username VARCHAR(64) UNIQUE, password VARCHAR(254), name VARCHAR(125),
             role_id INTEGER, created_at DATETIME, updated_at DATETIME, FOREIGN KEY (role_id) REFERENCES roles (id));
         CREATE TABLE tokens (id INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY, jti VARCHAR(36) NOT NULL UNIQUE,
             token_type VARCHAR(10) NOT NULL, user_uuid VARCHAR(64) NOT NULL, revoked BOOL NOT NULL,
             expires DATETIME NOT NULL, FOREIGN KEY (user_uuid) REFERENCES users (uuid));
         INSERT INTO roles (name) VALUES ('Admin'), ('User');
         INSERT INTO users (uuid, email, username, password, name, role_id, created_at, updated_at) VALUES
             ('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'admin@example.com', 'admin', '{OLD_HASH}', 'Admin', 1,
              '2020-01-02 03:04:05', '2020-01-02 03:04:05'),
             ('bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 'alice@example.com', 'alice', '{OLD_HASH}', 'Alice', 2,
              '2020-01-02 03:04:05', '2020-01-02 03:04:05')"
    ));
}

/// The namespace of the legacy service, and its host.
const LEGACY: &str = "e2e-flask";
const OLD_HOST: &str = "flask.example.com";

/// That namespace, with the objects of the legacy service, but without its pods.
fn old_namespace(database: &Server) {
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": LEGACY, "labels": labels}})).unwrap();
    let content = json!({
        "db-host": database.host, "db-user": database.user, "db-pass": database.password, "db-name": "e2e_flask",
        "secret": "the old service's own secret key",
    });
    make_secret("sc-auth-secret", LEGACY, content);
    let metadata = |name: &str| json!({"name": name, "namespace": LEGACY});
    let ports = json!([{"port": 8000, "targetPort": 8000}]);
    let service = json!({"selector": {"app": "sc-auth"}, "ports": ports});
    apply(json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata("sc-auth-svc"), "spec": service}))
        .unwrap();
    let backend = json!({"service": {"name": "sc-auth-svc", "port": {"number": 8000}}});
    let paths = json!([{"path": "/", "pathType": "Prefix", "backend": backend}]);
    apply(json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata("sc-auth-ingress"),
        "spec": {"rules": [{"host": OLD_HOST, "http": {"paths": paths}}]},
    }))
    .unwrap();
}

const OLD_PASSWORD: &str = "old passwörd";
/// The hash of that password, from werkzeug 3.1.
const OLD_HASH: &str =
    "pbkdf2:sha256:150000$PBJITISJuwLyi9OA$c5030c45d2fdbdb7123809604b9557c079f76d7ffd665ce8ebd51f59cd1e694b";

#[tokio::test(flavor = "multi_thread")]
async fn from_the_flask_service() {
    let (_namespace, _scauth) = (Cleanup(LEGACY), Cleanup("accounts"));
    let there = mariadb("e2e_flask");
    old_database("e2e_flask");
    tokio::task::block_in_place(|| old_namespace(&there));
    let port = there.port.to_string();
    let variables = [("LEGACY", LEGACY), ("DB_PORT", &port)];
    let page = "docs/takeover.md";
    let pasted = |heading: &str| tokio::task::block_in_place(|| paste_with(&variables, &section(page, heading, &[])));
    let finish = |heading: &str| paste(&section(page, heading, &[("NAME", "accounts")]));
    let hash = || execute_in_mariadb("SELECT password FROM e2e_flask.users WHERE username = 'alice'");
    let client = Client::at("accounts.example.com");
    let logs_in = async || {
        client.answers().await;
        let body = json!({"username": "alice", "password": OLD_PASSWORD});
        let (status, answer) = client.call("POST", "/api/v1/accounts/login", None, Some(body)).await;
        assert_eq!(status, 200, "{answer}");
    };

    let plan = pasted("## Preview");
    assert!(plan.contains("taken over in place") && plan.contains("ALTER TABLE"), "{plan}");
    assert!(plan.contains("and Admins: 1 of them."), "{plan}");
    assert!(!execute_in_mariadb("SHOW COLUMNS FROM e2e_flask.users").contains("username_key"), "it changes nothing");
    pasted("## Run both services in Kubernetes");
    logs_in().await;
    assert_eq!(hash().trim(), OLD_HASH, "the legacy service must be able to read it");
    tokio::task::block_in_place(|| {
        eventually("the Admins are the legacy service's", || condition("accounts", "AdminReady")["status"] == "False");
        assert!(get("secret", "accounts-admin", LEGACY)["data"]["password"].is_null());
        let create = section(page, "## Log in as an Admin", &[("USER", "carol")]);
        let said = paste_with(&variables, &create);
        assert!(said.contains("Admin carol was created. Password: "), "{said}");
    });
    pasted("## Move the host name");
    Client::at(OLD_HOST).answers().await;
    pasted("## Move the host name back");
    let backend = "jsonpath={.spec.rules[0].http.paths[0].backend.service}";
    let backend = || run(&["-n", LEGACY, "get", "ingress", "sc-auth-ingress", "-o", backend]);
    assert_eq!(tokio::task::block_in_place(backend), r#"{"name":"sc-auth-svc","port":{"number":8000}}"#);
    tokio::task::block_in_place(|| finish("## Finish the migration (irreversible)"));
    // An old pod may still receive a request or two.
    until("the hash is replaced", async || {
        logs_in().await;
        hash().starts_with("$argon2id$")
    })
    .await;
    tokio::task::block_in_place(|| finish("## Revoke the legacy service's tokens"));
    logs_in().await;
}
