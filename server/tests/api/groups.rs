//! The groups of users: who sets and sees them, and what applications get.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::browser::{Browser, authorize, client, refresh, started, text, tokens, userinfo, with};
use crate::database::{Database, Engine};
use crate::harness::{Answer, PASSWORD, Server, claims, done, fail, run, run_with_input};

crate::on_every_engine!(
    an_admin_sets_the_groups_of_a_user,
    groups_are_exported_and_imported,
    an_application_gets_the_groups_of_its_users,
    only_members_of_its_groups_get_codes_for_an_application,
);

const USERS: &str = "/api/v1/users";

/// An Admin's changes of one user.
struct Changing<'a> {
    server: &'a Server,
    admin: String,
    uuid: String,
}

impl<'a> Changing<'a> {
    async fn alice(server: &'a Server) -> Self {
        let admin = server.login("root").await.access;
        let uuid = server.uuid_of(&admin, "alice").await;
        Self { server, admin, uuid }
    }

    async fn set(&self, groups: Value) -> Answer {
        let body = json!({"uuid": self.uuid, "groups": groups});
        self.server.call("PATCH", USERS, Some(&self.admin), Some(body)).await
    }

    async fn shown(&self) -> Value {
        let shown = self.server.get(&format!("{USERS}/{}", self.uuid), &self.admin).await;
        shown.body["data"]["groups"].clone()
    }

    async fn listed(&self) -> Value {
        let listed = self.server.get(USERS, &self.admin).await;
        let users = listed.body["data"].as_array().unwrap();
        users.iter().find(|user| user["username"] == "alice").unwrap().clone()
    }
}

async fn an_admin_sets_the_groups_of_a_user(engine: Engine) {
    let (server, database) = Server::with_admin(engine).await;
    server.register("alice").await;
    let alice = Changing::alice(&server).await;
    assert_eq!(alice.shown().await, json!([]));
    let keys: Vec<_> = alice.listed().await.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["email", "name", "role_id", "username", "uuid"], "as before there were groups");

    assert_eq!(alice.set(json!([" staff", "Staff", "staff ", "Größe", "a b"])).await, done());
    let names = json!(["Größe", "Staff", "a b", "staff"]);
    assert_eq!((alice.shown().await, alice.listed().await["groups"].clone()), (names.clone(), names));
    let path = format!("{USERS}/{}", alice.uuid);
    let by_path = server.call("PATCH", &path, Some(&alice.admin), Some(json!({"groups": ["ops"]}))).await;
    assert_eq!((by_path, alice.shown().await), (done(), json!(["ops"])));
    let name = json!({"uuid": alice.uuid, "name": "Another Name"});
    server.call("PATCH", USERS, Some(&alice.admin), Some(name)).await;
    assert_eq!(alice.shown().await, json!(["ops"]), "another change leaves them");

    let bad = "Must be names of at most 64 visible characters, without commas, that do not begin with \"system:\".";
    let many: Vec<_> = (0..101).map(|number| format!("group{number}")).collect();
    for (groups, problem) in [
        (json!(["system:masters"]), bad),
        (json!(["ops", " System:x"]), bad),
        (json!(["a,b"]), bad),
        (json!([""]), bad),
        (json!(["a\nb"]), bad),
        (json!(["x".repeat(65)]), bad),
        (json!(many), "Longer than maximum length 100."),
        (json!("ops"), "Not a valid list."),
        (json!([7]), "Not a valid string."),
        (json!(["a\0b"]), bad),
        (Value::Null, "Field may not be null."),
    ] {
        assert_eq!(alice.set(groups.clone()).await, fail(422, json!({"groups": [problem]})), "{groups}");
    }
    assert_eq!(alice.shown().await, json!(["ops"]));
    let longest: Vec<_> = (0..100).map(|number| format!("{number:03}{}", "\u{1f98a}".repeat(61))).collect();
    assert_eq!(alice.set(json!(longest)).await, done());
    assert_eq!(alice.shown().await, json!(longest));

    let own = server.login("alice").await.access;
    let own = server.call("PATCH", "/api/v1/accounts/me", Some(&own), Some(json!({"groups": ["root"]}))).await;
    assert_eq!(own, fail(422, json!({"groups": ["Unknown field."]})));
    let events = database.texts("SELECT detail FROM audit_events WHERE event = 'user_changed' ORDER BY id").await;
    assert_eq!(events, ["groups", "groups", "name", "groups"]);
    assert_eq!(alice.set(json!([])).await, done());
    assert_eq!(alice.shown().await, json!([]));

    alice.set(json!(["ops"])).await;
    server.call("DELETE", USERS, Some(&alice.admin), Some(json!({"uuid": alice.uuid}))).await;
    assert_eq!(database.texts("SELECT group_name FROM user_groups").await, Vec::<String>::new());
}

