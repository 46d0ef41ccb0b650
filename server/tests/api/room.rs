//! What clients can fill is bounded: audit events, sessions, users.

use serde_json::json;

use crate::database::{Database, Engine};
use crate::harness::{Answer, PASSWORD, Server, account, answer, fail, run_with_input, until};

crate::on_every_engine!(
    failures_of_one_network_share_a_row,
    what_a_user_repeats_shares_a_row,
    refusals_are_deleted_before_other_events,
    a_user_has_a_limited_number_of_sessions,
    an_expired_session_makes_room_before_others,
    nobody_registers_beyond_the_limit_of_users,
    a_failing_step_does_not_stop_the_deletion_of_other_rows,
);

/// A server with the Admin `root`, and settings.
async fn start(engine: Engine, settings: &[(&str, &str)]) -> (Server, Database) {
    let database = Database::create(engine).await;
    let output = run_with_input(&database, &["admin", "create", "root", "--password-stdin"], PASSWORD).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (Server::start(&database, settings).await, database)
}

/// The rows of an event, and how often it happened.
async fn rows(server: &Server, query: &str) -> (usize, i64) {
    let admin = server.login("root").await.access;
    let events = server.get(&format!("/api/v1/audit?limit=1000&{query}"), &admin).await;
    let events = events.body["data"].as_array().unwrap().clone();
    (events.len(), events.iter().map(|event| event["count"].as_i64().unwrap()).sum())
}

