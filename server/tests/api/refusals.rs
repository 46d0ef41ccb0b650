//! Refused requests leave a trace, and a new e-mail address needs the password.

use serde_json::{Value, json};

use crate::database::Engine;
use crate::harness::{PASSWORD, Server, account, done, fail};

crate::on_every_engine!(
    what_a_user_may_not_do_is_recorded,
    many_refusals_of_one_client_are_recorded,
    a_new_address_needs_the_password,
    a_domain_that_folds_to_the_present_one_is_a_new_address,
    attempts_at_new_addresses_are_limited,
    each_refused_call_has_its_own_event,
    the_last_refusals_are_recorded_when_the_server_stops,
);

const ME: &str = "/api/v1/accounts/me";

/// The events about refused requests, as an Admin sees them.
async fn refusals(server: &Server) -> Vec<Value> {
    let admin = server.login("root").await.access;
    let events = server.get("/api/v1/audit?event=request_refused", &admin).await;
    events.body["data"].as_array().unwrap().clone()
}

/// The lines of the log about refused requests with this status.
fn lines(server: &Server, status: u16) -> Vec<Value> {
    let log = server.log.text();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["message"] == "refused" && line["status"] == status).collect()
}

async fn what_a_user_may_not_do_is_recorded(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    server.register("alice").await;
    let alice = server.login("alice").await.access;
    for _ in 0..5 {
        assert_eq!(server.get("/api/v1/users", &alice).await, fail(403, json!("not admin")));
    }
    let events = refusals(&server).await;
    assert!((1..=2).contains(&events.len()), "one a minute: {events:?}");
    let event = &events[0];
    assert_eq!((&event["outcome"], &event["detail"]), (&json!("denied"), &json!("403 GET /api/v1/users")));
    assert_eq!((&event["actor"]["username"], &event["address"]), (&json!("alice"), &json!("127.0.0.1")));
    let logged = lines(&server, 403);
    assert!((1..=2).contains(&logged.len()), "{logged:?}");
    assert_eq!((&logged[0]["user"], &logged[0]["address"]), (&event["actor"]["uuid"], &json!("127.0.0.1")));
    let verified = server.request("GET", "/api/v1/verify?role=Admin").bearer_auth(&alice).send().await.unwrap();
    assert_eq!(verified.status(), 403);
    assert!(!server.log.text().contains(&alice), "no token is logged");
}

async fn many_refusals_of_one_client_are_recorded(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    server.register("alice").await;
    let ended = server.login("alice").await.access;
    server.call("DELETE", "/api/v1/accounts/logout", Some(&ended), None).await;
    assert_eq!(server.get(ME, &ended).await.status, 401);
    let line = lines(&server, 401).pop().unwrap();
    assert!(line["user"].is_string(), "whose token it was: {line}");
    assert_eq!(refusals(&server).await, Vec::<Value>::new(), "one is no event");
    // Twice as many, since a minute may end meanwhile.
    for _ in 0..40 {
        assert_eq!(server.call("GET", ME, None, None).await.status, 401);
        assert_eq!(server.get(ME, "a.b.c").await.status, 422);
    }
    let events = refusals(&server).await;
    for detail in ["401 GET /api/v1/accounts/me", "422 GET /api/v1/accounts/me"] {
        let of_kind: Vec<_> = events.iter().filter(|event| event["detail"] == detail).collect();
        assert!((1..=2).contains(&of_kind.len()), "{detail}: {events:?}");
        assert_eq!((&of_kind[0]["outcome"], &of_kind[0]["actor"]), (&json!("failure"), &Value::Null));
        assert!(of_kind[0]["count"].as_i64().unwrap() >= 20);
    }
}

