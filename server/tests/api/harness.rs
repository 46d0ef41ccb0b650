//! A server process, and a client that uses it like clients of the legacy service.

use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::database::{Database, Engine};

pub const PASSWORD: &str = "correct horse battery";
/// How long a test waits for a condition on a slow machine.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// A running server. Dropping the value kills it and waits for its end.
pub struct Server {
    pub api: String,
    pub ops: String,
    pub log: Log,
    child: Child,
    client: reqwest::Client,
}

/// All lines that a server has logged so far.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

/// The answer to a request.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

/// The tokens of one login.
#[derive(Clone)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

/// The program, with only the database and the settings in its environment.
pub fn command(database: &Database, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    command_under("exec \"$@\"", database, arguments, settings)
}

/// The same, started by a shell script that ends with `exec "$@"`.
pub fn command_under(script: &str, database: &Database, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", script, "sh", env!("CARGO_BIN_EXE_sc-auth-server")])
        .args(arguments)
        .env_clear()
        .envs((!database.url.is_empty()).then_some(("DATABASE_URL", &database.url)))
        .envs(settings.iter().copied())
        .current_dir(database.folder.path())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Runs the program to its end.
pub async fn run(database: &Database, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let output = command(database, arguments, settings).output();
    tokio::time::timeout(PATIENCE, output).await.expect("ends by itself").unwrap()
}

/// Runs the program with input on its standard input.
pub async fn run_with_input(database: &Database, arguments: &[&str], input: &str) -> Output {
    let mut child = command(database, arguments, &[])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    child.wait_with_output().await.unwrap()
}

/// Another server on the same database. On an embedded one, which allows one server at a time, it is the same server.
pub enum Replica<'a> {
    Same(&'a Server),
    Another(Box<Server>),
}

impl Deref for Replica<'_> {
    type Target = Server;

    fn deref(&self) -> &Server {
        match self {
            Self::Same(server) => server,
            Self::Another(server) => server,
        }
    }
}