async fn failures_of_one_network_share_a_row(engine: Engine) {
    let (server, _database) = start(engine, &[("SC_AUTH_TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    let guess = |number: usize, address: String| {
        let body = json!({"username": format!("nobody{number}"), "password": "a wrong password"});
        let request = server.request("POST", "/api/v1/accounts/login").json(&body);
        answer(request.header("x-forwarded-for", address).header("user-agent", format!("agent {number}")))
    };
    // Other names, addresses of one network and user agents: one row a minute.
    for number in 0..12 {
        assert_eq!(guess(number, format!("2001:db8:1:1::{number:x}")).await.status, 422);
    }
    let (count, total) = rows(&server, "event=login&outcome=failure").await;
    assert!((1..=2).contains(&count) && total == 12, "{count} rows of {total} failures");
    assert_eq!(guess(20, "2001:db8:1:2::1".into()).await.status, 422);
    let (with_another, total) = rows(&server, "event=login&outcome=failure").await;
    assert!(with_another > count && total == 13, "another network has its own row");
}

async fn what_a_user_repeats_shares_a_row(engine: Engine) {
    let (server, _database) = start(engine, &[]).await;
    server.register("alice").await;
    let alice = server.login("alice").await.access;
    for number in 0..60 {
        let name = json!({"name": format!("Alice {number}")});
        assert_eq!(server.call("PATCH", "/api/v1/accounts/me", Some(&alice), Some(name)).await.status, 200);
    }
    let (count, total) = rows(&server, "event=account_changed").await;
    assert!(count < 60 && total == 60, "{count} rows of {total} changes");
}

async fn refusals_are_deleted_before_other_events(engine: Engine) {
    let (server, database) = start(engine, &[]).await;
    drop(server);
    // As a release without tiers has written them.
    for (event, outcome, count) in [
        ("user_changed", "success", 40),
        ("login", "success", 300),
        ("login", "failure", 700),
        ("login", "denied", 300),
    ] {
        let row = format!("(4102444800, '{event}', '{outcome}')");
        let rows = vec![row; count].join(", ");
        database.execute(&format!("INSERT INTO audit_events (at, event, outcome) VALUES {rows}")).await;
    }
    let _server = Server::start(&database, &[("SC_AUTH_AUDIT_MAX_EVENTS", "1000")]).await;
    let count = async |what: &str| {
        database.texts(&format!("SELECT event FROM audit_events WHERE at = 4102444800 AND {what}")).await.len()
    };
    until("there are 1,000", async || count("event = 'login'").await <= 1_000).await;
    assert_eq!(count("outcome = 'success'").await, 340);
    assert_eq!(count("outcome = 'denied'").await, 300, "the oldest are deleted first");
}

async fn login(server: &Server) -> Answer {
    server.login_with("alice", PASSWORD).await
}

async fn a_user_has_a_limited_number_of_sessions(engine: Engine) {
    let (server, database) = start(engine, &[("SC_AUTH_MAX_SESSIONS", "3")]).await;
    server.register("alice").await;
    let mut tokens = Vec::new();
    for _ in 0..3 {
        tokens.push(login(&server).await.text("access_token"));
    }
    let refused = login(&server).await;
    assert_eq!(refused.status, 429);
    assert!(refused.text("error").starts_with("too many sessions (3), "), "{refused:?}");
    for token in &tokens {
        assert!(server.is_valid(token).await, "its access token is valid");
    }
    let sessions = server.get("/api/v1/accounts/sessions", &tokens[0]).await;
    let idle = sessions.body["data"][1]["id"].as_str().unwrap().to_owned();
    database.execute(&format!("UPDATE sessions SET last_used_at = 1 WHERE sid = '{idle}'")).await;
    assert_eq!(login(&server).await.status, 200);
    assert!(server.is_valid(&tokens[0]).await && server.is_valid(&tokens[2]).await);
    assert!(!server.is_valid(&tokens[1]).await, "the idle one has ended");
    assert_eq!(login(&server).await.status, 429);
    assert_eq!(rows(&server, "event=session_ended").await, (1, 1));
    let metrics = server.ops("/metrics").await.unwrap().text().await.unwrap();
    let count = "sc_auth_security_events_total{event=\"session_ended\",outcome=\"success\"} 1\n";
    assert!(metrics.contains(count) && server.log.text().contains("1 idle session"), "{metrics}");
    let (_, total) = rows(&server, "event=login&outcome=denied").await;
    assert_eq!(total, 2);
    // A logout makes room.
    assert_eq!(server.call("DELETE", "/api/v1/accounts/logout", Some(&tokens[0]), None).await.status, 200);
    assert_eq!(login(&server).await.status, 200);
    // Others are not affected.
    server.register("bob").await;
    server.login("bob").await;
}

async fn an_expired_session_makes_room_before_others(engine: Engine) {
    let (server, database) = start(engine, &[("SC_AUTH_MAX_SESSIONS", "2")]).await;
    server.register("alice").await;
    let first = login(&server).await.text("access_token");
    let second = login(&server).await.text("access_token");
    let sessions = server.get("/api/v1/accounts/sessions", &second).await;
    let newest = sessions.body["data"][1]["id"].as_str().unwrap().to_owned();
    database.execute(&format!("UPDATE sessions SET expires_at = 1 WHERE sid = '{newest}'")).await;
    assert_eq!(login(&server).await.status, 200);
    assert!(server.is_valid(&first).await, "only the expired one has ended");
    assert_eq!(database.texts(&format!("SELECT sid FROM sessions WHERE sid = '{newest}'")).await.len(), 0);
}

async fn a_failing_step_does_not_stop_the_deletion_of_other_rows(engine: Engine) {
    let (server, database) = start(engine, &[]).await;
    database.execute("ALTER TABLE login_failures RENAME TO other_failures").await;
    let columns = "id, scauth, uid, created_at, last_seen_at";
    database.execute(&format!("INSERT INTO sc_auth_heartbeats ({columns}) VALUES ('old', 'x', 'x', 1, 1)")).await;
    let rows = async || database.texts("SELECT id FROM sc_auth_heartbeats WHERE id = 'old'").await.len();
    until("it is deleted", async || rows().await == 0).await;
    assert!(server.log.text().contains("could not delete old login failures"));
}

async fn nobody_registers_beyond_the_limit_of_users(engine: Engine) {
    let (server, _database) = start(engine, &[("SC_AUTH_MAX_USERS", "2")]).await;
    server.register("alice").await;
    let refused = fail(403, json!("registration is closed: there are too many users"));
    assert_eq!(server.post("/api/v1/accounts/register", account("bob")).await, refused);
    let mut invalid = account("bob");
    invalid["username"] = json!("b");
    assert_eq!(server.post("/api/v1/accounts/register", invalid).await.status, 422, "users are counted after that");
    let admin = server.login("root").await.access;
    let mut bob = account("bob");
    bob["role_name"] = json!("User");
    assert_eq!(server.call("POST", "/api/v1/users", Some(&admin), Some(bob)).await.status, 201, "Admins can");
}
