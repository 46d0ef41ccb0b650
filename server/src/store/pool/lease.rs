//! A connection that one caller uses. It returns to the pool when it is dropped, after a transaction that is still open
//! was rolled back.

use std::sync::Arc;

use sqlx::Connection as _;
use tokio::sync::OwnedSemaphorePermit;

use super::driver::{Driver, Link};
use super::shared::{CLOSE, Shared};

#[derive(Debug)]
pub struct Lease<D: Driver> {
    /// `None` once it has left the lease.
    link: Option<Link<D>>,
    pool: Arc<Shared<D>>,
    place: Option<OwnedSemaphorePermit>,
    in_transaction: bool,
    /// Whether an answer may be outstanding.
    is_busy: bool,
}

impl<D: Driver> Lease<D> {
    pub(super) fn new(link: Link<D>, pool: Arc<Shared<D>>, place: OwnedSemaphorePermit) -> Self {
        Self { link: Some(link), pool, place: Some(place), in_transaction: false, is_busy: false }
    }

    /// Whether a prepared statement is still there when the next transaction begins.
    pub fn keeps_statements(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.keeps_statements)
    }

    /// The connection, for one statement whose result then goes through [`Self::checked`].
    pub fn connection(&mut self) -> Result<&mut D::Connection, sqlx::Error> {
        self.is_busy = true;
        self.link.as_mut().map(|link| &mut link.connection).ok_or(sqlx::Error::PoolClosed)
    }

    /// After an error of the server, the connection can be used again; after others, it has to prove that.
    pub fn checked<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        self.is_busy = !matches!(result, Ok(_) | Err(sqlx::Error::Database(_)));
        result
    }

    pub async fn begin(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        self.in_transaction = true;
        let result = D::run(self.connection()?, sql).await;
        self.in_transaction = result.is_ok() || !matches!(result, Err(sqlx::Error::Database(_)));
        self.checked(result)
    }

    pub async fn commit(&mut self) -> Result<(), sqlx::Error> {
        let result = D::run(self.connection()?, "COMMIT").await;
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

impl<D: Driver> Drop for Lease<D> {
    fn drop(&mut self) {
        let Some(mut link) = self.link.take() else { return };
        if !self.is_busy && !self.in_transaction {
            return self.pool.put_back(link);
        }
        let (pool, place, in_transaction) = (Arc::clone(&self.pool), self.place.take(), self.in_transaction);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            if let Ok(Ok(())) = tokio::time::timeout(CLOSE, clean(&mut link, in_transaction)).await {
                pool.put_back(link);
            } else {
                let mut state = pool.lock();
                state.open = state.open.saturating_sub(1);
            }
            drop(place);
        });
    }
}

/// Reads the answers that nobody has waited for, and ends the transaction.
async fn clean<D: Driver>(link: &mut Link<D>, in_transaction: bool) -> Result<(), sqlx::Error> {
    link.connection.ping().await?;
    if in_transaction { D::roll_back(&mut link.connection).await } else { Ok(()) }
}
