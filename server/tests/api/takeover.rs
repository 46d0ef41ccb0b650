//! Taking over the database of the legacy service, which may still use it.

use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use crate::database::{Database, Engine};
use crate::harness::{Answer, Server, claims, fail, ok, run};

crate::on_every_engine!(
    everyone_logs_in_with_the_old_password,
    old_tokens_are_accepted_until_they_expire,
    logging_out_with_an_old_token_ends_all_old_tokens_of_that_user,
    a_refresh_during_a_logout_with_an_old_token_begins_no_session,
    an_old_refresh_token_stays_valid_and_its_session_can_be_ended,
    an_old_token_with_null_columns_is_refused,
    rows_that_the_legacy_service_writes_later_are_found_and_completed,
    with_coexist_passwords_are_written_for_the_legacy_service,
    users_with_old_tokens_can_be_deleted,
    the_plan_lists_surprises,
    an_interrupted_takeover_continues,
    a_reset_revokes_an_old_refresh_token_that_is_in_use,
);

const SECRET: &str = "the old service's own secret key";
pub const OLD_PASSWORD: &str = "old passwörd";
/// Of that password, made with werkzeug 3.1.
pub const PBKDF2: &str =
    "pbkdf2:sha256:150000$PBJITISJuwLyi9OA$c5030c45d2fdbdb7123809604b9557c079f76d7ffd665ce8ebd51f59cd1e694b";
const SCRYPT: &str = "scrypt:32768:8:1$ihtafvgaBuJukrg1$253d7fb581f572683a121a3bb4123cd953102deb9ac8664c3cd9a11d947aa9afc104420ff436c59e79d85012574571ffbfe89e70af10305f46ddbcd3b9a6edb3";
pub const ADMIN: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub const ALICE: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// The tables as SQLAlchemy creates them, with roles that were seeded twice.
pub async fn old_database(engine: Engine) -> Database {
    old_database_with(engine, "").await
}

/// The same in a database with options of `CREATE DATABASE`.
pub async fn old_database_with(engine: Engine, options: &str) -> Database {
    let database = Database::create_with(engine, options).await;
    let (id, boolean, datetime) = match engine {
        Engine::Sqlite => ("INTEGER NOT NULL PRIMARY KEY", "BOOLEAN", "DATETIME"),
        Engine::MariaDb | Engine::MySql => ("INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY", "BOOL", "DATETIME"),
        Engine::Postgres => ("SERIAL NOT NULL PRIMARY KEY", "BOOLEAN", "TIMESTAMP"),
    };
    let tables = format!(
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
         INSERT INTO alembic_version VALUES ('c0ffee');
         CREATE TABLE roles (id {id}, name VARCHAR(64));
         CREATE TABLE users (id {id}, uuid VARCHAR(64), email VARCHAR(120), username VARCHAR(64),
             password VARCHAR(254), name VARCHAR(125), role_id INTEGER, created_at {datetime}, updated_at {datetime},
             UNIQUE (uuid), UNIQUE (email), UNIQUE (username), FOREIGN KEY (role_id) REFERENCES roles (id));
         CREATE TABLE tokens (id {id}, jti VARCHAR(36) NOT NULL UNIQUE, token_type VARCHAR(10) NOT NULL,
             user_uuid VARCHAR(64) NOT NULL, revoked {boolean} NOT NULL, expires {datetime} NOT NULL,
             FOREIGN KEY (user_uuid) REFERENCES users (uuid));
         INSERT INTO roles (name) VALUES ('Admin'), ('User'), ('Admin'), ('User');"
    );
    database.execute(&tables).await;
    database.execute(&user("admin", ADMIN, PBKDF2, 3)).await;
    database.execute(&user("Alice", ALICE, SCRYPT, 2)).await;
    database
}

