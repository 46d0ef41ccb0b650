//! A connection that one caller uses. It returns to the pool when it is dropped, after a transaction that is still open
//! was rolled back.

use std::sync::Arc;

use sqlx::Connection as _;
use tokio::sync::OwnedSemaphorePermit;

use super::driver::{Connection, Driver};
use super::shared::{CLOSE, Shared};
use crate::store::trouble;

#[derive(Debug)]
pub struct PooledConnection<D: Driver> {
    /// `None` once it has returned to the pool.
    connection: Option<Connection<D>>,
    pool: Arc<Shared<D>>,
    permit: Option<OwnedSemaphorePermit>,
    in_transaction: bool,
    /// Whether an answer may be outstanding.
    is_busy: bool,
}

impl<D: Driver> PooledConnection<D> {
    pub(super) fn new(connection: Connection<D>, pool: Arc<Shared<D>>, permit: OwnedSemaphorePermit) -> Self {
        Self { connection: Some(connection), pool, permit: Some(permit), in_transaction: false, is_busy: false }
    }

    /// Whether a prepared statement is still there when the next transaction begins.
    pub fn keeps_statements(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.keeps_statements)
    }

    /// The connection, for one statement whose result then goes through [`Self::checked`].
    pub fn inner(&mut self) -> Result<&mut D::Connection, sqlx::Error> {
        self.is_busy = true;
        self.connection.as_mut().map(|connection| &mut connection.inner).ok_or(sqlx::Error::PoolClosed)
    }

    /// After an error that the server has sent, no answer is outstanding, and the connection can be used again. Some of
    /// these errors close it, such as 57P01 at a shutdown: the pool notices that before it is used next.
    pub fn checked<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        self.is_busy = !matches!(result, Ok(_) | Err(sqlx::Error::Database(_)));
        if let (Err(error), Some(connection)) = (&result, &self.connection)
            && trouble::blames_connection(error)
        {
            self.pool.lock().failed = Some(connection.created_at);
        }
        result
    }

    pub async fn begin(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        self.in_transaction = true;
        let result = D::run(self.inner()?, sql).await;
        self.in_transaction = result.is_ok() || !matches!(result, Err(sqlx::Error::Database(_)));
        self.checked(result)
    }

    pub async fn commit(&mut self) -> Result<(), sqlx::Error> {
        let result = D::run(self.inner()?, "COMMIT").await;
        self.checked(result)?;
        self.in_transaction = false;
        Ok(())
    }

    /// Prepares for one statement outside of a transaction. A pooler may send each of its messages to another server
    /// connection, where another client's statement may be waiting for its parameters: there, it needs a transaction.
    pub async fn start(&mut self) -> Result<(), sqlx::Error> {
        if self.keeps_statements() { Ok(()) } else { self.begin("BEGIN").await }
    }

    /// Ends what [`Self::start`] has begun.
    pub async fn finish<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        let value = self.checked(result)?;
        if self.in_transaction {
            self.commit().await?;
        }
        Ok(value)
    }
}

impl<D: Driver> Drop for PooledConnection<D> {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if !self.is_busy && !self.in_transaction {
            return self.pool.put_back(connection);
        }
        // Without a runtime, nobody can read what is outstanding: the connection closes.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return self.pool.forget() };
        let (pool, permit, in_transaction) = (Arc::clone(&self.pool), self.permit.take(), self.in_transaction);
        runtime.spawn(async move {
            if let Ok(Ok(())) = tokio::time::timeout(CLOSE, clean(&mut connection, in_transaction)).await {
                pool.put_back(connection);
            } else {
                pool.forget();
            }
            drop(permit);
        });
    }
}

/// Reads the answers that nobody has waited for, and ends the transaction.
async fn clean<D: Driver>(connection: &mut Connection<D>, in_transaction: bool) -> Result<(), sqlx::Error> {
    connection.inner.ping().await?;
    if in_transaction { D::roll_back(&mut connection.inner).await } else { Ok(()) }
}
