//! Database servers that speak as much of their protocol as a test needs, and that fail on request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

const SSL_REQUEST: u32 = 80_877_103;

/// A PostgreSQL server that refuses to write.
#[derive(Clone)]
pub struct Fake {
    pub port: u16,
    state: Arc<State>,
}

struct State {
    /// The most connections at a time.
    granted: AtomicUsize,
    open: AtomicUsize,
    connects: AtomicUsize,
    /// Connections up to this number are no longer answered.
    silenced: AtomicUsize,
    is_standby: AtomicBool,
    /// A new connection passes with one of its permits.
    door: Semaphore,
}

impl Fake {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = Arc::new(State {
            granted: AtomicUsize::new(100),
            open: AtomicUsize::default(),
            connects: AtomicUsize::default(),
            silenced: AtomicUsize::default(),
            is_standby: AtomicBool::default(),
            door: Semaphore::new(1_000),
        });
        let fake = Self { port: listener.local_addr().unwrap().port(), state: Arc::clone(&state) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = state.connects.fetch_add(1, SeqCst) + 1;
                let state = Arc::clone(&state);
                tokio::spawn(async move { serve(stream, &state, number).await.ok() });
            }
        });
        fake
    }

    pub fn grant(&self, count: usize) {
        self.state.granted.store(count, SeqCst);
    }

    pub fn demote(&self) {
        self.state.is_standby.store(true, SeqCst);
    }

    /// Answers no more on the connections that there are, as a machine without power.
    pub fn silence(&self) {
        self.state.silenced.store(self.connects(), SeqCst);
    }

    /// Lets nobody in until `open_door`.
    pub async fn close_door(&self) {
        self.state.door.acquire_many(1_000).await.unwrap().forget();
    }

    pub fn open_door(&self) {
        self.state.door.add_permits(1_000);
    }

    /// The number of connections that it has accepted so far.
    pub fn connects(&self) -> usize {
        self.state.connects.load(SeqCst)
    }
}

async fn serve(mut stream: TcpStream, state: &State, number: usize) -> std::io::Result<()> {
    while start_of(&mut stream).await? == SSL_REQUEST {
        stream.write_all(b"N").await?;
    }
    drop(state.door.acquire().await.unwrap());
    if state.open.load(SeqCst) >= state.granted.load(SeqCst) {
        return stream.write_all(&error("53300")).await;
    }
    state.open.fetch_add(1, SeqCst);
    let result = answer(&mut stream, state, number).await;
    state.open.fetch_sub(1, SeqCst);
    result
}

/// The code at the start of a connection: a version, or a request for TLS.
async fn start_of(stream: &mut TcpStream) -> std::io::Result<u32> {
    let length = stream.read_u32().await?;
    let code = stream.read_u32().await?;
    let mut rest = vec![0; length as usize - 8];
    stream.read_exact(&mut rest).await?;
    Ok(code)
}

async fn answer(stream: &mut TcpStream, state: &State, number: usize) -> std::io::Result<()> {
    stream.write_all(&[message(b'R', &[0; 4]), ready()].concat()).await?;
    loop {
        let kind = stream.read_u8().await?;
        let mut body = vec![0; stream.read_u32().await? as usize - 4];
        stream.read_exact(&mut body).await?;
        if state.silenced.load(SeqCst) >= number {
            std::future::pending::<()>().await;
        }
        let text = String::from_utf8_lossy(&body);
        let answer = match kind {
            b'Q' if text.contains("current_setting") => {
                let read_only = if state.is_standby.load(SeqCst) { "on" } else { "off" };
                [settings(&["on", read_only]), ready()].concat()
            }
            b'Q' if text.starts_with("BEGIN") => [message(b'C', b"BEGIN\0"), message(b'Z', b"T")].concat(),
            b'Q' => [message(b'C', b"ROLLBACK\0"), ready()].concat(),
            b'P' => error("25006"),
            b'S' => ready(),
            b'X' => return Ok(()),
            _ => Vec::new(),
        };
        stream.write_all(&answer).await?;
    }
}

fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

fn error(code: &str) -> Vec<u8> {
    message(b'E', format!("SERROR\0VERROR\0C{code}\0Mthe fake refuses\0\0").as_bytes())
}

/// One row of texts.
fn settings(values: &[&str; 2]) -> Vec<u8> {
    let (mut head, mut row) = (vec![0, 2], vec![0, 2]);
    for value in values {
        // The name, then table, column, type (text), its size, its modifier and its format (text).
        head.extend([b"x\0\0\0\0\0\0\0\0\0\0\x19".as_slice(), &[0xff; 6], &[0; 2]].concat());
        row.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
        row.extend(value.as_bytes());
    }
    [message(b'T', &head), message(b'D', &row), message(b'C', b"SELECT 1\0")].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind], length.as_slice(), body].concat()
}

/// The port of a MySQL server without TLS, whose user has a password that it has not cached.
pub async fn mysql() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move { ask_for_a_password(stream).await.ok() });
        }
    });
    port
}

async fn ask_for_a_password(mut stream: TcpStream) -> std::io::Result<()> {
    // Version, connection, nonce, flags (protocol 4.1, secure, plugins), character set, status, flags, size of the nonce.
    let mut hello = b"\x0a8.0.0\0\x01\0\0\0aaaaaaaa\0\x01\x82\x2d\x02\0\x08\0\x15".to_vec();
    hello.extend([0; 10]);
    hello.extend(b"aaaaaaaaaaaa\0caching_sha2_password\0");
    stream.write_all(&packet(0, &hello)).await?;
    let number = next(&mut stream).await?;
    // The whole password is needed.
    stream.write_all(&packet(number + 1, &[1, 4])).await?;
    let number = next(&mut stream).await?;
    stream.write_all(&packet(number + 1, b"\x01a key")).await?;
    next(&mut stream).await.map(|_| ())
}

fn packet(number: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&length[..3], &[number], body].concat()
}

/// Reads a packet, and returns its number.
async fn next(stream: &mut TcpStream) -> std::io::Result<u8> {
    let header = stream.read_u32_le().await?;
    let mut body = vec![0; (header & 0x00ff_ffff) as usize];
    stream.read_exact(&mut body).await?;
    Ok((header >> 24) as u8)
}
