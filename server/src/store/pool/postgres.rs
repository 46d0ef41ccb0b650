//! Connects to PostgreSQL: to the first of several servers that fits, directly or through a pooler.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions as _, Postgres, Row as _};

use super::driver::{Driver, Link, has_no_tls, statements, warn_of_plain};
use crate::store::target::{PostgresServers, ReadOnlyServer, SessionAttrs};

/// How long all servers together may take to answer.
const WAIT: Duration = Duration::from_millis(2_500);

/// A parameter that only the server itself keeps for the session: a pooler refuses or forgets it.
const DIRECT: (&str, &str) = ("sc_auth.direct", "on");

/// Both questions in one message: behind a pooler, two messages may reach two servers.
const LOOK: &str = "SELECT current_setting('sc_auth.direct', true), current_setting('transaction_read_only')";

impl Driver for Postgres {
    type Target = Arc<PostgresServers>;

    async fn link(target: &Self::Target) -> Result<Link<Self>, sqlx::Error> {
        let (connection, keeps_statements) = connect(target).await?;
        Ok(Link::new(connection, keeps_statements))
    }

    statements!();
}

/// Returns the connection, and whether it keeps prepared statements.
async fn connect(servers: &PostgresServers) -> Result<(PgConnection, bool), sqlx::Error> {
    let count = servers.hosts.len();
    let first = servers.hints.last.load(Ordering::Relaxed);
    let mut problem = None;
    for number in 0..count {
        let place = (first + number) % count;
        let Some(options) = servers.hosts.get(place) else { continue };
        let attempt = one(servers, options);
        let result = if count == 1 { attempt.await } else { within(WAIT / count_of(count), attempt).await };
        match result {
            Ok(connected) => {
                servers.hints.last.store(place, Ordering::Relaxed);
                return Ok(connected);
            }
            Err(error) => problem = Some(worse(problem, error)),
        }
    }
    Err(problem.unwrap_or(sqlx::Error::PoolTimedOut))
}

fn count_of(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

async fn within<T>(limit: Duration, attempt: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    tokio::time::timeout(limit, attempt).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// What a server says is more specific than that another one does not answer.
fn worse(before: Option<sqlx::Error>, error: sqlx::Error) -> sqlx::Error {
    match before {
        Some(before @ sqlx::Error::Database(_)) => before,
        Some(before) if matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut) => before,
        _ => error,
    }
}

async fn one(servers: &PostgresServers, options: &PgConnectOptions) -> Result<(PgConnection, bool), sqlx::Error> {
    let mut connection = dial(servers, options).await?;
    let row = sqlx::raw_sql(LOOK).fetch_one(&mut connection).await?;
    let (direct, read_only): (Option<String>, String) = (row.try_get(0)?, row.try_get(1)?);
    if servers.needs == SessionAttrs::ReadWrite && read_only == "on" {
        let _ = sqlx::Connection::close(connection).await;
        let server = format!("{}:{}", options.get_host(), options.get_port());
        return Err(sqlx::Error::Configuration(Box::new(ReadOnlyServer(server))));
    }
    let is_direct = direct.as_deref() == Some(DIRECT.1);
    if !is_direct && !servers.hints.is_pooled.swap(true, Ordering::Relaxed) {
        tracing::info!("there is a pooler before PostgreSQL: each statement runs in a transaction of its own");
    }
    Ok((connection, is_direct))
}

async fn dial(servers: &PostgresServers, options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    if !servers.hints.refuses_options.load(Ordering::Relaxed) {
        match encrypted(servers, &options.clone().options([DIRECT])).await {
            Err(sqlx::Error::Database(error)) if is_about_parameters(&error.code().unwrap_or_default()) => {}
            result => return result,
        }
        let connection = encrypted(servers, options).await?;
        servers.hints.refuses_options.store(true, Ordering::Relaxed);
        return Ok(connection);
    }
    encrypted(servers, options).await
}

/// Protocol violations, as PgBouncer names a parameter that it does not know, and what else a proxy may say.
fn is_about_parameters(code: &str) -> bool {
    ["08", "0A", "22", "42"].iter().any(|class| code.starts_with(class))
}

/// `prefer` means to encrypt if the server can, and warns if it cannot.
async fn encrypted(servers: &PostgresServers, options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let is_preferred = matches!(options.get_ssl_mode(), PgSslMode::Prefer) && options.get_socket().is_none();
    if !is_preferred || servers.hints.is_plain.load(Ordering::Relaxed) {
        return options.connect().await;
    }
    match options.clone().ssl_mode(PgSslMode::Require).connect().await {
        Err(error) if has_no_tls(&error) => {
            warn_of_plain(&servers.hints.is_plain, options.get_host());
            options.connect().await
        }
        result => result,
    }
}