async fn groups_are_exported_and_imported(engine: Engine) {
    let database = Database::create(engine).await;
    let mut lines = String::new();
    for number in 0..30 {
        let groups: Vec<_> = (0..100).map(|group| format!("group {group} of {number}")).collect();
        writeln!(lines, "{}", json!({"username": format!("user{number:02}"), "groups": groups})).unwrap();
    }
    lines += "{\"username\": \"plain\"}\n{\"username\": \"none\", \"groups\": null}\n";
    let output = run_with_input(&database, &["users", "import", "-"], &lines).await;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!(text(&output.stdout), "32 users imported, 0 users refused.\n", "{}", text(&output.stderr));
    let exported = text(&run(&database, &["users", "export", "-"], &[]).await.stdout);
    let users: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(users[7]["groups"].as_array().unwrap().len(), 100);
    assert!(users[7]["groups"].as_array().unwrap().contains(&json!("group 42 of 7")));
    assert_eq!((&users[30]["groups"], &users[31]["groups"]), (&Value::Null, &Value::Null));
    let other = Database::create(engine).await;
    run_with_input(&other, &["users", "import", "-"], &exported).await;
    assert_eq!(text(&run(&other, &["users", "export", "-"], &[]).await.stdout), exported);
    for (groups, problem) in [
        (json!(["system:masters"]), "groups: Must be names of"),
        (json!("staff"), "groups: not a list of names"),
        (json!([7]), "groups: not a list of names"),
    ] {
        let line = json!({"username": "alice", "groups": groups}).to_string();
        let output = run_with_input(&other, &["users", "import", "-"], &line).await;
        assert!(!output.status.success() && text(&output.stderr).contains(problem), "{}", text(&output.stderr));
    }
}

async fn with_root(engine: Engine, clients: &[Value]) -> (Server, Database) {
    let (server, database) = started(engine, clients).await;
    let made = ["admin", "create", "root", "--password-stdin"];
    assert!(run_with_input(&database, &made, PASSWORD).await.status.success());
    (server, database)
}

async fn an_application_gets_the_groups_of_its_users(engine: Engine) {
    let scopes = json!(["openid", "groups", "offline_access"]);
    let (server, _database) = with_root(engine, &[with(client("shop"), "scopes", scopes)]).await;
    let alice = Changing::alice(&server).await;
    let mut browser = Browser::new(&server);
    let page = browser.get(&authorize(&[("scope", "openid groups offline_access")])).await;
    let consent = browser.log_in(&page, "alice", PASSWORD).await;
    assert!(consent.text.contains("see your groups"), "{}", consent.text);
    let issued = tokens(&server, &browser.decide(&consent, "allow").await.code()).await;
    assert_eq!(claims(&text(&issued, "id_token"))["groups"], json!([]));
    alice.set(json!(["staff", "ops"])).await;
    let access = text(&issued, "access_token");
    assert_eq!(userinfo(&server, &access).await.1["groups"], json!(["ops", "staff"]), "as they are now");
    let (_, refreshed) = refresh(&server, &text(&issued, "refresh_token")).await;
    assert_eq!(claims(&text(&refreshed, "id_token"))["groups"], json!(["ops", "staff"]));
    assert_eq!(claims(&text(&refreshed, "access_token"))["groups"], Value::Null);

    let issued = tokens(&server, &browser.code(&[("scope", "openid")]).await).await;
    assert_eq!(claims(&text(&issued, "id_token"))["groups"], Value::Null, "without the scope");
    assert_eq!(userinfo(&server, &text(&issued, "access_token")).await.1["groups"], Value::Null);
    let metadata = server.call("GET", "/.well-known/openid-configuration", None, None).await.body;
    for member in ["scopes_supported", "claims_supported"] {
        assert!(metadata[member].as_array().unwrap().contains(&json!("groups")), "{metadata}");
    }
}

async fn only_members_of_its_groups_get_codes_for_an_application(engine: Engine) {
    let shop = with(client("shop"), "groups", json!(["staff", "ops"]));
    let (server, database) = with_root(engine, &[with(shop, "requires", json!(["groups"]))]).await;
    let alice = Changing::alice(&server).await;
    let mut browser = Browser::new(&server);
    let page = browser.get(&authorize(&[])).await;
    assert_eq!(browser.log_in(&page, "alice", PASSWORD).await.error(), "access_denied");
    assert_eq!(browser.get(&authorize(&[("prompt", "none")])).await.error(), "access_denied", "with a session too");
    alice.set(json!(["Staff", "staff2"])).await;
    assert_eq!(browser.get(&authorize(&[])).await.error(), "access_denied", "names are compared byte by byte");
    assert_eq!(database.texts("SELECT grant_id FROM grants").await, Vec::<String>::new());

    alice.set(json!(["ops"])).await;
    let consent = browser.get(&authorize(&[("scope", "openid offline_access")])).await;
    alice.set(json!([])).await;
    assert_eq!(browser.decide(&consent, "allow").await.error(), "access_denied", "left before the consent");
    alice.set(json!(["ops"])).await;
    let code = browser.code(&[("scope", "openid offline_access")]).await;
    alice.set(json!([])).await;
    let (status, answer) = crate::browser::exchange(&server, &code).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")), "left before the exchange");
    alice.set(json!(["staff"])).await;
    let issued = tokens(&server, &code).await;
    let (access, refresh_token) = (text(&issued, "access_token"), text(&issued, "refresh_token"));
    alice.set(json!([])).await;
    assert_eq!(userinfo(&server, &access).await.0, 401);
    assert_eq!(refresh(&server, &refresh_token).await.1["error"], "invalid_grant");
    alice.set(json!(["staff"])).await;
    assert_eq!(userinfo(&server, &access).await.0, 200, "a user who returns keeps the grant");
    assert_eq!(refresh(&server, &refresh_token).await.0, 200);
}
