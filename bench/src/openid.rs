//! Applications that log users in by OpenID Connect.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::header::{CONTENT_TYPE, COOKIE};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::json;

use crate::answer::retry_after;
use crate::page;
use crate::users::PASSWORD;

const CALLBACK: &str = "https://app.test/cb";
const SECRET: &str = "the secret of an application in a benchmark";
/// SHA-256 of that secret.
const SECRET_HASH: &str = "2046a60ecbffac88a311b74bb5c805558903b696260c60cd068a5e5e677612f1";
/// The example of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// What most applications ask for.
pub const ONLINE: &str = "openid profile email";
/// With a refresh token.
pub const OFFLINE: &str = "openid profile email offline_access";

/// The algorithms of ID tokens. An application of the same name has each.
pub const ALGORITHMS: [&str; 2] = ["ES256", "RS256"];

/// Writes the file of the applications.
pub fn declare(file: &Path) -> anyhow::Result<()> {
    let clients = ALGORITHMS.map(|algorithm| {
        json!({
            "clientId": algorithm, "type": "Web", "redirectUris": [CALLBACK], "secrets": [{"sha256": SECRET_HASH}],
            "scopes": OFFLINE.split(' ').collect::<Vec<_>>(), "consent": "Skip", "idTokenAlgorithm": algorithm,
        })
    });
    Ok(std::fs::write(file, json!({"version": 1, "clients": clients}).to_string())?)
}

/// One application. The browsers of its users share its connections.
pub struct Application {
    server: String,
    client_id: &'static str,
    scope: &'static str,
    http: reqwest::Client,
}

/// A browser after a login.
pub struct LoggedIn {
    /// The cookie of its session.
    pub session: String,
    pub code: String,
    /// How often the server was too busy before.
    pub refusals: u32,
}

enum Attempt {
    LoggedIn(LoggedIn),
    Later(Duration),
}

/// The tokens of a user.
#[derive(Deserialize)]
pub struct Tokens {
    pub access_token: String,
    pub refresh_token: Option<String>,
}

impl Application {
    pub fn new(server: &str, client_id: &'static str, scope: &'static str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().redirect(Policy::none()).build()?;
        Ok(Self { server: server.to_owned(), client_id, scope, http })
    }

    /// The same with connections of its own.
    pub fn apart(&self) -> anyhow::Result<Self> {
        Self::new(&self.server, self.client_id, self.scope)
    }

    /// A new browser logs in with the page. While the server is too busy, its user waits as long as it asks for.
    pub async fn log_in(&self, username: &str) -> anyhow::Result<LoggedIn> {
        let mut refusals = 0;
        loop {
            match self.try_log_in(username).await? {
                Attempt::LoggedIn(logged_in) => return Ok(LoggedIn { refusals, ..logged_in }),
                Attempt::Later(wait) => tokio::time::sleep(wait).await,
            }
            refusals += 1;
        }
    }

    async fn try_log_in(&self, username: &str) -> anyhow::Result<Attempt> {
        let answer = self.http.get(self.authorization()?).send().await?;
        if let Some(wait) = retry_after(answer.status(), answer.headers())? {
            return Ok(Attempt::Later(wait));
        }
        let cookie = page::cookie(answer.headers(), page::FORM).context("no cookie of the form")?;
        let html = answer.text().await?;
        let request = page::request(&html).context("no login page")?;
        let form = [("request", request), ("username", username), ("password", PASSWORD)];
        let answer = self.post("/login", &form)?.header(COOKIE, cookie).send().await?;
        if let Some(wait) = retry_after(answer.status(), answer.headers())? {
            return Ok(Attempt::Later(wait));
        }
        let session = page::cookie(answer.headers(), page::SESSION).context("the login was refused")?;
        Ok(Attempt::LoggedIn(LoggedIn { session, code: redirected(answer).await?, refusals: 0 }))
    }

    /// The code that a browser gets with its session.
    pub async fn authorize(&self, session: &str) -> anyhow::Result<String> {
        redirected(self.http.get(self.authorization()?).header(COOKIE, session).send().await?).await
    }

    /// Exchanges a code.
    pub async fn tokens(&self, code: &str) -> anyhow::Result<Tokens> {
        let grant = [("grant_type", "authorization_code"), ("code", code)];
        self.exchange(&[grant, [("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)]].concat()).await
    }

    pub async fn userinfo(&self, access_token: &str) -> anyhow::Result<()> {
        let request = self.http.get(format!("{}/oauth2/userinfo", self.server)).bearer_auth(access_token);
        let response = request.send().await?;
        anyhow::ensure!(response.status() == StatusCode::OK, "userinfo answered {}", response.status());
        response.bytes().await?;
        Ok(())
    }

    /// Refreshes for the whole time, each time with the token from the previous answer.
    pub async fn refresh_all(&self, mut token: String, until: Instant) -> anyhow::Result<Vec<Duration>> {
        let mut latencies = Vec::new();
        while Instant::now() < until {
            let began = Instant::now();
            let tokens = self.exchange(&[("grant_type", "refresh_token"), ("refresh_token", &token)]).await?;
            token = tokens.refresh_token.context("no refresh token")?;
            latencies.push(began.elapsed());
        }
        Ok(latencies)
    }

    fn authorization(&self) -> anyhow::Result<Url> {
        let query = [
            ("client_id", self.client_id),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", self.scope),
            ("state", "a state of the application"),
            ("nonce", "a nonce of the application"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        Ok(Url::parse_with_params(&format!("{}/oauth2/authorize", self.server), query)?)
    }

    /// With a form.
    fn post(&self, path: &str, form: &[(&str, &str)]) -> anyhow::Result<RequestBuilder> {
        let encoded = Url::parse_with_params(&self.server, form)?.query().unwrap_or_default().to_owned();
        let request = self.http.post(format!("{}{path}", self.server)).body(encoded);
        Ok(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded"))
    }

    async fn exchange(&self, form: &[(&str, &str)]) -> anyhow::Result<Tokens> {
        let form = [form, &[("client_id", self.client_id), ("client_secret", SECRET)]].concat();
        let response = self.post("/oauth2/token", &form)?.send().await?;
        anyhow::ensure!(response.status() == StatusCode::OK, "the token endpoint answered {}", response.status());
        Ok(response.json().await?)
    }
}

/// The code in a redirect.
async fn redirected(answer: Response) -> anyhow::Result<String> {
    let code = page::code(answer.headers()).with_context(|| format!("no code, but {}", answer.status()))?;
    // Read to the end, the connection can be used again.
    answer.bytes().await?;
    Ok(code)
}
