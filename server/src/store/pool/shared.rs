//! The state of a pool: its idle connections, and how many there may be.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use sqlx::Connection as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::driver::{Driver, Link};
use crate::store::same_database::SameDatabase;

/// How often one more connection than the server has granted is tried.
const GROW: Duration = Duration::from_mins(1);
/// How long a connection may take to close.
pub const CLOSE: Duration = Duration::from_secs(5);

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

#[derive(Debug)]
pub struct Shared<D: Driver> {
    pub rules: Rules,
    pub same: SameDatabase,
    pub target: RwLock<D::Target>,
    /// One permit for each connection that may be open.
    pub places: Arc<Semaphore>,
    pub state: Mutex<State<D>>,
}

#[derive(Debug)]
pub struct State<D: Driver> {
    /// The one that was used last is at the end, and is used next.
    pub idle: Vec<Link<D>>,
    /// Idle and used connections.
    pub open: u32,
    /// The number of permits.
    pub limit: u32,
    pub grow_at: Instant,
    /// Connections that were made before are not used again.
    pub fresh_since: Option<Instant>,
    pub is_closed: bool,
}

impl<D: Driver> Shared<D> {
    pub fn lock(&self) -> MutexGuard<'_, State<D>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub async fn idle_or_new(&self) -> Result<Link<D>, sqlx::Error> {
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

    pub fn is_usable(&self, state: &State<D>, link: &Link<D>) -> bool {
        let is_younger = |since: Instant, limit: Option<Duration>| limit.is_none_or(|limit| since.elapsed() < limit);
        !state.is_closed
            && state.fresh_since.is_none_or(|since| link.made > since)
            && is_younger(link.made, self.rules.lifetime)
            && is_younger(link.used, self.rules.idle)
    }

    pub fn put_back(&self, mut link: Link<D>) {
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
    pub fn shrink(&self, place: OwnedSemaphorePermit, error: &sqlx::Error) -> bool {
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
    pub fn grow(&self) {
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
pub fn close_later<D: Driver>(link: Link<D>) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move { tokio::time::timeout(CLOSE, link.connection.close()).await.is_ok() });
    }
}
