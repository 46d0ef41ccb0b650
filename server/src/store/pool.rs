//! Connections that are used again. In contrast to sqlx's own pool, this one opens as many as the server grants, drops
//! all that are older than a failover, knows several addresses of one database, and reports why it has no connection.

mod driver;
mod lease;
mod mysql;
mod postgres;
mod sqlite;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use sqlx::Connection as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};

use super::same_database::SameDatabase;
use super::trouble;
pub use driver::Driver;
use driver::Link;
pub use lease::Lease;
pub use mysql::MySqlServer;

/// The delays between attempts to connect to a server that starts, or that has no free connection for anybody.
const RETRY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));
/// How often one more connection than the server has granted is tried.
const GROW: Duration = Duration::from_mins(1);
/// How often connections that have been idle for too long are closed.
const REAP: Duration = Duration::from_mins(1);
/// How long a connection may take to close.
const CLOSE: Duration = Duration::from_secs(5);

/// How many connections there are, and how long they live.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub size: u32,
    /// How long a caller waits for a connection.
    pub wait: Duration,
    pub idle: Option<Duration>,
    pub lifetime: Option<Duration>,
    /// Whether a server that does not accept a connection yet is tried again meanwhile.
    pub is_patient: bool,
}

/// Connections to one database.
#[derive(Debug)]
pub struct Pool<D: Driver>(Arc<Shared<D>>);

impl<D: Driver> Clone for Pool<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct Shared<D: Driver> {
    rules: Rules,
    same: SameDatabase,
    target: RwLock<D::Target>,
    /// One permit for each connection that may be open.
    places: Arc<Semaphore>,
    state: Mutex<State<D>>,
}

#[derive(Debug)]
struct State<D: Driver> {
    /// The one that was used last is at the end, and is used next.
    idle: Vec<Link<D>>,
    /// Idle and used connections.
    open: u32,
    /// The number of permits.
    limit: u32,
    grow_at: Instant,
    /// Connections that were made before are not used again.
    fresh_since: Option<Instant>,
    is_closed: bool,
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

impl<D: Driver> Shared<D> {
    fn lock(&self) -> MutexGuard<'_, State<D>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn idle_or_new(&self) -> Result<Link<D>, sqlx::Error> {
        while let Some(link) = self.pop() {
            let mut open = Counted { shared: self, link: Some(link) };
            let Some(link) = open.link.as_mut() else { continue };
            // The server may have closed it meanwhile.
            if link.connection.ping().await.is_ok()
                && let Some(link) = open.link.take()
            {
                return Ok(link);
            }
        }
        let target = self.target.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut link = D::link(&target).await?;
        if let Some(expected) = self.same.identity() {
            let found = D::identity(&mut link.connection).await;
            self.same.check(expected, found)?;
        }
        self.lock().open += 1;
        Ok(link)
    }

    /// The idle connection that was used last.
    fn pop(&self) -> Option<Link<D>> {
        let mut state = self.lock();
        while let Some(link) = state.idle.pop() {
            if self.is_usable(&state, &link) {
                return Some(link);
            }
            state.open = state.open.saturating_sub(1);
            close_later(link);
        }
        None
    }

    fn is_usable(&self, state: &State<D>, link: &Link<D>) -> bool {
        let is_younger = |since: Instant, limit: Option<Duration>| limit.is_none_or(|limit| since.elapsed() < limit);
        !state.is_closed
            && state.fresh_since.is_none_or(|since| link.made > since)
            && is_younger(link.made, self.rules.lifetime)
            && is_younger(link.used, self.rules.idle)
    }

    fn put_back(&self, mut link: Link<D>) {
        let mut state = self.lock();
        // A closed pool closes it in a moment.
        link.used = Instant::now();
        if state.is_closed || self.is_usable(&state, &link) {
            state.idle.push(link);
        } else {
            state.open = state.open.saturating_sub(1);
            close_later(link);
        }
    }

    /// The server grants no connection more than there are. Gives up a place, so that callers wait for those; returns
    /// `false` if there are none.
    fn shrink(&self, place: OwnedSemaphorePermit, error: &sqlx::Error) -> bool {
        let mut state = self.lock();
        if state.open == 0 || state.is_closed {
            return false;
        }
        state.grow_at = Instant::now() + GROW;
        if state.limit > state.open {
            state.limit -= 1;
            place.forget();
            let (granted, wanted) = (state.limit, self.rules.size);
            drop(state);
            tracing::warn!(granted, wanted, %error, "the database server grants fewer connections than the pool may have");
        }
        true
    }

    /// Tries from time to time whether the server grants more connections again.
    fn grow(&self) {
        let mut state = self.lock();
        if state.limit < self.rules.size && !state.is_closed && Instant::now() >= state.grow_at {
            state.grow_at = Instant::now() + GROW;
            state.limit += 1;
            self.places.add_permits(1);
        }
    }
}

/// An open connection that counts as closed if the attempt to use it ends early.
struct Counted<'a, D: Driver> {
    shared: &'a Shared<D>,
    link: Option<Link<D>>,
}

impl<D: Driver> Drop for Counted<'_, D> {
    fn drop(&mut self) {
        if self.link.is_some() {
            let mut state = self.shared.lock();
            state.open = state.open.saturating_sub(1);
        }
    }
}

/// Tells the server that the connection ends.
fn close_later<D: Driver>(link: Link<D>) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move { tokio::time::timeout(CLOSE, link.connection.close()).await.is_ok() });
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
