//! The server's status for the operator: its Admin's Secret, its keys, and recent errors.

use serde_json::{Value, json};

use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server, run, run_with_input, until};

crate::on_every_engine!(
    the_status_reports_whether_the_secret_has_the_first_admin_s_password,
    lost_keys_are_distinguished_from_rotated_ones,
    an_older_keys_file_lacks_the_keys_of_later_sessions,
    the_right_keys_file_after_an_older_one_ends_the_loss,
    a_loss_of_keys_outlives_a_rotation_and_a_restart,
    errors_and_missing_tables_are_reported,
);

fn secret(database: &Database, id: Option<&str>) -> String {
    let folder = database.folder.path().join("admin");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("username"), "root").unwrap();
    std::fs::write(folder.join("password"), PASSWORD).unwrap();
    match id {
        Some(id) => std::fs::write(folder.join("id"), id).unwrap(),
        None => drop(std::fs::remove_file(folder.join("id"))),
    }
    folder.to_str().unwrap().to_owned()
}

async fn the_status_reports_whether_the_secret_has_the_first_admin_s_password(engine: Engine) {
    let database = Database::create(engine).await;
    let folder = secret(&database, Some("first"));
    let settings = [("SC_AUTH_BOOTSTRAP_ADMIN", folder.as_str())];
    let server = Server::start(&database, &settings).await;
    server.login("root").await;
    assert_eq!(server.status().await["admin"], json!({"secret_id": "first", "made": true}));
    // The namespace was recreated, but not the database: the Secret has another password.
    secret(&database, Some("second"));
    assert_eq!(server.status().await["admin"], json!({"secret_id": "second", "made": false}));
    drop(server);
    let server = Server::start(&database, &settings).await;
    assert_eq!(server.status().await["admin"], json!({"secret_id": "second", "made": false}));
    // A Secret of release 0.2 has no id.
    secret(&database, None);
    assert_eq!(server.status().await["admin"], json!({"secret_id": null, "made": null}));
    drop(server);

    // The Admin was created in another way.
    let database = Database::create(engine).await;
    let output = run_with_input(&database, &["admin", "create", "chief", "--password-stdin"], PASSWORD).await;
    assert!(output.status.success());
    let folder = secret(&database, Some("third"));
    let server = Server::start(&database, &[("SC_AUTH_BOOTSTRAP_ADMIN", folder.as_str())]).await;
    assert_eq!(server.status().await["admin"], json!({"secret_id": "third", "made": false}));
}

async fn lost_keys_are_distinguished_from_rotated_ones(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    server.login("root").await;
    assert_eq!(server.status().await["keys_lost"], false);
    let keys = database.folder.path().join("sc-auth-keys.json");
    // A revocation invalidates tokens too, but no key is lost.
    let text: Value = serde_json::from_str(&std::fs::read_to_string(&keys).unwrap()).unwrap();
    let refresh = text["keys"].as_array().unwrap().iter().find(|key| key["purpose"] == "refresh").unwrap();
    let kid = refresh["kid"].as_str().unwrap();
    until("the keys are known", async || !database.texts("SELECT id FROM sc_auth_keys").await.is_empty()).await;
    assert!(run(&database, &["keys", "revoke", kid], &[]).await.status.success());
    until("it is taken up", async || !server.status().await["keys"].to_string().contains(kid)).await;
    drop(server);
    let server = Server::start(&database, &[]).await;
    until("the revoked one is known no more", async || {
        let known = known(&database).await;
        known.len() == 2 && !known.contains(&kid.to_owned())
    })
    .await;
    assert_eq!(server.status().await["keys_lost"], false);
    server.login("root").await;
    drop(server);

    std::fs::remove_file(&keys).unwrap();
    for _ in 0..2 {
        let server = Server::start(&database, &[]).await;
        until("the loss is noticed", async || server.status().await["keys_lost"] == true).await;
        server.login("root").await;
    }
}

async fn an_older_keys_file_lacks_the_keys_of_later_sessions(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    let path = database.folder.path().join("sc-auth-keys.json");
    let backup = backup(&database).await;
    rotate(&database).await;
    until("the new key signs", async || server.status().await["keys"].to_string().contains("retired")).await;
    until("it is known", async || known(&database).await.len() == 3).await;
    server.login("root").await;
    assert_eq!(server.status().await["keys_lost"], false);
    let newer = std::fs::read_to_string(&path).unwrap();

    std::fs::write(&path, backup).unwrap();
    until("the loss is noticed", async || server.status().await["keys_lost"] == true).await;
    std::fs::write(&path, newer).unwrap();
    until("the keys are back", async || server.status().await["keys_lost"] == false).await;
}

