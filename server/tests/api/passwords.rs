//! The rules for passwords, and imported hashes.

use serde_json::json;

use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server, account, fail, run, run_with_input, until};

crate::on_every_engine!(
    a_new_password_must_meet_the_rules_and_the_answer_names_the_broken_one,
    an_imported_hash_is_replaced_at_the_next_login,
    a_password_is_the_same_however_it_was_typed,
    no_imported_hash_takes_more_memory_than_a_pod_has,
    the_hash_of_a_password_that_bcrypt_truncates_is_not_replaced,
);

async fn a_new_password_must_meet_the_rules_and_the_answer_names_the_broken_one(engine: Engine) {
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

/// Imports a user.
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

/// Of `old passwörd`, made with werkzeug 3.1.
const SCRYPT: &str = "scrypt:32768:8:1$ihtafvgaBuJukrg1$253d7fb581f572683a121a3bb4123cd953102deb9ac8664c3cd9a11d947aa9afc104420ff436c59e79d85012574571ffbfe89e70af10305f46ddbcd3b9a6edb3";

async fn no_imported_hash_takes_more_memory_than_a_pod_has(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    import(&database, "werkzeug", SCRYPT).await;
    let value = "aa".repeat(64);
    let too_much = ["2:131072:8", "2:262144:1", "16:8:32768", "65536:8:1", "32768:8:8388608", "2:2147483648:2"];
    for (number, parameters) in too_much.iter().enumerate() {
        let name = format!("user{number}");
        server.register(&name).await;
        let hash = format!("scrypt:{parameters}$salt${value}");
        database.execute(&format!("UPDATE users SET password = '{hash}' WHERE username_key = '{name}'")).await;
        let line = json!({"username": "another", "password_hash": hash}).to_string();
        assert!(!run_with_input(&database, &["users", "import", "-"], &line).await.status.success(), "{parameters}");
    }
    let plan = String::from_utf8(run(&database, &["migrate", "--plan"], &[]).await.stdout).unwrap();
    assert!(plan.contains("5 of them have a hash that costs more than this server allows"), "{plan}");
    assert!(plan.contains("1 of them have a hash that cannot be used"), "{plan}");
    assert!(!plan.contains(&value), "no hash is shown: {plan}");

    // At the start, the server compares one hash of each kind.
    drop(server);
    // As many threads as with half a core.
    let server = Server::start(&database, &[("SC_AUTH_HASH_THREADS", "1")]).await;
    until("imported hashes were looked at", async || server.log.text().contains("imported hashes")).await;
    for number in 0..too_much.len() {
        assert_eq!(server.login_with(&format!("user{number}"), "anything").await.status, 422);
    }
    assert_eq!(server.login_with("werkzeug", "old passwörd").await.status, 200);
    let stored = database.texts("SELECT password FROM users WHERE username_key = 'werkzeug'").await;
    assert!(stored[0].starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "it is replaced: {stored:?}");
    assert!(server.peak_memory() < 96, "{} MiB", server.peak_memory());
}

async fn the_hash_of_a_password_that_bcrypt_truncates_is_not_replaced(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    // The hash of 80 letters x; bcrypt has read 72 of them.
    let hash = "$2b$06$abcdefghijklmnopqrstuueHLWckpI7Ut91D6aWthlKy4VKsT9yUG";
    import(&database, "alice", hash).await;
    let stored = || database.texts("SELECT password FROM users WHERE username_key = 'alice'");
    for length in [80, 90, 73] {
        assert_eq!(server.login_with("alice", &"x".repeat(length)).await.status, 200, "{length}");
        assert_eq!(stored().await, [hash], "{length}");
    }
    assert_eq!(server.login_with("alice", &"x".repeat(71)).await.status, 422);
    // The owner can still choose a new password.
    let access = server.login_with("alice", &"x".repeat(80)).await.text("access_token");
    let body = json!({"old_password": "x".repeat(80), "new_password": "y".repeat(80)});
    let changed = server.call("POST", "/api/v1/accounts/password", Some(&access), Some(body)).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(server.login_with("alice", &"y".repeat(79)).await.status, 422);
    assert_eq!(server.login_with("alice", &"y".repeat(80)).await.status, 200);
}

#[tokio::test]
async fn which_versions_of_bcrypt_are_supported() {
    let (server, database) = Server::with_admin(Engine::Sqlite).await;
    let rest = "06$9WvkBPcy4a7TIrTuIb.rp.EjAlgRaMdAvwdlQ3MMaPF8h6uu8/sa.";
    for kind in ["2a", "2b", "2y"] {
        import(&database, kind.repeat(2).as_str(), &format!("${kind}${rest}")).await;
        assert_eq!(server.login_with(&kind.repeat(2), "old passwörd").await.status, 200, "{kind}");
    }
    let line = json!({"username": "alice", "password_hash": format!("$2x${rest}")}).to_string();
    let refused = run_with_input(&database, &["users", "import", "-"], &line).await;
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && error.contains("an unsupported version of bcrypt"), "{error}");
    server.register("alice").await;
    database.execute(&format!("UPDATE users SET password = '$2x${rest}' WHERE username_key = 'alice'")).await;
    assert_eq!(server.login_with("alice", "old passwörd").await.status, 422);
}

