//! The address of the issuer, in front of one or more servers, as an ingress is.

use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// Forwards each connection to the next server in turn.
pub struct Entrance {
    pub address: String,
    listener: Option<TcpListener>,
    servers: Arc<Mutex<Vec<String>>>,
}

impl Entrance {
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        Self { address, listener: Some(listener), servers: Arc::default() }
    }

    /// From now on, connections go to these servers only; each is an address such as `http://127.0.0.1:8000`.
    pub fn lead_to(&mut self, servers: &[&str]) {
        let servers = servers.iter().map(|server| server.trim_start_matches("http://").to_owned());
        *self.servers.lock().unwrap() = servers.collect();
        if let Some(listener) = self.listener.take() {
            tokio::spawn(forward(listener, self.servers.clone()));
        }
    }
}

async fn forward(listener: TcpListener, servers: Arc<Mutex<Vec<String>>>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let server = {
            let mut servers = servers.lock().unwrap();
            servers.rotate_left(1);
            servers[0].clone()
        };
        tokio::spawn(async move {
            if let Ok(mut server) = TcpStream::connect(server).await {
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}