async fn a_new_address_needs_the_password(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    server.register("alice").await;
    let alice = server.login("alice").await.access;
    let change = |body| server.call("PATCH", ME, Some(&alice), Some(body));
    let email = json!({"email": "new@example.com"});
    assert_eq!(change(email.clone()).await, fail(422, json!({"password": ["Missing data for required field."]})));
    let with = |password: Value| json!({"email": "new@example.com", "password": password});
    assert_eq!(change(with(json!(7))).await, fail(422, json!({"password": ["Not a valid string."]})));
    assert_eq!(change(with(Value::Null)).await, fail(422, json!({"password": ["Field may not be null."]})));
    let wrong = change(with(json!("a wrong password"))).await;
    assert_eq!(wrong, fail(422, json!({"password": ["Not the present password."]})));
    assert_eq!(server.get(ME, &alice).await.text("email"), "alice@example.com");
    // The present address, and a name, need none.
    assert_eq!(change(json!({"name": "Alice", "email": "ALICE@example.com"})).await, done());
    assert_eq!(change(with(json!(PASSWORD))).await, done());
    assert_eq!(server.get(ME, &alice).await.text("email"), "new@example.com");
    let admin = server.login("root").await.access;
    let events = server.get("/api/v1/audit?event=account_changed", &admin).await;
    let outcomes: Vec<_> = events.body["data"].as_array().unwrap().iter().map(|event| &event["outcome"]).collect();
    assert_eq!(outcomes, ["success", "success", "failure"]);
}

async fn a_domain_that_folds_to_the_present_one_is_a_new_address(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let mut body = account("alice");
    body["email"] = json!("a@straße.example");
    assert_eq!(server.post("/api/v1/accounts/register", body).await.status, 201);
    let alice = server.login("alice").await.access;
    let change = |email| server.call("PATCH", ME, Some(&alice), Some(json!({"email": email})));
    let refused = fail(422, json!({"password": ["Missing data for required field."]}));
    for another in ["a@strasse.example", "a@STRASSE.example"] {
        assert_eq!(change(another).await, refused, "{another}");
    }
    for same in ["A@straße.example", "a@STRAßE.example", "a@xn--strae-oqa.example"] {
        assert_eq!(change(same).await, done(), "{same}");
    }
}

async fn each_refused_call_has_its_own_event(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    server.register("alice").await;
    let alice = server.login("alice").await.access;
    assert_eq!(server.get("/api/v1/users", &alice).await.status, 403);
    assert_eq!(
        server.call("DELETE", "/api/v1/users/00000000000000000000000000000000", Some(&alice), None).await.status,
        403
    );
    let events = refusals(&server).await;
    let details: Vec<_> = events.iter().map(|event| event["detail"].as_str().unwrap()).collect();
    assert_eq!(details, ["403 DELETE /api/v1/users/{uuid}", "403 GET /api/v1/users"]);
}

async fn the_last_refusals_are_recorded_when_the_server_stops(engine: Engine) {
    let (mut server, database) = Server::with_admin(engine).await;
    server.register("alice").await;
    let alice = server.login("alice").await.access;
    for _ in 0..5 {
        assert_eq!(server.get("/api/v1/users", &alice).await.status, 403);
    }
    server.signal("INT");
    assert!(server.ended_well().await);
    let total = "SELECT CAST(SUM(count) AS CHAR(20)) FROM audit_events WHERE event = 'request_refused'";
    let totals: Vec<_> = database.texts(total).await.iter().map(|total| total.trim().to_owned()).collect();
    assert_eq!(totals, ["5"]);
}

async fn attempts_at_new_addresses_are_limited(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    server.register("alice").await;
    server.register("bob").await;
    let alice = server.login("alice").await.access;
    let taken = json!({"email": account("bob")["email"], "password": PASSWORD});
    for _ in 0..5 {
        let answer = server.call("PATCH", ME, Some(&alice), Some(taken.clone())).await;
        assert_eq!(answer, fail(409, json!("email already exists")));
    }
    assert_eq!(server.call("PATCH", ME, Some(&alice), Some(taken)).await.status, 429);
    assert_eq!(server.call("PATCH", ME, Some(&alice), Some(json!({"name": "Alice"}))).await, done());
}
