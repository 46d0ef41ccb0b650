//! The traffic of one connection, byte by byte.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::database::Engine;
use crate::harness::{PASSWORD, Server, account, fail, until};

/// Longer than anything in these tests takes.
const LONG: Duration = Duration::from_mins(1);

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.api.trim_start_matches("http://")).await.unwrap()
}

/// Reads until the server closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset at the end does not discard what came before it.
    drop(tokio::time::timeout(LONG, stream.read_to_end(&mut bytes)).await.expect("the server closes"));
    String::from_utf8(bytes).unwrap()
}

/// Reads until a text has arrived.
async fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut bytes = Vec::new();
    while !String::from_utf8_lossy(&bytes).contains(wanted) {
        let mut buffer = [0; 4_096];
        let count = tokio::time::timeout(LONG, stream.read(&mut buffer)).await.expect("an answer").unwrap();
        assert!(count > 0, "no {wanted:?} in {:?}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8(bytes).unwrap()
}

pub async fn exchange(server: &Server, request: impl AsRef<[u8]>) -> String {
    let mut stream = connect(server).await;
    // If the server has already closed the connection, the answer can still be read.
    drop(stream.write_all(request.as_ref()).await);
    rest(&mut stream).await
}

fn login(extra: &str) -> String {
    let body = json!({"username": "root", "password": PASSWORD}).to_string();
    format!(
        "POST /api/v1/accounts/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n{extra}\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn bodies_can_be_sent_in_every_form() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let closing = login("Connection: close\r\n");
    assert!(exchange(&server, &closing).await.starts_with("HTTP/1.1 200 OK\r\n"));
    let pipelined = exchange(&server, login("") + &closing).await;
    assert_eq!(pipelined.matches("HTTP/1.1 200 OK\r\n").count(), 2, "{pipelined}");

    let (head, body) = closing.split_once("\r\n\r\n").unwrap();
    let head = head.lines().filter(|line| !line.starts_with("Content-Length")).collect::<Vec<_>>().join("\r\n");
    let chunks: String = body.chars().flat_map(|c| ["1\r\n".to_owned(), c.into(), "\r\n".to_owned()]).collect();
    let chunked = format!("{head}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
    assert!(exchange(&server, chunked).await.starts_with("HTTP/1.1 200 OK\r\n"));
    let old = closing.replace("HTTP/1.1", "HTTP/1.0");
    assert!(exchange(&server, old).await.starts_with("HTTP/1.0 200 OK\r\n"));
    assert!(exchange(&server, "GET / HTTP/1.0\r\n\r\n").await.starts_with("HTTP/1.0 200 OK\r\n"));

    let mut stream = connect(&server).await;
    let asking = login("Expect: 100-continue\r\nConnection: close\r\n");
    let (head, body) = asking.split_once("\r\n\r\n").unwrap();
    stream.write_all(format!("{head}\r\n\r\n").as_bytes()).await.unwrap();
    read_until(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n").await;
    stream.write_all(body.as_bytes()).await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn the_server_does_not_wait_for_an_unwanted_body() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let large = |line: &str, count: usize, sent: usize| {
        let head = format!("{line} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {count}");
        format!("{head}\r\n\r\n{}", "a".repeat(sent))
    };
    for (line, status) in [
        ("POST /api/v1/users", 401),
        ("PATCH /api/v1/accounts/me", 401),
        ("POST /nowhere", 404),
        ("GET /", 200),
        ("PUT /api/v1/accounts/login", 405),
        ("POST /api/v1/accounts/login", 413),
        ("POST /api/v1/accounts/register", 413),
    ] {
        for (count, sent) in [(60_000, 60_000), (60_000, 100), (1_000_000_000, 300_000)] {
            let answer = exchange(&server, large(line, count, sent)).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{line} {count} {sent}: {answer:?}");
        }
    }
    let expecting = "POST /api/v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\nExpect: 100-continue\r\n\r\n";
    assert!(exchange(&server, expecting).await.starts_with("HTTP/1.1 401 "), "no 100 before it");
}

#[tokio::test]
async fn the_largest_head_has_16_kib() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let get = |size: usize| {
        let cookies = format!("Cookie: c={}\r\n", "x".repeat(987)).repeat(size / 1_000);
        format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{cookies}\r\n")
    };
    assert!(exchange(&server, get(15_000)).await.starts_with("HTTP/1.1 200 OK\r\n"));
    for size in [18_000, 28_000, 500_000] {
        assert!(exchange(&server, get(size)).await.starts_with("HTTP/1.1 431 "), "{size}");
    }
}

/// Characters as two escapes each, as from a client that sends only ASCII.
fn escaped(characters: usize) -> String {
    "\\ud83d\\ude00".repeat(characters)
}

#[tokio::test]
async fn the_longest_valid_bodies_are_read() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let post = async |path: &str, body: String| {
        let request = server.request("POST", path).header("content-type", "application/json").body(body);
        crate::harness::answer(request).await
    };
    let refused = fail(422, json!("user not found or bad username/password"));
    let body = format!(r#"{{"username":"{0}","password":"{0}"}}"#, escaped(1_024));
    assert_eq!(post("/api/v1/accounts/login", body).await, refused);

    let body = format!(
        r#"{{"username":"{}","name":"{}","email":"alice@example.com","password":"{}"}}"#,
        escaped(64),
        escaped(125),
        escaped(256)
    );
    assert_eq!(post("/api/v1/accounts/register", body).await.status, 201);
    let body = format!(r#"{{"username":"{}","password":"{}"}}"#, escaped(64), escaped(256));
    assert_eq!(post("/api/v1/accounts/login", body).await.status, 200);

    let too_large = post("/api/v1/accounts/register", json!({"username": "x".repeat(65 * 1024)}).to_string()).await;
    assert_eq!(too_large, fail(413, json!("the body is larger than 17020 bytes")));
}

#[tokio::test]
async fn a_body_must_arrive_within_ten_seconds() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let mut stream = connect(&server).await;
    let request = login("");
    let (last, most) = (request.len() - 1, Instant::now());
    stream.write_all(&request.as_bytes()[..last]).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(most.elapsed() >= Duration::from_secs(9));
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{answer}");
    assert!(answer.contains("the body did not arrive within 10 s"), "{answer}");
}

#[tokio::test]
async fn used_connections_outlive_unused_ones() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut used = connect(&server).await;
    used.write_all(get.as_bytes()).await.unwrap();
    read_until(&mut used, "}").await;
    let (mut silent, mut half, mut next) = (connect(&server).await, connect(&server).await, connect(&server).await);
    half.write_all(b"GET / HTTP/1.1\r\nHost: ").await.unwrap();
    // The server does not wait for the head of a second request either.
    next.write_all(get.as_bytes()).await.unwrap();
    read_until(&mut next, "}").await;
    next.write_all(b"GET / HT").await.unwrap();
    for stream in [&mut silent, &mut half, &mut next] {
        assert_eq!(rest(stream).await, "");
    }
    used.write_all(get.as_bytes()).await.unwrap();
    assert!(read_until(&mut used, "}").await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn the_server_does_not_wait_for_a_client_that_does_not_read() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let mut stream = connect(&server).await;
    let get = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(get.repeat(200).as_bytes()).await.unwrap();
    until("the connection has gone", async || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        stream.write_all(b"\r\n").await.is_err()
    })
    .await;
}

#[tokio::test]
async fn a_slow_client_can_read_a_whole_list() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    for number in 0..5 {
        let mut body = account(&format!("user-{number}"));
        body["name"] = json!("n".repeat(125));
        assert_eq!(server.post("/api/v1/accounts/register", body).await.status, 201);
    }
    let admin = server.login("root").await.access;
    let mut stream = connect(&server).await;
    let get =
        format!("GET /api/v1/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {admin}\r\n\r\n");
    stream.write_all(get.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let answer = rest(&mut stream).await;
    let (start, end) = (answer.find('{').unwrap(), answer.rfind('}').unwrap());
    let list: Value = serde_json::from_str(&answer[start..=end]).unwrap();
    assert_eq!(list["data"].as_array().unwrap().len(), 6);
}
