//! Many clients, including hostile ones, behind one proxy, which is the server's only peer. Default settings.

use std::time::Duration;

use futures::future::join_all;
use reqwest::Client;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::cgroup::Cgroup;
use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server};
use crate::proxy::{Kind, Proxy};

const CLIENTS: usize = 900;

struct Setup {
    proxy: Proxy,
    server: Server,
    cgroup: Cgroup,
    _database: Database,
}

impl Setup {
    /// A server with as much memory as a pod.
    async fn new(kind: Kind) -> Self {
        let maximum = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
        let raised = rustix::process::Rlimit { current: maximum, maximum };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
        let (_, database) = Server::with_admin(Engine::Sqlite).await;
        let cgroup = Cgroup::with_memory(128);
        let server = Server::start_under(&cgroup.script(), &database, &[]).await;
        let proxy = Proxy::start(kind, &server.api).await;
        Self { proxy, server, cgroup, _database: database }
    }

    async fn login(&self) -> u16 {
        let request = Client::new().post(format!("{}/api/v1/accounts/login", self.proxy.address));
        request.json(&json!({"username": "root", "password": PASSWORD})).send().await.unwrap().status().as_u16()
    }
}

async fn many_clients_are_all_served(kind: Kind) {
    let setup = Setup::new(kind).await;
    // Each client has its own connection to the proxy.
    let clients: Vec<_> = (0..CLIENTS).map(|_| Client::builder().no_proxy().build().unwrap()).collect();
    for _ in 0..3 {
        let all = clients.iter().map(async |client| client.get(&setup.proxy.address).send().await.unwrap().status());
        for status in join_all(all).await {
            assert_eq!(status, 200);
        }
        assert_eq!(setup.login().await, 200);
    }
}

async fn waves_through_a_proxy_do_not_kill(kind: Kind) {
    let mut setup = Setup::new(kind).await;
    assert_eq!(setup.login().await, 200);
    let padding = format!("X-Padding: {}\r\n", "a".repeat(4_000)).repeat(7);
    for padding in [padding.as_str(), ""] {
        let head = format!(
            "POST /api/v1/accounts/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: 25600\r\n{padding}\r\n"
        );
        let request = head + &"a".repeat(25_000);
        for _ in 0..3 {
            let mut streams = Vec::new();
            for _ in 0..1_000 {
                let address = setup.proxy.address.trim_start_matches("http://");
                let mut stream = TcpStream::connect(address).await.unwrap();
                drop(tokio::time::timeout(Duration::from_millis(200), stream.write_all(request.as_bytes())).await);
                streams.push(stream);
            }
            let login = tokio::time::timeout(Duration::from_secs(9), setup.login()).await;
            assert_eq!(login.expect("a login does not wait"), 200);
            let used = setup.cgroup.used();
            assert!(used < 100, "{used} MiB");
        }
    }
    setup.server.signal("INT");
    assert!(setup.server.ended_well().await, "it ran until then");
}

#[tokio::test]
async fn traefik_with_900_clients_answers_no_502() {
    many_clients_are_all_served(Kind::Traefik).await;
}

#[tokio::test]
async fn nginx_with_900_clients_answers_no_502() {
    many_clients_are_all_served(Kind::Nginx).await;
}

#[tokio::test]
async fn caddy_with_900_clients_answers_no_502() {
    many_clients_are_all_served(Kind::Caddy).await;
}

#[tokio::test]
async fn envoy_with_900_clients_answers_no_502() {
    many_clients_are_all_served(Kind::Envoy).await;
}

#[tokio::test]
async fn waves_through_traefik_do_not_kill() {
    waves_through_a_proxy_do_not_kill(Kind::Traefik).await;
}

#[tokio::test]
async fn waves_through_nginx_do_not_kill() {
    waves_through_a_proxy_do_not_kill(Kind::Nginx).await;
}

#[tokio::test]
async fn waves_through_caddy_do_not_kill() {
    waves_through_a_proxy_do_not_kill(Kind::Caddy).await;
}

#[tokio::test]
async fn waves_through_envoy_do_not_kill() {
    waves_through_a_proxy_do_not_kill(Kind::Envoy).await;
}
