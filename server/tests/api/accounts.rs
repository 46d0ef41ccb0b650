//! The everyday calls of existing clients.

use serde_json::json;

use crate::database::Engine;
use crate::harness::{Server, done, fail, ok};

crate::on_every_engine!(
    a_user_registers_logs_in_refreshes_and_logs_out,
    logging_out_ends_the_whole_session_and_no_other,
    user_names_do_not_depend_on_case,
);

async fn a_user_registers_logs_in_refreshes_and_logs_out(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let root = server.call("GET", "/", None, None).await;
    assert_eq!(root, ok(json!({"version": env!("CARGO_PKG_VERSION")})));

    server.register("alice").await;
    let tokens = server.login("alice").await;

    let me = server.get("/api/v1/accounts/me", &tokens.access).await;
    let uuid = me.body["data"]["uuid"].as_str().unwrap().to_owned();
    assert!(uuid.len() == 32 && uuid.chars().all(|c| c.is_ascii_hexdigit()), "{uuid}");
    let expected = json!({
        "name": "Some Body", "email": "alice@example.com", "role_id": 2, "username": "alice", "uuid": uuid,
    });
    assert_eq!(me, ok(expected.clone()));

    let refreshed = server.call("POST", "/api/v1/accounts/refresh", Some(&tokens.refresh), None).await;
    let access = refreshed.body["data"]["access_token"].as_str().unwrap();
    assert!(refreshed.body["data"]["refresh_token"].is_string());
    assert_eq!(server.get("/api/v1/accounts/me", access).await, ok(expected));

    let logout = server.call("DELETE", "/api/v1/accounts/logout", Some(access), None).await;
    assert_eq!(logout, ok(json!("The token has been revoked")));
}

async fn logging_out_ends_the_whole_session_and_no_other(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let (first, second) = (server.login("root").await, server.login("root").await);
    server.call("DELETE", "/api/v1/accounts/logout", Some(&first.access), None).await;

    assert!(!server.is_valid(&first.access).await);
    let refresh = server.call("POST", "/api/v1/accounts/refresh", Some(&first.refresh), None).await;
    assert_eq!(refresh, fail(401, json!("The token has revoked")));
    let again = server.call("DELETE", "/api/v1/accounts/logout", Some(&first.access), None).await;
    assert_eq!(again, fail(401, json!("The token has revoked")));
    assert!(server.is_valid(&second.access).await);
}

async fn user_names_do_not_depend_on_case(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    server.register("Élodie").await;
    let tokens = server.login("élodie").await;
    let me = server.get("/api/v1/accounts/me", &tokens.access).await;
    assert_eq!(me.body["data"]["username"], "Élodie", "it is stored as written");
    assert_eq!(
        server.call("DELETE", "/api/v1/accounts/logout", Some(&tokens.access), None).await.status,
        done().status
    );
}
