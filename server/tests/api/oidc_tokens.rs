//! Codes and tokens of applications.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::browser::{
    Browser, CALLBACK, SECRET, VERIFIER, authorize, client, encoded, exchange, refresh, start, started, text, token,
    tokens, userinfo, with,
};
use crate::database::Engine;
use crate::harness::{PASSWORD, Server, claims, run_with_input};

crate::on_every_engine!(
    a_code_is_used_once,
    refresh_tokens_rotate,
    a_refresh_can_narrow_the_scopes_but_not_widen_them,
    an_old_refresh_token_ends_the_grant,
    an_expired_session_keeps_offline_grants,
    ending_a_session_ends_its_grants,
    the_api_refuses_the_tokens_of_applications,
    replicas_share_forms_codes_and_tokens,
);

const OFFLINE: (&str, &str) = ("scope", "openid offline_access");

fn error(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["error"].as_str().unwrap_or("none"))
}

async fn a_code_is_used_once(engine: Engine) {
    let (server, database) = started(engine, &[client("shop"), client("other")]).await;
    let mut browser = Browser::new(&server);
    let code = browser.code(&[]).await;
    let base = [("grant_type", "authorization_code"), ("code", code.as_str())];
    for (form, wanted) in [
        (vec![("redirect_uri", CALLBACK)], "invalid_grant"),
        (vec![("redirect_uri", CALLBACK), ("code_verifier", "wrong")], "invalid_grant"),
        (vec![("redirect_uri", "https://shop.test/other"), ("code_verifier", VERIFIER)], "invalid_grant"),
        (vec![("code_verifier", VERIFIER)], "invalid_request"),
    ] {
        assert_eq!(error(&token(&server, &[&base[..], &form].concat()).await), (400, wanted), "{form:?}");
    }
    let others = [("client_id", "other"), ("client_secret", SECRET), ("redirect_uri", CALLBACK)];
    let form = encoded(&[&base[..], &others, &[("code_verifier", VERIFIER)]].concat());
    let request = server.request("POST", "/oauth2/token").header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(request.body(form).send().await.unwrap().status(), 400, "it is not this client's");

    let issued = tokens(&server, &code).await;
    let access = text(&issued, "access_token");
    assert_eq!(userinfo(&server, &access).await.0, 200);
    assert_eq!(error(&exchange(&server, &code).await), (400, "invalid_grant"));
    assert_eq!(userinfo(&server, &access).await.0, 401, "the second use ends the grant");
    assert_eq!(error(&exchange(&server, "unknown").await), (400, "invalid_grant"));
    let events = database.texts("SELECT event FROM audit_events WHERE event = 'code_replayed'").await;
    assert_eq!(events.len(), 1);

    // Two at once: one gets tokens, which the other one ends.
    let code = browser.code(&[]).await;
    let (one, other) = tokio::join!(exchange(&server, &code), exchange(&server, &code));
    let (won, lost) = if one.0 == 200 { (one, other) } else { (other, one) };
    assert_eq!((won.0, error(&lost)), (200, (400, "invalid_grant")), "{won:?} {lost:?}");
    assert_eq!(userinfo(&server, &text(&won.1, "access_token")).await.0, 401);
    let stored = database.texts("SELECT code_hash FROM grants").await;
    assert!(!stored.contains(&code), "only its hash is stored");
}

async fn refresh_tokens_rotate(engine: Engine) {
    let (server, database) = started(engine, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    assert_eq!(tokens(&server, &browser.code(&[]).await).await["refresh_token"], Value::Null);
    let first = tokens(&server, &browser.code(&[OFFLINE]).await).await;
    let token_1 = text(&first, "refresh_token");
    let (status, second) = refresh(&server, &token_1).await;
    assert_eq!(status, 200, "{second}");
    let token_2 = text(&second, "refresh_token");
    assert_ne!(token_1, token_2);
    let id = claims(&text(&second, "id_token"));
    let before = claims(&text(&first, "id_token"));
    assert_eq!((&id["sub"], &id["auth_time"], &id["nonce"]), (&before["sub"], &before["auth_time"], &Value::Null));
    // A lost answer is sent again.
    for _ in 0..2 {
        assert_eq!(text(&refresh(&server, &token_1).await.1, "refresh_token"), token_2);
    }
    let repeated = database.texts("SELECT event FROM audit_events WHERE event = 'refresh_repeated'").await;
    assert_eq!(repeated.len(), 1, "a burst is recorded once");
}

async fn a_refresh_can_narrow_the_scopes_but_not_widen_them(engine: Engine) {
    let (server, _database) = started(engine, &[client("shop")]).await;
    let issued = tokens(&server, &Browser::new(&server).code(&[OFFLINE]).await).await;
    let refresh_token = text(&issued, "refresh_token");
    let base = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];
    let wide = token(&server, &[&base[..], &[("scope", "openid email")]].concat()).await;
    assert_eq!(error(&wide), (400, "invalid_scope"));
    let (_, narrow) = token(&server, &[&base[..], &[("scope", "openid")]].concat()).await;
    assert_eq!(narrow["scope"], "openid");
    let (_, all) = refresh(&server, &text(&narrow, "refresh_token")).await;
    assert_eq!(all["scope"], "openid offline_access", "only one access token was narrow");
}

