//! Forms of requests beside those of the contract, and requests that are refused before they are understood.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::connections::exchange;
use crate::database::{Database, Engine};
use crate::harness::{Answer, PASSWORD, Server, account, answer, done, fail, msg, ok};

crate::on_every_engine!(
    a_user_is_changed_and_deleted_by_path,
    a_uuid_is_found_in_every_form,
    a_plus_in_a_time_is_not_a_blank,
    unknown_values_of_filters_are_refused,
);

const USERS: &str = "/api/v1/users";

async fn a_user_is_changed_and_deleted_by_path(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let admin = server.login("root").await.access;
    server.register("alice").await;
    let alice = server.login("alice").await.access;
    let path = format!("{USERS}/{}", server.uuid_of(&admin, "alice").await);
    let call = |method: &'static str, token: &str, body: Option<Value>| {
        let (server, path, token) = (&server, &path, token.to_owned());
        async move { server.call(method, path, Some(&token), body).await }
    };
    for method in ["GET", "PATCH", "DELETE"] {
        let body = (method == "PATCH").then(|| json!({"name": "Mallory"}));
        assert_eq!(call(method, &alice, body).await, fail(403, json!("not admin")), "{method}");
    }
    assert_eq!(call("PATCH", &admin, Some(json!({"name": "New Name", "role_name": "Admin"}))).await, done());
    let shown = call("GET", &admin, None).await;
    assert_eq!((&shown.body["data"]["name"], &shown.body["data"]["role_name"]), (&json!("New Name"), &json!("Admin")));
    assert_eq!(call("PATCH", &admin, Some(json!({}))).await, done());
    let wrong = json!({"uuid": "7", "email": "nobody"});
    let problems = json!({"uuid": ["Unknown field."], "email": ["Not a valid email address."]});
    assert_eq!(call("PATCH", &admin, Some(wrong)).await, fail(422, problems));
    assert_eq!(call("DELETE", &admin, None).await, done());
    for (method, body) in [("GET", None), ("PATCH", Some(json!({"name": "Nobody"}))), ("DELETE", None)] {
        assert_eq!(call(method, &admin, body).await, fail(404, json!("user not found")), "{method}");
    }
    let events = server.get("/api/v1/audit?limit=2", &admin).await.body;
    let events: Vec<_> = events["data"].as_array().unwrap().iter().map(|event| event["event"].clone()).collect();
    assert_eq!(events, ["user_deleted", "user_changed"]);
}

/// With dashes, as most libraries print it, and in capitals.
fn forms(plain: &str) -> [String; 4] {
    let parts = [&plain[..8], &plain[8..12], &plain[12..16], &plain[16..20], &plain[20..]];
    let dashed = parts.join("-");
    [plain.to_owned(), dashed.clone(), plain.to_uppercase(), dashed.to_uppercase()]
}

async fn a_uuid_is_found_in_every_form(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let admin = server.login("root").await.access;
    for name in ["alice", "zoe"] {
        server.register(name).await;
    }
    let uuid = server.uuid_of(&admin, "alice").await;
    for form in forms(&uuid) {
        let shown = server.get(&format!("{USERS}/{form}"), &admin).await;
        assert_eq!((shown.status, &shown.body["data"]["uuid"]), (200, &json!(uuid)), "{form}");
        let next = server.get(&format!("{USERS}?after={form}"), &admin).await;
        assert_eq!(next.body["data"][0]["username"], "zoe", "{form}");
        let change = json!({"uuid": form, "name": "New Name"});
        assert_eq!(server.call("PATCH", USERS, Some(&admin), Some(change)).await, done(), "{form}");
        let failures = format!("{USERS}/{form}/login-failures");
        assert_eq!(server.call("DELETE", &failures, Some(&admin), None).await, done(), "{form}");
        let events = server.get(&format!("/api/v1/audit?user={form}&event=user_changed"), &admin).await;
        assert_eq!(events.body["data"][0]["subject"]["uuid"], json!(uuid), "{form}");
    }
    let [_, dashed, ..] = forms(&uuid);
    assert_eq!(server.call("DELETE", USERS, Some(&admin), Some(json!({"uuid": dashed}))).await, done());
    let events = server.get(&format!("/api/v1/audit?user={dashed}&event=user_deleted"), &admin).await;
    assert_eq!(events.body["data"][0]["subject"]["uuid"], json!(uuid), "of a deleted user");

    let sessions = server.get("/api/v1/accounts/sessions", &admin).await;
    server.login("root").await;
    let after = server.get("/api/v1/accounts/sessions", &admin).await;
    let id = |sessions: &Answer, number: usize| sessions.body["data"][number]["id"].as_str().unwrap().to_owned();
    let known: Vec<_> = (0..sessions.body["data"].as_array().unwrap().len()).map(|n| id(&sessions, n)).collect();
    let new = (0..=known.len()).map(|n| id(&after, n)).find(|id| !known.contains(id)).unwrap();
    let plain = new.replace('-', "").to_uppercase();
    let end = format!("/api/v1/accounts/sessions/{plain}");
    assert_eq!(server.call("DELETE", &end, Some(&admin), None).await, done());
    assert_eq!(server.call("DELETE", &end, Some(&admin), None).await, fail(404, json!("session not found")));
}

