//! An application that logs a user in by OpenID Connect and refreshes its tokens, which signs an ID token each time.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use serde_json::{Value, json};

const CALLBACK: &str = "https://app.test/cb";
const SECRET: &str = "the secret of an application in a benchmark";
/// SHA-256 of that secret.
const SECRET_HASH: &str = "2046a60ecbffac88a311b74bb5c805558903b696260c60cd068a5e5e677612f1";
/// The algorithms of ID tokens. An application of the same name has each.
pub const ALGORITHMS: [&str; 2] = ["RS256", "ES256"];

/// Writes the file of the applications.
pub fn declare(file: &Path) -> anyhow::Result<()> {
    let clients = ALGORITHMS.map(|algorithm| {
        json!({
            "clientId": algorithm, "type": "Web", "redirectUris": [CALLBACK], "secrets": [{"sha256": SECRET_HASH}],
            "scopes": ["openid", "offline_access"], "consent": "Skip", "requirePkce": false,
            "idTokenAlgorithm": algorithm,
        })
    });
    Ok(std::fs::write(file, json!({"version": 1, "clients": clients}).to_string())?)
}

/// One application, with the user of one browser.
pub struct Application {
    server: String,
    client_id: &'static str,
    http: reqwest::Client,
}

impl Application {
    pub fn new(server: &str, client_id: &'static str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().redirect(Policy::none()).build()?;
        Ok(Self { server: server.to_owned(), client_id, http })
    }

    /// Logs in with the page. Returns the first refresh token.
    pub async fn log_in(&self, username: &str, password: &str) -> anyhow::Result<String> {
        let query = [
            ("client_id", self.client_id),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", "openid offline_access"),
        ];
        let url = Url::parse_with_params(&format!("{}/oauth2/authorize", self.server), query)?;
        let page = self.http.get(url).send().await?;
        let cookie = cookie(&page)?;
        let html = page.text().await?;
        let sealed = html.split("name=\"request\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let sealed = sealed.context("no login page")?;
        let form = [("request", sealed), ("username", username), ("password", password)];
        let answer = self.post("/login", &form)?.header(COOKIE, cookie).send().await?;
        let location = answer.headers().get(LOCATION).context("the login was refused")?.to_str()?;
        let location = Url::parse(location)?;
        let (_, code) = location.query_pairs().find(|(name, _)| name == "code").context("no code")?;
        let form = [("grant_type", "authorization_code"), ("code", code.as_ref()), ("redirect_uri", CALLBACK)];
        self.token(&form).await
    }

    /// Refreshes for the whole time, each time with the token from the previous answer.
    pub async fn refresh_all(&self, mut token: String, until: Instant) -> anyhow::Result<Vec<Duration>> {
        let mut latencies = Vec::new();
        while Instant::now() < until {
            let began = Instant::now();
            token = self.token(&[("grant_type", "refresh_token"), ("refresh_token", &token)]).await?;
            latencies.push(began.elapsed());
        }
        Ok(latencies)
    }

    /// With a form.
    fn post(&self, path: &str, form: &[(&str, &str)]) -> anyhow::Result<RequestBuilder> {
        let encoded = Url::parse_with_params(&self.server, form)?.query().unwrap_or_default().to_owned();
        let request = self.http.post(format!("{}{path}", self.server)).body(encoded);
        Ok(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded"))
    }

    async fn token(&self, form: &[(&str, &str)]) -> anyhow::Result<String> {
        let form = [form, &[("client_id", self.client_id), ("client_secret", SECRET)]].concat();
        let response = self.post("/oauth2/token", &form)?.send().await?;
        anyhow::ensure!(response.status() == StatusCode::OK, "the token endpoint answered {}", response.status());
        let body: Value = response.json().await?;
        Ok(body["refresh_token"].as_str().context("no refresh token")?.to_owned())
    }
}

fn cookie(page: &Response) -> anyhow::Result<String> {
    let cookie = page.headers().get(SET_COOKIE).context("no cookie")?.to_str()?;
    Ok(cookie.split(';').next().unwrap_or_default().to_owned())
}
