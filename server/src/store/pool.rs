//! A pool of database connections. It replaces that of sqlx, which cannot
//! - wait for a connection in use when the server refuses one more: PostgreSQL is asked again until the caller's time is
//!   up, MySQL's refusal is returned at once, and the number of connections is fixed;
//! - return why the last attempt to connect failed, instead of a timeout;
//! - choose among several servers, or connect again with other parameters.

mod driver;
mod error;
mod grow;
mod mysql;
mod pooled;
mod postgres;
mod shared;
mod sqlite;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use futures::future::join_all;
use sc_auth_contract::status::TroubleReason;
use sqlx::Connection as _;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::same_database::SameDatabase;
pub use driver::Driver;
pub use error::PoolError;
pub use mysql::MySqlServer;
pub use pooled::PooledConnection;
pub use shared::Rules;
use shared::{CLOSE, Shared};

/// The delays between attempts to connect to a server that starts, or that has no free connection for anybody.
const RETRY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));
/// How often connections that have been idle for too long are closed.
const REAP: Duration = Duration::from_mins(1);

/// Connections to one database.
#[derive(Debug)]
pub struct Pool<D: Driver>(Arc<Shared<D>>);

impl<D: Driver> Clone for Pool<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<D: Driver> Pool<D> {
    pub fn new(target: D::Target, rules: Rules, same: SameDatabase) -> Self {
        let pool = Self(Arc::new(Shared::new(target, rules, same)));
        if rules.idle.is_some() || rules.lifetime.is_some() {
            tokio::spawn(reap(Arc::downgrade(&pool.0)));
        }
        pool
    }

    /// New connections lead there; open ones stay.
    pub fn set_target(&self, target: D::Target) {
        *self.0.target.write().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// After a connection failed because of its server: uses none again that is open now. Does nothing if that one was
    /// created before the last time, or if the last time was less than `pause` ago, since new ones fail too.
    pub fn renew(&self, pause: Duration) {
        let mut state = self.0.lock();
        let Some(failed) = state.failed.take() else { return };
        if !state.fresh_since.is_some_and(|since| failed <= since || since.elapsed() < pause) {
            state.fresh_since = Some(Instant::now());
            state.discard(|_, _| true);
        }
    }

    /// The numbers of open and of idle connections.
    pub fn count(&self) -> (u32, usize) {
        self.0.count()
    }

    /// A connection that has just answered.
    ///
    /// # Errors
    /// The reason why no connection is available.
    pub async fn acquire(&self) -> Result<PooledConnection<D>, PoolError> {
        let deadline = Instant::now() + self.0.rules.wait;
        let mut delay = RETRY.0;
        let mut last = None;
        loop {
            let permit = Arc::clone(&self.0.permits).acquire_owned();
            let Ok(permit) = timeout_at(deadline, permit).await else {
                return Err(last.unwrap_or_else(|| self.busy()));
            };
            let permit = permit.map_err(|_| PoolError::Closed)?;
            let error = match timeout_at(deadline, self.0.idle_or_new()).await {
                Ok(Ok(connection)) => return Ok(PooledConnection::new(connection, Arc::clone(&self.0), permit)),
                Ok(Err(error)) => error,
                Err(_) => return Err(last.unwrap_or_else(|| driver::timed_out().into())),
            };
            if error.is_of_capacity() {
                if self.0.shrink(permit, &error) {
                    if self.0.begins_to_grow() {
                        tokio::spawn(grow::grow(Arc::downgrade(&self.0)));
                    }
                    last = Some(error);
                    continue;
                }
            } else {
                // Another caller may connect, and learn why that fails, while this one waits.
                drop(permit);
            }
            let is_worth_a_wait = self.0.rules.is_patient && error.is_worth_a_wait();
            if !is_worth_a_wait || Instant::now() + delay >= deadline {
                return Err(error);
            }
            last = Some(error);
            sleep(delay).await;
            delay = Ord::min(delay * 2, RETRY.1);
        }
    }

    fn busy(&self) -> PoolError {
        let granted = self.0.lock().limit;
        let is_shrunk = granted < self.0.rules.size;
        PoolError::Busy {
            granted,
            reason: if is_shrunk { TroubleReason::TooManyConnections } else { self.0.rules.busy },
        }
    }

    /// Waits for a moment for all connections to come back, and closes them.
    pub async fn close(&self) {
        let limit = {
            let mut state = self.0.lock();
            state.is_closed = true;
            state.limit
        };
        // Callers that wait get their permits first, and then notice that the pool is closed.
        let all = timeout(CLOSE, self.0.permits.acquire_many(limit)).await;
        self.0.permits.close();
        drop(all);
        let idle = std::mem::take(&mut self.0.lock().idle);
        join_all(idle.into_iter().map(|connection| timeout(CLOSE, connection.inner.close()))).await;
        self.0.lock().open = 0;
    }
}

/// Closes connections that have been idle for too long, until the pool ends.
async fn reap<D: Driver>(pool: Weak<Shared<D>>) {
    loop {
        sleep(REAP).await;
        let Some(shared) = pool.upgrade() else { return };
        shared.lock().discard(|state, connection| !shared.is_usable(state, connection));
    }
}
