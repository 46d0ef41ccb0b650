//! What ends the grant of an application, and what does not.

use serde_json::json;

use crate::browser::{
    Browser, CALLBACK, ISSUER, VERIFIER, authorize, client, declare, exchange, refresh, started, text, token, tokens,
    userinfo, with,
};
use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server, until};
use crate::oidc_audit::copy_grants;

crate::on_every_engine!(
    a_used_code_alone_ends_nothing,
    a_grant_without_its_audiences_is_over,
    a_password_that_another_service_changes_ends_the_grants,
    a_stronger_hash_of_the_password_ends_no_grant,
    the_least_recently_used_grant_ends,
);

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

/// Servers of release 0.2 and the legacy service know no grants.
async fn a_password_that_another_service_changes_ends_the_grants(engine: Engine) {
    let (server, database) = started(engine, &[client("shop")]).await;
    server.register("bobby").await;
    let mut browser = Browser::new(&server);
    let issued = tokens(&server, &browser.code(&[OFFLINE]).await).await;
    let (access, refresh_token) = (text(&issued, "access_token"), text(&issued, "refresh_token"));
    let unused = browser.code(&[OFFLINE]).await;
    let before = hash_of(&database, "alice").await;
    set_hash(&database, &hash_of(&database, "bobby").await).await;
    assert_eq!(userinfo(&server, &access).await.0, 401);
    assert_eq!(refresh(&server, &refresh_token).await.1["error"], "invalid_grant");
    assert_eq!(exchange(&server, &unused).await.1["error"], "invalid_grant");
    // The browser has to log in again, with the new password. A change by this server does not bring the old ones back.
    let page = browser.get(&authorize(&[OFFLINE])).await;
    assert!(page.is_login(), "{page:?}");
    let fresh = tokens(&server, &Browser::new(&server).code(&[OFFLINE]).await).await;
    assert_eq!(refresh(&server, &text(&fresh, "refresh_token")).await.0, 200);
    assert_eq!(refresh(&server, &refresh_token).await.1["error"], "invalid_grant");
    set_hash(&database, &before).await;
    assert_eq!(userinfo(&server, &text(&fresh, "access_token")).await.0, 401);
}

async fn hash_of(database: &Database, username: &str) -> String {
    database.texts(&format!("SELECT password FROM users WHERE username = '{username}'")).await.remove(0)
}

/// Sets the hash of alice's password.
async fn set_hash(database: &Database, hash: &str) {
    database.execute(&format!("UPDATE users SET password = '{hash}' WHERE username = 'alice'")).await;
}

/// The server replaces hashes of other services at a login.
async fn a_stronger_hash_of_the_password_ends_no_grant(engine: Engine) {
    let (server, database) = started(engine, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    let of_before = text(&tokens(&server, &browser.code(&[OFFLINE]).await).await, "refresh_token");
    let weak = bcrypt::hash(PASSWORD, 4).unwrap();
    set_hash(&database, &weak).await;
    let issued = tokens(&server, &browser.code(&[OFFLINE]).await).await;
    assert_eq!(server.login_with("alice", PASSWORD).await.status, 200);
    until("the hash is replaced", async || hash_of(&database, "alice").await != weak).await;
    assert_eq!(userinfo(&server, &text(&issued, "access_token")).await.0, 200);
    assert_eq!(refresh(&server, &text(&issued, "refresh_token")).await.0, 200);
    assert_eq!(refresh(&server, &of_before).await.1["error"], "invalid_grant", "it is of the password before");
}

/// A device in use outlives those that only log in.
async fn the_least_recently_used_grant_ends(engine: Engine) {
    let (server, database) = started(engine, &[with(client("shop"), "consent", json!("Skip"))]).await;
    let mut browser = Browser::new(&server);
    let in_use = text(&tokens(&server, &browser.code(&[OFFLINE]).await).await, "refresh_token");
    copy_grants(&database, 49).await;
    let (_, refreshed) = refresh(&server, &in_use).await;
    database.execute("UPDATE grants SET created_at = created_at - 60").await;
    let further = tokens(&server, &browser.code(&[OFFLINE]).await).await;
    assert_eq!(database.texts("SELECT grant_id FROM grants").await.len(), 50);
    for used in [&refreshed, &further] {
        assert_eq!(refresh(&server, &text(used, "refresh_token")).await.0, 200);
    }
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
