//! Audit events of logins to applications.

use serde_json::{Value, json};

use crate::browser::{Browser, authorize, client, refresh, started, text, tokens, with};
use crate::database::{Database, Engine};
use crate::harness::PASSWORD;

crate::on_every_engine!(
    a_refused_login_on_the_page_is_recorded_once,
    each_consent_is_recorded,
    the_end_of_old_grants_names_the_application,
    a_replay_by_another_client_is_recorded_as_such,
);

const OFFLINE: (&str, &str) = ("scope", "openid offline_access");

fn asking(id: &str, consent: &str) -> Value {
    with(client(id), "consent", json!(consent))
}

async fn details(database: &Database, event: &str) -> Vec<String> {
    database.texts(&format!("SELECT detail FROM audit_events WHERE event = '{event}' ORDER BY id")).await
}

async fn a_refused_login_on_the_page_is_recorded_once(engine: Engine) {
    let (server, database) = started(engine, &[client("shop")]).await;
    database.execute("UPDATE users SET disabled = true WHERE username = 'alice'").await;
    let mut browser = Browser::new(&server);
    let page = browser.get(&authorize(&[])).await;
    assert_eq!(browser.log_in(&page, "alice", PASSWORD).await.status, 403);
    assert_eq!(details(&database, "login").await, ["disabled"]);
    assert_eq!(details(&database, "request_refused").await, Vec::<String>::new());
}

async fn each_consent_is_recorded(engine: Engine) {
    let clients = [asking("once", "Once"), asking("always", "Always"), asking("skip", "Skip")];
    let (server, database) = started(engine, &clients).await;
    let mut browser = Browser::new(&server);
    for _ in 0..2 {
        for id in ["once", "always", "skip"] {
            browser.code(&[("client_id", id)]).await;
        }
    }
    assert_eq!(details(&database, "consent_given").await, ["once", "always", "always"]);
    browser.code(&[("client_id", "skip"), ("prompt", "consent")]).await;
    assert_eq!(details(&database, "consent_given").await, ["once", "always", "always", "skip"]);
    let remembered = database.texts("SELECT client FROM consents").await;
    assert_eq!(remembered, ["//once"], "only there the user is not asked again");
}

async fn the_end_of_old_grants_names_the_application(engine: Engine) {
    let (server, database) = started(engine, &[asking("shop", "Skip")]).await;
    let mut browser = Browser::new(&server);
    let oldest = browser.code(&[]).await;
    copy_grants(&database, 101).await;
    browser.code(&[]).await;
    assert_eq!(crate::browser::exchange(&server, &oldest).await.1["error"], "invalid_grant");
    assert_eq!(database.texts("SELECT grant_id FROM grants").await.len(), 100);
    browser.code(&[]).await;
    assert_eq!(details(&database, "grants_ended").await, ["shop: 3 grants", "shop: 1 grant"]);
    let metrics = server.ops("/metrics").await.unwrap().text().await.unwrap();
    let count = "sc_auth_security_events_total{event=\"grants_ended\",outcome=\"success\"} 2\n";
    assert!(metrics.contains(count), "{metrics}");
    assert!(server.log.text().contains("shop: 3 grants"), "{}", server.log.text());
}

/// Copies the only grant.
pub async fn copy_grants(database: &Database, count: usize) {
    let columns = "user_id, sid, client, scopes, audiences, is_offline, auth_time, created_at, expires_at, \
                   code_used_at, redirect_uri, refresh_jti, refresh_iat, refresh_kid, password_digest";
    let copy = |number| {
        let quoted = format!("'copy-{number}'");
        format!(
            "INSERT INTO grants (grant_id, code_hash, {columns}) SELECT {quoted}, {quoted}, {columns} FROM \
             (SELECT * FROM grants WHERE id = (SELECT MIN(id) FROM grants)) AS oldest; "
        )
    };
    let sql: String = (0..count).map(copy).collect();
    database.execute(&sql).await;
}

async fn a_replay_by_another_client_is_recorded_as_such(engine: Engine) {
    let (server, database) = started(engine, &[asking("shop", "Skip")]).await;
    let issued = tokens(&server, &Browser::new(&server).code(&[OFFLINE]).await).await;
    let first = text(&issued, "refresh_token");
    assert_eq!(refresh(&server, &first).await.0, 200);
    // As if another client, in another network, had exchanged it half a minute ago.
    database
        .execute(
            "UPDATE grants SET rotated_at = rotated_at - 30, rotated_user_agent = 'other', \
             rotated_network = '192.0.2.0'",
        )
        .await;
    assert_eq!(refresh(&server, &first).await.1["error"], "invalid_grant");
    let wanted = "shop: by another client than the one that used the token";
    assert_eq!(details(&database, "refresh_replayed").await, [wanted]);
}