/// Its successor was used: a copy exists.
async fn an_old_refresh_token_ends_the_grant(engine: Engine) {
    let (server, _database) = started(engine, &[client("shop")]).await;
    let first = tokens(&server, &Browser::new(&server).code(&[OFFLINE]).await).await;
    let token_1 = text(&first, "refresh_token");
    let (_, second) = refresh(&server, &token_1).await;
    let (_, third) = refresh(&server, &text(&second, "refresh_token")).await;
    let (access, token_3) = (text(&third, "access_token"), text(&third, "refresh_token"));
    assert_eq!(userinfo(&server, &access).await.0, 200);
    assert_eq!(error(&refresh(&server, &token_1).await), (400, "invalid_grant"));
    assert_eq!(error(&refresh(&server, &token_3).await), (400, "invalid_grant"));
    assert_eq!(userinfo(&server, &access).await.0, 401);
}

async fn an_expired_session_keeps_offline_grants(engine: Engine) {
    let (server, database) = started(engine, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    let offline = tokens(&server, &browser.code(&[OFFLINE]).await).await;
    let online = tokens(&server, &browser.code(&[]).await).await;
    database.execute("UPDATE sessions SET expires_at = 1 WHERE cookie_hash IS NOT NULL").await;
    assert_eq!(userinfo(&server, &text(&online, "access_token")).await.0, 401);
    assert_eq!(userinfo(&server, &text(&offline, "access_token")).await.0, 200);
    assert_eq!(refresh(&server, &text(&offline, "refresh_token")).await.0, 200);
}

async fn ending_a_session_ends_its_grants(engine: Engine) {
    let (server, database) = started(engine, &[client("shop")]).await;
    let created = run_with_input(&database, &["admin", "create", "root", "--password-stdin"], PASSWORD).await;
    assert!(created.status.success());
    let root = server.login("root").await.access;
    let uuid = server.uuid_of(&root, "alice").await;
    let own = server.login("alice").await.access;
    for ending in ["end", "others", "password", "disable", "delete"] {
        let mut browser = Browser::new(&server);
        let issued = tokens(&server, &browser.code(&[OFFLINE]).await).await;
        let (access, refresh_token) = (text(&issued, "access_token"), text(&issued, "refresh_token"));
        let sid = text(&claims(&text(&issued, "id_token")), "sid");
        assert_eq!(userinfo(&server, &access).await.0, 200);
        let answer = match ending {
            "end" => server.call("DELETE", &format!("/api/v1/accounts/sessions/{sid}"), Some(&own), None).await,
            "others" => server.call("DELETE", "/api/v1/accounts/sessions", Some(&own), None).await,
            "password" => {
                let change = json!({"uuid": uuid, "password": PASSWORD});
                server.call("PATCH", "/api/v1/users", Some(&root), Some(change)).await
            }
            "disable" => {
                let change = json!({"uuid": uuid, "disabled": true});
                let answer = server.call("PATCH", "/api/v1/users", Some(&root), Some(change)).await;
                assert_eq!(userinfo(&server, &access).await.0, 401, "{ending}");
                let change = json!({"uuid": uuid, "disabled": false});
                server.call("PATCH", "/api/v1/users", Some(&root), Some(change)).await;
                answer
            }
            _ => server.call("DELETE", "/api/v1/users", Some(&root), Some(json!({"uuid": uuid}))).await,
        };
        assert_eq!(answer.status, 200, "{ending}: {answer:?}");
        assert_eq!(userinfo(&server, &access).await.0, 401, "{ending}");
        assert_eq!(error(&refresh(&server, &refresh_token).await), (400, "invalid_grant"), "{ending}");
        if ending != "delete" {
            assert!(browser.get(&authorize(&[])).await.is_login(), "{ending}");
        }
    }
    assert_eq!(database.texts("SELECT grant_id FROM grants").await, Vec::<String>::new());
}

async fn the_api_refuses_the_tokens_of_applications(engine: Engine) {
    // Whatever its audience.
    let declared = with(client("shop"), "audiences", json!(["stock", "orders"]));
    let (server, _database) = started(engine, &[declared]).await;
    let mut browser = Browser::new(&server);
    let issued = tokens(&server, &browser.code(&[OFFLINE]).await).await;
    let [access, id, refresh_token] = ["access_token", "id_token", "refresh_token"].map(|name| text(&issued, name));
    assert_eq!(claims(&access)["aud"], json!(["stock", "orders"]));
    for token in [&access, &id, &refresh_token] {
        for (method, path) in [
            ("GET", "/api/v1/accounts/me"),
            ("GET", "/api/v1/users"),
            ("GET", "/api/v1/verify"),
            ("POST", "/api/v1/accounts/refresh"),
        ] {
            let answer = server.request(method, path).bearer_auth(token).send().await.unwrap();
            assert!([401, 422].contains(&answer.status().as_u16()), "{method} {path}");
        }
    }
    let own = server.login("alice").await;
    for token in [&own.access, &own.refresh, &id, &refresh_token] {
        assert_eq!(userinfo(&server, token).await.0, 401);
    }
    for token in [&own.access, &own.refresh, &id, &access] {
        assert_eq!(error(&refresh(&server, token).await), (400, "invalid_grant"));
    }
}

async fn replicas_share_forms_codes_and_tokens(engine: Engine) {
    let (server, database) = started(engine, &[client("shop")]).await;
    // An embedded database allows one server at a time.
    let second = if engine == Engine::Sqlite { None } else { Some(start(&database).await) };
    let other = second.as_ref().unwrap_or(&server);
    let mut browser = Browser::new(&server);
    let page = browser.get(&authorize(&[])).await;
    browser.server = other;
    let consent = browser.log_in(&page, "alice", PASSWORD).await;
    browser.server = &server;
    let code = browser.decide(&consent, "allow").await.code();
    let issued = tokens(other, &code).await;
    assert_eq!(userinfo(&server, &text(&issued, "access_token")).await.0, 200);
    assert_eq!(error(&exchange(&server, &code).await), (400, "invalid_grant"));
    assert_eq!(userinfo(other, &text(&issued, "access_token")).await.0, 401);
}

#[tokio::test]
async fn a_verifier_without_a_challenge_is_refused() {
    let declared = with(client("shop"), "requirePkce", json!(false));
    let (server, _database) = started(Engine::Sqlite, &[declared]).await;
    let mut browser = Browser::new(&server);
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    let code = browser.code(&without).await;
    let base = [("grant_type", "authorization_code"), ("redirect_uri", CALLBACK)];
    let downgraded = [&base[..], &[("code", code.as_str()), ("code_verifier", VERIFIER)]].concat();
    assert_eq!(error(&token(&server, &downgraded).await), (400, "invalid_grant"));
    assert_eq!(token(&server, &[&base[..], &[("code", code.as_str())]].concat()).await.0, 200);
}

#[tokio::test]
async fn a_code_verifier_is_hard_to_guess() {
    let (server, _database) = started(Engine::Sqlite, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    for weak in ["a".repeat(42), "a".repeat(129), "a b".repeat(15)] {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&weak));
        let code = browser.code(&[("code_challenge", &challenge)]).await;
        let form = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", CALLBACK)];
        let answer = token(&server, &[&form[..], &[("code_verifier", &weak)]].concat()).await;
        assert_eq!(error(&answer), (400, "invalid_grant"), "{weak}");
    }
}

