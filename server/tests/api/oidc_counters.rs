//! What the login page counts, and how long its sessions last.

use serde_json::json;

use crate::browser::{Browser, ISSUER, authorize, client, declare, started, with};
use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server};

crate::on_every_engine!(an_address_reveals_no_user, a_name_comes_before_an_address, a_login_that_fails_ends_no_session);

/// By the API, where an address is nobody's name, strangers must not learn whether a failure on the page counted for a user.
async fn an_address_reveals_no_user(engine: Engine) {
    let (server, database) = started(engine, &[client("shop")]).await;
    server.register("bobby").await;
    let mut browser = Browser::new(&server);
    let page = browser.get(&authorize(&[])).await;
    let counted = async |failures: u32| {
        database.texts(&format!("SELECT id FROM login_failures WHERE failures = {failures}")).await.len()
    };
    for address in ["alice@example.com", "ALICE@example.com", "nobody@example.com", "NOBODY@example.com"] {
        assert_eq!(browser.log_in(&page, address, "wrong password").await.status, 422, "{address}");
    }
    assert_eq!(counted(2).await, 4, "two texts for each");
    for address in ["alice@example.com", "nobody@example.com", "alice"] {
        assert_eq!(server.login_with(address, "wrong password").await.status, 422, "{address}");
    }
    assert_eq!(counted(3).await, 3, "the API has the same counters of addresses and names");
    // What the API has counted closes the page too.
    for address in ["bobby@example.com", "no-one@example.com"] {
        assert_eq!(server.login_with(address, "wrong password").await.status, 422, "{address}");
    }
    database.execute("UPDATE login_failures SET retry_at = retry_at + 3600 WHERE failures = 1").await;
    for address in ["bobby@example.com", "no-one@example.com"] {
        assert_eq!(browser.log_in(&page, address, PASSWORD).await.status, 429, "{address}");
        assert_eq!(server.login_with(address, PASSWORD).await.status, 429, "{address}");
    }
    assert!(browser.log_in(&page, "bobby", PASSWORD).await.is_consent(), "the name has its own");
}

/// Release 0.2 let a user have a name that is the address of another.
async fn a_name_comes_before_an_address(engine: Engine) {
    let (server, database) = started(engine, &[client("shop")]).await;
    server.register("bobby").await;
    let rename = "UPDATE users SET username = 'alice@example.com', username_key = NULL WHERE username = 'bobby'";
    database.execute(rename).await;
    for (given, shown) in [("alice@example.com", "alice@example.com"), ("bobby@example.com", "alice@example.com")] {
        let mut browser = Browser::new(&server);
        let page = browser.get(&authorize(&[])).await;
        let consent = browser.log_in(&page, given, PASSWORD).await;
        assert!(consent.is_consent() && consent.text.contains(shown), "{given}: {}", consent.text);
    }
    assert_eq!(server.login_with("alice@example.com", PASSWORD).await.status, 200);
}

async fn start(database: &Database, settings: &[(&str, &str)]) -> Server {
    declare(database, &[with(client("shop"), "consent", json!("Skip"))]);
    let own = [("SC_AUTH_DECLARED", "declared.json"), ("SC_AUTH_ISSUER", ISSUER)];
    let server = Server::start(database, &[&own[..], settings].concat()).await;
    server.register("alice").await;
    server
}

async fn a_login_that_fails_ends_no_session(engine: Engine) {
    let database = Database::create(engine).await;
    let server = start(&database, &[("SC_AUTH_MAX_SESSIONS", "1")]).await;
    server.register("bobby").await;
    server.login("alice").await;
    let mut browser = Browser::new(&server);
    let page = browser.get(&authorize(&[])).await;
    browser.log_in(&page, "bobby", PASSWORD).await.code();
    let page = browser.get(&authorize(&[("prompt", "login")])).await;
    let refused = browser.log_in(&page, "alice", PASSWORD).await;
    assert!(refused.status == 429 && refused.text.contains("too many devices"), "{}", refused.text);
    browser.get(&authorize(&[("prompt", "none")])).await.code();
}

#[tokio::test]
async fn sessions_of_browsers_have_the_lifetimes_of_the_settings() {
    let database = Database::create(Engine::Sqlite).await;
    let settings =
        [("SC_AUTH_SESSION_TTL", "1h"), ("SC_AUTH_REFRESH_TOKEN_TTL", "30m"), ("SC_AUTH_ACCESS_TOKEN_TTL", "5m")];
    let server = start(&database, &settings).await;
    let mut browser = Browser::new(&server);
    for prompt in ["", "login"] {
        let page = browser.get(&authorize(&[("prompt", prompt)])).await;
        let answer = browser.log_in(&page, "alice", PASSWORD).await;
        let cookies = answer.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
        assert!(cookies.into_iter().any(|cookie| cookie.ends_with("; Max-Age=3600")), "{:?}", answer.headers);
        let select = "SELECT (expires_at - auth_time) || ' ' || (ends_at - auth_time) FROM sessions \
                      WHERE auth_time IS NOT NULL UNION \
                      SELECT (expires_at - created_at) || ' ' || (ends_at - created_at) FROM sessions \
                      WHERE auth_time IS NULL AND cookie_hash IS NOT NULL";
        assert_eq!(database.texts(select).await, ["1800 3600"], "{prompt}");
    }
}