#[tokio::test]
async fn logins_with_costly_hashes_do_not_delay_others() {
    let (server, database) = Server::with_admin(Engine::Sqlite).await;
    // As werkzeug 3.1 writes them: ten times the work of ours and more.
    let hash = format!("pbkdf2:sha256:1000000$salt${}", "aa".repeat(32));
    let lines: String = (0..30)
        .map(|number| json!({"username": format!("user{number}"), "password_hash": hash}).to_string() + "\n")
        .collect();
    assert!(run_with_input(&database, &["users", "import", "-"], &lines).await.status.success());
    drop(server);
    let one_thread = Server::start(&database, &[("SC_AUTH_HASH_THREADS", "1")]).await;
    let costly = futures::future::join_all((0..30).map(|number| {
        let (server, name) = (&one_thread, format!("user{number}"));
        async move { server.login_with(&name, "a wrong password").await.status }
    }));
    let others = async {
        let waiting = async || one_thread.ops("/metrics").await.unwrap().text().await.unwrap();
        until("costly ones wait", async || !waiting().await.contains("sc_auth_hash_waiting 0\n")).await;
        for _ in 0..3 {
            // On a busy machine, the running comparison may take longer than the time limit.
            let body = json!({"username": "root", "password": PASSWORD});
            let login = async || one_thread.post("/api/v1/accounts/login", body.clone()).await.status;
            until("another user is let in", async || login().await == 200).await;
        }
    };
    let (statuses, ()) = tokio::join!(costly, others);
    let refused = statuses.iter().filter(|status| **status == 503).count();
    assert!(refused >= 20, "costly hashes have few places: {statuses:?}");
    assert!(statuses.iter().all(|status| [422, 503].contains(status)), "{statuses:?}");
}

/// How many of 30 concurrent logins found no place in the queue. On a busy machine some take too long.
async fn refusals(server: &Server, name: &str) -> usize {
    let login = |number| {
        let name = if number % 2 == 0 { name.to_owned() } else { name.to_uppercase() };
        async move { server.login_with(&name, "a wrong password").await.status }
    };
    let statuses = futures::future::join_all((0..30).map(login)).await;
    assert!(statuses.iter().all(|status| [408, 422, 429, 503].contains(status)), "{name}: {statuses:?}");
    statuses.iter().filter(|status| **status == 503).count()
}

fn costly() -> String {
    format!("pbkdf2:sha256:1000000$salt${}", "aa".repeat(32))
}

/// Checks that a name has fewer places in the queue than one with a hash of ours.
async fn has_few_places(server: &Server, name: &str) {
    let refused = refusals(server, name).await;
    assert!(refused >= 5, "{name}: {refused}");
}

#[tokio::test]
async fn an_unknown_name_is_refused_like_one_with_a_costly_hash() {
    let (server, database) = Server::with_admin(Engine::Sqlite).await;
    drop(server);
    // This is the only kind of hash.
    database.execute(&format!("UPDATE users SET password = '{}'", costly())).await;
    let server = Server::start(&database, &[("SC_AUTH_HASH_THREADS", "1")]).await;
    // From the first request on.
    for name in ["nobody", "root", "somebody"] {
        has_few_places(&server, name).await;
    }
}

#[tokio::test]
async fn unknown_names_soon_imitate_a_new_kind_of_hash() {
    let (server, database) = Server::with_admin(Engine::Sqlite).await;
    drop(server);
    let server = Server::start(&database, &[("SC_AUTH_HASH_THREADS", "1")]).await;
    database.execute(&format!("UPDATE users SET password = '{}'", costly())).await;
    assert_eq!(server.login_with("root", "a wrong password").await.status, 422);
    until("they were counted", async || server.log.text().contains("pbkdf2:1000000")).await;
    has_few_places(&server, "somebody").await;
}

#[tokio::test]
async fn strangers_who_fill_the_queue_do_not_lock_a_known_owner_out() {
    let (server, database) = Server::with_admin(Engine::Sqlite).await;
    let token = server.login("root").await.refresh;
    drop(server);
    let hash = format!("pbkdf2:sha256:600001$salt${}", "aa".repeat(32));
    database.execute(&format!("UPDATE users SET password = '{hash}'")).await;
    let server = Server::start(&database, &[("SC_AUTH_HASH_THREADS", "1")]).await;
    let strangers = futures::future::join_all((0..60).map(|number| {
        let (server, name) = (&server, format!("nobody{number}"));
        async move { server.login_with(&name, "a wrong password").await.status }
    }));
    let owner = async {
        let waiting = async || server.ops("/metrics").await.unwrap().text().await.unwrap();
        until("strangers wait", async || !waiting().await.contains("sc_auth_hash_waiting 0\n")).await;
        let body = json!({"username": "root", "password": "a wrong password"});
        server.call("POST", "/api/v1/accounts/login", Some(&token), Some(body)).await.status
    };
    let (statuses, owner) = tokio::join!(strangers, owner);
    assert_eq!(owner, 422, "compared, and not refused");
    assert!(statuses.contains(&503), "{statuses:?}");
}

#[tokio::test]
async fn a_hash_that_costs_too_much_fails_the_login_without_a_crash() {
    let (server, database) = Server::with_admin(Engine::Sqlite).await;
    server.register("alice").await;
    let dear = "$argon2id$v=19$m=1048576,t=9,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";
    database.execute(&format!("UPDATE users SET password = '{dear}' WHERE username = 'alice'")).await;
    assert_eq!(server.login_with("alice", "anything").await.status, 422);
    assert!(server.log.text().contains("costs more than this server allows"));
    server.login("root").await;
}

#[tokio::test]
async fn each_rule_can_be_configured() {
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
    drop(server);
    let server = Server::start(&database, &lax).await;
    assert_eq!(register(&server, "alice").await.status, 201, "short passwords of existing clients can be allowed");
}
