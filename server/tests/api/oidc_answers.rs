//! What the endpoints of OpenID Connect answer to unusual requests of browsers and applications.

use serde_json::json;

use crate::browser::{Browser, ISSUER, SESSION, authorize, client, encoded, started, text, tokens, with};
use crate::database::Engine;
use crate::harness::{PASSWORD, Server};

const FORM_TYPE: &str = "application/x-www-form-urlencoded";

/// Applications redirect to other hosts after their redirect URI, which browsers count as a part of the form.
#[tokio::test]
async fn a_form_may_lead_to_https_and_the_application_s_scheme() {
    let mut app = with(client("app"), "redirectUris", json!(["com.example.app:/cb", "http://[::1]/cb"]));
    app["type"] = json!("Native");
    app["secrets"] = json!([]);
    let (server, _database) = started(Engine::Sqlite, &[client("shop"), app]).await;
    for (changes, sources) in [
        ([("client_id", "shop"), ("state", "s")], "'self' https:"),
        ([("client_id", "app"), ("redirect_uri", "com.example.app:/cb")], "'self' https: com.example.app:"),
        ([("client_id", "app"), ("redirect_uri", "http://[::1]:4000/cb")], "'self' https: http:"),
    ] {
        let mut browser = Browser::new(&server);
        let page = browser.get(&authorize(&changes)).await;
        let consent = browser.log_in(&page, "alice", PASSWORD).await;
        assert!(page.is_login() && consent.is_consent(), "{}", consent.text);
        let posted = [&changes[..], &[("response_mode", "form_post"), ("prompt", "none")]].concat();
        let posted = browser.get(&authorize(&posted)).await;
        for page in [&page, &consent, &posted] {
            let policy = page.header("content-security-policy");
            let action = policy.split("; ").find_map(|part| part.strip_prefix("form-action "));
            assert_eq!(action, Some(sources), "{policy}");
            assert_eq!(page.header("cross-origin-opener-policy"), "", "a popup keeps its opener");
        }
    }
}

#[tokio::test]
async fn an_error_about_a_request_object_is_posted_if_the_object_says_so() {
    use base64::Engine as _;
    let (server, _database) = started(Engine::Sqlite, &[client("shop")]).await;
    let payload = json!({"response_mode": "form_post", "state": "inside"}).to_string();
    let object = format!("e30.{}.", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(payload));
    let page = Browser::new(&server).get(&authorize(&[("request", &object), ("state", "")])).await;
    assert_eq!(page.status, 200);
    for field in ["name=\"error\" value=\"request_not_supported\"", "name=\"state\" value=\"inside\""] {
        assert!(page.text.contains(field), "{}", page.text);
    }
}

/// Sites of the same domain can add cookies with any bytes.
#[tokio::test]
async fn cookies_of_other_sites_hide_no_session() {
    let (server, _database) = started(Engine::Sqlite, &[with(client("shop"), "consent", json!("Skip"))]).await;
    let mut browser = Browser::new(&server);
    browser.code(&[]).await;
    let cookie = |other: &[u8]| [other, b"; ", SESSION.as_bytes(), b"=", browser.cookies[SESSION].as_bytes()].concat();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    for other in [&b"name=J\xc3\xb6rg"[..], b"name=J\xf6rg", b"name=Joerg"] {
        let request = server.request("GET", &authorize(&[])).header("host", "localhost:8000");
        let answer = client.execute(request.header("cookie", cookie(other)).build().unwrap()).await.unwrap();
        assert_eq!(answer.status(), 303, "{other:?}");
    }
}

#[tokio::test]
async fn another_host_is_explained_and_logged() {
    let (server, _database) = started(Engine::Sqlite, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    browser.headers = vec![("host", "auth.test")];
    let page = browser.get(&authorize(&[])).await;
    assert!(page.status == 421 && page.text.contains("SC_AUTH_ISSUER"), "{}", page.text);
    for part in ["a page was requested under another host", "auth.test", ISSUER] {
        assert!(server.log.text().contains(part), "{part}");
    }
}

/// A crawler that follows a link must not make a code.
#[tokio::test]
async fn head_gives_no_code() {
    let (server, _database) = started(Engine::Sqlite, &[with(client("shop"), "consent", json!("Skip"))]).await;
    let mut browser = Browser::new(&server);
    browser.code(&[]).await;
    let cookie = format!("{SESSION}={}", browser.cookies[SESSION]);
    let head = server.request("HEAD", &authorize(&[])).header("host", "localhost:8000").header("cookie", cookie);
    let head = head.send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.headers().get("location")), (200, None));
    browser.get(&authorize(&[])).await.code();
}

#[tokio::test]
async fn a_posted_request_that_no_address_can_carry_is_refused() {
    let (server, _database) = started(Engine::Sqlite, &[client("shop")]).await;
    for (character, status) in [("e", 303), ("\u{e9}", 413)] {
        let body = format!("client_id=shop&state={}", character.repeat(7_000 / character.len()));
        let request = server.request("POST", "/oauth2/authorize").header("host", "localhost:8000");
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let request = request.header("content-type", FORM_TYPE).body(body).build().unwrap();
        assert_eq!(client.execute(request).await.unwrap().status(), status, "{character}");
    }
}

async fn access_token(server: &Server) -> String {
    let code = Browser::new(server).code(&[]).await;
    text(&tokens(server, &code).await, "access_token")
}

#[tokio::test]
async fn userinfo_needs_a_token_and_no_certain_body() {
    let (server, _database) = started(Engine::Sqlite, &[client("shop")]).await;
    let token = access_token(&server).await;
    let form = encoded(&[("access_token", &token)]);
    let bad = "Bearer realm=\"sc-auth\", error=\"invalid_token\"";
    let twice = "Bearer realm=\"sc-auth\", error=\"invalid_request\"";
    for (header, kind, body, status, challenge) in [
        (token.as_str(), "application/json", "{}", 200, ""),
        (&token, "application/json", "", 200, ""),
        (&token, FORM_TYPE, "", 200, ""),
        (&token, "", "", 200, ""),
        ("", FORM_TYPE, &form, 200, ""),
        (&token, FORM_TYPE, &form, 400, twice),
        ("", "application/json", "{}", 401, "Bearer realm=\"sc-auth\""),
        ("", "", "", 401, "Bearer realm=\"sc-auth\""),
        ("x", "", "", 401, bad),
    ] {
        let mut request = server.request("POST", "/oauth2/userinfo").body(body.to_owned());
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        if !header.is_empty() {
            request = request.bearer_auth(header);
        }
        let response = request.send().await.unwrap();
        let given = response.headers().get("www-authenticate").map_or("", |value| value.to_str().unwrap()).to_owned();
        assert_eq!((response.status().as_u16(), &given[..]), (status, challenge), "{kind} {body}");
        let answer = response.text().await.unwrap();
        assert_eq!(answer.is_empty(), challenge == "Bearer realm=\"sc-auth\"", "{answer}");
    }
}
