//! The limits and counters of logins and of tokens are shared by all ways to log in and to send tokens.

use futures::future::join_all;
use reqwest::RequestBuilder;
use reqwest::header::RETRY_AFTER;
use serde_json::{Value, json};

use crate::browser::{Browser, ISSUER, Page, SECRET, authorize, client, declare, encoded, started, with};
use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server};

crate::on_every_engine!(failures_at_the_login_of_the_account_are_counted_with_the_others);

const FORM: &str = "application/x-www-form-urlencoded";

/// Sends a request from a network.
type FromNetwork<'a> = &'a dyn Fn(&str) -> RequestBuilder;

/// A server that knows its clients' addresses, with a user `alice`.
async fn behind_proxy(clients: &[Value]) -> (Server, Database) {
    let database = Database::create(Engine::Sqlite).await;
    declare(&database, clients);
    let settings =
        [("SC_AUTH_DECLARED", "declared.json"), ("SC_AUTH_ISSUER", ISSUER), ("SC_AUTH_TRUSTED_PROXIES", "127.0.0.0/8")];
    let server = Server::start(&database, &settings).await;
    server.register("alice").await;
    (server, database)
}

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Api,
    /// The login of an application.
    Login,
    /// The login of the page of applications.
    Account,
}

const WAYS: [Way; 3] = [Way::Api, Way::Login, Way::Account];

impl Way {
    /// The form of its page.
    async fn page(self, browser: &mut Browser<'_>) -> Page {
        let path =
            if self == Self::Account { "/account/applications".to_owned() } else { authorize(&[("prompt", "login")]) };
        browser.get(&path).await
    }

    /// The status of a login, and the seconds in `Retry-After`.
    async fn log_in(self, browser: &mut Browser<'_>, page: &Page, username: &str, password: &str) -> (u16, u64) {
        let answer = match self {
            Self::Api => return self.log_in_by_api(browser, username, password).await,
            Self::Login => browser.log_in(page, username, password).await,
            Self::Account => {
                let sealed = page.sealed();
                let form = [("request", sealed.as_str()), ("username", username), ("password", password)];
                browser.post("/account/login", &form).await
            }
        };
        (answer.status, answer.header("retry-after").parse().unwrap_or(0))
    }

    async fn log_in_by_api(self, browser: &Browser<'_>, username: &str, password: &str) -> (u16, u64) {
        let mut request = browser.server.request("POST", "/api/v1/accounts/login");
        for (name, value) in &browser.headers {
            request = request.header(*name, *value);
        }
        limited(request.json(&json!({"username": username, "password": password}))).await
    }
}

async fn limited(request: RequestBuilder) -> (u16, u64) {
    let response = request.send().await.unwrap();
    let wait = response.headers().get(RETRY_AFTER).map_or(0, |seconds| seconds.to_str().unwrap().parse().unwrap());
    (response.status().as_u16(), wait)
}

/// How many requests there are before one has to wait for a moment, as others of its network have.
async fn count_until_refused(most: usize, mut send: impl AsyncFnMut() -> (u16, u64)) -> usize {
    for count in 0..most {
        let (status, wait) = send().await;
        if status == 429 && wait <= 3 {
            return count;
        }
    }
    panic!("none of {most} requests is refused")
}

#[tokio::test]
async fn logins_of_a_network_have_one_limit() {
    let (server, database) = behind_proxy(&[client("shop")]).await;
    // The attempts are for a name that is closed for a long time, so that no password is compared and each takes a moment.
    assert_eq!(server.login_with("mallory", "wrong password").await.status, 422);
    database.execute("UPDATE login_failures SET failures = 20, retry_at = 9999999999").await;
    for (first, network) in WAYS.into_iter().zip(["203.0.113.1", "203.0.113.2", "203.0.113.3"]) {
        let mut browser = Browser::new(&server);
        browser.headers = vec![("x-forwarded-for", network)];
        let pages = [Way::Login.page(&mut browser).await, Way::Account.page(&mut browser).await];
        let page = |way: Way| &pages[usize::from(way == Way::Account)];
        // The limit is 20, and one more each two seconds.
        let allowed = count_until_refused(100, async || first.log_in(&mut browser, page(first), "mallory", "x").await);
        assert!(allowed.await >= 20, "{first:?}");
        for other in WAYS {
            let allowed =
                count_until_refused(100, async || other.log_in(&mut browser, page(other), "mallory", "x").await);
            assert!(allowed.await < 20, "{first:?}, then {other:?}");
        }
    }
    let mut elsewhere = Browser::new(&server);
    elsewhere.headers = vec![("x-forwarded-for", "198.51.100.7")];
    let page = Way::Account.page(&mut elsewhere).await;
    assert_eq!(Way::Account.log_in(&mut elsewhere, &page, "alice", PASSWORD).await.0, 303);
}