async fn a_plus_in_a_time_is_not_a_blank(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let admin = server.login("root").await.access;
    let count = async |query: &str| {
        let events = server.get(&format!("/api/v1/audit?{query}"), &admin).await;
        assert_eq!(events.status, 200, "{query}: {events:?}");
        events.body["data"].as_array().unwrap().len()
    };
    for zone in ["+00:00", "%2B00:00", "+05:30", "-05:30", "Z"] {
        assert!(count(&format!("since=2020-01-01T00:00:00{zone}")).await > 0, "{zone}");
        assert_eq!(count(&format!("until=2020-01-01T00:00:00{zone}")).await, 0, "{zone}");
    }
    let wrong = server.get("/api/v1/audit?since=2020-01-01+00:00", &admin).await;
    assert_eq!(wrong, fail(422, json!({"since": ["Must be a time such as 2026-01-31T00:00:00Z."]})));
}

async fn unknown_values_of_filters_are_refused(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let admin = server.login("root").await.access;
    for (query, field, start) in [
        ("event=logins", "event", "Must be one of: registered, login, "),
        ("event=", "event", "Must be one of: "),
        ("event=Login", "event", "Must be one of: "),
        ("outcome=failed", "outcome", "Must be one of: success, failure, denied."),
        ("user=root", "user", "Must be the uuid of a user."),
        ("user=", "user", "Must be the uuid of a user."),
        ("user=%C3%BC", "user", "Must be the uuid of a user."),
    ] {
        let refused = server.get(&format!("/api/v1/audit?{query}"), &admin).await;
        let text = refused.body["data"]["error"][field][0].as_str().unwrap_or_default();
        assert!(refused.status == 422 && text.starts_with(start), "{query}: {refused:?}");
    }
    assert_eq!(server.get("/api/v1/audit?event=logout&outcome=denied", &admin).await, ok(json!([])));
}

#[tokio::test]
async fn encoded_bodies_are_refused() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let login = || {
        let body = json!({"username": "root", "password": PASSWORD});
        server.request("POST", "/api/v1/accounts/login").json(&body)
    };
    for coding in ["gzip", "br", "deflate", "zstd", "GZIP", "identity, gzip", "aws-chunked"] {
        let response = login().header("content-encoding", coding).send().await.unwrap();
        assert_eq!(response.status(), 415, "{coding}");
        assert_eq!(response.headers()["accept-encoding"], "identity", "{coding}");
        let body: Value = response.json().await.unwrap();
        let error = body["data"]["error"].as_str().unwrap();
        assert!(error.starts_with("Content-Encoding ") && error.ends_with("; send the body without it"), "{error}");
    }
    for coding in ["identity", "Identity", ""] {
        assert_eq!(answer(login().header("content-encoding", coding)).await.status, 200, "{coding:?}");
    }
}

#[tokio::test]
async fn a_body_in_another_character_set_is_refused() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let register = |charset: &str, username: &str| {
        let request = server.request("POST", "/api/v1/accounts/register");
        request.header("content-type", format!("application/json; {charset}")).body(account(username).to_string())
    };
    for charset in ["charset=utf-16", "Charset=\"UTF-16LE\"", "x=y;charset=utf-32", "charset = ucs-2"] {
        let refusal = answer(register(charset, "alice")).await;
        assert_eq!(refusal.status, 415, "{charset}");
        let error = refusal.body["data"]["error"].as_str().unwrap();
        assert_eq!(error, "the charset of Content-Type is not supported; send the body in UTF-8");
    }
    for (charset, username) in [
        ("charset=utf-8", "alice"),
        ("charset=\"UTF-8\"", "bobby"),
        ("charset=ISO-8859-1", "carol"),
        ("v=utf-16", "dave"),
    ] {
        assert_eq!(answer(register(charset, username)).await.status, 201, "{charset}");
    }
}

#[tokio::test]
async fn a_body_without_its_content_type_gets_a_hint() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let hint = "send the body as JSON, with the header Content-Type: application/json";
    let expected = Answer {
        status: 422,
        body: json!({
            "status": "fail", "code": 422, "data": {"error": {"_schema": ["Invalid input type."]}, "hint": hint},
        }),
    };
    let register = || server.request("POST", "/api/v1/accounts/register").body(account("alice").to_string());
    assert_eq!(answer(register()).await, expected);
    for kind in ["text/plain", "application/x-www-form-urlencoded", "json", ""] {
        assert_eq!(answer(register().header("content-type", kind)).await, expected, "{kind}");
    }
    let array = server.request("POST", "/api/v1/accounts/register").json(&json!([]));
    assert_eq!(answer(array).await, fail(422, json!({"_schema": ["Invalid input type."]})), "no hint would help");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_sent() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let admin = server.login("root").await.access;
    for line in
        ["POST /api/v1/accounts/login", "POST /api/v1/accounts/register", "POST /api/v1/users", "PATCH /api/v1/users/7"]
    {
        for length in ["100000", "9999999999", "9223372036854775807"] {
            let request = format!(
                "{line} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer {admin}\r\n\
                 Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
            );
            let answer = exchange(&server, request).await;
            assert!(answer.starts_with("HTTP/1.1 413 "), "{line} {length}: {answer}");
        }
    }
}

