//! A web app behind a proxy that logs users in: it says who the proxy says they are.

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Returns its address.
pub async fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(greet(BufReader::new(stream)));
        }
    });
    address
}

async fn greet(mut stream: BufReader<TcpStream>) {
    let (mut user, mut line) = (String::new(), String::new());
    while stream.read_line(&mut line).await.is_ok_and(|count| count > 2) {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("x-forwarded-preferred-username: ") {
            value.trim().clone_into(&mut user);
        }
        line.clear();
    }
    let answer = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{user}", user.len());
    let _ = stream.write_all(answer.as_bytes()).await;
}