impl Server {
    pub async fn replica(&self, database: &Database) -> Replica<'_> {
        if database.url.starts_with("sqlite") {
            return Replica::Same(self);
        }
        Replica::Another(Box::new(Self::start(database, &[]).await))
    }

    /// A server with an Admin `root`, whose password is [`PASSWORD`].
    pub async fn with_admin(engine: Engine) -> (Self, Database) {
        let database = Database::create(engine).await;
        let output = run_with_input(&database, &["admin", "create", "root", "--password-stdin"], PASSWORD).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (Self::start(&database, &[]).await, database)
    }

    pub async fn start(database: &Database, settings: &[(&str, &str)]) -> Self {
        Self::start_under("exec \"$@\"", database, settings).await
    }

    /// Starts a server that finds another database than its own and waits.
    pub async fn start_held(database: &Database, settings: &[(&str, &str)]) -> Self {
        Self::start_until("waiting for the expected database", "exec \"$@\"", database, settings).await
    }

    /// Starts a server whose migration has begun and is blocked.
    pub async fn start_migrating(database: &Database, settings: &[(&str, &str)]) -> Self {
        Self::start_until("migrating", "exec \"$@\"", database, settings).await
    }

    /// Starts a server that waits until another process has migrated the database.
    pub async fn start_waiting(database: &Database) -> Self {
        let message = "waiting until another process has migrated the database";
        Self::start_until(message, "exec \"$@\"", database, &[]).await
    }

    /// See [`command_under`].
    pub async fn start_under(script: &str, database: &Database, settings: &[(&str, &str)]) -> Self {
        Self::start_until("ready", script, database, settings).await
    }

    async fn start_until(message: &str, script: &str, database: &Database, settings: &[(&str, &str)]) -> Self {
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"];
        let mut child = command_under(script, database, &arguments, settings)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Log::default();
        let ready = loop {
            let line = tokio::time::timeout(Duration::from_mins(1), lines.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("it is not ready after a minute: {}", log.text()));
            let line = line.unwrap().unwrap_or_else(|| panic!("it ended: {}", log.text()));
            log.0.lock().unwrap().push(line.clone());
            let event: Value = serde_json::from_str(&line).expect("each line is JSON");
            if event["message"] == message {
                break event;
            }
        };
        let rest = log.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                rest.0.lock().unwrap().push(line);
            }
        });
        // A server that is not ready yet has no address.
        let address = |name: &str| format!("http://{}", ready[name].as_str().unwrap_or_default());
        Self { api: address("listen"), ops: address("ops_listen"), log, child, client: reqwest::Client::new() }
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.client.request(Method::from_bytes(method.as_bytes()).unwrap(), format!("{}{path}", self.api))
    }

    /// Sends a request with an optional token and body.
    pub async fn call(&self, method: &str, path: &str, token: Option<&str>, body: Option<Value>) -> Answer {
        let mut request = self.request(method, path);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        answer(request).await
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.call("GET", path, Some(token), None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, None, Some(body)).await
    }

    pub async fn register(&self, username: &str) {
        let answer = self.post("/api/v1/accounts/register", account(username)).await;
        assert_eq!(answer, Answer { status: 201, body: json!({"status": "ok", "code": 201}) });
    }

    pub async fn login(&self, username: &str) -> Tokens {
        let answer = self.post("/api/v1/accounts/login", json!({"username": username, "password": PASSWORD})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let token = |name: &str| answer.body["data"][name].as_str().unwrap().to_owned();
        Tokens { access: token("access_token"), refresh: token("refresh_token") }
    }

    pub async fn refresh(&self, token: &str) -> Answer {
        self.call("POST", "/api/v1/accounts/refresh", Some(token), None).await
    }

    /// Logs in with another password than the default one.
    pub async fn login_with(&self, username: &str, password: &str) -> Answer {
        self.post("/api/v1/accounts/login", json!({"username": username, "password": password})).await
    }

    /// Finds the uuid of a user as an Admin.
    pub async fn uuid_of(&self, admin: &str, username: &str) -> String {
        let found = self.get(&format!("/api/v1/users?q={username}"), admin).await;
        let users = found.body["data"].as_array().unwrap();
        let user = users.iter().find(|user| user["username"] == username).unwrap();
        user["uuid"].as_str().unwrap().to_owned()
    }

    /// Whether an access token is accepted.
    pub async fn is_valid(&self, access: &str) -> bool {
        let answer = self.get("/api/v1/accounts/me", access).await;
        match answer.status {
            200 => true,
            401 => {
                assert_eq!(answer, fail(401, json!("The token has revoked")));
                false
            }
            _ => panic!("{answer:?}"),
        }
    }

    pub async fn ops(&self, path: &str) -> Result<Response, reqwest::Error> {
        self.client.get(format!("{}{path}", self.ops)).send().await
    }

    /// The peak memory of the process so far, in MiB.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }

    /// The root folder as the process sees it.
    pub fn root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.child.id().unwrap()))
    }

    pub async fn status(&self) -> Value {
        self.ops("/status").await.unwrap().json().await.unwrap()
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits for the process to end. Returns whether it succeeded.
    pub async fn ended_well(&mut self) -> bool {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap().success()
    }
}

impl Drop for Server {
    /// Waits for the process, which may still hold locks and files of the database.
    fn drop(&mut self) {
        let _ = self.child.start_kill();
        while matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Answer {
    /// A text in the answer's data.
    pub fn text(&self, name: &str) -> String {
        self.body["data"][name].as_str().unwrap_or_else(|| panic!("no {name} in {self:?}")).to_owned()
    }
}

/// The claims of a token, without verifying it.
pub fn claims(token: &str) -> Value {
    jsonwebtoken::dangerous::insecure_decode_claims(token).unwrap()
}

/// Waits for a condition.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}, no JSON: {text:?}"));
    Answer { status: status.as_u16(), body }
}

/// The body that registers a user.
pub fn account(username: &str) -> Value {
    json!({
        "username": username, "name": "Some Body", "email": format!("{username}@example.com"), "password": PASSWORD,
    })
}

pub fn ok(data: Value) -> Answer {
    Answer { status: 200, body: json!({"status": "ok", "code": 200, "data": data}) }
}

pub fn done() -> Answer {
    Answer { status: 200, body: json!({"status": "ok", "code": 200}) }
}

pub fn fail(status: u16, error: Value) -> Answer {
    Answer { status, body: json!({"status": "fail", "code": status, "data": {"error": error}}) }
}

/// An error of the token layer.
pub fn msg(status: StatusCode, text: &str) -> Answer {
    Answer { status: status.as_u16(), body: json!({"msg": text}) }
}
