//! What ends the grant of an application, and what does not.

use serde_json::json;

use crate::browser::{
    Browser, CALLBACK, ISSUER, VERIFIER, authorize, client, declare, exchange, refresh, started, text, token, tokens,
    with,
};
use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server, until};

crate::on_every_engine!(a_used_code_alone_ends_nothing, a_grant_without_its_audiences_is_over);

const OFFLINE: (&str, &str) = ("scope", "openid offline_access");

/// A code stays in the history of browsers and in logs.
async fn a_used_code_alone_ends_nothing(engine: Engine) {
    let (server, _database) = started(engine, &[client("shop")]).await;
    let code = Browser::new(&server).code(&[OFFLINE]).await;
    let refresh_token = text(&tokens(&server, &code).await, "refresh_token");
    let base = [("grant_type", "authorization_code"), ("code", code.as_str())];
    for more in [
        &[("redirect_uri", CALLBACK)][..],
        &[("redirect_uri", CALLBACK), ("code_verifier", "another")],
        &[("redirect_uri", "https://evil.test/"), ("code_verifier", VERIFIER)],
    ] {
        assert_eq!(token(&server, &[&base[..], more].concat()).await.1["error"], "invalid_grant", "{more:?}");
    }
    let (status, refreshed) = refresh(&server, &refresh_token).await;
    assert_eq!(status, 200, "{refreshed}");
    assert_eq!(exchange(&server, &code).await.1["error"], "invalid_grant");
    assert_eq!(refresh(&server, &text(&refreshed, "refresh_token")).await.1["error"], "invalid_grant");
}

/// Applications try again after `invalid_target`, and log the user in again after `invalid_grant`.
async fn a_grant_without_its_audiences_is_over(engine: Engine) {
    let with_audiences = |audiences: &[&str]| with(client("shop"), "audiences", json!(audiences));
    let (server, database) = started(engine, &[with_audiences(&["orders"])]).await;
    let refresh_token = text(&tokens(&server, &Browser::new(&server).code(&[OFFLINE]).await).await, "refresh_token");
    let is_loaded = async |counter: usize| {
        until("it is loaded", async || server.status().await["declared"]["counter"] == counter).await;
    };
    declare(&database, &[with_audiences(&["billing"]), client("a")]);
    is_loaded(2).await;
    assert_eq!(refresh(&server, &refresh_token).await.1["error"], "invalid_grant");
    declare(&database, &[with_audiences(&["billing", "orders"]), client("a"), client("b")]);
    is_loaded(3).await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str()), ("resource", "billing")];
    assert_eq!(token(&server, &form).await.1["error"], "invalid_target");
    assert_eq!(refresh(&server, &refresh_token).await.0, 200);
}

#[tokio::test]
async fn codes_of_a_session_have_a_rate_limit() {
    let database = Database::create(Engine::Sqlite).await;
    declare(&database, &[with(client("shop"), "consent", json!("Skip"))]);
    let settings =
        [("SC_AUTH_DECLARED", "declared.json"), ("SC_AUTH_ISSUER", ISSUER), ("SC_AUTH_TRUSTED_PROXIES", "127.0.0.0/8")];
    let server = Server::start(&database, &settings).await;
    server.register("alice").await;
    let mut browser = Browser::new(&server);
    browser.headers = vec![("x-forwarded-for", "203.0.113.9")];
    let page = browser.get(&authorize(&[])).await;
    browser.log_in(&page, "alice", PASSWORD).await.code();
    let mut answers = Vec::new();
    for _ in 0..1_000 {
        answers.push(browser.get(&authorize(&[])).await.status);
        if answers.last() != Some(&303) {
            break;
        }
    }
    assert_eq!(answers.pop(), Some(429), "{answers:?}");
    assert!(answers.len() >= 60, "{}", answers.len());
    // Others go on.
    browser.headers = vec![("x-forwarded-for", "203.0.113.10")];
    browser.get(&authorize(&[])).await.code();
}