#[tokio::test]
async fn ambiguous_heads_are_refused() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let get = |headers: &str| format!("GET / HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
    for headers in [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nhost: b\r\n",
        "Host: a, b c\r\n",
        "Host: http://a\r\n",
        "Host: u@a\r\n",
        "Host: a\r\nTransfer-Encoding: identity\r\n",
    ] {
        let answer = exchange(&server, get(headers)).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{headers:?}: {answer}");
    }
    for headers in ["Host: a\r\n", "Host: a.test:8000\r\n", "Host: [::1]:8000\r\n", "Host:\r\n", "Host: a_b\r\n"] {
        let answer = exchange(&server, get(headers)).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{headers:?}: {answer}");
    }
    assert!(exchange(&server, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n").await.starts_with("HTTP/1.0 400 "));

    let body = json!({"username": "root", "password": PASSWORD}).to_string();
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let login = |framing: &str| {
        format!(
            "POST /api/v1/accounts/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             {framing}\r\nConnection: close\r\n\r\n{chunked}"
        )
    };
    let length = format!("Content-Length: {}", chunked.len());
    for framing in [
        "Transfer-Encoding: chunked, chunked".to_owned(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked".to_owned(),
        "Transfer-Encoding: identity".to_owned(),
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked".to_owned(),
        "Transfer-Encoding: identity, chunked".to_owned(),
        "Transfer-Encoding: gzip, chunked".to_owned(),
        "Transfer-Encoding: chunked, gzip".to_owned(),
        "Transfer-Encoding: xchunked".to_owned(),
        "Transfer-Encoding : chunked".to_owned(),
        format!("{length}\r\nTransfer-Encoding: chunked"),
        format!("Transfer-Encoding: chunked\r\n{length}"),
        "transfer-encoding: chunked\r\nX: y\r\ncontent-length: 0".to_owned(),
        format!("{length}\r\nContent-Length: 1"),
    ] {
        let answer = exchange(&server, login(&framing)).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{framing:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "the connection is closed: {answer}");
    }
    for framing in ["Transfer-Encoding: chunked", "transfer-encoding:  CHUNKED "] {
        let answer = exchange(&server, login(framing)).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{framing:?}: {answer}");
    }
    // What follows a request with Transfer-Encoding is never read as another request.
    let get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let open = |framing: &str| login(framing).replace("Connection: close\r\n", "") + get;
    for framing in ["Transfer-Encoding: chunked".to_owned(), format!("{length}\r\nTransfer-Encoding: chunked")] {
        for before in ["", get] {
            let answer = exchange(&server, before.to_owned() + &open(&framing)).await;
            let expected = if before.is_empty() { 1 } else { 2 };
            assert_eq!(answer.matches("HTTP/1.1 ").count(), expected, "{framing:?} after {before:?}: {answer}");
        }
    }
}

#[tokio::test]
async fn two_authorization_headers_are_malformed() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let admin = server.login("root").await.access;
    let malformed =
        msg(StatusCode::UNPROCESSABLE_ENTITY, "Bad Authorization header. Expected 'Authorization: Bearer <JWT>'");
    for (method, path) in
        [("GET", "/api/v1/accounts/me"), ("POST", "/api/v1/accounts/refresh"), ("GET", USERS), ("POST", USERS)]
    {
        for other in [format!("Bearer {admin}"), "Basic eDp5".to_owned(), String::new()] {
            let request = server.request(method, path).bearer_auth(&admin).header("authorization", other);
            assert_eq!(answer(request).await, malformed, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_page_may_send_ids_of_requests_and_traces() {
    let database = Database::create(Engine::Sqlite).await;
    let server = Server::start(&database, &[("SC_AUTH_CORS_ORIGINS", "https://app.test")]).await;
    let preflight = server.request("OPTIONS", "/api/v1/accounts/me").header("origin", "https://app.test");
    let preflight = preflight.header("access-control-request-method", "GET");
    let preflight = preflight.header("access-control-request-headers", "authorization,traceparent,x-request-id");
    let answer = preflight.send().await.unwrap();
    let allowed = answer.headers()["access-control-allow-headers"].to_str().unwrap().to_owned();
    for name in ["authorization", "content-type", "x-request-id", "traceparent", "tracestate"] {
        assert!(allowed.split(',').any(|allowed| allowed == name), "{name}: {allowed}");
    }
}