async fn known(database: &Database) -> Vec<String> {
    database.texts("SELECT id FROM sc_auth_keys").await
}

/// A keys file that is a day old, with the same keys, which the database has also known for a day.
async fn backup(database: &Database) -> String {
    until("the keys are known", async || known(database).await.len() == 2).await;
    database.execute("UPDATE sc_auth_keys SET first_seen_at = first_seen_at - 86400").await;
    let path = database.folder.path().join("sc-auth-keys.json");
    let mut backup: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    for key in backup["keys"].as_array_mut().unwrap() {
        key["since"] = json!(key["since"].as_i64().unwrap() - 86_400);
    }
    backup.to_string()
}

/// Rotates the refresh key.
async fn rotate(database: &Database) {
    let rotated = run(database, &["keys", "rotate", "--purpose", "refresh", "--now"], &[]).await;
    assert!(rotated.status.success(), "{rotated:?}");
}

/// Like a container that restarts while its mounted Secret is older than that of other pods.
async fn the_right_keys_file_after_an_older_one_ends_the_loss(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    let path = database.folder.path().join("sc-auth-keys.json");
    let revoked = kid(&server.login("root").await.refresh);
    let older = backup(&database).await;
    assert!(run(&database, &["keys", "revoke", &revoked], &[]).await.status.success());
    let is_known = async || known(&database).await.contains(&revoked);
    until("it is known no more", async || !is_known().await).await;
    let right = std::fs::read_to_string(&path).unwrap();
    // No session has been signed with the newer key yet.
    std::fs::write(&path, &older).unwrap();
    until("it is known again", is_known).await;
    std::fs::write(&path, &right).unwrap();
    until("it is known no more", async || !is_known().await).await;
    assert_eq!(server.status().await["keys_lost"], false);

    assert_ne!(kid(&server.login("root").await.refresh), revoked);
    std::fs::write(&path, &older).unwrap();
    until("the loss is noticed", async || server.status().await["keys_lost"] == true).await;
    std::fs::write(&path, &right).unwrap();
    until("the keys are back", async || server.status().await["keys_lost"] == false).await;
    drop(server);
    let lost = "SELECT id FROM sc_auth_keys WHERE lost_at IS NOT NULL";
    assert_eq!(database.texts(lost).await, Vec::<String>::new());
    assert!(!known(&database).await.contains(&revoked));
}

async fn a_loss_of_keys_outlives_a_rotation_and_a_restart(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    let path = database.folder.path().join("sc-auth-keys.json");
    let older = backup(&database).await;
    rotate(&database).await;
    until("the new key signs", async || server.status().await["keys"].to_string().contains("retired")).await;
    until("it is known", async || known(&database).await.len() == 3).await;
    let lost = kid(&server.login("root").await.refresh);
    std::fs::write(&path, &older).unwrap();
    until("the loss is noticed", async || server.status().await["keys_lost"] == true).await;
    rotate(&database).await;
    drop(server);
    let server = Server::start(&database, &[]).await;
    until("the loss is remembered", async || server.status().await["keys_lost"] == true).await;
    assert_ne!(kid(&server.login("root").await.refresh), lost);
    drop(server);
    // The loss ends with the last session of the lost key.
    database.execute(&format!("DELETE FROM sessions WHERE refresh_kid = '{lost}'")).await;
    let server = Server::start(&database, &[]).await;
    until("the new keys are known", async || {
        let known = known(&database).await;
        known.len() == 3 && !known.contains(&lost)
    })
    .await;
    assert_eq!(server.status().await["keys_lost"], false);
}

/// The key that signed a token.
fn kid(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

async fn errors_and_missing_tables_are_reported(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    server.login("root").await;
    let status = server.status().await;
    assert_eq!((&status["server_errors"], &status["database"]["reachable"]), (&json!(0), &json!(true)));
    database.execute("DROP TABLE sessions").await;
    assert_eq!(server.login_with("root", PASSWORD).await.status, 500);
    let status = server.status().await;
    assert_eq!((&status["server_errors"], &status["database"]["reachable"]), (&json!(1), &json!(false)));
    assert_eq!(server.login_with("root", "").await.status, 422);
    assert_eq!(server.status().await["server_errors"], 1, "a client's error does not count");
}

#[tokio::test]
async fn each_missing_table_is_detected() {
    for table in ["chores", "audit_events", "login_failures", "token_parties", "sc_auth_schema", "sc_auth_identity"] {
        let (server, database) = Server::with_admin(Engine::Sqlite).await;
        database.execute(&format!("DROP TABLE {table}")).await;
        assert_eq!(server.status().await["database"]["reachable"], false, "{table}");
    }
}
