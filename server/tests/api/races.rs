//! Requests that lose their permission while they run. In any order: once an Admin's reset is answered, no request of
//! a stolen session takes effect.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, PgConnection, SqliteConnection};

use crate::database::{Database, Engine};
use crate::harness::{Answer, PASSWORD, Server, account, fail, run_with_input};

crate::on_every_engine!(
    a_reset_wins_over_the_thief_s_own_change,
    a_reset_wins_over_logins_and_refreshes_in_flight,
    requests_of_an_ended_session_have_no_effect,
    requests_of_a_former_admin_have_no_effect,
    a_user_who_is_disabled_or_deleted_during_the_login_gets_no_session,
    a_reset_wins_over_the_replacement_of_an_imported_hash,
    a_user_can_log_in_while_an_imported_hash_is_replaced,
);

const USERS: &str = "/api/v1/users";
const OWN_PASSWORD: &str = "/api/v1/accounts/password";
/// Of `old passwörd`, made with werkzeug 3.1.
const PBKDF2: &str =
    "pbkdf2:sha256:150000$PBJITISJuwLyi9OA$c5030c45d2fdbdb7123809604b9557c079f76d7ffd665ce8ebd51f59cd1e694b";

/// A server, its database, and an Admin's token.
async fn with_admin(engine: Engine) -> (Server, Database, String) {
    let (server, database) = Server::with_admin(engine).await;
    let admin = server.login("root").await.access;
    (server, database, admin)
}

async fn change(server: &Server, token: &str, old: &str, new: &str) -> Answer {
    let body = json!({"old_password": old, "new_password": new});
    server.call("POST", OWN_PASSWORD, Some(token), Some(body)).await
}

