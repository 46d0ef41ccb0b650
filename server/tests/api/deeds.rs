//! No change without its audit event: if the event cannot be written, nothing changes.

use serde_json::{Value, json};

use crate::database::{Database, Engine};
use crate::harness::{Answer, PASSWORD, Server, Tokens, account, run, run_with_input};

crate::on_every_engine!(
    a_request_without_its_event_changes_nothing,
    a_command_without_its_event_changes_nothing,
    sessions_end_together_with_their_event,
);

/// From now on no event can be written.
async fn break_audit(database: &Database) {
    database.execute("ALTER TABLE audit_events RENAME TO hidden_events").await;
}

async fn repair_audit(database: &Database) {
    database.execute("ALTER TABLE hidden_events RENAME TO audit_events").await;
}

/// All users and sessions.
async fn state(database: &Database) -> Vec<Vec<String>> {
    let mut state = Vec::new();
    for sql in [
        "SELECT uuid FROM users ORDER BY id",
        "SELECT username FROM users ORDER BY id",
        "SELECT email FROM users WHERE email IS NOT NULL ORDER BY id",
        "SELECT name FROM users ORDER BY id",
        "SELECT password FROM users ORDER BY id",
        "SELECT username FROM users WHERE role_id = 1 ORDER BY id",
        "SELECT username FROM users WHERE disabled ORDER BY id",
        "SELECT username FROM users WHERE login_epoch > 0 ORDER BY id",
        "SELECT sid FROM sessions ORDER BY sid",
    ] {
        state.push(database.texts(sql).await);
    }
    state
}

struct Deed {
    name: &'static str,
    method: &'static str,
    path: String,
    token: Option<String>,
    body: Option<Value>,
    /// The event that it adds.
    event: &'static str,
}

/// Every kind of change that a request can make, in an order in which all of them succeed.
fn deeds(uuid: &str, admin: &str, alice: &Tokens, session: &str) -> Vec<Deed> {
    let deed = |name, method, path: &str, token: Option<&str>, body: Value, event| Deed {
        name,
        method,
        path: format!("/api/v1{path}"),
        token: token.map(str::to_owned),
        body: (!body.is_null()).then_some(body),
        event,
    };
    let (admin, alice) = (Some(admin), Some(alice.access.as_str()));
    let mut created = account("carol");
    created["role_name"] = json!("User");
    let login = json!({"username": "alice", "password": PASSWORD});
    let address = json!({"email": "new@example.com", "password": PASSWORD});
    let failures = format!("/users/{uuid}/login-failures");
    let password = json!({"old_password": PASSWORD, "new_password": "another good password"});
    vec![
        deed("register", "POST", "/accounts/register", None, account("bob"), "registered"),
        deed("login", "POST", "/accounts/login", None, login, "login"),
        deed("name", "PATCH", "/accounts/me", alice, json!({"name": "Alice"}), "account_changed"),
        deed("address", "PATCH", "/accounts/me", alice, address, "account_changed"),
        deed("session", "DELETE", &format!("/accounts/sessions/{session}"), alice, Value::Null, "session_ended"),
        deed("sessions", "DELETE", "/accounts/sessions", alice, Value::Null, "other_sessions_ended"),
        deed("password", "POST", "/accounts/password", alice, password, "password_changed"),
        deed("logout", "DELETE", "/accounts/logout", alice, Value::Null, "logout"),
        deed("create", "POST", "/users", admin, created, "user_created"),
        deed("clear", "DELETE", &failures, admin, Value::Null, "login_failures_cleared"),
        deed("role", "PATCH", "/users", admin, json!({"uuid": uuid, "role_name": "Admin"}), "user_changed"),
        deed("reset", "PATCH", "/users", admin, json!({"uuid": uuid, "password": "a third password"}), "user_changed"),
        deed("disable", "PATCH", "/users", admin, json!({"uuid": uuid, "disabled": true}), "user_changed"),
        deed("delete", "DELETE", "/users", admin, json!({"uuid": uuid}), "user_deleted"),
    ]
}

async fn call(server: &Server, deed: &Deed) -> Answer {
    server.call(deed.method, &deed.path, deed.token.as_deref(), deed.body.clone()).await
}

