//! Users log in to applications with the login page.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Value, json};

use crate::browser::{
    Browser, CALLBACK, FORM, ISSUER, SESSION, authorize, client, declare, exchange, start, started, text, tokens,
    userinfo, with,
};
use crate::database::Engine;
use crate::harness::{PASSWORD, Server, until};

crate::on_every_engine!(
    a_user_logs_in_to_an_application,
    a_session_serves_other_requests_and_applications,
    a_session_outlives_the_server,
    consent_is_asked_once_and_for_each_new_scope,
    a_login_leads_to_a_new_cookie,
    an_application_can_ask_for_a_new_login,
    a_login_hint_fills_in_the_form,
    an_application_can_limit_the_age_of_a_login,
    a_hint_of_another_user_is_refused,
    failures_are_counted_with_those_of_the_api,
    a_database_of_the_release_before_gets_what_is_missing,
);

/// The claims of an ID token, verified as a client does: with the published keys.
async fn verified(server: &Server, id_token: &str) -> Value {
    let keys = server.call("GET", "/oauth2/jwks", None, None).await.body;
    let keys: JwkSet = serde_json::from_value(keys).unwrap();
    let header = jsonwebtoken::decode_header(id_token).unwrap();
    let key = DecodingKey::from_jwk(keys.find(header.kid.as_ref().unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&["shop"]);
    validation.set_issuer(&[ISSUER]);
    jsonwebtoken::decode::<Value>(id_token, &key, &validation).unwrap().claims
}

async fn a_user_logs_in_to_an_application(engine: Engine) {
    let (server, database) = started(engine, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    let page = browser.get(&authorize(&[])).await;
    assert!(page.is_login() && page.text.contains("&#60;b&#62;Shop&#60;/b&#62;"), "{}", page.text);
    assert_eq!(database.texts("SELECT sid FROM sessions").await, Vec::<String>::new(), "nothing is written");
    let consent = browser.log_in(&page, "alice", PASSWORD).await;
    let answer = browser.decide(&consent, "allow").await;
    let parameters = answer.answer();
    assert_eq!((parameters["state"].as_str(), parameters["iss"].as_str()), ("s p&c", ISSUER));

    let tokens = tokens(&server, &answer.code()).await;
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(900)));
    assert_eq!((&tokens["scope"], &tokens["refresh_token"]), (&json!("openid profile email"), &Value::Null));
    let id = verified(&server, &text(&tokens, "id_token")).await;
    assert_eq!(id["nonce"], "n");
    let (status, user) = userinfo(&server, &text(&tokens, "access_token")).await;
    let wanted = json!({
        "sub": id["sub"], "name": "Some Body", "preferred_username": "alice", "email": "alice@example.com",
        "email_verified": false,
    });
    assert_eq!((status, user), (200, wanted));
}

async fn a_session_serves_other_requests_and_applications(engine: Engine) {
    let (server, _database) = started(engine, &[client("shop"), client("other")]).await;
    let mut browser = Browser::new(&server);
    browser.code(&[]).await;
    browser.get(&authorize(&[])).await.code();
    assert!(browser.get(&authorize(&[("client_id", "other")])).await.is_consent());
    let mut stranger = Browser::new(&server);
    assert!(stranger.get(&authorize(&[])).await.is_login());
}