async fn reset(server: &Server, admin: &str, uuid: &str, password: &str) {
    let body = json!({"uuid": uuid, "password": password});
    let answer = server.call("PATCH", USERS, Some(admin), Some(body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Varies the moment in each round, from before the other request to after it.
async fn after(round: u64) {
    tokio::time::sleep(Duration::from_millis(round * 17 % 120)).await;
}

async fn a_reset_wins_over_the_thief_s_own_change(engine: Engine) {
    let (first, database, admin) = with_admin(engine).await;
    let second = first.replica(&database).await;
    for round in 0..10 {
        let name = format!("alice{round}");
        first.register(&name).await;
        let uuid = first.uuid_of(&admin, &name).await;
        let thieves = [first.login(&name).await, second.login(&name).await];
        let (from_first, from_second, ()) = tokio::join!(
            async { change(&first, &thieves[0].access, PASSWORD, "a thief's password").await },
            async { change(&second, &thieves[1].access, PASSWORD, "another thief's password").await },
            async {
                after(round).await;
                reset(&first, &admin, &uuid, "the owner's password").await;
            }
        );
        for answer in [&from_first, &from_second] {
            assert!([200, 401, 422].contains(&answer.status), "{answer:?}");
        }
        for password in ["a thief's password", "another thief's password", PASSWORD] {
            assert_eq!(second.login_with(&name, password).await.status, 422, "{round}: {from_first:?} {from_second:?}");
        }
        assert_eq!(first.login_with(&name, "the owner's password").await.status, 200, "{round}");
        for thief in &thieves {
            assert!(!first.is_valid(&thief.access).await && !second.is_valid(&thief.access).await, "{round}");
            assert_eq!(second.refresh(&thief.refresh).await.status, 401, "{round}");
        }
    }
}

async fn a_reset_wins_over_logins_and_refreshes_in_flight(engine: Engine) {
    let (first, database, admin) = with_admin(engine).await;
    let second = first.replica(&database).await;
    for round in 0..6 {
        let name = format!("alice{round}");
        first.register(&name).await;
        let uuid = first.uuid_of(&admin, &name).await;
        let thief = first.login(&name).await;
        let (login, refreshed, ()) = tokio::join!(
            async { second.login_with(&name, PASSWORD).await },
            async {
                after(round + 3).await;
                second.refresh(&thief.refresh).await
            },
            async {
                after(round).await;
                reset(&first, &admin, &uuid, "the owner's password").await;
            }
        );
        for answer in [login, refreshed] {
            if answer.status == 200 {
                assert!(!first.is_valid(&answer.text("access_token")).await, "{round}");
            } else {
                assert!([401, 422].contains(&answer.status), "{answer:?}");
            }
        }
        let sessions =
            format!("SELECT sid FROM sessions WHERE user_id = (SELECT id FROM users WHERE username_key = '{name}')");
        assert_eq!(database.texts(&sessions).await, Vec::<String>::new(), "{round}");
    }
}

/// Another transaction, which holds its locks.
enum Held {
    Sqlite(SqliteConnection),
    MySql(MySqlConnection),
    Postgres(PgConnection),
}

impl Held {
    async fn begin(database: &Database, sql: &str) -> Self {
        let url = database.url.as_str();
        let (begin, mut held) = if url.starts_with("sqlite") {
            ("BEGIN IMMEDIATE", Self::Sqlite(SqliteConnection::connect(url).await.unwrap()))
        } else if url.starts_with("mysql") {
            ("START TRANSACTION", Self::MySql(MySqlConnection::connect(url).await.unwrap()))
        } else {
            ("BEGIN", Self::Postgres(PgConnection::connect(url).await.unwrap()))
        };
        held.run(begin).await;
        held.run(sql).await;
        held
    }

    async fn run(&mut self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(connection) => drop(sqlx::raw_sql(sql).execute(connection).await.unwrap()),
            Self::MySql(connection) => drop(sqlx::raw_sql(sql).execute(connection).await.unwrap()),
            Self::Postgres(connection) => drop(sqlx::raw_sql(sql).execute(connection).await.unwrap()),
        }
    }

    /// Releases the other requests, which are blocked by now. On a slow machine they may arrive later: their answers
    /// must be the same.
    async fn commit(mut self, sql: &str) {
        tokio::time::sleep(Duration::from_millis(700)).await;
        self.run(sql).await;
        self.run("COMMIT").await;
    }
}

const LOCK_EVE: &str = "UPDATE users SET name = name WHERE username_key = 'eve'";
const END_EVE: &str = "DELETE FROM sessions WHERE user_id = (SELECT id FROM users WHERE username_key = 'eve')";

/// All changes that only an Admin can make, with their bodies.
fn admin_requests(bob: &str) -> Vec<(&'static str, &'static str, Value)> {
    let mut mallory = account("mallory");
    mallory["role_name"] = json!("Admin");
    vec![
        ("PATCH", USERS, json!({"uuid": bob, "password": "eve's own password"})),
        ("PATCH", USERS, json!({"uuid": bob, "role_name": "Admin"})),
        ("PATCH", USERS, json!({"uuid": bob, "disabled": true})),
        ("PATCH", USERS, json!({"uuid": bob, "email": "eve@example.org"})),
        ("DELETE", USERS, json!({"uuid": bob})),
        ("POST", USERS, mallory),
    ]
}

async fn make_eve(server: &Server, admin: &str) {
    let mut eve = account("eve");
    eve["role_name"] = json!("Admin");
    assert_eq!(server.call("POST", USERS, Some(admin), Some(eve)).await.status, 201);
}

/// Everything that the requests could change.
async fn state(server: &Server, admin: &str, database: &Database) -> (Answer, Vec<String>) {
    let hashes = database.texts("SELECT password FROM users ORDER BY id").await;
    (server.get(USERS, admin).await, hashes)
}

async fn requests_of_an_ended_session_have_no_effect(engine: Engine) {
    let (server, database, admin) = with_admin(engine).await;
    make_eve(&server, &admin).await;
    server.register("bob").await;
    let bob = server.uuid_of(&admin, "bob").await;
    let bob_s = server.login("bob").await.access;
    let own = json!({"old_password": PASSWORD, "new_password": "eve's own password"});
    let mut requests = admin_requests(&bob);
    requests.push((
        "PATCH",
        "/api/v1/accounts/me",
        json!({"name": "Adam", "email": "adam@example.org", "password": PASSWORD}),
    ));
    requests.push(("POST", OWN_PASSWORD, own));
    requests.push(("DELETE", "/api/v1/accounts/sessions", json!({})));
    for (method, path, body) in requests {
        let eve = server.login("eve").await.access;
        let before = state(&server, &admin, &database).await;
        let held = Held::begin(&database, LOCK_EVE).await;
        let request = server.call(method, path, Some(&eve), Some(body.clone()));
        let (answer, ()) = tokio::join!(request, held.commit(END_EVE));
        assert_eq!(answer, fail(401, json!("The token has revoked")), "{method} {path} {body}");
        assert_eq!(state(&server, &admin, &database).await, before, "{method} {path} {body}");
    }
    assert!(server.is_valid(&bob_s).await);
}

async fn requests_of_a_former_admin_have_no_effect(engine: Engine) {
    let (server, database, admin) = with_admin(engine).await;
    make_eve(&server, &admin).await;
    server.register("bob").await;
    let bob = server.uuid_of(&admin, "bob").await;
    let eve = server.login("eve").await.access;
    for (method, path, body) in admin_requests(&bob) {
        database.execute("UPDATE users SET role_id = 1 WHERE username_key = 'eve'").await;
        let hashes = database.texts("SELECT password FROM users ORDER BY id").await;
        let held = Held::begin(&database, LOCK_EVE).await;
        let request = server.call(method, path, Some(&eve), Some(body.clone()));
        let demote = "UPDATE users SET role_id = 2 WHERE username_key = 'eve'";
        let (answer, ()) = tokio::join!(request, held.commit(demote));
        assert_eq!(answer, fail(403, json!("not admin")), "{method} {path} {body}");
        assert_eq!(database.texts("SELECT password FROM users ORDER BY id").await, hashes, "{method} {path} {body}");
    }
}

async fn a_user_who_is_disabled_or_deleted_during_the_login_gets_no_session(engine: Engine) {
    let (server, database, admin) = with_admin(engine).await;
    for (name, then) in [
        ("alice", "UPDATE users SET disabled = true WHERE username_key = 'alice'"),
        ("bob", "DELETE FROM users WHERE username_key = 'bob'"),
    ] {
        server.register(name).await;
        let uuid = server.uuid_of(&admin, name).await;
        let tokens = server.login(name).await;
        let lock = format!("UPDATE users SET name = name WHERE username_key = '{name}'");
        let held = Held::begin(&database, &lock).await;
        let end = format!(
            "DELETE FROM sessions WHERE user_id = (SELECT id FROM users WHERE username_key = '{name}'); {then}"
        );
        let (login, refreshed, ()) = tokio::join!(
            async { server.login_with(name, PASSWORD).await },
            async { server.refresh(&tokens.refresh).await },
            held.commit(&end)
        );
        assert!([403, 422].contains(&login.status), "{login:?}");
        if refreshed.status == 200 {
            assert!(!server.is_valid(&refreshed.text("access_token")).await);
        } else {
            assert_eq!(refreshed.status, 401, "{refreshed:?}");
        }
        let sessions = server.get("/api/v1/audit?event=login&outcome=success", &admin).await;
        let by =
            sessions.body["data"].as_array().unwrap().iter().filter(|event| event["actor"]["uuid"] == uuid.as_str());
        assert_eq!(by.count(), 1, "only the first session");
    }
}

async fn import(database: &Database, name: &str) {
    let line = json!({"username": name, "password_hash": PBKDF2}).to_string();
    assert!(run_with_input(database, &["users", "import", "-"], &line).await.status.success());
}

async fn a_reset_wins_over_the_replacement_of_an_imported_hash(engine: Engine) {
    let (first, database, admin) = with_admin(engine).await;
    let second = first.replica(&database).await;
    for round in 0..5 {
        let name = format!("alice{round}");
        import(&database, &name).await;
        let uuid = first.uuid_of(&admin, &name).await;
        let (login, ()) = tokio::join!(async { second.login_with(&name, "old passwörd").await }, async {
            after(round * 3).await;
            reset(&first, &admin, &uuid, "the owner's password").await;
        });
        if login.status == 200 {
            assert!(!first.is_valid(&login.text("access_token")).await, "{round}");
        }
        assert_eq!(first.login_with(&name, "old passwörd").await.status, 422, "{round}");
        assert_eq!(first.login_with(&name, "the owner's password").await.status, 200, "{round}");
    }
}

async fn a_user_can_log_in_while_an_imported_hash_is_replaced(engine: Engine) {
    let (first, database, _) = with_admin(engine).await;
    let second = first.replica(&database).await;
    for round in 0..4 {
        let name = format!("alice{round}");
        import(&database, &name).await;
        let logins = tokio::join!(
            first.login_with(&name, "old passwörd"),
            second.login_with(&name, "old passwörd"),
            first.login_with(&name, "old passwörd"),
            second.login_with(&name, "old passwörd"),
        );
        for login in [logins.0, logins.1, logins.2, logins.3] {
            assert_eq!(login.status, 200, "{round}: {login:?}");
        }
    }
    // The same while the user changes the password.
    import(&database, "bob").await;
    let tokens = first.login_with("bob", "old passwörd").await;
    database.execute(&format!("UPDATE users SET password = '{PBKDF2}' WHERE username_key = 'bob'")).await;
    let access = tokens.text("access_token");
    let (login, changed) = tokio::join!(
        second.login_with("bob", "old passwörd"),
        change(&first, &access, "old passwörd", "a new password")
    );
    assert_eq!(changed.status, 200, "{changed:?}");
    if login.status == 200 {
        assert!(!first.is_valid(&login.text("access_token")).await);
    }
    assert_eq!(first.login_with("bob", "a new password").await.status, 200);
}
