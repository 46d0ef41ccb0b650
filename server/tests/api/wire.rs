//! A TCP proxy to a database server that can be interrupted, and led to another server.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::harness::until;

#[derive(Default)]
struct State {
    target: Mutex<String>,
    is_cut: AtomicBool,
    /// The number of connections that it forwards.
    open: AtomicUsize,
}

pub struct Wire {
    pub address: String,
    state: Arc<State>,
}

impl Wire {
    pub async fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let wire = Self { address, state: Arc::default() };
        wire.lead_to(target);
        let state = Arc::clone(&wire.state);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(forward(near, Arc::clone(&state)));
            }
        });
        wire
    }

    /// New connections lead there; open ones stay.
    pub fn lead_to(&self, target: &str) {
        target.clone_into(&mut self.state.target.lock().unwrap());
    }

    /// Closes all connections and refuses new ones.
    pub async fn cut(&self) {
        self.state.is_cut.store(true, Ordering::Relaxed);
        until("all connections are closed", async || self.state.open.load(Ordering::Relaxed) == 0).await;
    }

    pub fn restore(&self) {
        self.state.is_cut.store(false, Ordering::Relaxed);
    }
}

async fn forward(mut near: TcpStream, state: Arc<State>) {
    if state.is_cut.load(Ordering::Relaxed) {
        return;
    }
    let target = state.target.lock().unwrap().clone();
    let Ok(mut far) = TcpStream::connect(target).await else { return };
    state.open.fetch_add(1, Ordering::Relaxed);
    let until_cut = async {
        while !state.is_cut.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
        () = until_cut => {}
    }
    drop((near, far));
    state.open.fetch_sub(1, Ordering::Relaxed);
}