async fn a_request_without_its_event_changes_nothing(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    server.register("alice").await;
    let alice = server.login("alice").await;
    server.login("alice").await;
    let admin = server.login("root").await.access;
    let uuid = server.uuid_of(&admin, "alice").await;
    let sessions = server.get("/api/v1/accounts/sessions", &alice.access).await;
    let other = sessions.body["data"][1]["id"].as_str().unwrap().to_owned();
    for deed in deeds(&uuid, &admin, &alice, &other) {
        let before = state(&database).await;
        break_audit(&database).await;
        let answer = call(&server, &deed).await;
        assert!([500, 503].contains(&answer.status), "{}: {answer:?}", deed.name);
        repair_audit(&database).await;
        assert_eq!(state(&database).await, before, "{}", deed.name);
        let count = format!("SELECT event FROM audit_events WHERE event = '{}' AND outcome = 'success'", deed.event);
        let events = database.texts(&count).await.len();
        let answer = call(&server, &deed).await;
        assert!([200, 201].contains(&answer.status), "{}: {answer:?}", deed.name);
        assert_ne!(state(&database).await, before, "{}", deed.name);
        assert_eq!(database.texts(&count).await.len(), events + 1, "{}", deed.name);
    }
}

async fn a_command_without_its_event_changes_nothing(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    drop(server);
    let line = json!({"username": "carol", "password_hash": hash_of(&database).await}).to_string();
    database.execute("DELETE FROM audit_events").await;
    refuse_events(&database, engine).await;
    let before = state(&database).await;
    for (arguments, input) in [
        (["admin", "create", "dave", "--password-stdin"].as_slice(), PASSWORD),
        (["admin", "create", "root", "--password-stdin"].as_slice(), "another password"),
        (["users", "import", "-"].as_slice(), &line),
    ] {
        let output = run_with_input(&database, arguments, input).await;
        assert!(!output.status.success(), "{arguments:?}");
        assert_eq!(state(&database).await, before, "{arguments:?}");
    }
    allow_events(&database, engine).await;
    let output = run_with_input(&database, &["users", "import", "-"], &line).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(run(&database, &["admin", "create", "dave"], &[]).await.status.success());
    let events = database.texts("SELECT event FROM audit_events ORDER BY id").await;
    assert_eq!(events, ["users_imported", "admin_made"]);
}

async fn hash_of(database: &Database) -> String {
    database.texts("SELECT password FROM users").await.remove(0)
}

/// A trigger refuses each new event.
async fn refuse_events(database: &Database, engine: Engine) {
    let trigger = match engine {
        Engine::Sqlite => {
            "CREATE TRIGGER refused BEFORE INSERT ON audit_events BEGIN SELECT RAISE(ABORT, 'refused'); END"
        }
        Engine::MariaDb | Engine::MySql => {
            "CREATE TRIGGER refused BEFORE INSERT ON audit_events FOR EACH ROW \
             SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused'"
        }
        Engine::Postgres => {
            "CREATE FUNCTION refused() RETURNS trigger AS $$ BEGIN RAISE 'refused'; END $$ LANGUAGE plpgsql; \
             CREATE TRIGGER refused BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION refused()"
        }
    };
    database.execute(trigger).await;
}

async fn allow_events(database: &Database, engine: Engine) {
    let on = if engine == Engine::Postgres { " ON audit_events" } else { "" };
    database.execute(&format!("DROP TRIGGER refused{on}")).await;
}

async fn sessions_end_together_with_their_event(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    server.register("alice").await;
    let replayed = server.login("alice").await;
    let next = server.refresh(&replayed.refresh).await.text("refresh_token");
    assert_eq!(server.refresh(&next).await.status, 200);
    let before = state(&database).await;
    break_audit(&database).await;
    // The first token was exchanged twice: somebody has a copy.
    assert_eq!(server.refresh(&replayed.refresh).await.status, 500);
    repair_audit(&database).await;
    assert_eq!(state(&database).await, before);
    assert_eq!(server.refresh(&replayed.refresh).await.status, 401);
    assert!(!server.is_valid(&replayed.access).await);
    assert_eq!(database.texts("SELECT event FROM audit_events WHERE event = 'refresh_replayed'").await.len(), 1);
}
