//! All errors of the legacy service, byte for byte where its clients may compare them.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::database::Engine;
use crate::harness::{PASSWORD, Server, account, answer, fail, msg};

crate::on_every_engine!(
    fields_are_refused_with_the_legacy_service_s_messages,
    bodies_that_are_not_objects_are_refused,
    names_and_addresses_are_unique,
    a_failed_login_does_not_reveal_which_users_exist,
    the_authorization_header_is_explained,
    paths_and_methods_that_do_not_exist_are_answered_in_the_envelope,
);

/// A registration with one field changed.
fn with(name: &str, value: Value) -> Value {
    let mut body = account("alice");
    body[name] = value;
    body
}

fn without(name: &str) -> Value {
    let mut body = account("alice");
    body.as_object_mut().unwrap().remove(name);
    body
}

async fn fields_are_refused_with_the_legacy_service_s_messages(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let cases = [
        (without("name"), json!({"name": ["Missing data for required field."]})),
        (with("username", json!("al")), json!({"username": ["Shorter than minimum length 3."]})),
        (with("name", json!("Al")), json!({"name": ["Shorter than minimum length 3."]})),
        (with("password", json!("short")), json!({"password": ["Shorter than minimum length 8."]})),
        (with("password", json!("x".repeat(257))), json!({"password": ["Longer than maximum length 256."]})),
        (with("username", json!("x".repeat(65))), json!({"username": ["Longer than maximum length 64."]})),
        (with("email", json!("nobody")), json!({"email": ["Not a valid email address."]})),
        (with("username", json!(7)), json!({"username": ["Not a valid string."]})),
        (with("username", json!("nul\0byte")), json!({"username": ["Not a valid string."]})),
        (with("username", Value::Null), json!({"username": ["Field may not be null."]})),
        (with("extra", json!(1)), json!({"extra": ["Unknown field."]})),
        (with("role_name", json!("Admin")), json!({"role_name": ["Unknown field."]})),
        (
            json!({"username": "al", "email": "nobody", "extra": 1}),
            json!({
                "username": ["Shorter than minimum length 3."],
                "name": ["Missing data for required field."],
                "email": ["Not a valid email address."],
                "password": ["Missing data for required field."],
                "extra": ["Unknown field."],
            }),
        ),
    ];
    for (body, errors) in cases {
        assert_eq!(server.post("/api/v1/accounts/register", body.clone()).await, fail(422, errors), "{body}");
    }
    let login = server.post("/api/v1/accounts/login", json!({"username": "alice"})).await;
    assert_eq!(login, fail(422, json!({"password": ["Missing data for required field."]})));
}

async fn bodies_that_are_not_objects_are_refused(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let register = || server.request("POST", "/api/v1/accounts/register");
    let no_object = fail(422, json!({"_schema": ["Invalid input type."]}));

    assert_eq!(answer(register().json(&json!([account("alice")]))).await, no_object);
    let plain = register().header("content-type", "text/plain").body(account("alice").to_string());
    for request in [register(), plain] {
        let refused = answer(request).await;
        assert_eq!((refused.status, &refused.body["data"]["error"]), (422, &no_object.body["data"]["error"]));
    }

    let secret = "{\"password\": \"s3cret";
    let broken = answer(register().header("content-type", "application/json; charset=utf-8").body(secret)).await;
    assert_eq!(broken.status, 400);
    let text = broken.body["data"]["error"].as_str().unwrap();
    assert!(text.starts_with("Failed to decode JSON object: ") && !text.contains("s3cret"), "{text}");

    let large = json!({"username": "x".repeat(65 * 1024)});
    assert_eq!(answer(register().json(&large)).await, fail(413, json!("the body is larger than 17020 bytes")));
}

