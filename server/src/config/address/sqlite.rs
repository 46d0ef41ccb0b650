//! Addresses of embedded databases.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

use super::parts::{Parsed, Problem};
use crate::store::Database;

const KNOWN: [&str; 4] = ["mode", "cache", "immutable", "vfs"];

pub fn parse(url: &str) -> Parsed {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let parameters: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    for (name, value) in &parameters {
        check(name, value)?;
    }
    let is_in_memory = parameters.iter().any(|(name, value)| name == "mode" && value == "memory");
    // Otherwise the name would be taken as a file name.
    let url = if is_in_memory { "sqlite::memory:" } else { url };
    let options = SqliteConnectOptions::from_str(url).map_err(|_| Problem::Invalid)?;
    if options.get_filename().as_os_str().is_empty() {
        // SQLite would open a temporary database for each connection.
        return Err(Problem::Parameter("the address has no file; write sqlite:FILE".to_owned()));
    }
    let is_lost = is_in_memory || options.get_filename().to_string_lossy().starts_with("file:sqlx-in-memory");
    let warnings = is_lost.then(|| "the database is in memory: a restart loses all users and sessions".to_owned());
    let options = options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // A pod's root file system is read-only, so SQLite cannot create temporary files.
        .pragma("temp_store", "memory")
        // A long read lets the write-ahead log grow; afterwards it returns to this size.
        .pragma("journal_size_limit", "67108864")
        .busy_timeout(Duration::from_secs(5));
    Ok((Database::Sqlite(Box::new(options)), warnings.into_iter().collect()))
}

fn check(name: &str, value: &str) -> Result<(), Problem> {
    let values: &[&str] = match name {
        "mode" => &["ro", "rw", "rwc", "memory"],
        "cache" => &["private", "shared"],
        "immutable" => &["true", "1", "false", "0"],
        "vfs" => return Ok(()),
        _ => {
            return Err(Problem::Parameter(format!(
                "remove the parameter {name}: the server itself sets how SQLite works, with the journal mode WAL; the \
                 parameters of a file are {}",
                KNOWN.join(", ")
            )));
        }
    };
    if values.contains(&value) {
        return Ok(());
    }
    Err(Problem::Parameter(format!("the parameter {name} must be one of {}", values.join(", "))))
}
