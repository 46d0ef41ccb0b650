//! Access tokens end with what they depend on, and applications are told when.

use serde_json::{Value, json};

use crate::browser::{Browser, ISSUER, client, declare, exchange, refresh, text, tokens, userinfo, with};
use crate::database::{Database, Engine};
use crate::harness::{Server, claims};

crate::on_every_engine!(
    an_access_token_does_not_outlive_its_grant,
    an_access_token_does_not_outlive_the_browser_session,
    a_grant_that_became_too_old_gets_no_tokens,
);

const OFFLINE: (&str, &str) = ("scope", "openid offline_access");
/// The longest lifetime of a session and of a grant.
const SESSION: u64 = 30 * 24 * 3_600;

/// Access tokens last an hour, unless something ends before.
async fn started(engine: Engine, more: &[(&str, &str)]) -> (Server, Database) {
    let database = Database::create(engine).await;
    declare(&database, &[with(with(client("shop"), "consent", json!("Skip")), "accessTokenTtl", json!("1h"))]);
    let settings = [("SC_AUTH_DECLARED", "declared.json"), ("SC_AUTH_ISSUER", ISSUER), ("SC_AUTH_SESSION_TTL", "30d")];
    let server = Server::start(&database, &[&settings[..], more].concat()).await;
    server.register("alice").await;
    (server, database)
}

/// The lifetime of an access token, in seconds: what the application is told is what the token says.
fn lifetime(issued: &Value) -> u64 {
    let access = claims(&text(issued, "access_token"));
    let lifetime = access["exp"].as_u64().unwrap() - access["iat"].as_u64().unwrap();
    assert_eq!(issued["expires_in"], json!(lifetime));
    lifetime
}

async fn an_access_token_does_not_outlive_its_grant(engine: Engine) {
    let settings = [("SC_AUTH_ACCESS_TOKEN_TTL", "5m"), ("SC_AUTH_REFRESH_TOKEN_TTL", "30m")];
    let (server, database) = started(engine, &settings).await;
    let first = tokens(&server, &Browser::new(&server).code(&[OFFLINE]).await).await;
    assert_eq!(lifetime(&first), 1_800);
    let (_, second) = refresh(&server, &text(&first, "refresh_token")).await;
    assert_eq!(lifetime(&second), 1_800);
    assert_eq!(userinfo(&server, &text(&second, "access_token")).await.0, 200);
    // An answer that is sent again, a while later.
    database.execute("UPDATE grants SET expires_at = expires_at - 60").await;
    let (_, again) = refresh(&server, &text(&first, "refresh_token")).await;
    let left = lifetime(&again);
    assert!((1_700..=1_740).contains(&left), "{left}");
    // The last refresh before the longest lifetime ends.
    database.execute(&format!("UPDATE grants SET created_at = created_at - {}", SESSION - 600)).await;
    let (_, last) = refresh(&server, &text(&second, "refresh_token")).await;
    let left = lifetime(&last);
    assert!((500..=600).contains(&left), "{left}");
}

async fn an_access_token_does_not_outlive_the_browser_session(engine: Engine) {
    let (server, database) = started(engine, &[]).await;
    let mut browser = Browser::new(&server);
    assert_eq!(lifetime(&tokens(&server, &browser.code(&[]).await).await), 3_600);
    let code = browser.code(&[]).await;
    // It ends in ten minutes.
    database.execute("UPDATE sessions SET ends_at = ends_at - 604200 WHERE cookie_hash IS NOT NULL").await;
    let left = lifetime(&tokens(&server, &code).await);
    assert!((500..=600).contains(&left), "{left}");
    let grant = "SELECT grant_id FROM grants WHERE expires_at > (SELECT MAX(ends_at) FROM sessions)";
    assert_eq!(database.texts(grant).await.len(), 1, "only the first one");
}

async fn a_grant_that_became_too_old_gets_no_tokens(engine: Engine) {
    let (server, database) = started(engine, &[]).await;
    let mut browser = Browser::new(&server);
    let issued = tokens(&server, &browser.code(&[OFFLINE]).await).await;
    database.execute(&format!("UPDATE grants SET created_at = created_at - {SESSION}")).await;
    let (status, answer) = refresh(&server, &text(&issued, "refresh_token")).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")));
    let code = browser.code(&[OFFLINE]).await;
    database.execute(&format!("UPDATE grants SET created_at = created_at - {SESSION}")).await;
    let (status, answer) = exchange(&server, &code).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")));
}
