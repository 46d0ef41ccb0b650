//! Connects to MySQL and MariaDB.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::{ConnectOptions as _, MySql};

use super::driver::{Driver, Link, has_no_tls, statements, warn_of_plain};

/// A MySQL or MariaDB server.
#[derive(Debug, Clone)]
pub struct MySqlServer {
    options: Box<MySqlConnectOptions>,
    is_plain: Arc<AtomicBool>,
}

impl MySqlServer {
    pub fn new(options: Box<MySqlConnectOptions>) -> Self {
        Self { options, is_plain: Arc::default() }
    }
}

impl Driver for MySql {
    type Target = MySqlServer;

    async fn link(target: &Self::Target) -> Result<Link<Self>, sqlx::Error> {
        let options = &target.options;
        let is_preferred = matches!(options.get_ssl_mode(), MySqlSslMode::Preferred) && options.get_socket().is_none();
        if !is_preferred || target.is_plain.load(Ordering::Relaxed) {
            return Ok(Link::new(options.connect().await?, true));
        }
        match options.as_ref().clone().ssl_mode(MySqlSslMode::Required).connect().await {
            Err(error) if has_no_tls(&error) => warn_of_plain(&target.is_plain, options.get_host()),
            result => return Ok(Link::new(result?, true)),
        }
        Ok(Link::new(options.connect().await?, true))
    }

    statements!();
}
