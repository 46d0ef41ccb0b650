//! Connections that are used again. In contrast to sqlx's own pool, this one opens as many as the server grants, drops
//! all that are older than a failover, knows several addresses of one database, and reports why it has no connection.

mod driver;
mod lease;
mod mysql;
mod postgres;
mod shared;
mod sqlite;

use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use sqlx::Connection as _;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};

use super::same_database::SameDatabase;
use super::trouble;
pub use driver::Driver;
pub use lease::Lease;
pub use mysql::MySqlServer;
pub use shared::Rules;
use shared::{CLOSE, Shared, State, close_later};

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
        let state = State {
            idle: Vec::new(),
            open: 0,
            limit: rules.size,
            grow_at: Instant::now(),
            fresh_since: None,
            is_closed: false,
        };
        let places = Arc::new(Semaphore::new(rules.size as usize));
        let shared = Shared { rules, same, target: RwLock::new(target), places, state: Mutex::new(state) };
        let pool = Self(Arc::new(shared));
        if rules.idle.is_some() || rules.lifetime.is_some() {
            tokio::spawn(reap(Arc::downgrade(&pool.0)));
        }
        pool
    }

    /// New connections lead there; open ones stay.
    pub fn set_target(&self, target: D::Target) {
        *self.0.target.write().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// From now on, no connection that is open now is used again.
    pub fn renew(&self) {
        let old = {
            let mut state = self.0.lock();
            state.fresh_since = Some(Instant::now());
            let old = std::mem::take(&mut state.idle);
            state.open = state.open.saturating_sub(u32::try_from(old.len()).unwrap_or(u32::MAX));
            old
        };
        old.into_iter().for_each(close_later);
    }

    /// The numbers of open and of idle connections.
    pub fn count(&self) -> (u32, usize) {
        let state = self.0.lock();
        (state.open, state.idle.len())
    }

    /// A connection that has just answered.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn acquire(&self) -> Result<Lease<D>, sqlx::Error> {
        let deadline = Instant::now() + self.0.rules.wait;
        let mut delay = RETRY.0;
        loop {
            self.0.grow();
            let place = Arc::clone(&self.0.places).acquire_owned();
            let Ok(place) = timeout_at(deadline, place).await else { return Err(sqlx::Error::PoolTimedOut) };
            let place = place.map_err(|_| sqlx::Error::PoolClosed)?;
            let lease = timeout_at(deadline, self.0.idle_or_new()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
            let error = match lease {
                Ok(link) => return Ok(Lease::new(link, Arc::clone(&self.0), place)),
                Err(error) => error,
            };
            if trouble::is_of_capacity(&error) && self.0.shrink(place, &error) {
                continue;
            }
            let is_worth_a_wait = self.0.rules.is_patient && is_worth_a_wait(&error);
            if !is_worth_a_wait || Instant::now() + delay >= deadline {
                return Err(error);
            }
            sleep(delay).await;
            delay = Ord::min(delay * 2, RETRY.1);
        }
    }

    /// Waits for all connections to come back, and closes them.
    pub async fn close(&self) {
        let limit = {
            let mut state = self.0.lock();
            state.is_closed = true;
            state.limit
        };
        let all = self.0.places.acquire_many(limit).await;
        self.0.places.close();
        drop(all);
        let idle = std::mem::take(&mut self.0.lock().idle);
        for link in idle {
            let _ = tokio::time::timeout(CLOSE, link.connection.close()).await;
        }
        self.0.lock().open = 0;
    }
}

/// Whether a server that does not accept a connection may do so in a moment.
fn is_worth_a_wait(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        error => trouble::is_of_capacity(error) || trouble::is_starting(error),
    }
}

/// Closes connections that have been idle for too long, until the pool ends.
async fn reap<D: Driver>(pool: Weak<Shared<D>>) {
    loop {
        sleep(REAP).await;
        let Some(shared) = pool.upgrade() else { return };
        let mut state = shared.lock();
        let (idle, old): (Vec<_>, Vec<_>) =
            std::mem::take(&mut state.idle).into_iter().partition(|link| shared.is_usable(&state, link));
        state.open = state.open.saturating_sub(u32::try_from(old.len()).unwrap_or(u32::MAX));
        state.idle = idle;
        drop(state);
        old.into_iter().for_each(close_later);
    }
}
