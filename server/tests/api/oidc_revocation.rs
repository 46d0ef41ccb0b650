//! Applications give tokens back, and services ask whether a token is valid.

use sc_auth_contract::declared::SecretHash;
use serde_json::{Value, json};

use crate::browser::{
    Browser, ISSUER, SECRET, authorize, client, declare, encoded, exchange, refresh, started, text, tokens, userinfo,
    with,
};
use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server, claims, run_with_input, until};

crate::on_every_engine!(a_revoked_token_ends_its_grant, a_token_is_described_to_its_audience);

const OFFLINE: (&str, &str) = ("scope", "openid offline_access");
const FORM: &str = "application/x-www-form-urlencoded";

fn skipping(id: &str) -> Value {
    with(client(id), "consent", json!("Skip"))
}

fn native(id: &str) -> Value {
    let native = with(skipping(id), "type", json!("Native"));
    with(with(native, "secrets", json!([])), "redirectUris", json!(["https://shop.test/cb"]))
}

fn service(id: &str, audience: &str) -> Value {
    json!({"clientId": id, "type": "Service", "secrets": [SecretHash::of(SECRET)], "audiences": [audience]})
}

/// Status and body of a request of a client.
async fn call(server: &Server, path: &str, id: &str, form: &[(&str, &str)]) -> (u16, Value) {
    let own = [("client_id", id), ("client_secret", SECRET)];
    let own = if id == "app" { &own[..1] } else { &own[..] };
    send(server, path, &encoded(&[own, form].concat())).await
}