#[tokio::test]
async fn a_request_for_the_head_creates_no_code() {
    let (server, database) = started(Engine::Sqlite, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    browser.code(&[]).await;
    assert_eq!(browser.head(&authorize(&[])).await.status, 200);
    assert_eq!(browser.head(&authorize(&[("prompt", "none")])).await.error(), "login_required");
    assert_eq!(database.texts("SELECT grant_id FROM grants").await.len(), 1);
}

#[tokio::test]
async fn userinfo_takes_the_token_in_a_header_or_a_form() {
    let (server, _database) = started(Engine::Sqlite, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    let issued = tokens(&server, &browser.code(&[]).await).await;
    let access = text(&issued, "access_token");
    let post = |body: String| {
        let request = server.request("POST", "/oauth2/userinfo");
        request.header("content-type", "application/x-www-form-urlencoded").body(body)
    };
    let form = encoded(&[("access_token", &access)]);
    assert_eq!(post(form.clone()).send().await.unwrap().status(), 200);
    assert_eq!(server.request("POST", "/oauth2/userinfo").bearer_auth(&access).send().await.unwrap().status(), 200);
    assert_eq!(post(form).bearer_auth(&access).send().await.unwrap().status(), 400, "twice");
    let in_query = format!("/oauth2/userinfo?access_token={access}");
    let refused = server.request("GET", &in_query).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()["www-authenticate"], "Bearer realm=\"sc-auth\"");
    let refused = server.request("GET", "/oauth2/userinfo").bearer_auth("x").send().await.unwrap();
    assert_eq!(refused.headers()["www-authenticate"], "Bearer realm=\"sc-auth\", error=\"invalid_token\"");
}

#[tokio::test]
async fn es256_can_sign_id_tokens() {
    let declared = with(client("shop"), "idTokenAlgorithm", json!("ES256"));
    let (server, _database): (Server, _) = started(Engine::Sqlite, &[declared]).await;
    let issued = tokens(&server, &Browser::new(&server).code(&[]).await).await;
    let header = |name: &str| jsonwebtoken::decode_header(text(&issued, name)).unwrap();
    assert_eq!(header("id_token").alg, jsonwebtoken::Algorithm::ES256);
    assert_eq!(header("access_token").typ.as_deref(), Some("at+jwt"));
}
