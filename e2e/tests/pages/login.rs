//! The web app of docs/app-login.md, used as a browser does: with its cookie, and the header Origin.

use reqwest::header::{COOKIE, HeaderValue, LOCATION, ORIGIN, RETRY_AFTER, SET_COOKIE, USER_AGENT};
use reqwest::{Method, RequestBuilder, Response};
use sc_auth_e2e::client::{Client, PASSWORD, until};
use sc_auth_e2e::tenant::Tenant;
use serde_json::json;
use tokio::task::JoinSet;

use super::examples::{Service, example, program, python};

const HOST: &str = "login.example.com";
const PORT: u16 = 13950;

#[derive(Clone)]
struct Browser {
    http: reqwest::Client,
    app: String,
    cookie: String,
}

impl Browser {
    fn at(app: &Service) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, app: app.address.clone(), cookie: String::new() }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.app)).header(COOKIE, &self.cookie)
    }

    async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    /// Sends a form that a page of this origin shows.
    async fn post(&self, path: &str, origin: &str, form: &str) -> Response {
        let request = self.request(Method::POST, path).header(ORIGIN, origin);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        request.body(form.to_owned()).send().await.unwrap()
    }

    async fn submit(&self, path: &str, form: &str) -> Response {
        self.post(path, &self.app, form).await
    }

    async fn log_in(&mut self) {
        let answer = self.submit("/login", &form("alice", PASSWORD)).await;
        assert_eq!(redirect(&answer), "/");
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().to_owned();
        for attribute in ["HttpOnly", "Secure", "SameSite=lax", "Path=/"] {
            assert!(cookie.contains(attribute), "{cookie} is not {attribute}");
        }
        assert!(cookie.starts_with("__Host-") && !cookie.contains("Domain"), "{cookie}");
        assert!(!cookie.contains("eyJ"), "a token is in the cookie");
        cookie.split(';').next().unwrap().clone_into(&mut self.cookie);
    }

    async fn is_logged_in(&self) -> bool {
        let answer = self.get("/").await;
        if answer.status() == 303 {
            assert_eq!(redirect(&answer), "/login");
            return false;
        }
        assert_eq!(answer.status(), 200);
        let page = answer.text().await.unwrap();
        assert!(!page.contains("eyJ"), "a token is in the page");
        page.contains("You are logged in as Some Body.")
    }
}

fn form(username: &str, password: &str) -> String {
    format!("username={username}&password={}", password.replace(' ', "+"))
}

/// Where the answer leads.
fn redirect(answer: &Response) -> &str {
    assert_eq!(answer.status(), 303);
    answer.headers()[LOCATION].to_str().unwrap()
}

