//! Managing users as an Admin.

use serde_json::{Value, json};

use crate::database::Engine;
use crate::harness::{Answer, PASSWORD, Server, account, done, fail, ok};

crate::on_every_engine!(
    an_admin_lists_users_in_order_of_their_id,
    an_admin_creates_users_of_both_roles,
    an_admin_changes_name_and_password,
    an_admin_deletes_a_user_with_the_tokens,
    only_admins_can_manage_users,
    a_list_can_be_paged_and_filtered,
    one_user_is_shown_with_role_and_state,
    address_role_and_state_can_be_changed,
    the_last_admin_stays_one,
    two_admins_cannot_demote_each_other_at_once,
    roles_are_listed,
    an_invalid_query_is_refused_and_finds_nothing,
);

const USERS: &str = "/api/v1/users";

async fn an_admin_lists_users_in_order_of_their_id(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let admin = server.login("root").await.access;
    for name in ["zoe", "alice", "mallory"] {
        server.register(name).await;
    }
    let users = server.get(USERS, &admin).await;
    let rows = users.body["data"].as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|user| user["username"].as_str().unwrap()).collect();
    assert_eq!(names, ["root", "zoe", "alice", "mallory"]);
    let keys: Vec<_> = rows[1].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["email", "name", "role_id", "username", "uuid"]);
    assert_eq!(users, ok(json!(rows)));
}

async fn an_admin_creates_users_of_both_roles(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let admin = server.login("root").await.access;
    let create = |username: &str, role: Option<Value>| {
        let mut body = account(username);
        if let Some(role) = role {
            body["role_name"] = role;
        }
        let server = &server;
        let admin = admin.clone();
        async move { server.call("POST", USERS, Some(&admin), Some(body)).await }
    };
    let created = Answer { status: 201, body: json!({"status": "ok", "code": 201}) };
    assert_eq!(create("boss", Some(json!("Admin"))).await, created);
    assert_eq!(create("clerk", Some(json!("User"))).await, created);
    assert_eq!(server.get(USERS, &server.login("boss").await.access).await.status, 200);
    assert_eq!(server.get(USERS, &server.login("clerk").await.access).await, fail(403, json!("not admin")));

    let wrong = fail(422, json!({"role_name": ["Must be one of: Admin, User."]}));
    assert_eq!(create("king", Some(json!("King"))).await, wrong);
    assert_eq!(create("king", Some(json!(""))).await, wrong);
    let missing = fail(422, json!({"role_name": ["Missing data for required field."]}));
    assert_eq!(create("king", None).await, missing);
}

async fn an_admin_changes_name_and_password(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let admin = server.login("root").await.access;
    server.register("alice").await;
    let uuid = server.uuid_of(&admin, "alice").await;
    let change = |body: Value| {
        let (server, admin) = (&server, &admin);
        async move { server.call("PATCH", USERS, Some(admin), Some(body)).await }
    };
    assert_eq!(change(json!({"uuid": uuid, "name": "New Name"})).await, done());
    assert_eq!(change(json!({"uuid": uuid, "password": "another password"})).await, done());
    assert_eq!(change(json!({"uuid": uuid})).await, done());

    let old = server.post("/api/v1/accounts/login", json!({"username": "alice", "password": PASSWORD})).await;
    assert_eq!(old.status, 422);
    let new = server.post("/api/v1/accounts/login", json!({"username": "alice", "password": "another password"})).await;
    let me = server.get("/api/v1/accounts/me", new.body["data"]["access_token"].as_str().unwrap()).await;
    assert_eq!(me.body["data"]["name"], "New Name");

    assert_eq!(change(json!({"uuid": "0".repeat(32), "name": "Nobody"})).await, fail(404, json!("user not found")));
    assert_eq!(change(json!({"uuid": "0".repeat(32)})).await, fail(404, json!("user not found")));
    assert_eq!(
        change(json!({"name": "Nobody"})).await,
        fail(422, json!({"uuid": ["Missing data for required field."]}))
    );
    assert_eq!(
        change(json!({"uuid": uuid, "username": "x"})).await,
        fail(422, json!({"username": ["Unknown field."]}))
    );
    assert_eq!(
        change(json!({"uuid": uuid, "password": "short"})).await,
        fail(422, json!({"password": ["Shorter than minimum length 8."]}))
    );
}

async fn an_admin_deletes_a_user_with_the_tokens(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let admin = server.login("root").await.access;
    server.register("alice").await;
    let tokens = server.login("alice").await;
    let uuid = server.uuid_of(&admin, "alice").await;
    let delete = |body: Value| {
        let (server, admin) = (&server, &admin);
        async move { server.call("DELETE", USERS, Some(admin), Some(body)).await }
    };
    assert_eq!(delete(json!({"uuid": null})).await, fail(422, json!("uuid null")));
    assert_eq!(delete(json!({})).await, fail(422, json!({"uuid": ["Missing data for required field."]})));
    assert_eq!(delete(json!({"uuid": uuid})).await, done());
    assert_eq!(delete(json!({"uuid": uuid})).await, fail(404, json!("user not found")));

    assert!(!server.is_valid(&tokens.access).await);
    let refresh = server.call("POST", "/api/v1/accounts/refresh", Some(&tokens.refresh), None).await;
    assert_eq!(refresh, fail(401, json!("The token has revoked")));
}

