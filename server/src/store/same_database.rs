//! Checks each new connection for the database's identity: a host name may suddenly lead to another server, and a file
//! may be replaced. A connection to another database is refused.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use sqlx::database::HasStatementCache;
use sqlx::pool::PoolOptions;
use sqlx::{Database, Executor, FromRow, IntoArguments};

/// The identity that new connections are compared with.
#[derive(Debug, Clone, Default)]
pub(super) struct SameDatabase {
    /// Set once the database is in use.
    identity: Arc<OnceLock<String>>,
    has_strayed: Arc<AtomicBool>,
}

const SELECT: &str = "SELECT identity FROM sc_auth_identity WHERE id = 1";

impl SameDatabase {
    /// From now on, accepts only connections to the database with this identity.
    pub fn set(&self, identity: String) {
        // It never changes.
        let _ = self.identity.set(identity);
    }

    pub fn identity(&self) -> Option<&str> {
        self.identity.get().map(String::as_str)
    }

    /// Whether the last new connection led to another database.
    pub fn has_strayed(&self) -> bool {
        self.has_strayed.load(Ordering::Relaxed)
    }

    /// Records that the settings lead to the database again.
    pub fn is_back(&self) {
        self.has_strayed.store(false, Ordering::Relaxed);
    }

    fn check(&self, expected: &str, found: Result<Option<(String,)>, sqlx::Error>) -> Result<(), sqlx::Error> {
        let result = match found {
            Ok(Some((found,))) if found == expected => Ok(()),
            Ok(_) => Err(sqlx::Error::Protocol("this connection leads to another database".into())),
            Err(error) => Err(error),
        };
        self.has_strayed.store(result.is_err(), Ordering::Relaxed);
        result
    }

    pub fn watch<DB>(&self, options: PoolOptions<DB>) -> PoolOptions<DB>
    where
        DB: Database + HasStatementCache,
        for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
        DB::Arguments: IntoArguments<DB>,
        (String,): for<'r> FromRow<'r, DB::Row>,
    {
        let same = self.clone();
        options.after_connect(move |connection, _| {
            let same = same.clone();
            Box::pin(async move {
                let Some(expected) = same.identity.get() else { return Ok(()) };
                let found = sqlx::query_as(SELECT).persistent(false).fetch_optional(&mut *connection).await;
                same.check(expected, found)
            })
        })
    }
}