async fn names_and_addresses_are_unique(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    server.register("alice").await;
    let again = |body: Value| async { server.post("/api/v1/accounts/register", body).await };
    let mut same_address = account("somebody-else");
    for address in ["alice@example.com", "ALICE@EXAMPLE.COM"] {
        same_address["email"] = json!(address);
        assert_eq!(again(same_address.clone()).await, fail(409, json!("email already exists")));
    }
    for name in ["alice", "ALICE", " alice "] {
        let mut same_name = account("other");
        same_name["username"] = json!(name);
        assert_eq!(again(same_name).await, fail(409, json!("username already exists")), "{name:?}");
    }
    // A value that contains the name of a constraint is not mistaken for it.
    let mut sly = account("alice");
    sly["username"] = json!("for key email");
    assert_eq!(again(sly.clone()).await.status, 409);
    sly["email"] = json!("sly@example.com");
    assert_eq!(again(sly.clone()).await.status, 201);
    sly["email"] = json!("other@example.com");
    assert_eq!(again(sly).await, fail(409, json!("username already exists")));
}

async fn a_failed_login_does_not_reveal_which_users_exist(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let login = |username: &str, password: &str| {
        let body = json!({"username": username, "password": password});
        async { server.post("/api/v1/accounts/login", body).await }
    };
    let refused = fail(422, json!("user not found or bad username/password"));
    assert_eq!(login("nobody", PASSWORD).await, refused);
    assert_eq!(login("root", "wrong password").await, refused);
    assert!(!server.log.text().contains(PASSWORD) && !server.log.text().contains("wrong password"));
}

async fn the_authorization_header_is_explained(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let tokens = server.login("root").await;
    for (method, path) in [
        ("GET", "/api/v1/accounts/me"),
        ("POST", "/api/v1/accounts/refresh"),
        ("DELETE", "/api/v1/accounts/logout"),
        ("GET", "/api/v1/users"),
        ("POST", "/api/v1/users"),
        ("PATCH", "/api/v1/users"),
        ("DELETE", "/api/v1/users"),
    ] {
        let with = |value: &'static str| answer(server.request(method, path).header("authorization", value));
        let missing = server.request(method, path).send().await.unwrap();
        assert_eq!(missing.headers()["www-authenticate"], "Bearer");
        assert_eq!(
            answer(server.request(method, path)).await,
            msg(StatusCode::UNAUTHORIZED, "Missing Authorization Header")
        );
        let other = "Missing 'Bearer' type in 'Authorization' header. Expected 'Authorization: Bearer <JWT>'";
        assert_eq!(with("Basic cm9vdDpyb290").await, msg(StatusCode::UNAUTHORIZED, other));
        let bad = "Bad Authorization header. Expected 'Authorization: Bearer <JWT>'";
        for value in ["Bearer", "Bearer ", "Bearer one two"] {
            assert_eq!(with(value).await, msg(StatusCode::UNPROCESSABLE_ENTITY, bad), "{value:?}");
        }
        assert_eq!(with("Bearer word").await, msg(StatusCode::UNPROCESSABLE_ENTITY, "Not enough segments"));
        // The last character of a signature has unused bits: change the first.
        let (body, signature) = tokens.access.rsplit_once('.').unwrap();
        let first = if signature.starts_with('A') { 'B' } else { 'A' };
        let forged = format!("{body}.{first}{}", &signature[1..]);
        assert_eq!(
            server.call(method, path, Some(&forged), None).await,
            msg(StatusCode::UNPROCESSABLE_ENTITY, "Signature verification failed")
        );
        let (wrong, text) = match path {
            "/api/v1/accounts/refresh" => (&tokens.access, "Only refresh tokens are allowed"),
            _ => (&tokens.refresh, "Only non-refresh tokens are allowed"),
        };
        assert_eq!(server.call(method, path, Some(wrong), None).await, msg(StatusCode::UNPROCESSABLE_ENTITY, text));
    }
}

async fn paths_and_methods_that_do_not_exist_are_answered_in_the_envelope(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    assert_eq!(server.call("GET", "/nowhere", None, None).await, fail(404, json!("not found")));
    let response = server.request("PUT", "/api/v1/accounts/login").send().await.unwrap();
    assert_eq!(response.headers()["allow"], "POST");
    assert_eq!(
        server.call("PUT", "/api/v1/accounts/login", None, None).await,
        fail(405, json!("PUT is not allowed here"))
    );
}