#[tokio::test]
async fn revocations_share_the_limit_of_refreshes() {
    let app = json!({"clientId": "app", "type": "Native", "redirectUris": ["com.example.app:/cb"]});
    let (server, _database) = behind_proxy(&[app, client("shop")]).await;
    let post = |path: &str, network: &str, form: &[(&str, &str)]| {
        let request = server.request("POST", path).header("x-forwarded-for", network);
        request.header("content-type", FORM).body(encoded(form))
    };
    let revoke = |network: &str| post("/oauth2/revoke", network, &[("client_id", "app"), ("token", "x")]);
    let exchange = |network: &str| {
        let form = [("client_id", "app"), ("grant_type", "refresh_token"), ("refresh_token", "x")];
        post("/oauth2/token", network, &form)
    };
    let refresh = |network: &str| {
        server.request("POST", "/api/v1/accounts/refresh").header("x-forwarded-for", network).bearer_auth("x")
    };
    let ways: [(&str, FromNetwork<'_>); 3] = [("revoke", &revoke), ("exchange", &exchange), ("refresh", &refresh)];
    for ((first, send), network) in ways.iter().zip(["203.0.113.1", "203.0.113.2", "203.0.113.3"]) {
        // The limit is 60, and one more each second.
        assert!(count_until_refused(300, async || limited(send(network)).await).await >= 60, "{first}");
        for (other, send) in &ways {
            let allowed = count_until_refused(300, async || limited(send(network)).await).await;
            assert!(allowed < 60, "{first}, then {other}");
        }
    }
    let refused = loop {
        let response = revoke("203.0.113.1").send().await.unwrap();
        if response.status() == 429 {
            break response;
        }
    };
    assert!(refused.headers().contains_key(RETRY_AFTER));
    assert_eq!(refused.json::<Value>().await.unwrap()["error"], "temporarily_unavailable");
    // An application on a server has all of its users behind one address.
    let own = [("client_id", "shop"), ("client_secret", SECRET), ("token", "x")];
    assert_eq!(post("/oauth2/revoke", "203.0.113.1", &own).send().await.unwrap().status(), 200);
}

/// In a hidden frame, nobody sees a page, and the application would wait for its answer.
#[tokio::test]
async fn an_application_gets_the_limit_of_silent_renewals_as_an_error() {
    let (server, _database) = behind_proxy(&[with(client("shop"), "consent", json!("Skip"))]).await;
    let mut browser = Browser::new(&server);
    browser.headers = vec![("x-forwarded-for", "203.0.113.1")];
    browser.code(&[]).await;
    let refused = async |browser: &mut Browser<'_>| {
        let page = browser.get(&authorize(&[("prompt", "none")])).await;
        if page.answer().contains_key("code") { None } else { Some(page.error()) }
    };
    let mut error = None;
    for _ in 0..300 {
        error = refused(&mut browser).await;
        if error.is_some() {
            break;
        }
    }
    assert_eq!(error.as_deref(), Some("temporarily_unavailable"));
    // Whoever can see a page gets one.
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(browser.get(&authorize(&[])).await.status);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
}

async fn failures_at_the_login_of_the_account_are_counted_with_the_others(engine: Engine) {
    let (server, database) = started(engine, &[with(client("shop"), "consent", json!("Skip"))]).await;
    let mut browser = Browser::new(&server);
    let account = Way::Account.page(&mut browser).await;
    for name in ["alice", "alice@example.com", "ALICE"] {
        let refused = Way::Account.log_in(&mut browser, &account, name, "wrong password").await;
        assert_eq!(refused, (422, 0), "{name}");
    }
    let login = Way::Login.page(&mut browser).await;
    assert_eq!(Way::Login.log_in(&mut browser, &login, "alice", "wrong password").await.0, 422);
    let counted = database.texts("SELECT id FROM login_failures WHERE failures = 4").await;
    assert_eq!(counted.len(), 1, "under one name");
    while Way::Account.log_in(&mut browser, &account, "alice", "wrong password").await.0 == 422 {}
    // What was counted at one page closes all of them, to the right password too.
    database.execute("UPDATE login_failures SET retry_at = 9999999999").await;
    for way in WAYS {
        let page = way.page(&mut browser).await;
        let (status, wait) = way.log_in(&mut browser, &page, "alice", PASSWORD).await;
        assert!(status == 429 && wait > 0, "{way:?}: {status}, {wait} s");
    }
    database.execute("DELETE FROM login_failures").await;
    assert_eq!(Way::Account.log_in(&mut browser, &account, "alice", PASSWORD).await.0, 303);
}

/// An imported hash may cost much more than ours. A login by a name or an address that nobody has costs as much: it waits in the same
/// queue, which has few places.
#[tokio::test]
async fn a_login_at_a_page_costs_as_much_for_nobody() {
    let (server, database) = started(Engine::Sqlite, &[client("shop")]).await;
    drop(server);
    let costly = format!("pbkdf2:sha256:1000000$salt${}", "aa".repeat(32));
    database.execute(&format!("UPDATE users SET password = '{costly}'")).await;
    let settings = [("SC_AUTH_DECLARED", "declared.json"), ("SC_AUTH_ISSUER", ISSUER), ("SC_AUTH_HASH_THREADS", "1")];
    let server = Server::start(&database, &settings).await;
    for (way, name) in [
        (Way::Login, "nobody"),
        (Way::Login, "alice"),
        (Way::Login, "nobody@example.com"),
        (Way::Account, "somebody"),
        (Way::Account, "alice@example.com"),
    ] {
        let mut browser = Browser::new(&server);
        let page = way.page(&mut browser).await;
        let logins = (0..30).map(|_| {
            let (mut window, page) = (browser.copy(), &page);
            async move { way.log_in(&mut window, page, name, "a wrong password").await.0 }
        });
        let statuses = join_all(logins).await;
        assert!(statuses.iter().all(|status| [408, 422, 429, 503].contains(status)), "{way:?} {name}: {statuses:?}");
        let refused = statuses.iter().filter(|status| **status == 503).count();
        assert!(refused >= 5, "{way:?} {name}: {statuses:?}");
    }
}
