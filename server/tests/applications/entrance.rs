//! The address of the issuer, in front of one or more servers, as an ingress is.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Forwards each request to the next server in turn.
pub struct Entrance {
    pub address: String,
    listener: Option<TcpListener>,
    tls: Option<TlsAcceptor>,
    ways: Arc<Mutex<Ways>>,
}

#[derive(Default)]
struct Ways {
    servers: Vec<String>,
    passed: Vec<Passed>,
}

/// A request, and the server that it was forwarded to.
#[derive(Debug, Clone)]
pub struct Passed {
    pub server: String,
    /// Method and path, such as `GET /login`.
    pub what: String,
}

impl Passed {
    /// Browsers and libraries read these when they like, so they are no turn of a server: a code is exchanged in the turn after
    /// that in which it was issued.
    fn is_file(&self) -> bool {
        ["GET /.well-known/", "GET /oauth2/jwks", "GET /assets/", "GET /favicon.ico"]
            .iter()
            .any(|file| self.what.starts_with(file))
    }

    /// Whether its answer may have been a code.
    pub fn may_issue_a_code(&self) -> bool {
        ["POST /login", "POST /consent", "GET /oauth2/authorize"].contains(&self.what.as_str())
    }
}

impl Entrance {
    pub async fn open() -> Self {
        Self::at("http://127.0.0.1", None).await
    }

    /// With https, at `localhost`.
    pub async fn with_tls(tls: TlsAcceptor) -> Self {
        Self::at("https://localhost", Some(tls)).await
    }

    async fn at(origin: &str, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("{origin}:{}", listener.local_addr().unwrap().port());
        Self { address, listener: Some(listener), tls, ways: Arc::default() }
    }

    /// From now on, requests go to these servers only; each is an address such as `http://127.0.0.1:8000`.
    pub fn lead_to(&mut self, servers: &[&str]) {
        let servers = servers.iter().map(|server| server.trim_start_matches("http://").to_owned());
        self.ways.lock().unwrap().servers = servers.collect();
        if let Some(listener) = self.listener.take() {
            tokio::spawn(accept(listener, self.tls.take(), self.ways.clone()));
        }
    }

    /// All requests so far but those for files.
    pub fn passed(&self) -> Vec<Passed> {
        self.ways.lock().unwrap().passed.clone()
    }

    /// How many requests of this kind there were.
    pub fn count(&self, what: &str) -> usize {
        self.passed().iter().filter(|passed| passed.what == what).count()
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, ways: Arc<Mutex<Ways>>) {
    while let Ok((client, _)) = listener.accept().await {
        let (tls, ways) = (tls.clone(), ways.clone());
        tokio::spawn(async move {
            // A side that goes away ends the connection, as everywhere.
            let _ = match tls {
                Some(tls) => match tls.accept(client).await {
                    Ok(client) => forward(BufReader::new(client), &ways).await,
                    Err(error) => Err(error),
                },
                None => forward(BufReader::new(client), &ways).await,
            };
        });
    }
}

/// Forwards one request; the server closes the connection after its answer, so that the next request comes on another one.
async fn forward(
    mut client: BufReader<impl AsyncRead + AsyncWrite + Unpin>,
    ways: &Mutex<Ways>,
) -> std::io::Result<()> {
    let mut head = String::new();
    while client.read_line(&mut head).await? > 2 {}
    // Browsers open connections that they may never use.
    let Some((first, headers)) = head.split_once("\r\n") else { return Ok(()) };
    let what = first.split(['?', ' ']).take(2).collect::<Vec<_>>().join(" ");
    let server = ways.lock().unwrap().next(what);
    let mut server = TcpStream::connect(server).await?;
    let kept = headers.lines().filter(|line| !line.is_empty() && !line.to_ascii_lowercase().starts_with("connection:"));
    let lines: Vec<_> = [first].into_iter().chain(kept).chain(["Connection: close", "", ""]).collect();
    server.write_all(lines.join("\r\n").as_bytes()).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

impl Ways {
    fn next(&mut self, what: String) -> String {
        let passed = Passed { server: self.servers[0].clone(), what };
        if passed.is_file() {
            return passed.server;
        }
        self.servers.rotate_left(1);
        let server = passed.server.clone();
        self.passed.push(passed);
        server
    }
}
