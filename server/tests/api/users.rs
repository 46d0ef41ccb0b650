//! What an Admin does with users.

use serde_json::{Value, json};

use crate::database::Engine;
use crate::harness::{Answer, PASSWORD, Server, account, done, fail, ok};

crate::on_every_engine!(
    an_admin_lists_users_in_order_of_their_id,
    an_admin_creates_users_of_both_roles,
    an_admin_changes_name_and_password,
    an_admin_deletes_a_user_with_the_tokens,
    nobody_else_may,
);

const USERS: &str = "/api/v1/users";

async fn uuid_of(server: &Server, admin: &str, username: &str) -> String {
    let users = server.get(USERS, admin).await;
    let users = users.body["data"].as_array().unwrap();
    let user = users.iter().find(|user| user["username"] == username).unwrap();
    user["uuid"].as_str().unwrap().to_owned()
}

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
    let uuid = uuid_of(&server, &admin, "alice").await;
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
    let uuid = uuid_of(&server, &admin, "alice").await;
    let delete = |body: Value| {
        let (server, admin) = (&server, &admin);
        async move { server.call("DELETE", USERS, Some(admin), Some(body)).await }
    };
    assert_eq!(delete(json!({"uuid": null})).await, fail(422, json!("uuid null")));
    assert_eq!(delete(json!({})).await, fail(422, json!({"uuid": ["Missing data for required field."]})));
    assert_eq!(delete(json!({"uuid": uuid})).await, done());
    assert_eq!(delete(json!({"uuid": uuid})).await, fail(404, json!("user not found")));

    assert!(!server.is_good(&tokens.access).await);
    let refresh = server.call("POST", "/api/v1/accounts/refresh", Some(&tokens.refresh), None).await;
    assert_eq!(refresh, fail(401, json!("The token has revoked")));
}

async fn nobody_else_may(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    server.register("alice").await;
    let user = server.login("alice").await.access;
    for method in ["GET", "POST", "PATCH", "DELETE"] {
        // Who is there is asked before what is wanted: the body is not even looked at.
        let answer = server.call(method, USERS, Some(&user), Some(json!(["nonsense"]))).await;
        assert_eq!(answer, fail(403, json!("not admin")), "{method}");
    }
}
