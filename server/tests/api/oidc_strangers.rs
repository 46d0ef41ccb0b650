//! What strangers can do with the endpoints of OpenID Connect: send many requests, and name other hosts.

use std::collections::BTreeMap;

use serde_json::json;

use crate::browser::{Browser, CALLBACK, ISSUER, Page, SESSION, authorize, client, declare, encoded, started};
use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server};

crate::on_every_engine!(a_flood_of_requests_stores_nothing);

/// What the server itself writes, at times of its own: a few rows.
const OWN: [&str; 3] = ["chores", "declared_clients", "sc_auth_keys"];

/// The number of rows of each table.
async fn rows(database: &Database) -> BTreeMap<String, usize> {
    let tables = if database.url.starts_with("sqlite") {
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    } else if database.url.starts_with("mysql") {
        "SELECT CAST(table_name AS CHAR) FROM information_schema.tables WHERE table_schema = DATABASE()"
    } else {
        "SELECT CAST(table_name AS TEXT) FROM information_schema.tables WHERE table_schema = 'public'"
    };
    let mut counts = BTreeMap::new();
    for table in database.texts(tables).await {
        let count = database.texts(&format!("SELECT 'row' FROM {table}")).await.len();
        counts.insert(table, count);
    }
    counts
}

async fn a_flood_of_requests_stores_nothing(engine: Engine) {
    let (server, database) = started(engine, &[client("shop")]).await;
    let mut before = rows(&database).await;
    assert!(before["users"] > 0 && before.contains_key("grants") && before["audit_events"] > 0, "{before:?}");
    for number in 0..300 {
        let number = number.to_string();
        let changes = [("state", number.as_str()), ("nonce", &number), ("login_hint", &number)];
        // Each from a browser of its own, some with the cookie of no session.
        let mut browser = Browser::new(&server);
        if number.ends_with('7') {
            browser.cookies.insert(SESSION.to_owned(), format!("{number:A<43}"));
        }
        let page = browser.get(&authorize(&changes)).await;
        assert!(page.is_login(), "{}", page.text);
    }
    let mut browser = Browser::new(&server);
    for number in 0..100 {
        let number = number.to_string();
        let state = ("state", number.as_str());
        assert_eq!(browser.get(&authorize(&[state, ("prompt", "none")])).await.error(), "login_required");
        assert_eq!(browser.head(&authorize(&[state])).await.status, 200);
        assert_eq!(browser.get(&authorize(&[state, ("client_id", &number)])).await.status, 400);
        assert_eq!(browser.post("/oauth2/authorize", &[state, ("client_id", "shop")]).await.status, 303);
        for path in ["/oauth2/logout", "/account/applications"] {
            assert_eq!(browser.get(&format!("{path}?state={number}")).await.status, 200, "{path}");
        }
    }
    let mut after = rows(&database).await;
    for table in OWN {
        assert!(before.remove(table).is_some() && after.remove(table).unwrap() < 20, "{table}: {after:?}");
    }
    assert_eq!(after, before);
}

/// Links and redirects name the issuer, whatever a request says about its way here.
#[tokio::test]
async fn forwarded_hosts_change_no_link() {
    let database = Database::create(Engine::Sqlite).await;
    declare(&database, &[client("shop")]);
    let settings =
        [("SC_AUTH_DECLARED", "declared.json"), ("SC_AUTH_ISSUER", ISSUER), ("SC_AUTH_TRUSTED_PROXIES", "127.0.0.0/8")];
    let server = Server::start(&database, &settings).await;
    server.register("alice").await;
    let mut browser = Browser::new(&server);
    browser.headers = vec![
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-server", "evil.test"),
        ("x-forwarded-port", "6666"),
        ("x-forwarded-proto", "gopher"),
        ("x-forwarded-prefix", "/evil.test"),
        ("x-original-host", "evil.test"),
        ("x-original-url", "https://evil.test/"),
        ("x-rewrite-url", "/evil.test"),
        ("x-host", "evil.test"),
        ("forwarded", "for=203.0.113.1;host=evil.test;proto=gopher"),
    ];
    for page in everything(&mut browser).await {
        let headers = format!("{:?}", page.headers);
        for text in [&page.text, &headers] {
            assert!(!["evil.test", ":6666", "gopher"].iter().any(|given| text.contains(given)), "{text}");
        }
        let location = page.header("location");
        assert!(location.is_empty() || location.starts_with(ISSUER) || location.starts_with(CALLBACK), "{location}");
    }
    // Nor do they stand in for the right host.
    browser.headers = vec![("host", "evil.test"), ("x-forwarded-host", "localhost:8000")];
    assert_eq!(browser.get(&authorize(&[])).await.status, 421);
}

/// Documents, pages and redirects.
async fn everything(browser: &mut Browser<'_>) -> Vec<Page> {
    let mut pages = Vec::new();
    for path in
        ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/openapi.json", "/docs", "/"]
    {
        pages.push(browser.get(path).await);
    }
    let query = authorize(&[]);
    let pairs: Vec<_> = form_urlencoded::parse(query.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    pages.push(browser.post("/oauth2/authorize", &pairs).await);
    assert!(pages.last().unwrap().location().starts_with(&format!("{ISSUER}/oauth2/authorize?")));
    let account = browser.get("/account/applications").await;
    let form = [("request", account.sealed()), ("username", "alice".to_owned()), ("password", PASSWORD.to_owned())];
    let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
    pages.push(browser.post("/account/login", &form).await);
    assert_eq!(pages.last().unwrap().location(), format!("{ISSUER}/account/applications"));
    let login = browser.get(&authorize(&[("prompt", "login")])).await;
    let consent = browser.log_in(&login, "alice", PASSWORD).await;
    pages.push(browser.decide(&consent, "allow").await);
    let question = browser.get("/oauth2/logout").await;
    pages.push(browser.post("/oauth2/logout", &[("client_id", "shop")]).await);
    assert!(pages.last().unwrap().location().starts_with(&format!("{ISSUER}/oauth2/logout?")));
    pages.push(browser.get(&format!("/oauth2/logout?{}", encoded(&[("post_logout_redirect_uri", "x")]))).await);
    pages.extend([account, login, consent, question]);
    let metadata: serde_json::Value = serde_json::from_str(&pages[0].text).unwrap();
    assert_eq!(metadata["issuer"], json!(ISSUER));
    pages
}
