//! What a password must be like, and hashes that other services have made.

use serde_json::json;

use crate::database::{Database, Engine};
use crate::harness::{Server, account, fail, run_with_input};

crate::on_every_engine!(
    a_new_password_must_keep_the_rules_and_the_answer_says_which,
    an_imported_hash_is_replaced_at_the_next_login,
    a_password_is_the_same_however_it_was_typed,
);

async fn a_new_password_must_keep_the_rules_and_the_answer_says_which(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    for (password, problem) in [
        ("x y z", "Shorter than minimum length 8."),
        ("Password123", "One of the most common passwords."),
        ("alice.smith", "The same as the user's own name or e-mail address."),
        ("ALICE.SMITH@example.com", "The same as the user's own name or e-mail address."),
        (&"ü".repeat(257), "Longer than maximum length 256."),
    ] {
        let mut body = account("alice.smith");
        body["password"] = json!(password);
        let answer = server.post("/api/v1/accounts/register", body).await;
        assert_eq!(answer, fail(422, json!({"password": [problem]})), "{password}");
    }
}

/// Adds a user as a file has one.
async fn import(database: &Database, username: &str, hash: &str) {
    let line = json!({"username": username, "password_hash": hash}).to_string();
    let output = run_with_input(database, &["users", "import", "-"], &line).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn an_imported_hash_is_replaced_at_the_next_login(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    for (name, hash) in [
        (
            "werkzeug",
            "pbkdf2:sha256:150000$PBJITISJuwLyi9OA$c5030c45d2fdbdb7123809604b9557c079f76d7ffd665ce8ebd51f59cd1e694b",
        ),
        ("bcrypt", "$2b$06$9WvkBPcy4a7TIrTuIb.rp.EjAlgRaMdAvwdlQ3MMaPF8h6uu8/sa."),
        ("argon2i", "$argon2i$v=19$m=8192,t=2,p=2$BxV5j31SY1d5fhagmyUBkw$lFN+qMuSMY5jn7Nx5Cv6xzSAAxaRxbKawbAktLXalcc"),
    ] {
        import(&database, name, hash).await;
        let stored = format!("SELECT password FROM users WHERE username = '{name}'");
        assert_eq!(server.login_with(name, "wrong passwörd").await.status, 422, "{name}");
        assert_eq!(database.texts(&stored).await, [hash], "only the right password replaces it");
        for _ in 0..2 {
            assert_eq!(server.login_with(name, "old passwörd").await.status, 200, "{name}");
            let now = database.texts(&stored).await;
            assert!(now[0].starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{name}: {now:?}");
        }
    }
}

async fn a_password_is_the_same_however_it_was_typed(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let mut body = account("alice");
    body["password"] = json!("pass\u{ff57}ort \u{fc}ber");
    assert_eq!(server.post("/api/v1/accounts/register", body).await.status, 201);
    assert_eq!(server.login_with("alice", "passwort u\u{308}ber").await.status, 200);
    assert_eq!(server.login_with("alice", "passwort uber").await.status, 422);

    // 200 letters, typed as 400 characters.
    let long = "u\u{308}".repeat(200);
    let mut body = account("bob");
    body["password"] = json!(long);
    assert_eq!(server.post("/api/v1/accounts/register", body).await.status, 201);
    assert_eq!(server.login_with("bob", &long).await.status, 200);
    assert_eq!(server.login_with("bob", &"x".repeat(2_000)).await.status, 422);
}

#[tokio::test]
async fn a_hash_that_costs_too_much_is_no_login_and_no_crash() {
    let (server, database) = Server::with_admin(Engine::Sqlite).await;
    server.register("alice").await;
    let dear = "$argon2id$v=19$m=1048576,t=9,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";
    database.execute(&format!("UPDATE users SET password = '{dear}' WHERE username = 'alice'")).await;
    assert_eq!(server.login_with("alice", "anything").await.status, 422);
    assert!(server.log.text().contains("dearer than this server allows"));
    server.login("root").await;
}

#[tokio::test]
async fn each_rule_can_be_set() {
    let (_, database) = Server::with_admin(Engine::Sqlite).await;
    let list = database.folder.path().join("list");
    std::fs::write(&list, "acme corporation\n").unwrap();
    let own = [("SC_AUTH_PASSWORD_BLOCKLIST", list.to_str().unwrap()), ("SC_AUTH_PASSWORD_MIN_LENGTH", "15")];
    let server = Server::start(&database, &own).await;
    let register = |server: &Server, password: &str| {
        let mut body = account("alice");
        body["password"] = json!(password);
        let request = server.request("POST", "/api/v1/accounts/register").json(&body);
        async { crate::harness::answer(request).await }
    };
    let common = fail(422, json!({"password": ["One of the most common passwords."]}));
    assert_eq!(register(&server, "ACME Corporation").await, common);
    let short = fail(422, json!({"password": ["Shorter than minimum length 15."]}));
    assert_eq!(register(&server, "fourteen signs").await, short);

    let lax = [
        ("SC_AUTH_PASSWORD_BLOCKLIST", "off"),
        ("SC_AUTH_PASSWORD_MIN_LENGTH", "1"),
        ("SC_AUTH_PASSWORD_NAMES", "allowed"),
    ];
    let server = Server::start(&database, &lax).await;
    assert_eq!(register(&server, "alice").await.status, 201, "old clients' short passwords stay possible");
}
