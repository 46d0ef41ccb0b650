//! Sessions of browsers: how long they last, and what changes under an open form.

use sc_auth_contract::declared::SecretHash;
use serde_json::json;

use crate::browser::{Browser, authorize, client, declare, started, with};
use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, until};

crate::on_every_engine!(
    a_session_expires_after_twelve_hours_without_use,
    a_session_ends_after_seven_days,
    a_session_in_use_is_updated_at_most_each_five_minutes,
    a_login_in_an_old_session_replaces_an_imported_hash,
);

const HOUR: u64 = 3_600;

async fn shift(database: &Database, columns: &[&str], seconds: u64) {
    for column in columns {
        let sql = format!("UPDATE sessions SET {column} = {column} - {seconds} WHERE cookie_hash IS NOT NULL");
        database.execute(&sql).await;
    }
}

/// The browser sessions that fulfil a condition.
async fn count(database: &Database, condition: &str) -> usize {
    let sql = format!("SELECT sid FROM sessions WHERE cookie_hash IS NOT NULL AND {condition}");
    database.texts(&sql).await.len()
}

/// As if the first login could not replace it.
async fn a_login_in_an_old_session_replaces_an_imported_hash(engine: Engine) {
    let hash = "pbkdf2:sha256:150000$PBJITISJuwLyi9OA$c5030c45d2fdbdb7123809604b9557c079f76d7ffd665ce8ebd51f59cd1e694b";
    let digest = SecretHash::of(hash).sha256;
    let (server, database) = started(engine, &[with(client("shop"), "consent", json!("Skip"))]).await;
    let mut browser = Browser::new(&server);
    browser.code(&[]).await;
    let sid = database.texts("SELECT sid FROM sessions WHERE cookie_hash IS NOT NULL").await;
    database.execute(&format!("UPDATE users SET password = '{hash}' WHERE username = 'alice'")).await;
    database.execute(&format!("UPDATE sessions SET password_digest = '{digest}'")).await;
    let page = browser.get(&authorize(&[("prompt", "login")])).await;
    browser.log_in(&page, "alice", "old passwörd").await.code();
    assert_eq!(database.texts("SELECT sid FROM sessions WHERE cookie_hash IS NOT NULL").await, sid, "it goes on");
    let stored = database.texts("SELECT password FROM users WHERE username = 'alice'").await;
    assert!(stored[0].starts_with("$argon2id$"), "{stored:?}");
    browser.get(&authorize(&[("prompt", "none")])).await.code();
}

async fn a_session_expires_after_twelve_hours_without_use(engine: Engine) {
    let (server, database) = started(engine, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    browser.code(&[]).await;
    let times = ["created_at", "auth_time", "last_used_at", "expires_at", "ends_at"];
    shift(&database, &times, 12 * HOUR - 60).await;
    browser.get(&authorize(&[])).await.code();
    shift(&database, &times, 12 * HOUR - 60).await;
    browser.get(&authorize(&[])).await.code();
    shift(&database, &times, 12 * HOUR + 1).await;
    assert!(browser.get(&authorize(&[])).await.is_login());
}

async fn a_session_ends_after_seven_days(engine: Engine) {
    let (server, database) = started(engine, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    browser.code(&[]).await;
    // Six days and twenty-three hours later.
    shift(&database, &["created_at", "auth_time", "last_used_at", "ends_at"], 7 * 24 * HOUR - HOUR).await;
    browser.get(&authorize(&[])).await.code();
    assert_eq!(count(&database, "expires_at = ends_at").await, 1, "the use extends it no further");
    shift(&database, &["created_at", "auth_time", "last_used_at", "expires_at", "ends_at"], HOUR).await;
    assert!(browser.get(&authorize(&[])).await.is_login());
}

async fn a_session_in_use_is_updated_at_most_each_five_minutes(engine: Engine) {
    let (server, database) = started(engine, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    browser.code(&[]).await;
    browser.get(&authorize(&[])).await.code();
    let is_extended = format!("expires_at = last_used_at + {}", 12 * HOUR);
    shift(&database, &["expires_at"], 100).await;
    browser.get(&authorize(&[])).await.code();
    assert_eq!(count(&database, &is_extended).await, 0, "it was used a moment ago");
    shift(&database, &["last_used_at"], 301).await;
    browser.get(&authorize(&[])).await.code();
    assert_eq!(count(&database, &is_extended).await, 1);
}

#[tokio::test]
async fn a_form_without_a_challenge_is_refused_once_the_client_requires_one() {
    let lenient = with(client("shop"), "requirePkce", json!(false));
    let (server, database) = started(Engine::Sqlite, &[lenient]).await;
    let mut browser = Browser::new(&server);
    let without = authorize(&[("code_challenge", ""), ("code_challenge_method", "")]);
    let page = browser.get(&without).await;
    assert!(page.is_login());
    declare(&database, &[client("shop")]);
    let requires_it = async || {
        let page = browser.get(&without).await;
        page.status == 303 && page.error() == "invalid_request"
    };
    until("the client requires a challenge", requires_it).await;
    let refused = browser.log_in(&page, "alice", PASSWORD).await;
    assert_eq!((refused.status, refused.header("location")), (400, ""));
}
