//! The server in its cgroup, and a client of it.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::answer::{Answer, retry_after};
use crate::args::Args;
use crate::cgroup::Cgroup;
use crate::openid::{self, Application};
use crate::users::{self, PASSWORD};

pub struct Server {
    pub started_in: Duration,
    child: Child,
    folder: TempDir,
    client: Client,
}

/// A client of the API.
#[derive(Clone)]
pub struct Client {
    server: String,
    http: reqwest::Client,
}

impl Server {
    pub async fn start(args: &Args, cgroup: &Cgroup) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let command = || {
            let mut command = std::process::Command::new(&args.server);
            command.envs(environment(args, &folder)).stderr(Stdio::null());
            command
        };
        let mut admin = command();
        admin.args(["admin", "create", "root", "--password-stdin"]);
        let mut admin = admin.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        std::io::Write::write_all(&mut admin.stdin.take().context("standard input")?, PASSWORD.as_bytes())?;
        anyhow::ensure!(admin.wait()?.success(), "could not create the Admin");
        users::import(command())?;
        Self::launch(args, cgroup, folder).await
    }

    pub async fn restart(mut self, args: &Args, cgroup: &Cgroup) -> anyhow::Result<Self> {
        self.child.kill()?;
        self.child.wait()?;
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir()?);
        drop(self);
        Self::launch(args, cgroup, folder).await
    }

    async fn launch(args: &Args, cgroup: &Cgroup, folder: TempDir) -> anyhow::Result<Self> {
        let (api, ops) = (free_address()?, free_address()?);
        let declared = folder.path().join("declared.json");
        openid::declare(&declared)?;
        let began = Instant::now();
        let child = cgroup
            .command(&args.server)
            .args(["serve", "--listen", &api, "--ops-listen", &ops, "--rate-limits", "off"])
            .envs(environment(args, &folder))
            .env("SC_AUTH_ISSUER", format!("http://{api}"))
            .env("SC_AUTH_DECLARED", declared)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::null())
            .spawn()?;
        let client = Client { server: format!("http://{api}"), http: reqwest::Client::new() };
        while client.http.get(format!("http://{ops}/readyz")).send().await.is_err() {
            anyhow::ensure!(began.elapsed() < Duration::from_secs(20), "the server did not start");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(Self { started_in: began.elapsed(), child, folder, client })
    }

    pub fn client(&self) -> Client {
        self.client.clone()
    }

    pub fn is_alive(&self) -> bool {
        PathBuf::from(format!("/proc/{}/status", self.child.id())).exists() && self.status("VmRSS").is_ok()
    }

    /// The resident memory, in bytes.
    pub fn memory(&self) -> anyhow::Result<u64> {
        self.status("VmRSS")
    }

    pub fn peak_memory(&self) -> anyhow::Result<u64> {
        self.status("VmHWM")
    }

    fn status(&self, name: &str) -> anyhow::Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find(|line| line.starts_with(name)).context("no such line")?;
        let kib: u64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
        Ok(kib << 10)
    }

    pub async fn login(&self) -> anyhow::Result<String> {
        let tokens = self.client.login().await?.context("the login was refused")?;
        Ok(tokens["access_token"].as_str().unwrap_or_default().to_owned())
    }

    pub async fn try_login(&self) -> anyhow::Result<Answer> {
        Ok(if self.client.login().await?.is_some() { Answer::Accepted } else { Answer::Later })
    }

    pub async fn me(&self, token: &str) -> anyhow::Result<Answer> {
        self.client.ask(self.client.http.get(self.client.url("accounts/me")).bearer_auth(token)).await
    }

    pub async fn verify(&self, token: &str) -> anyhow::Result<Answer> {
        self.client.ask(self.client.http.get(self.client.url("verify")).bearer_auth(token)).await
    }

    /// The application with that ID token algorithm, which asks for a scope.
    pub fn application(&self, algorithm: &'static str, scope: &'static str) -> anyhow::Result<Application> {
        Application::new(&self.client.server, algorithm, scope)
    }

    /// A new session's refresh token.
    pub async fn refresh_token(&self) -> anyhow::Result<String> {
        let tokens = self.client.login().await?.context("the login was refused")?;
        Ok(tokens["refresh_token"].as_str().unwrap_or_default().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Client {
    fn url(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.server)
    }

    async fn ask(&self, request: RequestBuilder) -> anyhow::Result<Answer> {
        let response = request.send().await?;
        anyhow::ensure!(response.status() == StatusCode::OK, "answered {}", response.status());
        response.bytes().await?;
        Ok(Answer::Accepted)
    }

    /// `None` if the server is too busy.
    async fn login(&self) -> anyhow::Result<Option<Value>> {
        let body = json!({"username": "root", "password": PASSWORD});
        let response = self.http.post(self.url("accounts/login")).json(&body).send().await?;
        if retry_after(response.status(), response.headers())?.is_some() {
            return Ok(None);
        }
        anyhow::ensure!(response.status() == StatusCode::OK, "a login was answered {}", response.status());
        Ok(Some(response.json::<Value>().await?["data"].clone()))
    }

    /// Refreshes for the whole time, each time with the token from the previous answer.
    pub async fn refresh_all(&self, mut token: String, until: Instant) -> anyhow::Result<Vec<Duration>> {
        let mut latencies = Vec::new();
        while Instant::now() < until {
            let began = Instant::now();
            let response = self.http.post(self.url("accounts/refresh")).bearer_auth(&token).send().await?;
            anyhow::ensure!(response.status() == StatusCode::OK, "a refresh was answered {}", response.status());
            let body: Value = response.json().await?;
            body["data"]["refresh_token"].as_str().context("no refresh token")?.clone_into(&mut token);
            latencies.push(began.elapsed());
        }
        Ok(latencies)
    }
}

fn environment(args: &Args, folder: &TempDir) -> Vec<(&'static str, String)> {
    let path = |name: &str| folder.path().join(name).display().to_string();
    let database = args.database_url.clone().unwrap_or_else(|| format!("sqlite:{}", path("sc-auth.db")));
    vec![("DATABASE_URL", database), ("SC_AUTH_KEYS_FILE", path("keys.json"))]
}

fn free_address() -> anyhow::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
