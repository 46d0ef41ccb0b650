//! Clients that take places and memory, against a server with the limits of a pod.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::cgroup::Cgroup;
use crate::database::Engine;
use crate::harness::{PASSWORD, Server, until};

/// How long a login may take on a slow machine. It must not wait until the other connections time out.
const SOON: Duration = Duration::from_secs(9);
/// The limit of open files that leaves places for 128 connections.
const FEW_FILES: &str = "ulimit -n 256 && exec \"$@\"";

/// The connections of a test's clients are open files of its process.
pub fn allow_many_files() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

/// The beginning of a login by a client that wants to take memory.
pub fn large_login(headers: usize, body: usize, sent: usize) -> Vec<u8> {
    let padding = format!("X-Padding: {}\r\n", "a".repeat(4_000)).repeat(headers);
    let head = format!(
        "POST /api/v1/accounts/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {body}\r\n{padding}\r\n{{\"username\":\""
    );
    let mut request = head.into_bytes();
    request.resize(request.len() + sent, b'a');
    request
}

/// Opens connections, and sends on each as much of the request as can be sent at once.
pub async fn wave(address: &str, count: usize, request: &[u8]) -> Vec<TcpStream> {
    let address = address.trim_start_matches("http://");
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // A client that is cut or answered while it sends has already lost.
        drop(tokio::time::timeout(Duration::from_millis(200), stream.write_all(request)).await);
        streams.push(stream);
    }
    streams
}

/// Uses a new connection: an idle one may be cut at any moment, because all clients here have one address.
async fn logs_in_soon(server: &Server, what: &str) {
    let login = server.request("POST", "/api/v1/accounts/login").build().unwrap().url().clone();
    let request = reqwest::Client::new().post(login).json(&json!({"username": "root", "password": PASSWORD}));
    let answer = tokio::time::timeout(SOON, request.send()).await;
    let answer = answer.unwrap_or_else(|_| panic!("a login waits while there are {what}: {}", server.log.text()));
    assert_eq!(answer.unwrap().status(), 200, "{what}");
}

async fn survives_waves(request: &[u8], what: &str) {
    allow_many_files();
    let (_, database) = Server::with_admin(Engine::Sqlite).await;
    let cgroup = Cgroup::with_memory(128);
    // A pod with the default limit of half a core hashes one password at a time.
    let mut server = Server::start_under(&cgroup.script(), &database, &[("SC_AUTH_HASH_THREADS", "1")]).await;
    server.login("root").await;
    for _ in 0..3 {
        let streams = wave(&server.api, 1_000, request).await;
        logs_in_soon(&server, what).await;
        let used = cgroup.used();
        assert!(used < 100, "{what}: {used} MiB");
        drop(streams);
        logs_in_soon(&server, "no others").await;
    }
    until("memory comes back", async || cgroup.used() < 75).await;
    server.signal("INT");
    assert!(server.ended_well().await, "it ran until then");
}

#[tokio::test]
async fn large_heads_and_bodies_do_not_kill() {
    survives_waves(&large_login(7, 65_000, 60_000), "large requests").await;
}

#[tokio::test]
async fn the_largest_heads_and_bodies_do_not_kill() {
    survives_waves(&large_login(3, 25_600, 25_500), "requests of the largest size").await;
}

#[tokio::test]
async fn bodies_in_pieces_do_not_kill() {
    let head = "POST /api/v1/accounts/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    survives_waves(format!("{head}{}", "1\r\na\r\n".repeat(50)).as_bytes(), "bodies in pieces").await;
}

#[tokio::test]
async fn a_client_that_takes_all_places_does_not_lock_others_out() {
    allow_many_files();
    let (_, database) = Server::with_admin(Engine::Sqlite).await;
    let server = Server::start_under(FEW_FILES, &database, &[]).await;
    let used = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let slow_body = large_login(0, 25_000, 10);
    let late_body = [used.as_bytes(), &slow_body].concat();
    let never_reading = used.replace("/ ", "/openapi.json ").repeat(50);
    for (what, request) in [
        ("silent clients", "".as_bytes()),
        ("half heads", b"GET / HTTP/1.1\r\nHost: "),
        ("idle clients", used.as_bytes()),
        ("slow bodies", &slow_body),
        ("slow bodies of second requests", &late_body),
        ("clients that never read", never_reading.as_bytes()),
    ] {
        let streams = wave(&server.api, 300, request).await;
        for _ in 0..3 {
            logs_in_soon(&server, what).await;
        }
        drop(streams);
    }
}

#[tokio::test]
async fn a_used_connection_of_another_client_stays_while_one_takes_all_places() {
    allow_many_files();
    let (_, database) = Server::with_admin(Engine::Sqlite).await;
    let server = Server::start_under(FEW_FILES, &database, &[]).await;
    let other = reqwest::Client::builder().local_address("127.0.0.2".parse::<std::net::IpAddr>().unwrap());
    let other = other.pool_max_idle_per_host(1).build().unwrap();
    let ask = async || other.get(&server.api).send().await.unwrap().text().await.unwrap();
    ask().await;
    for request in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let _streams = wave(&server.api, 300, request.as_bytes()).await;
        ask().await;
    }
}

#[tokio::test]
async fn the_server_stops_while_all_places_are_taken() {
    allow_many_files();
    let (_, database) = Server::with_admin(Engine::Sqlite).await;
    for request in [b"".to_vec(), b"GET / HTTP/1.1\r\n".to_vec(), large_login(0, 25_000, 10)] {
        let mut server = Server::start_under(FEW_FILES, &database, &[("SC_AUTH_DRAIN", "1s")]).await;
        let _streams = wave(&server.api, 300, &request).await;
        server.signal("TERM");
        assert!(server.ended_well().await);
    }
}

#[tokio::test]
async fn port_8001_has_its_own_places() {
    allow_many_files();
    let (_, database) = Server::with_admin(Engine::Sqlite).await;
    let server = Server::start_under(FEW_FILES, &database, &[]).await;
    let _api = wave(&server.api, 300, b"GET / HT").await;
    let _ops = wave(&server.ops, 200, b"").await;
    let ready = tokio::time::timeout(SOON, server.ops("/readyz")).await.expect("it answers soon").unwrap();
    assert_eq!(ready.status(), 200);
    logs_in_soon(&server, "connections to the other port").await;
}
