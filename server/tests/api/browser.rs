//! A browser, and an application that logs users in.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::{COOKIE, HOST, HeaderMap, LOCATION, SET_COOKIE};
use sc_auth_contract::declared::SecretHash;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server};

pub const ISSUER: &str = "http://localhost:8000";
pub const CALLBACK: &str = "https://shop.test/cb";
pub const SECRET: &str = "a client secret of more than thirty-two characters";
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const SESSION: &str = "__Host-sc-auth-session";
pub const FORM: &str = "__Host-sc-auth-form";

pub fn client(id: &str) -> Value {
    json!({
        "clientId": id, "type": "Web", "displayName": "<b>Shop</b>", "redirectUris": [CALLBACK],
        "secrets": [SecretHash::of(SECRET)], "scopes": ["openid", "profile", "email", "offline_access"],
    })
}

pub fn with(mut client: Value, member: &str, value: Value) -> Value {
    client[member] = value;
    client
}

pub fn declare(database: &Database, clients: &[Value]) {
    let text = json!({"version": 1, "counter": clients.len(), "clients": clients}).to_string();
    std::fs::write(database.folder.path().join("declared.json"), text).unwrap();
}

/// A server with these clients and a user `alice`.
pub async fn started(engine: Engine, clients: &[Value]) -> (Server, Database) {
    let database = Database::create(engine).await;
    declare(&database, clients);
    let server = start(&database).await;
    server.register("alice").await;
    (server, database)
}

pub async fn start(database: &Database) -> Server {
    Server::start(database, &[("SC_AUTH_DECLARED", "declared.json"), ("SC_AUTH_ISSUER", ISSUER)]).await
}

pub struct Browser<'a> {
    pub server: &'a Server,
    pub cookies: BTreeMap<String, String>,
    pub headers: Vec<(&'static str, &'static str)>,
    client: reqwest::Client,
}

/// What a browser shows, or where it goes.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Page {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn location(&self) -> &str {
        assert_eq!(self.status, 303, "{}", self.text);
        self.header(LOCATION.as_str())
    }

    /// The parameters that an application gets.
    pub fn answer(&self) -> BTreeMap<String, String> {
        let (uri, query) = self.location().split_once('?').unwrap();
        assert_eq!(uri, CALLBACK);
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    pub fn code(&self) -> String {
        let answer = self.answer();
        answer.get("code").unwrap_or_else(|| panic!("{answer:?}")).clone()
    }

    pub fn error(&self) -> String {
        let answer = self.answer();
        assert_eq!(answer.get("iss").map(String::as_str), Some(ISSUER));
        answer.get("error").unwrap_or_else(|| panic!("{answer:?}")).clone()
    }

    /// The hidden field of the form.
    pub fn sealed(&self) -> String {
        let rest = self.text.split("name=\"request\" value=\"").nth(1).unwrap_or_else(|| panic!("{}", self.text));
        rest.split('"').next().unwrap().to_owned()
    }

    pub fn is_login(&self) -> bool {
        self.text.contains("action=\"/login\"")
    }

    pub fn is_consent(&self) -> bool {
        self.text.contains("action=\"/consent\"")
    }
}

/// A query or a form.
pub fn encoded(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

/// The address of an authorization request, with other parameters; an empty one is left out.
pub fn authorize(changes: &[(&str, &str)]) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
    let mut all = BTreeMap::from([
        ("client_id", "shop"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid profile email"),
        ("state", "s p&c"),
        ("nonce", "n"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ]);
    all.extend(changes.iter().copied());
    let given: Vec<_> = all.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    format!("/oauth2/authorize?{}", encoded(&given))
}

impl<'a> Browser<'a> {
    pub fn new(server: &'a Server) -> Self {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { server, cookies: BTreeMap::new(), headers: Vec::new(), client }
    }

    /// Another window of the same browser.
    pub fn copy(&self) -> Self {
        Self { cookies: self.cookies.clone(), ..Self::new(self.server) }
    }

    pub async fn get(&mut self, path: &str) -> Page {
        self.send(self.client.get(format!("{}{path}", self.server.api))).await
    }

    pub async fn head(&mut self, path: &str) -> Page {
        self.send(self.client.head(format!("{}{path}", self.server.api))).await
    }

    pub async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Page {
        let request = self.client.post(format!("{}{path}", self.server.api));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(encoded(form));
        self.send(request).await
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Page {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = request.header(COOKIE, cookies.join("; "));
        if !self.headers.iter().any(|(name, _)| *name == "host") {
            request = request.header(HOST, "localhost:8000");
        }
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        for cookie in headers.get_all(SET_COOKIE) {
            let text = cookie.to_str().unwrap();
            assert!(text.contains("; Path=/; Secure; HttpOnly; SameSite=Lax") && text.starts_with("__Host-"), "{text}");
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        Page { status, headers, text: response.text().await.unwrap() }
    }

    pub async fn log_in(&mut self, page: &Page, username: &str, password: &str) -> Page {
        let sealed = page.sealed();
        self.post("/login", &[("request", &sealed), ("username", username), ("password", password)]).await
    }

    pub async fn decide(&mut self, page: &Page, decision: &str) -> Page {
        assert!(page.is_consent(), "{}", page.text);
        self.post("/consent", &[("request", &page.sealed()), ("decision", decision)]).await
    }

    /// Logs in as alice, and allows what the application asks for.
    pub async fn code(&mut self, changes: &[(&str, &str)]) -> String {
        let mut page = self.get(&authorize(changes)).await;
        if page.is_login() {
            page = self.log_in(&page, "alice", PASSWORD).await;
        }
        if page.is_consent() {
            page = self.decide(&page, "allow").await;
        }
        page.code()
    }
}

/// The answer of the token endpoint.
pub async fn token(server: &Server, form: &[(&str, &str)]) -> (u16, Value) {
    let request = server.request("POST", "/oauth2/token").basic_auth("shop", Some(SECRET.replace(' ', "+")));
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(encoded(form));
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store");
    (response.status().as_u16(), response.json().await.unwrap())
}

pub async fn exchange(server: &Server, code: &str) -> (u16, Value) {
    let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLBACK)];
    token(server, &[&form[..], &[("code_verifier", VERIFIER)]].concat()).await
}

/// The tokens of a code.
pub async fn tokens(server: &Server, code: &str) -> Value {
    let (status, tokens) = exchange(server, code).await;
    assert_eq!(status, 200, "{tokens}");
    tokens
}

pub async fn refresh(server: &Server, refresh_token: &str) -> (u16, Value) {
    token(server, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
}

pub async fn userinfo(server: &Server, access_token: &str) -> (u16, Value) {
    let response = server.request("GET", "/oauth2/userinfo").bearer_auth(access_token).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

pub fn text(tokens: &Value, name: &str) -> String {
    tokens[name].as_str().unwrap_or_else(|| panic!("{name}: {tokens}")).to_owned()
}
