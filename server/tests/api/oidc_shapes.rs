//! Errors of the server below `/oauth2` have the shapes of the standards, and those of the pages are pages.

use futures::future::join_all;
use reqwest::header::{HOST, RETRY_AFTER};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::browser::{
    Browser, ISSUER, Page, SECRET, authorize, client, declare, encoded, start, started, text, tokens, with,
};
use crate::database::{Database, Engine};
use crate::harness::{Server, until};
use crate::wire::Wire;

mod servers {
    use super::without_the_database_errors_keep_their_shapes;

    crate::on_every_database_server!(without_the_database_errors_keep_their_shapes);
}

const FORM: &str = "application/x-www-form-urlencoded";
/// The endpoints that take a form from applications.
const FOR_APPLICATIONS: [&str; 4] = ["/oauth2/token", "/oauth2/revoke", "/oauth2/introspect", "/oauth2/userinfo"];
/// The forms that browsers send.
const FOR_BROWSERS: [&str; 7] =
    ["/oauth2/authorize", "/oauth2/logout", "/login", "/consent", "/logout", "/account/login", "/account/applications"];

/// RFC 6749, 5.2
fn assert_is_error(body: &Value, error: &str, what: &str) {
    let members: Vec<_> = body.as_object().unwrap().keys().collect();
    assert_eq!(members, ["error", "error_description"], "{what}: {body}");
    assert_eq!(body["error"], error, "{what}: {body}");
    assert!(!body["error_description"].as_str().unwrap().is_empty(), "{what}: {body}");
}

fn assert_is_page(page: &Page, status: u16, what: &str) {
    assert_eq!((page.status, page.header("content-type")), (status, "text/html; charset=utf-8"), "{what}");
    assert!(page.text.contains("<h1>") && !page.text.contains("\"status\""), "{what}: {}", page.text);
}

/// Asserts that an application is told to try again.
async fn assert_is_unavailable(server: &Server, method: &str, path: &str, bearer: &str, form: &[(&str, &str)]) {
    let request = server.request(method, path).header(HOST, "localhost:8000").header("content-type", FORM);
    let own = [("client_id", "shop"), ("client_secret", SECRET)];
    let request = match bearer {
        "" => request.body(encoded(&[&own[..], form].concat())),
        bearer => request.bearer_auth(bearer),
    };
    let response = request.send().await.unwrap();
    let what = format!("{method} {path}");
    assert_eq!(response.status(), 503, "{what}");
    assert!(response.headers().contains_key(RETRY_AFTER), "{what}");
    assert_eq!(response.headers()["cache-control"], "no-store", "{what}");
    assert_is_error(&response.json().await.unwrap(), "temporarily_unavailable", &what);
}

#[tokio::test]
async fn before_the_files_can_be_read_errors_have_their_shapes() {
    let database = Database::create(Engine::Sqlite).await;
    let server = start(&database).await;
    for path in FOR_APPLICATIONS {
        assert_is_unavailable(&server, "POST", path, "", &[("token", "x"), ("access_token", "x")]).await;
    }
    for path in ["/oauth2/userinfo", "/oauth2/jwks"] {
        assert_is_unavailable(&server, "GET", path, "x", &[]).await;
    }
    let mut browser = Browser::new(&server);
    for path in FOR_BROWSERS {
        assert_is_page(&browser.post(path, &[("request", "x")]).await, 503, path);
    }
    for path in [authorize(&[]).as_str(), "/oauth2/logout", "/account/applications"] {
        let page = browser.get(path).await;
        assert_is_page(&page, 503, path);
        assert!(!page.header("retry-after").is_empty(), "{path}");
    }
}

async fn without_the_database_errors_keep_their_shapes(engine: Engine) {
    let mut database = Database::create(engine).await;
    declare(&database, &[with(client("shop"), "consent", json!("Skip"))]);
    let target = database.url.split_once('@').unwrap().1.split('/').next().unwrap().to_owned();
    let wire = Wire::to(&target).await;
    database.url = database.url.replace(&target, &wire.address);
    let server = start(&database).await;
    server.register("alice").await;
    let mut browser = Browser::new(&server);
    let issued = tokens(&server, &browser.code(&[("scope", "openid offline_access")]).await).await;
    let (access, refresh_token) = (text(&issued, "access_token"), text(&issued, "refresh_token"));
    let login = Browser::new(&server).get(&authorize(&[])).await;
    assert!(login.is_login());

    wire.cut().await;
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];
    assert_is_unavailable(&server, "POST", "/oauth2/token", "", &refresh).await;
    assert_is_unavailable(&server, "POST", "/oauth2/revoke", "", &[("token", &refresh_token)]).await;
    assert_is_unavailable(&server, "GET", "/oauth2/userinfo", &access, &[]).await;
    assert_is_unavailable(&server, "POST", "/oauth2/userinfo", "", &[("access_token", &access)]).await;
    for path in [authorize(&[]).as_str(), "/oauth2/logout", "/account/applications"] {
        assert_is_page(&browser.get(path).await, 503, path);
    }
    let silent = browser.get(&authorize(&[("prompt", "none")])).await;
    assert_eq!(silent.error(), "temporarily_unavailable", "nobody sees a page");
    // What needs no database is there.
    assert!(Browser::new(&server).get(&authorize(&[])).await.is_login());
    assert_eq!(server.request("GET", "/oauth2/jwks").send().await.unwrap().status(), 200);

    wire.restore();
    until("it is back by itself", async || browser.get(&authorize(&[])).await.status == 303).await;
}

/// The status and the body of the answer to a form that does not arrive.
async fn answer_to_half_a_form(server: &Server, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(server.api.trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: {FORM}\r\nContent-Length: 100\r\n\r\ntoken=",
        ISSUER.trim_start_matches("http://")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{path}: {answer}"));
    (head.to_owned(), body.to_owned())
}

#[tokio::test]
async fn a_form_that_does_not_arrive_has_an_answer_in_the_right_shape() {
    let (server, _database) = started(Engine::Sqlite, &[client("shop")]).await;
    let paths = FOR_APPLICATIONS.iter().chain(&FOR_BROWSERS);
    let answers = join_all(paths.map(|path| answer_to_half_a_form(&server, path))).await;
    for (path, (head, body)) in FOR_APPLICATIONS.iter().chain(&FOR_BROWSERS).zip(answers) {
        assert!(head.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{path}: {head}");
        assert!(head.to_ascii_lowercase().contains("\r\nconnection: close"), "{path}: {head}");
        if FOR_APPLICATIONS.contains(path) {
            let body = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {body}"));
            assert_is_error(&body, "invalid_request", path);
        } else {
            assert!(body.contains("<h1>"), "{path}: {body}");
        }
    }
}
