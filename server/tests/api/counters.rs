//! The counters of failed logins, and how long they are kept.

use futures::future::join_all;
use serde_json::json;

use crate::database::Engine;
use crate::guessing::{HOME, STRANGER, addresses, attack, login, right, server, wrong};
use crate::harness::{PASSWORD, Server, run, until};

crate::on_every_engine!(
    a_successful_login_clears_the_failures_of_its_own_network,
    few_networks_are_stored_and_none_in_plain_text,
    counters_outlive_the_refresh_keys,
    a_database_of_the_previous_release_is_completed,
);

async fn a_successful_login_clears_the_failures_of_its_own_network(engine: Engine) {
    let (server, database) = server(engine).await;
    let counts = "SELECT CONCAT('', failures) FROM login_failures ORDER BY failures";
    for _ in 0..2 {
        wrong(&server, STRANGER, "root").await;
    }
    for _ in 0..2 {
        wrong(&server, HOME, "root").await;
    }
    assert_eq!(database.texts(counts).await, ["2", "2", "4"]);
    assert_eq!(right(&server, HOME).await, 200);
    assert_eq!(database.texts(counts).await, ["2", "2"], "the stranger's failures stay");
    assert_eq!(right(&server, STRANGER).await, 200);
    assert_eq!(database.texts(counts).await, Vec::<String>::new());
}

async fn few_networks_are_stored_and_none_in_plain_text(engine: Engine) {
    let (server, database) = server(engine).await;
    for number in 1..=19 {
        assert_eq!(right(&server, &format!("198.51.100.{number}")).await, 200);
    }
    // As if all of them had been used within the second of the next login, or later.
    database.execute("UPDATE known_networks SET last_login_at = last_login_at + 9").await;
    assert_eq!(right(&server, "198.51.100.20").await, 200);
    let ids = database.texts("SELECT id FROM known_networks").await;
    assert_eq!(ids.len(), 16);
    assert!(ids.iter().all(|id| id.len() == 43 && !id.contains("198") && !id.contains("root")), "{ids:?}");
    // Logging in to an own account does not make a stranger known to other accounts.
    server.register("mallory").await;
    assert_eq!(login(&server, STRANGER, "mallory", PASSWORD, None).await.status, 200);
    attack(&server, "root", &addresses(20)).await;
    database.execute("UPDATE login_failures SET retry_at = 9999999999").await;
    assert_eq!(wrong(&server, STRANGER, "root").await.status, 429);
    let root = login(&server, "198.51.100.20", "root", PASSWORD, None).await;
    assert_eq!(root.status, 200, "the latest one is kept");
    let admin = server.request("POST", "/api/v1/accounts/login").header("x-forwarded-for", "198.51.100.20");
    let admin = crate::harness::answer(admin.json(&json!({"username": "root", "password": PASSWORD}))).await;
    let admin = admin.text("access_token");
    let uuid = server.uuid_of(&admin, "mallory").await;
    let deleted = server.call("DELETE", "/api/v1/users", Some(&admin), Some(json!({"uuid": uuid}))).await;
    assert_eq!(deleted.status, 200);
    assert_eq!(database.texts("SELECT id FROM known_networks").await.len(), 16, "deleting the user deletes them");
}

async fn counters_outlive_the_refresh_keys(engine: Engine) {
    let (first, database) = Server::with_admin(engine).await;
    let keys = async |arguments: &[&str]| {
        let output = run(&database, &[&["keys"], arguments].concat(), &[]).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
    };
    first.register("alice").await;
    let kid = async || jsonwebtoken::decode_header(&first.login("alice").await.refresh).unwrap().kid.unwrap();
    let old = kid().await;
    for name in ["root", "nobody"] {
        first.login_with(name, "a wrong password").await;
    }
    let ids = async || {
        let mut ids = database.texts("SELECT id FROM login_failures").await;
        ids.sort();
        ids
    };
    let before = ids().await;
    assert_eq!(before.len(), 2);
    keys(&["rotate", "--purpose", "refresh"]).await;
    let next = keys(&["rotate", "--purpose", "refresh", "--now"]).await;
    until("the next key signs", async || kid().await == next).await;
    until("it opens a copy", async || database.texts("SELECT id FROM counter_keys").await.contains(&next)).await;
    // Revoke the key that sealed the first copy, and stop the server that has opened it.
    keys(&["revoke", &old]).await;
    drop(first);
    let second = Server::start(&database, &[]).await;
    for name in ["root", "nobody"] {
        second.login_with(name, "a wrong password").await;
    }
    assert_eq!(ids().await, before, "the same counters");
    let sealed = database.texts("SELECT sealed FROM counter_keys").await.concat();
    assert!(!sealed.is_empty() && !sealed.contains("root"));
}

async fn a_database_of_the_previous_release_is_completed(engine: Engine) {
    let (_, database) = Server::with_admin(engine).await;
    database.execute("DROP TABLE known_networks; DROP TABLE counter_keys").await;
    database.execute("ALTER TABLE users DROP COLUMN login_epoch").await;
    database.execute("UPDATE sc_auth_schema SET version = 1").await;
    // Only one server at a time uses an embedded database.
    let count = if engine == Engine::Sqlite { 1 } else { 2 };
    let servers = join_all((0..count).map(|_| Server::start(&database, &[]))).await;
    for server in &servers {
        server.login_with("root", "a wrong password").await;
    }
    assert_eq!(database.texts("SELECT id FROM login_failures").await.len(), 1, "both count under one key");
    servers[0].login("root").await;
    assert_eq!(database.texts("SELECT id FROM counter_keys").await.len(), 1);
}