async fn a_session_outlives_the_server(engine: Engine) {
    let (server, database) = started(engine, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    browser.code(&[]).await;
    let cookies = browser.cookies.clone();
    drop(server);
    let server = start(&database).await;
    let mut browser = Browser::new(&server);
    browser.cookies = cookies;
    assert!(!browser.get(&authorize(&[("prompt", "none")])).await.code().is_empty());
}

async fn consent_is_asked_once_and_for_each_new_scope(engine: Engine) {
    let always = with(client("always"), "consent", json!("Always"));
    let skip = with(client("skip"), "consent", json!("Skip"));
    let (server, _database) = started(engine, &[client("shop"), always, skip]).await;
    let mut browser = Browser::new(&server);
    let page = browser.get(&authorize(&[("scope", "openid")])).await;
    let consent = browser.log_in(&page, "alice", PASSWORD).await;
    assert_eq!(browser.decide(&consent, "deny").await.error(), "access_denied");
    let consent = browser.get(&authorize(&[("scope", "openid")])).await;
    browser.decide(&consent, "allow").await.code();
    browser.get(&authorize(&[("scope", "openid")])).await.code();
    let more = browser.get(&authorize(&[("scope", "openid email"), ("prompt", "none")])).await;
    assert_eq!(more.error(), "consent_required");
    let more = browser.get(&authorize(&[("scope", "openid email")])).await;
    browser.decide(&more, "allow").await.code();
    browser.get(&authorize(&[("scope", "openid"), ("prompt", "none")])).await.code();
    assert!(browser.get(&authorize(&[("scope", "openid"), ("prompt", "consent")])).await.is_consent());
    for _ in 0..2 {
        let page = browser.get(&authorize(&[("client_id", "always")])).await;
        browser.decide(&page, "allow").await.code();
    }
    browser.get(&authorize(&[("client_id", "skip")])).await.code();

    // The form is for the session that was asked.
    let asked = browser.get(&authorize(&[("client_id", "always")])).await;
    let page = browser.get(&authorize(&[("client_id", "skip"), ("prompt", "login")])).await;
    server.register("bobby").await;
    browser.log_in(&page, "bobby", PASSWORD).await.code();
    let stale = browser.post("/consent", &[("request", &asked.sealed()), ("decision", "allow")]).await;
    assert_eq!(stale.status, 400);
}

async fn a_login_leads_to_a_new_cookie(engine: Engine) {
    let (server, database) = started(engine, &[client("shop")]).await;
    let planted = "A".repeat(43);
    let mut browser = Browser::new(&server);
    browser.cookies.insert(SESSION.to_owned(), planted.clone());
    let first = tokens(&server, &browser.code(&[]).await).await;
    let cookie = browser.cookies[SESSION].clone();
    assert_ne!(cookie, planted);
    let hashes = database.texts("SELECT cookie_hash FROM sessions").await;
    assert!(hashes.len() == 1 && hashes[0] != cookie, "only a hash is stored");
    // The same user: the session continues under a new cookie.
    let second = tokens(&server, &browser.code(&[("prompt", "login")]).await).await;
    assert_ne!(browser.cookies[SESSION], cookie);
    assert_eq!(database.texts("SELECT sid FROM sessions").await.len(), 1);
    for issued in [&first, &second] {
        assert_eq!(userinfo(&server, &text(issued, "access_token")).await.0, 200);
    }
    let mut former = Browser::new(&server);
    former.cookies.insert(SESSION.to_owned(), cookie);
    assert!(former.get(&authorize(&[])).await.is_login(), "the former cookie is worth nothing");
    // Another user: the session of the first one ends, and what applications got in it.
    server.register("bobby").await;
    let page = browser.get(&authorize(&[("prompt", "login")])).await;
    assert!(browser.log_in(&page, "bobby", PASSWORD).await.is_consent());
    assert_eq!(userinfo(&server, &text(&first, "access_token")).await.0, 401);
}

async fn an_application_can_ask_for_a_new_login(engine: Engine) {
    let (server, _database) = started(engine, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    assert_eq!(browser.get(&authorize(&[("prompt", "none")])).await.error(), "login_required");
    browser.code(&[]).await;
    browser.get(&authorize(&[("prompt", "none")])).await.code();
    for changes in [[("prompt", "login")], [("prompt", "select_account")], [("id_token_hint", "unreadable")]] {
        let page = browser.get(&authorize(&changes)).await;
        assert!(page.is_login(), "{changes:?}");
        // Nobody goes round in a circle.
        browser.log_in(&page, "alice", PASSWORD).await.code();
    }
}

async fn a_login_hint_fills_in_the_form(engine: Engine) {
    let (server, _database) = started(engine, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    browser.code(&[]).await;
    let page = browser.get(&authorize(&[("login_hint", "\"><script>alice")])).await;
    assert!(!page.is_login(), "a hint alone asks for nothing");
    let page = browser.get(&authorize(&[("login_hint", "\"><script>alice"), ("prompt", "login")])).await;
    assert!(page.is_login() && !page.text.contains("<script"), "{}", page.text);
    let page = browser.get(&authorize(&[("login_hint", "alice"), ("prompt", "login")])).await;
    assert!(page.text.contains("value=\"alice\""), "{}", page.text);
}

async fn an_application_can_limit_the_age_of_a_login(engine: Engine) {
    let (server, database) = started(engine, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    browser.code(&[]).await;
    browser.get(&authorize(&[("max_age", "3600")])).await.code();
    assert!(browser.get(&authorize(&[("max_age", "0")])).await.is_login());
    database
        .execute("UPDATE sessions SET auth_time = COALESCE(auth_time, created_at) - 100 WHERE cookie_hash IS NOT NULL")
        .await;
    browser.get(&authorize(&[("max_age", "3600")])).await.code();
    let silent = browser.get(&authorize(&[("max_age", "60"), ("prompt", "none")])).await;
    assert_eq!(silent.error(), "login_required");
    let page = browser.get(&authorize(&[("max_age", "60")])).await;
    assert!(page.is_login(), "{}", page.text);
    let issued = tokens(&server, &browser.log_in(&page, "alice", PASSWORD).await.code()).await;
    browser.get(&authorize(&[("max_age", "60")])).await.code();
    let id = crate::harness::claims(&text(&issued, "id_token"));
    assert!(id["iat"].as_i64().unwrap() - id["auth_time"].as_i64().unwrap() < 60, "{id}");
}

async fn a_hint_of_another_user_is_refused(engine: Engine) {
    let (server, _database) = started(engine, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    let issued = tokens(&server, &browser.code(&[]).await).await;
    let hint = text(&issued, "id_token");
    browser.get(&authorize(&[("prompt", "none"), ("id_token_hint", &hint)])).await.code();
    server.register("bobby").await;
    let page = browser.get(&authorize(&[("prompt", "login"), ("id_token_hint", &hint)])).await;
    assert_eq!(browser.log_in(&page, "bobby", PASSWORD).await.error(), "login_required");
    let page = browser.get(&authorize(&[("id_token_hint", &hint)])).await;
    assert!(page.is_login(), "bobby is logged in");
    let silent = browser.get(&authorize(&[("id_token_hint", &hint), ("prompt", "none")])).await;
    assert_eq!(silent.error(), "login_required");
}

async fn failures_are_counted_with_those_of_the_api(engine: Engine) {
    let (server, database) = started(engine, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    let page = browser.get(&authorize(&[])).await;
    for name in ["alice", "alice@example.com", "ALICE"] {
        assert_eq!(browser.log_in(&page, name, "wrong password").await.status, 422, "{name}");
    }
    assert_eq!(server.login_with("alice", "wrong password").await.status, 422);
    let counted = database.texts("SELECT id FROM login_failures WHERE failures = 4").await;
    assert_eq!(counted.len(), 1, "under one name");
    let mut refused = browser.log_in(&page, "alice", "wrong password").await;
    while refused.status == 422 {
        refused = browser.log_in(&page, "alice", "wrong password").await;
    }
    assert!(refused.status == 429 && refused.is_login(), "{}", refused.text);
    assert!(!refused.header("retry-after").is_empty() && refused.text.contains("role=\"alert\""));
}

/// A database of release 0.2 has neither the tables nor the columns.
async fn a_database_of_the_release_before_gets_what_is_missing(engine: Engine) {
    let (server, database) = started(engine, &[client("shop")]).await;
    let before = server.login("alice").await;
    drop(server);
    let index = if engine.is_mysql() {
        "DROP INDEX uq_sessions_cookie_hash ON sessions"
    } else {
        "DROP INDEX uq_sessions_cookie_hash"
    };
    database.execute(index).await;
    for sql in [
        "DROP TABLE grants",
        "DROP TABLE consents",
        "DROP TABLE user_groups",
        "DROP TABLE declared_clients",
        "ALTER TABLE users DROP COLUMN verified_email",
        "ALTER TABLE sessions DROP COLUMN cookie_hash",
        "ALTER TABLE sessions DROP COLUMN auth_time",
        "UPDATE sc_auth_schema SET version = 1",
    ] {
        database.execute(sql).await;
    }
    let server = start(&database).await;
    assert!(server.is_valid(&before.access).await);
    let mut browser = Browser::new(&server);
    let code = browser.code(&[]).await;
    // As a server of that release does, which knows nothing of cookies and grants: it lists sessions and ends them.
    let issued = tokens(&server, &code).await;
    database.execute("DELETE FROM sessions WHERE cookie_hash IS NOT NULL").await;
    assert_eq!(userinfo(&server, &text(&issued, "access_token")).await.0, 401);
    assert!(browser.get(&authorize(&[])).await.is_login());
    assert!(server.is_valid(&before.access).await);
}

#[tokio::test]
async fn a_removed_client_is_refused_within_a_second() {
    let (server, database) = started(Engine::Sqlite, &[client("shop"), client("other")]).await;
    let mut browser = Browser::new(&server);
    let page = browser.get(&authorize(&[])).await;
    let code = browser.code(&[("scope", "openid offline_access")]).await;
    let issued = tokens(&server, &code).await;
    declare(&database, &[client("other")]);
    let is_gone = async || userinfo(&server, &text(&issued, "access_token")).await.0 == 401;
    until("it is refused", is_gone).await;
    assert_eq!(exchange(&server, &code).await.1["error"], "invalid_client");
    assert_eq!(browser.get(&authorize(&[])).await.status, 400);
    assert_eq!(browser.log_in(&page, "alice", PASSWORD).await.status, 400, "its form is worth nothing");
    declare(&database, &[client("shop")]);
    let is_back = async || userinfo(&server, &text(&issued, "access_token")).await.0 == 200;
    until("it finds what it had", is_back).await;
}

#[tokio::test]
async fn an_answer_can_be_a_form() {
    let (server, _database) = started(Engine::Sqlite, &[with(client("shop"), "consent", json!("Skip"))]).await;
    let mut browser = Browser::new(&server);
    let page = browser.get(&authorize(&[("response_mode", "form_post")])).await;
    let answer = browser.log_in(&page, "alice", PASSWORD).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text.contains(&format!("<form method=\"post\" action=\"{CALLBACK}\">")), "{}", answer.text);
    assert!(answer.text.contains("name=\"state\" value=\"s p&#38;c\""), "{}", answer.text);
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("form-action 'self' https:; script-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"));
    assert_eq!(browser.cookies.keys().collect::<Vec<_>>(), [FORM, SESSION]);
}