async fn only_admins_can_manage_users(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    server.register("alice").await;
    let user = server.login("alice").await.access;
    for method in ["GET", "POST", "PATCH", "DELETE"] {
        // The client is authenticated before the body is checked.
        let answer = server.call(method, USERS, Some(&user), Some(json!(["nonsense"]))).await;
        assert_eq!(answer, fail(403, json!("not admin")), "{method}");
    }
}

fn names(answer: &Answer) -> Vec<String> {
    let users = answer.body["data"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    users.iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect()
}

async fn a_list_can_be_paged_and_filtered(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let admin = server.login("root").await.access;
    for name in ["alice", "bob_b", "carol"] {
        server.register(name).await;
    }
    let list = |query: String| {
        let (server, admin) = (&server, &admin);
        async move { server.get(&format!("{USERS}?{query}"), admin).await }
    };
    let first = list("limit=2".into()).await;
    assert_eq!(names(&first), ["root", "alice"]);
    let end_of_page = first.body["data"][1]["uuid"].as_str().unwrap();
    assert_eq!(names(&list(format!("limit=2&after={end_of_page}")).await), ["bob_b", "carol"]);
    assert_eq!(names(&list("q=B_".into()).await), ["bob_b"], "SQL wildcards are ordinary characters");
    assert_eq!(names(&list("q=CAROL@example".into()).await), ["carol"]);
    assert_eq!(names(&list("q=body&role=User&limit=1".into()).await), ["alice"], "the name counts too");
    assert_eq!(names(&list("role=Admin".into()).await), ["root"]);

    let uuid = server.uuid_of(&admin, "carol").await;
    server.call("PATCH", USERS, Some(&admin), Some(json!({"uuid": uuid, "disabled": true}))).await;
    assert_eq!(names(&list("disabled=true".into()).await), ["carol"]);
    assert_eq!(names(&list("disabled=false&role=User".into()).await), ["alice", "bob_b"]);

    let wrong = json!({
        "limit": ["Must be a number from 1 to 1000000."], "role": ["Must be one of: Admin, User."],
        "disabled": ["Must be one of: true, false."], "page": ["Unknown parameter."], "after": ["No such user."],
    });
    assert_eq!(list("limit=0&role=King&disabled=no&page=2&after=x".into()).await, fail(422, wrong));
}

async fn one_user_is_shown_with_role_and_state(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let admin = server.login("root").await.access;
    server.register("alice").await;
    let uuid = server.uuid_of(&admin, "alice").await;
    let shown = server.get(&format!("{USERS}/{uuid}"), &admin).await;
    assert_eq!(
        shown,
        ok(json!({
            "name": "Some Body", "email": "alice@example.com", "role_id": 2, "username": "alice", "uuid": uuid,
            "role_name": "User", "disabled": false, "email_verified": false, "groups": [],
        }))
    );
    assert_eq!(server.get(&format!("{USERS}/nobody"), &admin).await, fail(404, json!("user not found")));
    for nothing in ["%00", "%27", &"a".repeat(65)] {
        assert_eq!(server.get(&format!("{USERS}/{nothing}"), &admin).await, fail(404, json!("not found")), "{nothing}");
    }
}

async fn address_role_and_state_can_be_changed(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let admin = server.login("root").await.access;
    server.register("alice").await;
    server.register("bob").await;
    let uuid = server.uuid_of(&admin, "alice").await;
    let change = |mut body: Value| {
        body["uuid"] = json!(uuid);
        let (server, admin) = (&server, &admin);
        async move { server.call("PATCH", USERS, Some(admin), Some(body)).await }
    };
    assert_eq!(change(json!({"email": "a@example.org", "role_name": "Admin"})).await, done());
    assert_eq!(server.get(USERS, &server.login("alice").await.access).await.status, 200);
    assert_eq!(change(json!({"email": "BOB@example.com"})).await, fail(409, json!("email already exists")));
    assert_eq!(
        change(json!({"role_name": "King"})).await,
        fail(422, json!({"role_name": ["Must be one of: Admin, User."]}))
    );
    assert_eq!(change(json!({"disabled": "yes"})).await, fail(422, json!({"disabled": ["Not a valid boolean."]})));

    assert_eq!(change(json!({"disabled": true})).await, done());
    let login = server.login_with("alice", PASSWORD).await;
    assert_eq!(login, fail(403, json!("the account is disabled")));
    assert_eq!(
        server.login_with("alice", "a wrong password").await.status,
        422,
        "only its owner learns that it is disabled"
    );
    assert_eq!(change(json!({"disabled": false})).await, done());
    server.login("alice").await;
}

async fn the_last_admin_stays_one(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let admin = server.login("root").await.access;
    let uuid = server.uuid_of(&admin, "root").await;
    let call = |method: &'static str, body: Value| {
        let (server, admin) = (&server, &admin);
        async move { server.call(method, USERS, Some(admin), Some(body)).await }
    };
    let refused = fail(409, json!("it is the last Admin who can log in; make another user an Admin first"));
    assert_eq!(call("DELETE", json!({"uuid": uuid})).await, refused);
    assert_eq!(call("PATCH", json!({"uuid": uuid, "disabled": true})).await, refused);
    assert_eq!(call("PATCH", json!({"uuid": uuid, "role_name": "User"})).await, refused);

    // Another Admin who cannot log in does not count.
    let mut second = account("second");
    second["role_name"] = json!("Admin");
    call("POST", second).await;
    let other = server.uuid_of(&admin, "second").await;
    assert_eq!(call("PATCH", json!({"uuid": other, "disabled": true})).await, done());
    assert_eq!(call("DELETE", json!({"uuid": uuid})).await, refused);
    assert_eq!(call("PATCH", json!({"uuid": other, "disabled": false})).await, done());
    assert_eq!(call("PATCH", json!({"uuid": uuid, "role_name": "User"})).await, done());
}