/// All users share the HTTP client of the app.
#[test]
fn the_web_app_keeps_no_cookies_of_the_api() {
    const SCRIPT: &str = r#"
import asyncio, httpx, login
seen = []
def answer(request):
    seen.append(request.headers.get("cookie"))
    return httpx.Response(200, headers={"Set-Cookie": "user=alice; Path=/"})
login.http._transport = httpx.MockTransport(answer)
async def twice():
    await login.http.get("/")
    await login.http.get("/")
asyncio.run(twice())
assert seen == [None, None], seen
"#;
    let mut command = std::process::Command::new(python());
    command.args(["-c", SCRIPT]).env("PYTHONPATH", example("python")).env("PYTHONDONTWRITEBYTECODE", "1");
    let settings = [("API", "http://auth.example.com"), ("ORIGIN", "https://app.example.com")];
    assert!(command.envs(settings).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_app_with_a_login() {
    let tenant = Tenant::embedded("e2e-login").host(HOST).with(json!({"auth": {"accessTokenTtl": "30s"}}));
    tenant.apply().ready();
    let client = tenant.client().await;
    client.register("alice").await;
    let mut command = program(HOST, &python(), &[&example("python/login.py")]);
    let app = Service::start(command.env("ORIGIN", format!("http://127.0.0.1:{PORT}")), PORT);
    app.answers().await;
    let mut browser = Browser::at(&app);

    assert!(!browser.is_logged_in().await);
    refuses(&browser).await;
    browser.log_in().await;
    assert!(browser.is_logged_in().await);
    replaces_its_session(&mut browser, &client).await;
    refreshes(&browser, &client).await;
    logs_out(&browser, &client).await;
    waits_after_wrong_passwords(&browser).await;
}

async fn refuses(browser: &Browser) {
    let answer = browser.get("/login").await;
    assert_eq!(answer.headers()["Referrer-Policy"], "same-origin", "otherwise Origin may be null");
    let page = answer.text().await.unwrap();
    assert!(page.contains("type=\"password\""), "{page}");
    for origin in ["http://evil.example.com", "null", ""] {
        assert_eq!(browser.post("/login", origin, &form("alice", PASSWORD)).await.status(), 403, "origin {origin}");
    }
    let agent = HeaderValue::from_bytes("Ünïcode".as_bytes()).unwrap();
    let answer = browser.request(Method::POST, "/login").header(ORIGIN, &browser.app).header(USER_AGENT, agent);
    assert_eq!(answer.send().await.unwrap().status(), 422, "a User-Agent that is not ASCII");
    let answer = browser.submit("/login", &form("%22%3E%3Cscript%3E", "wrong")).await;
    assert_eq!(answer.status(), 422);
    let page = answer.text().await.unwrap();
    assert!(page.contains("The user name or the password is wrong."), "{page}");
    assert!(!page.contains("<script"), "{page}");
}

async fn sessions(client: &Client, access: &str) -> usize {
    let (status, answer) = client.call("GET", "/api/v1/accounts/sessions", Some(access), None).await;
    assert_eq!(status, 200, "{answer}");
    answer["data"].as_array().unwrap().len()
}

/// Another login in the same browser ends the session of the first one, in the app and in sc-auth.
async fn replaces_its_session(browser: &mut Browser, client: &Client) {
    let first = browser.clone();
    let (access, _) = client.login("alice", PASSWORD).await;
    let before = sessions(client, &access).await;
    browser.log_in().await;
    assert_eq!(sessions(client, &access).await, before);
    assert!(!first.is_logged_in().await, "the old cookie");
    assert!(browser.is_logged_in().await);
}

/// Ten pages at once after the access token has expired: one of them refreshes it.
async fn refreshes(browser: &Browser, client: &Client) {
    for _ in 0..2 {
        // Newer than the token of the app, so it expires later.
        let (access, _) = client.login("alice", PASSWORD).await;
        until("the access token has expired", async || client.me(&access).await == 401).await;
        let mut pages = JoinSet::new();
        for _ in 0..10 {
            let browser = browser.clone();
            pages.spawn(async move { browser.get("/").await.status() });
        }
        assert!(pages.join_all().await.iter().all(|status| *status == 200));
        assert!(browser.is_logged_in().await);
    }
}

async fn logs_out(browser: &Browser, client: &Client) {
    let (access, _) = client.login("alice", PASSWORD).await;
    let before = sessions(client, &access).await;
    assert_eq!(browser.post("/logout", "http://evil.example.com", "").await.status(), 403);
    assert!(browser.is_logged_in().await);
    let answer = browser.submit("/logout", "").await;
    assert_eq!(redirect(&answer), "/login");
    assert!(answer.headers()[SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    assert!(!browser.is_logged_in().await, "the old cookie");
    assert_eq!(sessions(client, &access).await, before - 1, "the session of sc-auth has ended too");
}

async fn waits_after_wrong_passwords(browser: &Browser) {
    until("the user has to wait", async || {
        let answer = browser.submit("/login", &form("bob", "wrong")).await;
        let wait = answer.headers().get(RETRY_AFTER).map(|seconds| seconds.to_str().unwrap().to_owned());
        let status = answer.status();
        let page = answer.text().await.unwrap();
        let Some(wait) = wait else {
            assert_eq!(status, 422, "{page}");
            return false;
        };
        assert_eq!(status, 429);
        assert!(page.contains(&format!("Too many attempts. Try again in {wait} seconds.")), "{page}");
        true
    })
    .await;
}
