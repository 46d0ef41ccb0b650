//! The addresses that the server listens on.

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::net::TcpListener;

use crate::http::listener;

/// # Errors
/// A message with the name of the setting.
pub fn bind(name: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    listener::bind(address).with_context(|| format!("{name}: cannot listen on {address}"))
}
