//! Whether the address of a user is verified, as Admins and imports say.

use serde_json::{Value, json};

use crate::browser::{Browser, client, started, text, tokens, userinfo};
use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server, done, fail, run, run_with_input};

crate::on_every_engine!(
    an_admin_says_whether_an_address_is_verified,
    a_new_address_is_not_verified,
    a_server_of_the_last_release_cannot_move_it_to_another_address,
    it_is_imported_and_exported,
);

const USERS: &str = "/api/v1/users";

async fn with_root(engine: Engine) -> (Server, Database) {
    let (server, database) = started(engine, &[client("shop")]).await;
    let made = ["admin", "create", "root", "--password-stdin"];
    assert!(run_with_input(&database, &made, PASSWORD).await.status.success());
    (server, database)
}

/// What Admins see of alice: one user, and the member in the list.
async fn shown(server: &Server, admin: &str) -> (Value, Value) {
    let uuid = server.uuid_of(admin, "alice").await;
    let one = server.get(&format!("{USERS}/{uuid}"), admin).await.body["data"]["email_verified"].clone();
    let all = server.get(USERS, admin).await;
    let listed = all.body["data"].as_array().unwrap().iter().find(|user| user["username"] == "alice").unwrap();
    (one, listed["email_verified"].clone())
}

const NO: (Value, Value) = (Value::Bool(false), Value::Null);
const YES: (Value, Value) = (Value::Bool(true), Value::Bool(true));

async fn change(server: &Server, admin: &str, mut body: Value) {
    body["uuid"] = json!(server.uuid_of(admin, "alice").await);
    assert_eq!(server.call("PATCH", USERS, Some(admin), Some(body)).await, done());
}

async fn an_admin_says_whether_an_address_is_verified(engine: Engine) {
    let (server, database) = with_root(engine).await;
    let admin = server.login("root").await.access;
    assert_eq!(shown(&server, &admin).await, NO, "who registers is not believed");
    let access = text(&tokens(&server, &Browser::new(&server).code(&[]).await).await, "access_token");
    assert_eq!(userinfo(&server, &access).await.1["email_verified"], false);
    change(&server, &admin, json!({"email_verified": true})).await;
    assert_eq!(shown(&server, &admin).await, YES);
    assert_eq!(userinfo(&server, &access).await.1["email_verified"], true);
    change(&server, &admin, json!({"name": "Another Name", "email": "alice@example.com"})).await;
    assert_eq!(shown(&server, &admin).await, YES, "the address is the same");
    change(&server, &admin, json!({"email_verified": false})).await;
    assert_eq!(shown(&server, &admin).await, NO);
    change(&server, &admin, json!({"email": "alice@example.org", "email_verified": true})).await;
    assert_eq!(shown(&server, &admin).await, YES);
    let events = database.texts("SELECT detail FROM audit_events WHERE event = 'user_changed' ORDER BY id").await;
    assert_eq!(events, ["email_verified", "name, email", "email_verified", "email, email_verified"]);

    let own = server.login("alice").await.access;
    let claim = server.call("PATCH", "/api/v1/accounts/me", Some(&own), Some(json!({"email_verified": true}))).await;
    assert_eq!(claim, fail(422, json!({"email_verified": ["Unknown field."]})));
    let root = server.uuid_of(&admin, "root").await;
    let set = |value: Value| {
        let body = json!({"uuid": root, "email_verified": value});
        server.call("PATCH", USERS, Some(&admin), Some(body))
    };
    let refused = fail(422, json!({"email_verified": ["The user has no e-mail address."]}));
    assert_eq!(set(json!(true)).await, refused);
    assert_eq!(set(json!("yes")).await, fail(422, json!({"email_verified": ["Not a valid boolean."]})));
    assert_eq!(set(json!(false)).await, done());
}

async fn a_new_address_is_not_verified(engine: Engine) {
    let (server, _database) = with_root(engine).await;
    let admin = server.login("root").await.access;
    for address in ["alice@example.org", "Alice@example.com"] {
        change(&server, &admin, json!({"email": "alice@example.com", "email_verified": true})).await;
        assert_eq!(shown(&server, &admin).await, YES);
        let own = server.login("alice").await.access;
        let body = json!({"email": address, "password": PASSWORD});
        assert_eq!(server.call("PATCH", "/api/v1/accounts/me", Some(&own), Some(body)).await, done());
        assert_eq!(shown(&server, &admin).await, NO, "{address}");
        change(&server, &admin, json!({"email": "alice@example.com"})).await;
        assert_eq!(shown(&server, &admin).await, NO, "not the former one either");
    }
    change(&server, &admin, json!({"email_verified": true})).await;
    change(&server, &admin, json!({"email": "alice@example.net"})).await;
    assert_eq!(shown(&server, &admin).await, NO, "an Admin changes it too");
}

async fn a_server_of_the_last_release_cannot_move_it_to_another_address(engine: Engine) {
    let (server, database) = with_root(engine).await;
    let admin = server.login("root").await.access;
    change(&server, &admin, json!({"email_verified": true})).await;
    // What release 0.2 writes.
    database
        .execute("UPDATE users SET email = 'x@evil.test', email_key = 'x@evil.test' WHERE username = 'alice'")
        .await;
    assert_eq!(shown(&server, &admin).await, NO);
}

async fn it_is_imported_and_exported(engine: Engine) {
    let database = Database::create(engine).await;
    let user = |name: &str, verified: Value| {
        json!({"username": name, "email": format!("{name}@example.com"), "email_verified": verified}).to_string()
    };
    let nobody = json!({"username": "dora", "email_verified": true}).to_string();
    let lines = [user("anna", json!(true)), user("bert", json!(false)), user("carl", json!("t")), nobody];
    let import = run_with_input(&database, &["users", "import", "-"], &lines.join("\n")).await;
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    let export = async |database: &Database| {
        String::from_utf8(run(database, &["users", "export", "-"], &[]).await.stdout).unwrap()
    };
    let exported = export(&database).await;
    let verified: Vec<_> =
        exported.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["email_verified"].clone()).collect();
    assert_eq!(verified, [json!(true), Value::Null, json!(true), Value::Null]);
    let other = Database::create(engine).await;
    run_with_input(&other, &["users", "import", "-"], &exported).await;
    assert_eq!(export(&other).await, exported);
}
