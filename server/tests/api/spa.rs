//! Applications that run in a browser: they have no secret, and call from pages of other origins.

use reqwest::Response;
use serde_json::{Value, json};

use crate::browser::{Browser, CALLBACK, VERIFIER, authorize, client, declare, encoded, started, text, with};
use crate::database::Engine;
use crate::harness::{Server, until};

crate::on_every_engine!(a_browser_application_gets_tokens_without_a_secret, a_browser_application_revokes_its_tokens);

const ORIGIN: &str = "https://shop.test";

fn spa(id: &str, uris: Value) -> Value {
    let mut spa = with(client(id), "type", json!("Spa"));
    spa["secrets"] = json!([]);
    with(spa, "redirectUris", uris)
}

/// Sends a form from a page of this origin.
async fn post(server: &Server, origin: &str, form: &[(&str, &str)]) -> Response {
    let request = server.request("POST", "/oauth2/token").header("origin", origin);
    request.header("content-type", "application/x-www-form-urlencoded").body(encoded(form)).send().await.unwrap()
}

async fn preflight(server: &Server, path: &str, origin: &str) -> Response {
    let request = server.request("OPTIONS", path).header("origin", origin);
    let request = request.header("access-control-request-method", "POST");
    request.header("access-control-request-headers", "authorization,content-type").send().await.unwrap()
}

/// The origin that may read an answer.
fn reader(response: &Response) -> Option<&str> {
    assert!(!response.headers().contains_key("access-control-allow-credentials"));
    response.headers().get("access-control-allow-origin").map(|origin| origin.to_str().unwrap())
}

async fn a_browser_application_gets_tokens_without_a_secret(engine: Engine) {
    let (server, _database) = started(engine, &[spa("shop", json!([CALLBACK]))]).await;
    let mut browser = Browser::new(&server);
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    assert_eq!(browser.get(&authorize(&without)).await.error(), "invalid_request", "PKCE is required");
    let code = browser.code(&[("scope", "openid email offline_access")]).await;
    let form =
        [("client_id", "shop"), ("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", CALLBACK)];
    let refused = post(&server, ORIGIN, &form).await;
    assert_eq!((refused.status().as_u16(), reader(&refused)), (400, Some(ORIGIN)), "errors can be read too");
    let answer = post(&server, ORIGIN, &[&form[..], &[("code_verifier", VERIFIER)]].concat()).await;
    assert_eq!((answer.status().as_u16(), reader(&answer)), (200, Some(ORIGIN)));
    assert!(answer.headers()["vary"].to_str().unwrap().contains("origin"));
    let issued: Value = answer.json().await.unwrap();
    let userinfo = server.request("GET", "/oauth2/userinfo").header("origin", ORIGIN);
    let userinfo = userinfo.bearer_auth(text(&issued, "access_token")).send().await.unwrap();
    assert_eq!((userinfo.status().as_u16(), reader(&userinfo)), (200, Some(ORIGIN)));
    assert_eq!(userinfo.json::<Value>().await.unwrap()["email"], "alice@example.com");
    let refresh_token = text(&issued, "refresh_token");
    let form = [("client_id", "shop"), ("grant_type", "refresh_token"), ("refresh_token", &refresh_token)];
    let refreshed = post(&server, ORIGIN, &form).await;
    assert_eq!(refreshed.status(), 200);
    assert_ne!(text(&refreshed.json().await.unwrap(), "refresh_token"), refresh_token);
    let with_secret = post(&server, ORIGIN, &[&form[..], &[("client_secret", "x")]].concat()).await;
    assert_eq!(with_secret.status(), 401);
}

#[tokio::test]
async fn only_pages_of_browser_applications_may_read_tokens() {
    let web = with(client("web"), "redirectUris", json!(["https://web.test/cb"]));
    let uris = json!([CALLBACK, "https://port.test:443/cb", "http://localhost:3000/cb"]);
    let (server, database) = started(Engine::Sqlite, &[spa("spa", uris), web.clone()]).await;
    for origin in [ORIGIN, "https://port.test", "http://localhost:3000"] {
        for path in ["/oauth2/token", "/oauth2/userinfo", "/oauth2/revoke"] {
            let answer = preflight(&server, path, origin).await;
            assert_eq!((answer.status().as_u16(), reader(&answer)), (204, Some(origin)), "{path}");
            let headers = answer.headers();
            assert_eq!(headers["access-control-allow-methods"], "GET, POST");
            assert!(headers["access-control-allow-headers"].to_str().unwrap().contains("authorization, content-type"));
        }
    }
    for origin in [
        "https://web.test",
        "https://evil.test",
        "null",
        "http://shop.test",
        "https://shop.test:8443",
        "https://shop.test.evil.test",
        "https://Shop.test",
        "http://localhost",
        "http://localhost:8000",
    ] {
        for path in ["/oauth2/token", "/oauth2/userinfo", "/oauth2/revoke"] {
            let answer = preflight(&server, path, origin).await;
            assert_eq!((answer.status().as_u16(), reader(&answer)), (405, None), "{path} {origin}");
        }
        let answer = post(&server, origin, &[("client_id", "spa")]).await;
        assert_eq!((reader(&answer), &answer.headers()["vary"]), (None, &"origin".parse().unwrap()), "{origin}");
    }
    for path in ["/oauth2/authorize", "/login", "/consent", "/api/v1/accounts/login"] {
        assert_eq!(reader(&preflight(&server, path, ORIGIN).await), None, "{path}");
    }
    declare(&database, &[web]);
    let is_refused = async || preflight(&server, "/oauth2/token", ORIGIN).await.status() == 405;
    until("the origin of a removed application is refused", is_refused).await;
}

#[tokio::test]
async fn every_page_may_read_the_metadata_and_the_keys() {
    let (server, _database) = started(Engine::Sqlite, &[client("shop")]).await;
    for path in
        ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/oauth2/jwks", "/oauth2/keys"]
    {
        let answer = server.request("GET", path).header("origin", "https://any.test").send().await.unwrap();
        assert_eq!((answer.status().as_u16(), reader(&answer)), (200, Some("*")), "{path}");
        let answer = preflight(&server, path, "https://any.test").await;
        assert_eq!((answer.status().as_u16(), reader(&answer)), (204, Some("*")), "{path}");
    }
}

async fn a_browser_application_revokes_its_tokens(engine: Engine) {
    let (server, _database) = started(engine, &[spa("shop", json!([CALLBACK]))]).await;
    let code = Browser::new(&server).code(&[("scope", "openid offline_access")]).await;
    let form =
        [("client_id", "shop"), ("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", CALLBACK)];
    let issued = post(&server, ORIGIN, &[&form[..], &[("code_verifier", VERIFIER)]].concat()).await;
    let refresh_token = text(&issued.json().await.unwrap(), "refresh_token");
    for (token, status) in [("", 400), (refresh_token.as_str(), 200)] {
        let request = server.request("POST", "/oauth2/revoke").header("origin", ORIGIN);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let form = encoded(&[("client_id", "shop"), ("token", token)]);
        let answer = request.body(form).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), reader(&answer)), (status, Some(ORIGIN)));
    }
    let form = [("client_id", "shop"), ("grant_type", "refresh_token"), ("refresh_token", &refresh_token)];
    assert_eq!(post(&server, ORIGIN, &form).await.status(), 400, "it is revoked");
}