/// A user's row, as the legacy service writes it.
pub fn user(name: &str, uuid: &str, hash: &str, role: i32) -> String {
    format!(
        "INSERT INTO users (uuid, email, username, password, name, role_id, created_at, updated_at) VALUES
         ('{uuid}', '{name}@example.com', '{name}', '{hash}', '{name}', {role}, '2020-01-02 03:04:05',
          '2020-01-02 03:04:05')"
    )
}

/// A token of the legacy service, with its row.
pub async fn old_token(database: &Database, kind: &str, uuid: &str, jti: &str) -> String {
    let row = format!(
        "INSERT INTO tokens (jti, token_type, user_uuid, revoked, expires)
         VALUES ('{jti}', '{kind}', '{uuid}', false, '2099-01-01 00:00:00')"
    );
    database.execute(&row).await;
    signed(kind, uuid, jti, 4_000_000_000)
}

fn signed(kind: &str, uuid: &str, jti: &str, exp: i64) -> String {
    let claims = json!({
        "fresh": kind == "access", "iat": 1_600_000_000, "nbf": 1_600_000_000, "exp": exp, "jti": jti, "type": kind,
        "sub": uuid,
    });
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

pub async fn server(database: &Database, settings: &[(&str, &str)]) -> Server {
    Server::start(database, &[&[("SECRET_KEY", SECRET)], settings].concat()).await
}

pub async fn login(server: &Server, name: &str) -> Answer {
    let answer = server.login_with(name, OLD_PASSWORD).await;
    assert_eq!(answer.status, 200, "{name}: {answer:?}");
    answer
}

async fn everyone_logs_in_with_the_old_password(engine: Engine) {
    let database = old_database(engine).await;
    let output = run(&database, &["migrate"], &[]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(database.texts("SELECT version_num FROM alembic_version").await, ["c0ffee"]);
    let server = server(&database, &[]).await;
    for name in ["admin", "Alice", "alice", "ALICE"] {
        login(&server, name).await;
    }
    let admin = login(&server, "admin").await.text("access_token");
    let users = server.get("/api/v1/users", &admin).await;
    let alice = json!({
        "name": "Alice", "email": "Alice@example.com", "role_id": 2, "username": "Alice", "uuid": ALICE,
    });
    assert_eq!(users.body["data"][1], alice);
    assert_eq!(users.body["data"][0]["role_id"], 3, "duplicate roles are the same role");
    let roles = server.get("/api/v1/roles", &admin).await;
    assert_eq!(roles.body["data"].as_array().unwrap().len(), 4);
    let hashes = database.texts("SELECT password FROM users ORDER BY id").await;
    assert!(hashes.iter().all(|hash| hash.starts_with("$argon2id$")), "{hashes:?}");
    server.register("bob").await;
    server.login("bob").await;
}

async fn old_tokens_are_accepted_until_they_expire(engine: Engine) {
    let database = old_database(engine).await;
    let access = old_token(&database, "access", ALICE, "a1").await;
    let refresh = old_token(&database, "refresh", ALICE, "r1").await;
    let server = server(&database, &[]).await;
    assert!(server.is_valid(&access).await);
    let wrong = |text| crate::harness::msg(reqwest::StatusCode::UNPROCESSABLE_ENTITY, text);
    let me = |token: &str| {
        let (server, token) = (&server, token.to_owned());
        async move { server.get("/api/v1/accounts/me", &token).await }
    };
    assert_eq!(me(&refresh).await, wrong("Only non-refresh tokens are allowed"));
    assert_eq!(server.refresh(&access).await, wrong("Only refresh tokens are allowed"));
    let revoked = fail(401, json!("The token has revoked"));
    assert_eq!(me(&signed("access", ALICE, "no row", 4_000_000_000)).await, revoked);
    assert_eq!(me(&signed("access", ADMIN, "a1", 4_000_000_000)).await, revoked, "the row is of another user");
    assert_eq!(me(&signed("access", ALICE, "r1", 4_000_000_000)).await, revoked, "the row is of another type");
    assert_eq!(me(&signed("access", ALICE, "a1", 1_700_000_000)).await, fail(401, json!("The token has expired")));
    let forged = jsonwebtoken::encode(&Header::default(), &claims(&access), &EncodingKey::from_secret(b"guess"));
    assert_eq!(me(&forged.unwrap()).await, wrong("Signature verification failed"));

    drop(server);
    let without = Server::start(&database, &[]).await;
    let refused = without.get("/api/v1/accounts/me", &access).await;
    assert_eq!(refused, wrong("Signature verification failed"), "only with SECRET_KEY");
}

async fn logging_out_with_an_old_token_ends_all_old_tokens_of_that_user(engine: Engine) {
    let database = old_database(engine).await;
    let tokens = [old_token(&database, "access", ALICE, "a1").await, old_token(&database, "access", ALICE, "a2").await];
    let refresh = old_token(&database, "refresh", ALICE, "r1").await;
    let other = old_token(&database, "access", ADMIN, "a3").await;
    let server = server(&database, &[]).await;
    let new = login(&server, "alice").await.text("access_token");
    let begun = server.refresh(&refresh).await.text("access_token");
    let of_other = old_token(&database, "refresh", ADMIN, "r3").await;
    let of_other = server.refresh(&of_other).await.text("access_token");
    assert!(server.is_valid(&begun).await);
    let logout = server.call("DELETE", "/api/v1/accounts/logout", Some(&tokens[0]), None).await;
    assert_eq!(logout, ok(json!("The token has been revoked")));
    for token in &tokens {
        assert!(!server.is_valid(token).await);
    }
    assert_eq!(server.refresh(&refresh).await, fail(401, json!("The token has revoked")));
    assert!(!server.is_valid(&begun).await, "the session that its refresh token began");
    for token in [&other, &new, &of_other] {
        assert!(server.is_valid(token).await);
    }
}

/// The refresh either fails, or its session ends.
async fn a_refresh_during_a_logout_with_an_old_token_begins_no_session(engine: Engine) {
    let database = old_database(engine).await;
    let server = server(&database, &[]).await;
    for round in 0..6 {
        let access = old_token(&database, "access", ALICE, &format!("a{round}")).await;
        let refresh = old_token(&database, "refresh", ALICE, &format!("r{round}")).await;
        let (refreshed, logout) = tokio::join!(
            server.refresh(&refresh),
            server.call("DELETE", "/api/v1/accounts/logout", Some(&access), None)
        );
        assert_eq!(logout.status, 200, "{logout:?}");
        if refreshed.status == 200 {
            assert!(!server.is_valid(&refreshed.text("access_token")).await, "{round}");
        }
        assert_eq!(database.texts("SELECT sid FROM sessions").await, Vec::<String>::new(), "{round}");
    }
}

async fn an_old_refresh_token_stays_valid_and_its_session_can_be_ended(engine: Engine) {
    let database = old_database(engine).await;
    let refresh = old_token(&database, "refresh", ALICE, "r1").await;
    let server = server(&database, &[]).await;
    let mut access = String::new();
    for _ in 0..3 {
        let refreshed = server.refresh(&refresh).await;
        assert_eq!(refreshed.body["data"].as_object().unwrap().len(), 1, "{refreshed:?}");
        access = refreshed.text("access_token");
        assert!(server.is_valid(&access).await);
    }
    let sessions = server.get("/api/v1/accounts/sessions", &access).await;
    assert_eq!(sessions.body["data"].as_array().unwrap().len(), 1, "it is one session");
    server.call("DELETE", "/api/v1/accounts/logout", Some(&access), None).await;
    assert!(!server.is_valid(&access).await);
    assert_eq!(server.refresh(&refresh).await, fail(401, json!("The token has revoked")), "no other session begins");
}

async fn an_old_token_with_null_columns_is_refused(engine: Engine) {
    let database = old_database(engine).await;
    let nullable = match engine {
        Engine::Sqlite => {
            "CREATE TABLE copy AS SELECT * FROM tokens; DROP TABLE tokens; ALTER TABLE copy RENAME TO tokens"
        }
        Engine::MariaDb | Engine::MySql => "ALTER TABLE tokens MODIFY COLUMN revoked BOOL NULL",
        Engine::Postgres => "ALTER TABLE tokens ALTER COLUMN revoked DROP NOT NULL",
    };
    database.execute(nullable).await;
    let access = old_token(&database, "access", ALICE, "a1").await;
    let refresh = old_token(&database, "refresh", ALICE, "r1").await;
    let good = old_token(&database, "access", ALICE, "a2").await;
    database.execute("UPDATE tokens SET revoked = NULL WHERE jti IN ('a1', 'r1')").await;
    let server = server(&database, &[]).await;
    assert!(!server.is_valid(&access).await && server.is_valid(&good).await);
    assert_eq!(server.refresh(&refresh).await, fail(401, json!("The token has revoked")));
    let body = json!({"old_password": OLD_PASSWORD, "new_password": "another good password"});
    let change = server.call("POST", "/api/v1/accounts/password", Some(&access), Some(body)).await;
    assert_eq!(change, fail(401, json!("The token has revoked")));
    let logout = server.call("DELETE", "/api/v1/accounts/logout", Some(&good), None).await;
    assert_eq!(logout.status, 200, "{logout:?}");
    assert!(!server.is_valid(&good).await);
    let admin = login(&server, "admin").await.text("access_token");
    let deleted = server.call("DELETE", "/api/v1/users", Some(&admin), Some(json!({"uuid": ALICE}))).await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
    assert!(!server.log.text().contains("a request failed"), "{}", server.log.text());
}

async fn rows_that_the_legacy_service_writes_later_are_found_and_completed(engine: Engine) {
    let database = old_database(engine).await;
    let server = server(&database, &[("SC_AUTH_COEXIST", "on")]).await;
    database.execute(&user("Bob", "cccccccccccccccccccccccccccccccc", PBKDF2, 2)).await;
    let keys = "SELECT username_key FROM users WHERE username = 'Bob' AND username_key IS NOT NULL";
    assert_eq!(database.texts(keys).await.len(), 0);
    login(&server, "Bob").await;
    assert_eq!(database.texts(keys).await, ["bob"]);
    login(&server, "bob").await;

    // A name that the legacy service has assigned is taken, although its key is not yet filled in.
    database.execute(&user("Carol", "dddddddddddddddddddddddddddddddd", PBKDF2, 2)).await;
    let mut carol = crate::harness::account("Carol");
    carol["email"] = json!("another@example.com");
    let register = server.post("/api/v1/accounts/register", carol).await;
    assert_eq!(register, fail(409, json!("username already exists")));
}

async fn with_coexist_passwords_are_written_for_the_legacy_service(engine: Engine) {
    let database = old_database(engine).await;
    let server = server(&database, &[("SC_AUTH_COEXIST", "on")]).await;
    login(&server, "admin").await;
    server.register("bob").await;
    server.login("bob").await;
    let hashes = database.texts("SELECT password FROM users ORDER BY id").await;
    assert_eq!(&hashes[..2], [PBKDF2, SCRYPT], "no hash is replaced");
    assert!(hashes[2].starts_with("pbkdf2:sha256:150000$"), "{hashes:?}");
    // The legacy service does not know the new columns.
    database.execute(&user("dave", "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee", PBKDF2, 4)).await;
    database.execute("UPDATE users SET name = 'David' WHERE username = 'dave'").await;
    login(&server, "dave").await;
    database.execute("DELETE FROM sessions; DELETE FROM users WHERE username = 'dave'").await;
}

async fn users_with_old_tokens_can_be_deleted(engine: Engine) {
    let database = old_database(engine).await;
    let access = old_token(&database, "access", ALICE, "a1").await;
    let server = server(&database, &[]).await;
    let admin = login(&server, "admin").await.text("access_token");
    login(&server, "alice").await;
    let deleted = server.call("DELETE", "/api/v1/users", Some(&admin), Some(json!({"uuid": ALICE}))).await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
    assert!(!server.is_valid(&access).await);
}

async fn the_plan_lists_surprises(engine: Engine) {
    let database = old_database(engine).await;
    let dear = "scrypt:1048576:8:1$c2FsdA$".to_owned() + &"aa".repeat(64);
    database.execute(&user("dear", "cccccccccccccccccccccccccccccccc", &dear, 2)).await;
    // MySQL's old collation does not allow two names that differ in case only.
    if !engine.is_mysql() {
        database.execute(&user("ALICE", "dddddddddddddddddddddddddddddddd", PBKDF2, 2)).await;
    }
    let output = run(&database, &["migrate", "--plan"], &[]).await;
    let plan = String::from_utf8(output.stdout).unwrap();
    assert!(
        plan.contains("taken over in place") && plan.contains("ALTER TABLE users ADD COLUMN username_key"),
        "{plan}"
    );
    assert!(plan.contains("dear: password hash: costs more than this server allows"), "{plan}");
    assert_eq!(plan.contains("ALICE: the same name as the user with id 2"), !engine.is_mysql(), "{plan}");
    assert!(!plan.contains("DROP") && !plan.contains("alembic"), "{plan}");
    let again = run(&database, &["migrate", "--plan"], &[]).await;
    assert_eq!(String::from_utf8(again.stdout).unwrap(), plan, "it changes nothing");

    // Both users can still log in, with the exact form of their names.
    assert!(run(&database, &["migrate"], &[]).await.status.success());
    let server = server(&database, &[]).await;
    let uuid = |answer: &Answer| claims(&answer.text("access_token"))["sub"].clone();
    assert_eq!(uuid(&login(&server, "Alice").await), ALICE);
    if !engine.is_mysql() {
        assert_eq!(uuid(&login(&server, "ALICE").await), Value::from("d".repeat(32)));
    }
}

async fn an_interrupted_takeover_continues(engine: Engine) {
    let database = old_database(engine).await;
    database.execute("CREATE TABLE sc_auth_schema (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, oldest_version INTEGER NOT NULL, oldest_server VARCHAR(32) NOT NULL)").await;
    database.execute("ALTER TABLE users ADD COLUMN username_key VARCHAR(255)").await;
    let server = server(&database, &[]).await;
    login(&server, "alice").await;
    assert!(server.log.text().contains(r#""refresh_tokens":"Reusable""#), "for legacy clients");
}

async fn a_reset_revokes_an_old_refresh_token_that_is_in_use(engine: Engine) {
    let database = old_database(engine).await;
    let server = server(&database, &[]).await;
    let admin = login(&server, "admin").await.text("access_token");
    for round in 0..6 {
        let refresh = old_token(&database, "refresh", ALICE, &format!("r{round}")).await;
        let reset = json!({"uuid": ALICE, "password": format!("the owner's password {round}")});
        let (refreshed, reset) = tokio::join!(
            async {
                tokio::time::sleep(std::time::Duration::from_millis(round * 13)).await;
                server.refresh(&refresh).await
            },
            server.call("PATCH", "/api/v1/users", Some(&admin), Some(reset))
        );
        assert_eq!(reset.status, 200, "{reset:?}");
        if refreshed.status == 200 {
            assert!(!server.is_valid(&refreshed.text("access_token")).await, "{round}");
        }
        assert_eq!(server.refresh(&refresh).await.status, 401, "{round}");
        let sessions = "SELECT sid FROM sessions WHERE user_id = (SELECT id FROM users WHERE username = 'Alice')";
        assert_eq!(database.texts(sessions).await, Vec::<String>::new(), "{round}");
    }
}