async fn two_admins_cannot_demote_each_other_at_once(engine: Engine) {
    let (first, database) = Server::with_admin(engine).await;
    let second = first.replica(&database).await;
    let root = first.login("root").await.access;
    for round in 0..5 {
        let mut boss = account(&format!("boss{round}"));
        boss["role_name"] = json!("Admin");
        first.call("POST", USERS, Some(&root), Some(boss)).await;
        let name = format!("boss{round}");
        let (root_id, boss_id) = (first.uuid_of(&root, "root").await, first.uuid_of(&root, &name).await);
        let boss = second.login(&name).await.access;
        let demote = |uuid: &str| Some(json!({"uuid": uuid, "role_name": "User"}));
        let (one, other) = tokio::join!(
            first.call("PATCH", USERS, Some(&root), demote(&boss_id)),
            second.call("PATCH", USERS, Some(&boss), demote(&root_id)),
        );
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        // The other has lost the race: it is the last Admin, or no longer an Admin.
        assert!(statuses[0] == 200 && [403, 409].contains(&statuses[1]), "{one:?} {other:?}");
        let restore = format!(
            "UPDATE users SET role_id = 1 WHERE username = 'root'; UPDATE users SET role_id = 2 WHERE username = '{name}'"
        );
        database.execute(&restore).await;
    }
}

async fn roles_are_listed(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let admin = server.login("root").await.access;
    let roles = server.get("/api/v1/roles", &admin).await;
    assert_eq!(roles, ok(json!([{"id": 1, "name": "Admin"}, {"id": 2, "name": "User"}])));
}

async fn an_invalid_query_is_refused_and_finds_nothing(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let other = server.login("root").await.access;
    let admin = server.login("root").await.access;
    let list = |path: &str| {
        let (server, admin, path) = (&server, &admin, path.to_owned());
        async move { server.get(&path, admin).await }
    };
    let (unknown, twice) = ("Unknown parameter.", "Given more than once.");
    for (path, name, problem) in [
        ("/api/v1/users?roles=Admin", "roles", unknown),
        ("/api/v1/users?Role=Admin", "Role", unknown),
        ("/api/v1/users?role[]=Admin", "role[]", unknown),
        ("/api/v1/users?role=Admin&role=User", "role", twice),
        ("/api/v1/users?disabled=true&%64isabled=false", "disabled", twice),
        ("/api/v1/users?role=", "role", "Must be one of: Admin, User."),
        ("/api/v1/users?disabled=", "disabled", "Must be one of: true, false."),
        ("/api/v1/users?limit=", "limit", "Must be a number from 1 to 1000000."),
        ("/api/v1/users?after=", "after", "No such user."),
        ("/api/v1/users?q=", "q", "Shorter than minimum length 1."),
        ("/api/v1/users?q=%20", "q", "Shorter than minimum length 1."),
        ("/api/v1/audit?users=x", "users", unknown),
        ("/api/v1/audit?user=a&user=b", "user", twice),
        ("/api/v1/audit?user=", "user", "Must be the uuid of a user."),
        ("/api/v1/audit?outcome=", "outcome", "Must be one of: success, failure, denied."),
        ("/api/v1/audit?since=", "since", "Must be a time such as 2026-01-31T00:00:00Z."),
        ("/api/v1/roles?name=Admin", "name", unknown),
        ("/api/v1/accounts/sessions?current=false", "current", unknown),
    ] {
        assert_eq!(list(path).await, fail(422, json!({name: [problem]})), "{path}");
    }
    for path in ["/api/v1/users?", "/api/v1/users?role=Admin&", "/api/v1/accounts/sessions?", "/api/v1/accounts/me?_=1"]
    {
        assert_eq!(list(path).await.status, 200, "{path}");
    }
    // It would end all of them.
    let one = server.call("DELETE", "/api/v1/accounts/sessions?id=x", Some(&admin), None).await;
    assert_eq!(one, fail(422, json!({"id": [unknown]})));
    assert!(server.is_valid(&other).await);
}
