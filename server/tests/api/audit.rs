//! Audit events.

use serde_json::{Value, json};

use crate::database::Engine;
use crate::harness::{PASSWORD, Server, fail, until};

crate::on_every_engine!(
    every_security_event_is_recorded,
    the_list_is_paged_and_filtered_and_for_admins_only,
    old_events_are_deleted,
);

const AUDIT: &str = "/api/v1/audit";

fn events(answer: &Value) -> Vec<(String, String)> {
    let events = answer["data"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
    events.iter().rev().map(|event| (text(event, "event"), text(event, "outcome"))).collect()
}

async fn every_security_event_is_recorded(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    server.register("alice").await;
    server.login_with("alice", "a wrong password").await;
    server.login_with("nobody", "a wrong password").await;
    let alice = server.login("alice").await.access;
    server.call("PATCH", "/api/v1/accounts/me", Some(&alice), Some(json!({"name": "Alice"}))).await;
    let passwords = json!({"old_password": PASSWORD, "new_password": "another password"});
    server.call("POST", "/api/v1/accounts/password", Some(&alice), Some(passwords)).await;
    server.call("DELETE", "/api/v1/accounts/sessions", Some(&alice), None).await;
    server.call("DELETE", "/api/v1/accounts/logout", Some(&alice), None).await;
    let admin = server.login("root").await.access;
    let uuid = server.uuid_of(&admin, "alice").await;
    server.call("PATCH", "/api/v1/users", Some(&admin), Some(json!({"uuid": uuid, "disabled": true}))).await;
    server.login_with("alice", "another password").await;
    server.call("DELETE", &format!("/api/v1/users/{uuid}/login-failures"), Some(&admin), None).await;
    server.call("DELETE", "/api/v1/users", Some(&admin), Some(json!({"uuid": uuid}))).await;

    let answer = server.get(AUDIT, &admin).await.body;
    let expected = [
        ("admin_made", "success"),
        ("registered", "success"),
        ("login", "failure"),
        ("login", "failure"),
        ("login", "success"),
        ("account_changed", "success"),
        ("password_changed", "success"),
        ("other_sessions_ended", "success"),
        ("logout", "success"),
        ("login", "success"),
        ("user_changed", "success"),
        ("login", "denied"),
        ("login_failures_cleared", "success"),
        ("user_deleted", "success"),
    ];
    assert_eq!(events(&answer), expected.map(|(event, outcome)| (event.to_owned(), outcome.to_owned())));

    let deleted = &answer["data"][0];
    assert_eq!(deleted["actor"]["username"], "root");
    assert_eq!(deleted["subject"], json!({"uuid": uuid, "username": "alice"}));
    assert_eq!(deleted["address"], "127.0.0.1");
    assert!(deleted["request_id"].is_string() && deleted["at"].as_str().unwrap().ends_with('Z'));
    // An unknown name may be a password that was typed into the wrong field.
    let unknown = &answer["data"][10];
    assert_eq!((&unknown["actor"], &unknown["detail"]), (&Value::Null, &json!("no such user")));
    assert!(!answer.to_string().contains("nobody"));

    let log = server.log.text();
    let lines = log.lines().filter(|line| line.contains(r#""message":"audit""#)).count();
    assert_eq!(lines, expected.len() - 1, "each is also a line of the log; the first is from another process");
}

async fn the_list_is_paged_and_filtered_and_for_admins_only(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    server.register("alice").await;
    let alice = server.login("alice").await.access;
    assert_eq!(server.get(AUDIT, &alice).await, fail(403, json!("not admin")));
    let admin = server.login("root").await.access;
    let list = |query: String| {
        let (server, admin) = (&server, &admin);
        async move { server.get(&format!("{AUDIT}?{query}"), admin).await }
    };
    let first = list("limit=2".into()).await.body;
    assert_eq!(first["data"].as_array().unwrap().len(), 2);
    let before = first["data"][1]["id"].as_i64().unwrap();
    assert_eq!(
        events(&list(format!("before={before}")).await.body),
        [("admin_made", "success"), ("registered", "success"), ("login", "success")]
            .map(|(event, outcome)| (event.to_owned(), outcome.to_owned()))
    );
    assert_eq!(list("event=login&outcome=failure".into()).await.body["data"], json!([]));
    let uuid = server.uuid_of(&admin, "alice").await;
    assert_eq!(list(format!("user={uuid}")).await.body["data"].as_array().unwrap().len(), 3);
    assert_eq!(list("until=2020-01-01T00:00:00Z".into()).await.body["data"], json!([]));
    assert_eq!(list("since=2020-01-01T00:00:00Z".into()).await.body["data"].as_array().unwrap().len(), 5);
    let wrong = json!({"since": ["Must be a time such as 2026-01-31T00:00:00Z."]});
    assert_eq!(list("since=yesterday".into()).await, fail(422, wrong));
}

async fn old_events_are_deleted(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    server.login("root").await;
    database.execute("UPDATE audit_events SET at = 1").await;
    server.login("root").await;
    drop(server);
    let _server = Server::start(&database, &[("SC_AUTH_AUDIT_RETENTION", "1d")]).await;
    until("only the new one is left", async || database.texts("SELECT event FROM audit_events").await.len() == 1).await;
}
