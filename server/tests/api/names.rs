//! User names and e-mail addresses: which are one, and which a new user cannot have.

use serde_json::{Value, json};

use crate::database::{Database, Engine};
use crate::harness::{Answer, PASSWORD, Server, account, done, fail, run, run_with_input};

crate::on_every_engine!(
    a_new_name_has_no_invisible_characters_and_an_old_one_still_logs_in,
    names_and_addresses_are_one_in_every_case_and_encoding,
    a_name_cannot_be_the_address_of_another_user_nor_the_reverse,
    release_0_2_finds_users_by_their_keys,
    concurrent_requests_cannot_share_a_name,
    users_with_colliding_names_are_counted,
    the_minimum_of_the_full_name_is_a_setting,
    a_user_without_a_password_is_like_an_unknown_one,
);

const REGISTER: &str = "/api/v1/accounts/register";

fn with(username: &str, email: &str) -> Value {
    let mut body = account("template");
    body["username"] = json!(username);
    body["email"] = json!(email);
    body
}

async fn register(server: &Server, username: &str, email: &str) -> Answer {
    server.call("POST", REGISTER, None, Some(with(username, email))).await
}

async fn import(database: &Database, users: &[Value]) -> (String, String) {
    let lines: Vec<_> = users.iter().map(Value::to_string).collect();
    let output = run_with_input(database, &["users", "import", "-"], &lines.join("\n")).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// werkzeug's hash of the password `old passwörd`.
const OLD: &str =
    "pbkdf2:sha256:150000$PBJITISJuwLyi9OA$c5030c45d2fdbdb7123809604b9557c079f76d7ffd665ce8ebd51f59cd1e694b";

async fn a_new_name_has_no_invisible_characters_and_an_old_one_still_logs_in(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    let problem = json!({"username": ["Contains invisible or control characters."]});
    for name in [
        "ali\u{16fe4}ce",
        "ali\u{fffc}ce",
        "ali\u{378}ce",
        "ali\u{200b}ce",
        "ali\u{202e}ce",
        "alice\u{7f}",
        "\u{2800}\u{2800}\u{2800}",
        "\u{feff}alice",
    ] {
        assert_eq!(register(&server, name, "a@example.com").await, fail(422, problem.clone()), "{name:?}");
    }
    let admin = server.login("root").await.access;
    let mut body = with("ali\u{ad}ce", "a@example.com");
    body["role_name"] = json!("User");
    assert_eq!(server.call("POST", "/api/v1/users", Some(&admin), Some(body)).await, fail(422, problem));
    let email = json!({"email": ["Not a valid email address."]});
    assert_eq!(register(&server, "alice", "a\u{200b}b@example.com").await, fail(422, email));
    let output = run(&database, &["admin", "create", "ro\u{200b}ot"], &[]).await;
    assert!(!output.status.success());

    let odd = "bo\u{200b}b";
    let (said, noted) = import(&database, &[json!({"username": odd, "password_hash": OLD})]).await;
    assert_eq!(said, "1 user imported, 0 users refused.\n");
    assert!(noted.contains("line 1: note: the user name has characters"), "{noted}");
    assert_eq!(server.login_with(odd, "old passwörd").await.status, 200);
    let output = run(&database, &["users", "export", "-"], &[]).await;
    assert!(String::from_utf8(output.stdout).unwrap().contains(odd));
}

async fn names_and_addresses_are_one_in_every_case_and_encoding(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    assert_eq!(register(&server, "ΟΔΟΣ", "ü@bücher.example").await.status, 201);
    for name in ["οδος", "οδοσ", "Οδος"] {
        assert_eq!(
            register(&server, name, "b@example.com").await,
            fail(409, json!("username already exists")),
            "{name}"
        );
        assert_eq!(server.login_with(name, PASSWORD).await.status, 200, "{name}");
    }
    for email in ["ü@xn--bcher-kva.example", "Ü@BÜCHER.EXAMPLE", "ü@XN--BCHER-KVA.example"] {
        assert_eq!(register(&server, "alice", email).await, fail(409, json!("email already exists")), "{email}");
    }
    assert_eq!(register(&server, "Straße", "s@straße.example").await.status, 201);
    assert_eq!(register(&server, "STRASSE", "t@example.com").await.status, 409);
    assert_eq!(register(&server, "other", "s@strasse.example").await.status, 201, "another domain");
    let admin = server.login("root").await.access;
    for part in ["xn--bcher-kva.example", "@bücher.exam", "οδοσ"] {
        let query = format!("/api/v1/users?q={}", percent(part));
        assert_eq!(server.get(&query, &admin).await.body["data"].as_array().unwrap().len(), 1, "{part}");
    }
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"))
}

async fn a_name_cannot_be_the_address_of_another_user_nor_the_reverse(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    assert_eq!(register(&server, "alice", "alice@example.com").await.status, 201);
    assert_eq!(register(&server, "bob@example.com", "BOB@example.com").await.status, 201, "both may be one's own");
    let (name, email) = (fail(409, json!("username already exists")), fail(409, json!("email already exists")));
    assert_eq!(register(&server, "Alice@EXAMPLE.com", "m@example.com").await, name);
    assert_eq!(register(&server, "mallory", "m@example.com").await.status, 201);
    let access = server.login("mallory").await.access;
    let change = |email| {
        let body = json!({"email": email, "password": PASSWORD});
        server.call("PATCH", "/api/v1/accounts/me", Some(&access), Some(body))
    };
    assert_eq!(change("bob@example.com").await, email);
    assert_eq!(change("M@example.com").await, done(), "the own address in another case");
    assert_eq!(change("\"m\"@example.com").await, done(), "and with quotes");
    for address in ["\"alice\"@example.com", "\"a\\lice\"@Example.com"] {
        assert_eq!(register(&server, "other", address).await, email, "{address}");
    }
    for username in ["\"alice\"@example.com", "alice@example.com.", "\"Alice\"@example.com."] {
        assert_eq!(register(&server, username, "other@example.com").await, name, "{username}");
    }
    for (username, address) in
        [("\"carl\"@x.test", "carl@x.test"), ("erik@x.test.", "erik@x.test"), ("fred@x.test", "\"fred\"@x.test")]
    {
        let other = format!("{}@example.com", &username[1..4]);
        assert_eq!(register(&server, username, &other).await.status, 201, "{username}");
        assert_eq!(register(&server, "other", address).await, email, "{address}");
    }
    assert!(!run(&database, &["admin", "create", "alice@example.com"], &[]).await.status.success());
    let (said, problems) = import(
        &database,
        &[
            json!({"username": "ALICE@example.com"}),
            json!({"username": "carol", "email": "bob@example.com"}),
            json!({"username": "dave", "email": "dave@example.com"}),
            json!({"username": "dave@example.com"}),
        ],
    )
    .await;
    assert_eq!(said, "1 user imported, 3 users refused.\n");
    for line in [
        "line 1: username is the email of another user",
        "line 2: email already exists",
        "line 4: username is the email",
    ] {
        assert!(problems.contains(line), "{line} is not in {problems}");
    }
}

/// What release 0.2 selects users by: the name in NFKC and lower case.
async fn check_former_keys(database: &Database) {
    for (key, name) in [("οδος", "ΟΔΟΣ"), ("straße", "Straße"), ("root", "root")] {
        let found = database.texts(&format!("SELECT username FROM users WHERE username_key = '{key}'")).await;
        assert_eq!(found, [name]);
    }
    let addresses = database.texts("SELECT email_key FROM users WHERE username = 'ΟΔΟΣ'").await;
    assert_eq!(addresses, ["a@xn--bcher-kva.example"]);
}

async fn release_0_2_finds_users_by_their_keys(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    assert_eq!(register(&server, "ΟΔΟΣ", "a@xn--bcher-kva.example").await.status, 201);
    assert_eq!(register(&server, "Straße", "b@example.com").await.status, 201);
    check_former_keys(&database).await;
    drop(server);
    // As release 0.2 leaves them.
    database.execute("UPDATE users SET username_fold = NULL, email_fold = NULL").await;
    database.execute("UPDATE sc_auth_schema SET version = 1").await;
    assert!(run(&database, &["migrate"], &[]).await.status.success());
    check_former_keys(&database).await;
    let folds = "SELECT username_fold FROM users WHERE username_fold IS NOT NULL ORDER BY username_fold";
    assert_eq!(database.texts(folds).await, ["strasse", "οδοσ"]);
    let server = Server::start(&database, &[]).await;
    for name in ["ΟΔΟΣ", "οδος", "οδοσ", "Straße", "STRAßE", "STRASSE"] {
        assert_eq!(server.login_with(name, PASSWORD).await.status, 200, "{name}");
    }
    for (name, email) in [("οδοσ", "c@example.com"), ("STRASSE", "c@example.com"), ("carol", "a@bücher.example")] {
        assert_eq!(register(&server, name, email).await.status, 409, "{name}");
    }
    // A server of release 0.2 beside this one writes only its own keys.
    database.execute("UPDATE users SET username_fold = NULL WHERE username = 'Straße'").await;
    assert_eq!(server.login_with("straße", PASSWORD).await.status, 200);
    assert_eq!(register(&server, "STRASSE", "c@example.com").await.status, 409, "the login has completed the keys");
    let moved = "UPDATE users SET email = 'd@example.com', email_key = 'd@example.com' WHERE username = 'ΟΔΟΣ'";
    database.execute(moved).await;
    assert_eq!(register(&server, "carol", "a@bücher.example").await.status, 201, "nobody has the address any more");
}

async fn concurrent_requests_cannot_share_a_name(engine: Engine) {
    let (first, database) = Server::with_admin(engine).await;
    let second = first.replica(&database).await;
    for round in 0..8 {
        let address = format!("x{round}@example.com");
        let (names, addresses) = (format!("a{round}@example.com"), format!("b{round}@example.com"));
        let (sharp, double) = (format!("Straße{round}"), format!("STRASSE{round}"));
        for ((name, own), (other_name, other)) in [
            ((address.as_str(), names.as_str()), ("mallory", address.as_str())),
            ((sharp.as_str(), addresses.as_str()), (double.as_str(), "c@example.com")),
        ] {
            let (one, other) = tokio::join!(register(&first, name, own), register(&second, other_name, other));
            let mut answers = [one.status, other.status];
            answers.sort_unstable();
            assert_eq!(answers, [201, 409], "{round}: {one:?} {other:?}");
            let clean = "DELETE FROM users WHERE username = 'mallory' OR email = 'c@example.com'";
            database.execute(clean).await;
        }
    }
    first.register("alice").await;
    let alice = first.login("alice").await.access;
    // A user may change the address five times at once.
    for round in 0..5 {
        let address = format!("y{round}@example.com");
        let body = json!({"email": address, "password": PASSWORD});
        database
            .execute("UPDATE users SET email = 'e@example.com', email_key = 'e@example.com' WHERE username = 'alice'")
            .await;
        let (moved, created) = tokio::join!(
            first.call("PATCH", "/api/v1/accounts/me", Some(&alice), Some(body)),
            register(&second, &address, "f@example.com"),
        );
        let answers = [moved.status, created.status];
        assert!(answers == [200, 409] || answers == [409, 201], "{round}: {moved:?} {created:?}");
        database.execute("DELETE FROM users WHERE email = 'f@example.com'").await;
    }
}

async fn users_with_colliding_names_are_counted(engine: Engine) {
    let database = Database::create(engine).await;
    let check = async || String::from_utf8(run(&database, &["config", "check"], &[]).await.stdout).unwrap();
    assert!(!check().await.contains("has too"));
    import(&database, &[json!({"username": "alice", "email": "alice@example.com"}), json!({"username": "bobby"})])
        .await;
    assert!(!check().await.contains("has too"));
    database
        .execute("UPDATE users SET username = 'Alice@example.com', username_key = NULL WHERE username = 'bobby'")
        .await;
    let said = check().await;
    assert!(said.contains("The settings are valid."), "{said}");
    assert!(said.contains("1 user has a name or an address that another user has too"), "{said}");
    assert!(said.contains("Alice@example.com: a name that is the address of the user with id"), "{said}");
}

async fn the_minimum_of_the_full_name_is_a_setting(engine: Engine) {
    let database = Database::create(engine).await;
    let named = |name: &str| {
        let mut body = account("alice");
        body["name"] = json!(name);
        body
    };
    let server = Server::start(&database, &[]).await;
    let refused = fail(422, json!({"name": ["Shorter than minimum length 3."]}));
    assert_eq!(server.call("POST", REGISTER, None, Some(named("Bo"))).await, refused);
    drop(server);
    let server = Server::start(&database, &[("SC_AUTH_NAME_MIN_LENGTH", "2")]).await;
    let refused = fail(422, json!({"name": ["Shorter than minimum length 2."]}));
    assert_eq!(server.call("POST", REGISTER, None, Some(named("B"))).await, refused);
    assert_eq!(server.call("POST", REGISTER, None, Some(named("Bo"))).await.status, 201);
    let access = server.login("alice").await.access;
    let me = server.call("PATCH", "/api/v1/accounts/me", Some(&access), Some(json!({"name": "B"}))).await;
    assert_eq!(me, refused);
}

async fn a_user_without_a_password_is_like_an_unknown_one(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    let line = json!({"username": "alice", "role": "Admin", "email_verified": true});
    let (said, _) = import(&database, &[line]).await;
    assert_eq!(said, "1 user imported, 0 users refused.\n");
    let refused = fail(422, json!("user not found or bad username/password"));
    for password in ["!", "", "anything at all"] {
        let answers = [server.login_with("alice", password).await, server.login_with("nobody", password).await];
        assert_eq!(answers[0], answers[1], "{password}");
        assert!(password.is_empty() || answers[0] == refused, "{password}");
    }
    assert!(!server.log.text().contains("cannot use a stored password hash"));
    let admin = server.login("root").await.access;
    // An Admin who cannot log in does not count.
    let own = server.uuid_of(&admin, "root").await;
    let demote = json!({"uuid": own, "role_name": "User"});
    assert_eq!(server.call("PATCH", "/api/v1/users", Some(&admin), Some(demote)).await.status, 409);
    let output = run(&database, &["users", "export", "-"], &[]).await;
    let exported = String::from_utf8(output.stdout).unwrap();
    let exported = exported.lines().find(|line| line.contains("\"alice\"")).unwrap();
    assert!(!exported.contains("password_hash"), "{exported}");
    let uuid = server.uuid_of(&admin, "alice").await;
    let reset = json!({"uuid": uuid, "password": "another good password"});
    assert_eq!(server.call("PATCH", "/api/v1/users", Some(&admin), Some(reset)).await, done());
    assert_eq!(server.login_with("alice", "another good password").await.status, 200);
}
