//! Only one server at a time uses an embedded database.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr};

use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server, account, command, run, run_with_input};

const WAITING: &str = "another server uses this database; waiting until it stops";

/// A server that may have to wait.
struct Next {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    log: String,
    ops: String,
}

impl Next {
    fn start(database: &Database) -> Self {
        // Choose a free port: the port of a waiting server is not logged.
        let ops = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let arguments = ["serve", "--listen=127.0.0.1:0", "--ops-listen", &ops];
        let mut child = command(database, &arguments, &[]).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, lines, log: String::new(), ops }
    }

    /// Reads the log until a message appears.
    async fn logs(&mut self, message: &str) -> Value {
        loop {
            let line = tokio::time::timeout(Duration::from_mins(1), self.lines.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("no {message:?} in {}", self.log)).unwrap();
            let line = line.unwrap_or_else(|| panic!("it ended: {}", self.log));
            self.log.push_str(&line);
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["message"] == message {
                return event;
            }
        }
    }

    async fn status_of(&self, path: &str) -> u16 {
        reqwest::get(format!("http://{}{path}", self.ops)).await.unwrap().status().as_u16()
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }
}

#[tokio::test]
async fn the_next_server_waits_while_alive_but_not_ready_and_commands_run() {
    let (mut first, database) = Server::with_admin(Engine::Sqlite).await;
    let mut next = Next::start(&database);
    next.logs(WAITING).await;
    crate::harness::until("it answers", async || {
        reqwest::get(format!("http://{}/healthz", next.ops)).await.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
    assert_eq!(next.status_of("/readyz").await, 503);

    let output = run_with_input(&database, &["admin", "create", "second", "--password-stdin"], PASSWORD).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for arguments in [&["migrate"][..], &["migrate", "--plan"], &["users", "export", "users.jsonl"]] {
        let output = run(&database, arguments, &[]).await;
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    first.register("alice").await;
    assert_eq!(next.status_of("/readyz").await, 503, "it is still waiting");

    first.signal("TERM");
    let ready = next.logs("ready").await;
    assert!(first.ended_well().await);
    assert_eq!(next.log.matches(WAITING).count(), 1, "{}", next.log);
    assert_eq!(next.status_of("/readyz").await, 200);
    let login = json!({"username": "alice", "password": PASSWORD});
    let url = format!("http://{}/api/v1/accounts/login", ready["listen"].as_str().unwrap());
    let answer = reqwest::Client::new().post(url).json(&login).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_killed_server_does_not_block_the_next() {
    let (mut first, database) = Server::with_admin(Engine::Sqlite).await;
    let mut next = Next::start(&database);
    next.logs(WAITING).await;
    first.signal("KILL");
    next.logs("ready").await;
    assert!(!first.ended_well().await);
}

#[tokio::test]
async fn a_server_that_waits_for_its_turn_stops() {
    let (first, database) = Server::with_admin(Engine::Sqlite).await;
    let mut next = Next::start(&database);
    next.logs(WAITING).await;
    next.signal("TERM");
    let ended = tokio::time::timeout(Duration::from_mins(1), next.child.wait()).await;
    assert!(ended.expect("it goes on waiting").unwrap().success());
    first.login("root").await;
}

#[tokio::test]
async fn by_default_it_stops_at_once_and_finishes_requests_in_flight() {
    let (mut first, _database) = Server::with_admin(Engine::Sqlite).await;
    let body = account("alice").to_string();
    let (begin, end) = body.split_at(10);
    let mut connection = TcpStream::connect(first.api.trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "POST /api/v1/accounts/register HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{begin}",
        body.len()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    first.login("root").await;
    first.signal("TERM");
    crate::harness::until("it stops", async || first.log.text().contains(r#""message":"stopping","drain":"0s""#)).await;
    connection.write_all(end.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(first.ended_well().await);
}

#[tokio::test]
async fn a_configured_drain_is_used() {
    let (_, database) = Server::with_admin(Engine::Sqlite).await;
    let mut server = Server::start(&database, &[("SC_AUTH_DRAIN", "1s")]).await;
    server.signal("TERM");
    assert!(server.ended_well().await);
    crate::harness::until("it says so", async || server.log.text().contains(r#""message":"stopping","drain":"1s""#))
        .await;
}

#[tokio::test]
async fn in_memory_databases_are_not_shared() {
    for url in ["sqlite::memory:", "sqlite:data.db?mode=memory"] {
        let mut database = Database::create(Engine::Sqlite).await;
        database.url = url.into();
        let servers = [Server::start(&database, &[]).await, Server::start(&database, &[]).await];
        for server in &servers {
            server.register("alice").await;
        }
        let files = std::fs::read_dir(database.folder.path()).unwrap();
        let files: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        assert!(!files.iter().any(|file| file.contains("lock") || file.contains("data.db")), "{files:?}");
    }
}

#[tokio::test]
async fn a_link_to_a_file_that_does_not_exist_yet_is_followed() {
    let mut database = Database::create(Engine::Sqlite).await;
    let (folder, file) = (database.folder.path().to_owned(), database.url.strip_prefix("sqlite:").unwrap().to_owned());
    let link = folder.join("link.db");
    std::os::unix::fs::symlink("sc-auth.db", &link).unwrap();
    let other = format!("sqlite:{}", link.display());
    let own = std::mem::replace(&mut database.url, other);
    let first = Server::start(&database, &[]).await;
    assert!(std::path::Path::new(&format!("{file}.lock")).exists() && !folder.join("link.db.lock").exists());
    let mode = std::fs::metadata(&file).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    // Under its own name, it is the same database.
    database.url = own;
    let mut next = Next::start(&database);
    next.logs(WAITING).await;
    drop(first);
    next.logs("ready").await;
    next.signal("INT");
}
