//! Connects to MySQL and MariaDB.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{ConnectOptions as _, MySql};

use super::driver::{Driver, prefer_tls, statements};

/// A MySQL or MariaDB server.
#[derive(Clone)]
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

    async fn connect(target: &Self::Target) -> Result<(MySqlConnection, bool), sqlx::Error> {
        let options = target.options.as_ref();
        let is_preferred = matches!(options.get_ssl_mode(), MySqlSslMode::Preferred) && options.get_socket().is_none();
        if !is_preferred {
            return Ok((options.connect().await?, true));
        }
        let connect = |encrypted| async move {
            let mode = if encrypted { MySqlSslMode::Required } else { MySqlSslMode::Preferred };
            options.clone().ssl_mode(mode).connect().await
        };
        Ok((prefer_tls(&target.is_plain, options.get_host(), connect).await?, true))
    }

    statements!();
}
