//! The state of a pool: its idle connections, and how many there may be.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use sc_auth_contract::status::TroubleReason;
use sqlx::Connection as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::driver::{Connection, Driver};
use super::error::PoolError;
use crate::store::same_database::SameDatabase;

/// How long a connection may take to close.
pub const CLOSE: Duration = Duration::from_secs(5);
/// How long an idle connection may take to answer. Beyond that it counts as dead, so that a caller still has time to
/// connect after a server has disappeared without closing its connections.
const PING: Duration = Duration::from_millis(if cfg!(test) { 2_000 } else { 500 });

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
    /// Why all connections may be in use for so long.
    pub busy: TroubleReason,
}

pub struct Shared<D: Driver> {
    pub rules: Rules,
    pub same: SameDatabase,
    pub target: RwLock<D::Target>,
    /// One permit for each connection that may be open.
    pub permits: Arc<Semaphore>,
    state: Mutex<State<D>>,
}

pub struct State<D: Driver> {
    /// The one that was used last is at the end, and is used next.
    pub idle: Vec<Connection<D>>,
    /// Idle and used connections.
    pub open: u32,
    /// The number of permits.
    pub limit: u32,
    /// Whether a task asks the server for more connections.
    pub is_growing: bool,
    /// Why the server has last refused a connection.
    pub refusal: String,
    /// Connections that were created before are not used again.
    pub fresh_since: Option<Instant>,
    /// When the connection was created that has last failed.
    pub failed: Option<Instant>,
    pub is_closed: bool,
}

impl<D: Driver> State<D> {
    /// Closes those idle connections.
    pub fn discard(&mut self, is_useless: impl Fn(&Self, &Connection<D>) -> bool) {
        let all = std::mem::take(&mut self.idle);
        let (useless, idle): (Vec<_>, Vec<_>) = all.into_iter().partition(|connection| is_useless(self, connection));
        self.idle = idle;
        self.open = self.open.saturating_sub(u32::try_from(useless.len()).unwrap_or(u32::MAX));
        useless.into_iter().for_each(close_later);
    }
}

/// By hand, since the target contains the password.
impl<D: Driver> fmt::Debug for Shared<D> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, idle) = self.count();
        formatter.debug_struct("Pool").field("open", &open).field("idle", &idle).finish_non_exhaustive()
    }
}

impl<D: Driver> Shared<D> {
    pub fn new(target: D::Target, rules: Rules, same: SameDatabase) -> Self {
        let state = State {
            idle: Vec::new(),
            open: 0,
            limit: rules.size,
            is_growing: false,
            refusal: String::new(),
            fresh_since: None,
            failed: None,
            is_closed: false,
        };
        let permits = Arc::new(Semaphore::new(rules.size as usize));
        Self { rules, same, target: RwLock::new(target), permits, state: Mutex::new(state) }
    }

    pub fn lock(&self) -> MutexGuard<'_, State<D>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The numbers of open and of idle connections.
    pub fn count(&self) -> (u32, usize) {
        let state = self.lock();
        (state.open, state.idle.len())
    }

    pub async fn idle_or_new(&self) -> Result<Connection<D>, PoolError> {
        while let Some(connection) = self.pop() {
            if let Some(connection) = self.if_alive(connection).await {
                return Ok(connection);
            }
        }
        // Boxed, since it is large: the memory of each request that waits for a connection would include the future.
        let connection = Box::pin(self.connect()).await?;
        self.lock().open += 1;
        Ok(connection)
    }

    /// The idle connection that was used last.
    fn pop(&self) -> Option<Connection<D>> {
        let mut state = self.lock();
        if state.is_closed {
            return None;
        }
        state.discard(|state, connection| !self.is_usable(state, connection));
        state.idle.pop()
    }

    /// The connection, unless the server has closed it or disappeared.
    async fn if_alive(&self, connection: Connection<D>) -> Option<Connection<D>> {
        let last_used_at = connection.last_used_at;
        let mut open = Counted { shared: self, connection: Some(connection) };
        match timeout(PING, open.connection.as_mut()?.inner.ping()).await {
            Ok(Ok(())) => open.connection.take(),
            Ok(Err(_)) => None,
            Err(_) => {
                // Those that have been idle for longer lead to the same server: a caller has no time to try each.
                self.lock().discard(|_, idle| idle.last_used_at <= last_used_at);
                None
            }
        }
    }

    /// Connects, and checks that the connection leads to the same database.
    pub async fn connect(&self) -> Result<Connection<D>, PoolError> {
        if self.lock().is_closed {
            return Err(PoolError::Closed);
        }
        let target = self.target.read().unwrap_or_else(PoisonError::into_inner).clone();
        let created_at = Instant::now();
        let (mut inner, keeps_statements) = D::connect(&target).await?;
        if let Some(expected) = self.same.identity() {
            let found = D::identity(&mut inner).await;
            self.same.check(expected, found)?;
        }
        Ok(Connection { inner, created_at, last_used_at: Instant::now(), keeps_statements })
    }

    pub fn is_usable(&self, state: &State<D>, connection: &Connection<D>) -> bool {
        let is_younger = |since: Instant, limit: Option<Duration>| limit.is_none_or(|limit| since.elapsed() < limit);
        state.fresh_since.is_none_or(|since| connection.created_at > since)
            && is_younger(connection.created_at, self.rules.lifetime)
            && is_younger(connection.last_used_at, self.rules.idle)
    }

    pub fn put_back(&self, mut connection: Connection<D>) {
        let mut state = self.lock();
        connection.last_used_at = Instant::now();
        // A closed pool closes it in a moment.
        if state.is_closed || self.is_usable(&state, &connection) {
            state.idle.push(connection);
        } else {
            state.open = state.open.saturating_sub(1);
            close_later(connection);
        }
    }

    /// Counts a connection as closed.
    pub fn forget(&self) {
        let mut state = self.lock();
        state.open = state.open.saturating_sub(1);
    }

    /// The server grants no connection more than there are. Gives up a permit, so that callers wait for those; returns
    /// `false` if there are none.
    pub fn shrink(&self, permit: OwnedSemaphorePermit, error: &PoolError) -> bool {
        let mut state = self.lock();
        if state.open == 0 || state.is_closed {
            return false;
        }
        state.refusal = error.to_string();
        if state.limit > state.open {
            state.limit -= 1;
            permit.forget();
        }
        true
    }

    /// Whether the pool has to grow again, and no task does that yet.
    pub fn begins_to_grow(&self) -> bool {
        let mut state = self.lock();
        state.limit < self.rules.size && !std::mem::replace(&mut state.is_growing, true)
    }

    /// Adds a connection beyond those that the server had granted before.
    pub fn add(&self, connection: Connection<D>) {
        let mut state = self.lock();
        if state.is_closed {
            return close_later(connection);
        }
        state.limit += 1;
        state.open += 1;
        state.idle.push(connection);
        self.permits.add_permits(1);
    }
}

/// An open connection that counts as closed if the attempt to use it ends early.
struct Counted<'a, D: Driver> {
    shared: &'a Shared<D>,
    connection: Option<Connection<D>>,
}

impl<D: Driver> Drop for Counted<'_, D> {
    fn drop(&mut self) {
        if self.connection.is_some() {
            self.shared.forget();
        }
    }
}

/// Tells the server that the connection ends.
fn close_later<D: Driver>(connection: Connection<D>) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move { timeout(CLOSE, connection.inner.close()).await.is_ok() });
    }
}