async fn send(server: &Server, path: &str, body: &str) -> (u16, Value) {
    let request = server.request("POST", path).header("content-type", FORM).body(body.to_owned());
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store");
    (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
}

async fn revoke(server: &Server, id: &str, token: &str) -> (u16, Value) {
    call(server, "/oauth2/revoke", id, &[("token", token)]).await
}

async fn introspect(server: &Server, id: &str, token: &str) -> Value {
    let (status, answer) = call(server, "/oauth2/introspect", id, &[("token", token)]).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

async fn a_revoked_token_ends_its_grant(engine: Engine) {
    let (server, database) = started(engine, &[skipping("shop"), skipping("other"), native("app")]).await;
    let mut browser = Browser::new(&server);
    for kind in ["access_token", "refresh_token", "former refresh_token"] {
        let mut issued = tokens(&server, &browser.code(&[OFFLINE]).await).await;
        let kept = tokens(&server, &browser.code(&[OFFLINE]).await).await;
        let mut token = text(&issued, kind.split(' ').next_back().unwrap());
        if kind.starts_with("former") {
            issued = refresh(&server, &token).await.1;
        }
        // Another client, one that anybody can be, and one with a wrong secret.
        for other in ["other", "app"] {
            let (status, answer) = revoke(&server, other, &token).await;
            assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")), "{kind} {other}");
        }
        let wrong = [("client_id", "shop"), ("client_secret", "wrong"), ("token", token.as_str())];
        let (status, answer) = send(&server, "/oauth2/revoke", &encoded(&wrong)).await;
        assert_eq!((status, &answer["error"]), (401, &json!("invalid_client")));
        let access = text(&issued, "access_token");
        assert_eq!(userinfo(&server, &access).await.0, 200);
        // A wrong hint does not matter.
        let form = [("token", token.as_str()), ("token_type_hint", "access_token")];
        assert_eq!(call(&server, "/oauth2/revoke", "shop", &form).await, (200, Value::Null), "{kind}");
        assert_eq!(userinfo(&server, &access).await.0, 401, "{kind}");
        assert_eq!(refresh(&server, &text(&issued, "refresh_token")).await.0, 400, "{kind}");
        assert_eq!(userinfo(&server, &text(&kept, "access_token")).await.0, 200, "another grant");
        // Again, and what never was one.
        token.push('x');
        for nothing in [&token[..token.len() - 1], &token, "x", ""] {
            let status = revoke(&server, "shop", nothing).await.0;
            assert_eq!(status, if nothing.is_empty() { 400 } else { 200 }, "{nothing}");
        }
    }
    let events = database.texts("SELECT detail FROM audit_events WHERE event = 'access_revoked'").await;
    assert_eq!(events, ["shop"; 3]);
    // What is no token of an application ends nothing.
    let issued = tokens(&server, &browser.code(&[OFFLINE]).await).await;
    let api = server.login("alice").await;
    for token in [&text(&issued, "id_token"), &api.access, &api.refresh] {
        assert_eq!(revoke(&server, "shop", token).await.0, 200);
    }
    assert_eq!(userinfo(&server, &text(&issued, "access_token")).await.0, 200);
    assert!(server.is_valid(&api.access).await && server.refresh(&api.refresh).await.status == 200);
    // A client without a secret.
    let code = browser.code(&[("client_id", "app"), OFFLINE]).await;
    let verifier = ("code_verifier", crate::browser::VERIFIER);
    let form = [("grant_type", "authorization_code"), ("code", code.as_str()), verifier];
    let form = [&form[..], &[("redirect_uri", crate::browser::CALLBACK)]].concat();
    let own = call(&server, "/oauth2/token", "app", &form).await.1;
    assert_eq!(revoke(&server, "app", &text(&own, "refresh_token")).await.0, 200);
    assert_eq!(userinfo(&server, &text(&own, "access_token")).await.0, 401);
}

async fn a_token_is_described_to_its_audience(engine: Engine) {
    let shop = with(skipping("shop"), "audiences", json!(["orders"]));
    let clients = [shop.clone(), skipping("other"), service("orders-api", "orders"), service("stock-api", "stock")];
    let (server, database) = started(engine, &[&clients[..], &[native("app")]].concat()).await;
    let created = run_with_input(&database, &["admin", "create", "root", "--password-stdin"], PASSWORD).await;
    assert!(created.status.success());
    let root = server.login("root").await.access;
    let uuid = server.uuid_of(&root, "alice").await;
    let mut browser = Browser::new(&server);
    let issued = tokens(&server, &browser.code(&[OFFLINE]).await).await;
    let access = text(&issued, "access_token");
    let found = introspect(&server, "orders-api", &access).await;
    let inside = claims(&access);
    assert_eq!(found["active"], true);
    for member in ["iss", "sub", "aud", "client_id", "jti", "iat", "exp"] {
        assert_eq!(found[member], inside[member], "{member}");
    }
    assert_eq!((&found["scope"], &found["token_type"]), (&json!("openid offline_access"), &json!("Bearer")));
    assert!(found["username"].is_null() && found["grant_id"].is_null(), "{found}");
    let inactive = json!({"active": false});
    // Those whom it is not for learn nothing, not even the client that it was issued to.
    for id in ["stock-api", "other", "shop"] {
        assert_eq!(introspect(&server, id, &access).await, inactive, "{id}");
    }
    let api = server.login("alice").await;
    let mut forged = access.clone();
    forged.push('x');
    for token in [&text(&issued, "id_token"), &text(&issued, "refresh_token"), &api.access, &api.refresh, &forged] {
        assert_eq!(introspect(&server, "orders-api", token).await, inactive);
    }
    for (body, status, error) in [
        ("client_id=app&token=x".to_owned(), 401, "invalid_client"),
        ("token=x".to_owned(), 401, "invalid_client"),
        ("client_id=orders-api&client_secret=wrong&token=x".to_owned(), 401, "invalid_client"),
        (encoded(&[("client_id", "orders-api"), ("client_secret", SECRET)]), 400, "invalid_request"),
        ("client_id=orders-api&token=x&token=y".to_owned(), 400, "invalid_request"),
    ] {
        let (got, answer) = send(&server, "/oauth2/introspect", &body).await;
        assert_eq!((got, &answer["error"]), (status, &json!(error)), "{body}");
    }
    // What ends the grant ends the token: for everybody who asks, at once.
    for ending in ["revoke", "disable", "session"] {
        let issued = tokens(&server, &browser.code(&[]).await).await;
        let access = text(&issued, "access_token");
        assert_eq!(introspect(&server, "orders-api", &access).await["active"], true, "{ending}");
        match ending {
            "revoke" => assert_eq!(revoke(&server, "shop", &access).await.0, 200),
            "disable" => {
                for is_disabled in [true, false] {
                    let change = json!({"uuid": uuid, "disabled": is_disabled});
                    assert_eq!(server.call("PATCH", "/api/v1/users", Some(&root), Some(change)).await.status, 200);
                }
            }
            _ => database.execute("UPDATE sessions SET expires_at = 1 WHERE cookie_hash IS NOT NULL").await,
        }
        assert_eq!(introspect(&server, "orders-api", &access).await, inactive, "{ending}");
    }
}

/// Anybody can be a client without a secret.
#[tokio::test]
async fn revocations_of_a_client_without_a_secret_are_limited() {
    let database = Database::create(Engine::Sqlite).await;
    declare(&database, &[skipping("shop"), native("app")]);
    let settings =
        [("SC_AUTH_DECLARED", "declared.json"), ("SC_AUTH_ISSUER", ISSUER), ("SC_AUTH_TRUSTED_PROXIES", "127.0.0.0/8")];
    let server = Server::start(&database, &settings).await;
    let revoke = async |own: &[(&str, &str)], address: &str| {
        let request = server.request("POST", "/oauth2/revoke").header("content-type", FORM);
        let request = request.header("x-forwarded-for", address).body(encoded(&[own, &[("token", "x")]].concat()));
        request.send().await.unwrap()
    };
    let app = [("client_id", "app")];
    let mut last = revoke(&app, "203.0.113.1").await;
    assert_eq!(last.status(), 200);
    // The limit is 60, and one more each second.
    for _ in 0..100 {
        last = revoke(&app, "203.0.113.1").await;
        if last.status() == 429 {
            break;
        }
    }
    assert!(last.status() == 429 && last.headers().contains_key("retry-after"), "{last:?}");
    assert_eq!(last.json::<Value>().await.unwrap()["error"], "temporarily_unavailable");
    assert_eq!(revoke(&app, "198.51.100.1").await.status(), 200, "others are not limited");
    // An application on a server has all of its users behind one address.
    let shop = [("client_id", "shop"), ("client_secret", SECRET)];
    assert_eq!(revoke(&shop, "203.0.113.1").await.status(), 200);
}

#[tokio::test]
async fn a_service_only_introspects() {
    let shop = with(skipping("shop"), "audiences", json!(["orders"]));
    let (server, database) = started(Engine::Sqlite, &[shop, service("orders-api", "orders")]).await;
    let mut browser = Browser::new(&server);
    assert_eq!(browser.get(&authorize(&[("client_id", "orders-api")])).await.status, 400);
    for form in [
        vec![("grant_type", "authorization_code"), ("code", "x"), ("redirect_uri", "https://shop.test/cb")],
        vec![("grant_type", "refresh_token"), ("refresh_token", "x")],
        vec![("grant_type", "client_credentials")],
    ] {
        let (status, answer) = call(&server, "/oauth2/token", "orders-api", &form).await;
        assert_eq!((status, &answer["error"]), (400, &json!("unauthorized_client")), "{form:?}");
    }
    // A client that is no longer declared has no valid tokens.
    let access = text(&tokens(&server, &browser.code(&[]).await).await, "access_token");
    assert_eq!(introspect(&server, "orders-api", &access).await["active"], true);
    declare(&database, &[service("orders-api", "orders")]);
    let is_gone = async || introspect(&server, "orders-api", &access).await["active"] == false;
    until("the client is gone", is_gone).await;
    assert_eq!(exchange(&server, "x").await.1["error"], "invalid_client");
    for path in ["/oauth2/revoke", "/oauth2/introspect"] {
        let answer = server.call("GET", path, None, None).await;
        assert_eq!((answer.status, &answer.body["error"]), (405, &json!("invalid_request")), "{path}");
    }
}
