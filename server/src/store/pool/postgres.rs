//! Connects to PostgreSQL: to the first of several servers that fits, directly or through a pooler.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions as _, Postgres, Row as _};
use tokio::time::{Instant, timeout_at};

use super::driver::{Driver, prefer_tls, statements, timed_out};
use crate::store::target::{PostgresServers, ReadOnlyServer, SessionAttrs};

/// How long all servers together may take to answer.
const WAIT: Duration = if cfg!(test) { Duration::from_secs(8) } else { Duration::from_millis(2_500) };
/// How long one server may take before the next is tried beside it, as RFC 8305 describes it for addresses.
const HEAD_START: Duration = Duration::from_millis(500);

/// A parameter that only the server itself keeps for the session: a pooler refuses or forgets it.
const DIRECT: (&str, &str) = ("sc_auth.direct", "on");

/// Both questions in one message: behind a pooler, two messages may reach two servers.
const LOOK: &str = "SELECT current_setting('sc_auth.direct', true), current_setting('transaction_read_only')";

impl Driver for Postgres {
    type Target = Arc<PostgresServers>;

    async fn connect(target: &Self::Target) -> Result<(PgConnection, bool), sqlx::Error> {
        match target.hosts.as_slice() {
            [options] => connect_to(target, options).await,
            _ => connect_to_first(target).await,
        }
    }

    statements!();
}

/// Begins with the server that answered last. The others are tried when one before them fails or does not answer soon.
async fn connect_to_first(servers: &PostgresServers) -> Result<(PgConnection, bool), sqlx::Error> {
    let deadline = Instant::now() + WAIT;
    let count = servers.hosts.len();
    let first = servers.hints.last.load(Ordering::Relaxed);
    let mut left: Vec<_> =
        (0..count).rev().filter_map(|number| servers.hosts.get((first + number) % count).zip(Some(number))).collect();
    let mut attempts = FuturesUnordered::new();
    let mut problem = None;
    loop {
        if let Some((options, number)) = left.pop() {
            attempts.push(async move { ((first + number) % count, connect_to(servers, options).await) });
        }
        let until = if left.is_empty() { deadline } else { Ord::min(Instant::now() + HEAD_START, deadline) };
        match timeout_at(until, attempts.next()).await {
            Ok(Some((place, Ok(connected)))) => {
                servers.hints.last.store(place, Ordering::Relaxed);
                return Ok(connected);
            }
            Ok(Some((_, Err(error)))) => problem = Some(more_specific(problem, error)),
            Ok(None) => return Err(problem.unwrap_or_else(timed_out)),
            Err(_) if Instant::now() >= deadline => return Err(more_specific(problem, timed_out())),
            Err(_) => {}
        }
    }
}

/// What a server says is more specific than that another one does not answer.
fn more_specific(before: Option<sqlx::Error>, error: sqlx::Error) -> sqlx::Error {
    match before {
        Some(before @ sqlx::Error::Database(_)) => before,
        Some(before) if matches!(error, sqlx::Error::Io(_)) => before,
        _ => error,
    }
}

async fn connect_to(
    servers: &PostgresServers,
    options: &PgConnectOptions,
) -> Result<(PgConnection, bool), sqlx::Error> {
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
        tracing::info!("connected through a pooler; each statement runs in its own transaction");
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
    if !is_preferred {
        return options.connect().await;
    }
    let connect = |encrypted| async move {
        let mode = if encrypted { PgSslMode::Require } else { PgSslMode::Prefer };
        options.clone().ssl_mode(mode).connect().await
    };
    prefer_tls(&servers.hints.is_plain, options.get_host(), connect).await
}
