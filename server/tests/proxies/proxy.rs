//! Traefik and nginx as processes, and an app behind them that returns the headers it received.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::Child;

use crate::harness::until;
use crate::{caddy, envoy, nginx, traefik};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Traefik,
    Nginx,
    Caddy,
    Envoy,
}

/// A running proxy; it is killed when the value is dropped.
pub struct Proxy {
    pub address: String,
    kind: Kind,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Proxy {
    /// `/app` leads logged-in users to the app, `/admin` leads Admins there, and `/cors` also browsers of another
    /// origin. For `/mistyped`, the proxy sends an unknown parameter. Everything else leads to the server.
    pub async fn start(kind: Kind, server: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let app = app().await;
        let mut command = match kind {
            Kind::Traefik => traefik::command(folder.path(), port, server, &app),
            Kind::Nginx => nginx::command(folder.path(), port, server, &app),
            Kind::Caddy => caddy::command(folder.path(), port, server, &app),
            Kind::Envoy => envoy::command(folder.path(), port, server, &app),
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        let address = format!("http://127.0.0.1:{port}");
        until(&format!("{kind:?} answers"), async || {
            reqwest::get(&address).await.is_ok_and(|response| response.status() == 200)
        })
        .await;
        Self { address, kind, child, _folder: folder }
    }
}

impl Drop for Proxy {
    /// Lets nginx end its own processes: its workers would go on without it.
    fn drop(&mut self) {
        let Some(id) = self.child.id().filter(|_| self.kind == Kind::Nginx) else { return };
        let _ = std::process::Command::new("kill").arg(id.to_string()).status();
        while matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// An app that answers with the headers that it received, as JSON. A repeated header has all its values.
async fn app() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(BufReader::new(stream)));
        }
    });
    address
}

async fn answer(mut stream: BufReader<TcpStream>) {
    let mut headers = BTreeMap::<String, String>::new();
    let mut line = String::new();
    let mut is_head = false;
    while stream.read_line(&mut line).await.is_ok_and(|count| count > 2) {
        is_head |= line.starts_with("HEAD ");
        if let Some((name, value)) = line.trim().split_once(": ") {
            let values = headers.entry(name.to_ascii_lowercase()).or_default();
            *values = if values.is_empty() { value.to_owned() } else { format!("{values}, {value}") };
        }
        line.clear();
    }
    let body = serde_json::to_string(&headers).unwrap();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let body = if is_head { "" } else { &body };
    drop(stream.write_all(format!("{head}{body}").as_bytes()).await);
}
