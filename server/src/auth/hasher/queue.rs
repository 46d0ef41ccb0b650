//! The jobs that wait for a hashing thread. Imported hashes may take half of the places; those that cost many times as
//! much as ours, a few places and a small share of the threads' time, so that logins with them do not delay all others.
//! Some places are reserved for clients that have logged in before: strangers who fill the other places, with existing
//! names or not, do not lock out an account's owner.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The cost of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// A hash of ours, which uses the thread's own memory.
    Own,
    /// An imported hash, which may allocate memory: only one at a time.
    Imported,
    /// An imported hash with many times the work.
    Costly,
}

/// Who a job is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Stranger,
    /// A client that has logged in before, or a logged-in user.
    Known,
}

/// One in this many places is for costly jobs.
const COSTLY_PLACES: usize = 8;
/// One in this many places is for imported hashes, costly or not.
const IMPORTED_PLACES: usize = 2;
/// One in this many places of each kind is reserved for known clients.
const KNOWN_PLACES: usize = 4;
/// The seconds of other waiting work that are due after each second of costly work.
const OTHERS: u32 = 3;

struct Waiting<T> {
    weight: Weight,
    standing: Standing,
    item: T,
}

/// The order of the jobs, without any threads. Strangers and known clients take turns while both wait.
struct Lanes<T> {
    places: usize,
    ordinary: VecDeque<Waiting<T>>,
    costly: VecDeque<Waiting<T>>,
    /// Whether an imported hash is being compared.
    is_imported_running: bool,
    /// The time for other jobs before the next costly one.
    owed: Duration,
    /// Whose turn is next.
    turn: Standing,
}

impl<T> Lanes<T> {
    /// Returns the item if there is no place for it.
    fn push(&mut self, weight: Weight, standing: Standing, item: T) -> Result<(), T> {
        if !self.has_room(weight, standing) {
            return Err(item);
        }
        let lane = if weight == Weight::Costly { &mut self.costly } else { &mut self.ordinary };
        lane.push_back(Waiting { weight, standing, item });
        Ok(())
    }

    fn has_room(&self, weight: Weight, standing: Standing) -> bool {
        let is_free = |taken: usize, one_in: usize| {
            let places = self.places.div_ceil(one_in);
            taken < if standing == Standing::Known { places } else { places - places / KNOWN_PLACES }
        };
        let imported = self.ordinary.iter().filter(|waiting| waiting.weight == Weight::Imported).count();
        is_free(self.ordinary.len() + self.costly.len(), 1)
            && (weight == Weight::Own || is_free(imported + self.costly.len(), IMPORTED_PLACES))
            && (weight != Weight::Costly || is_free(self.costly.len(), COSTLY_PLACES))
    }

    /// The next job, if one may run now.
    fn take(&mut self) -> Option<(Weight, T)> {
        let may_import = !self.is_imported_running;
        let has_turn = may_import && (self.owed.is_zero() || self.ordinary.is_empty());
        let costly = has_turn.then(|| next(&mut self.costly, self.turn, true)).flatten();
        let Waiting { weight, standing, item } = costly.or_else(|| next(&mut self.ordinary, self.turn, may_import))?;
        self.turn = standing.other();
        self.is_imported_running |= weight != Weight::Own;
        Some((weight, item))
    }

    fn done(&mut self, weight: Weight, took: Duration) {
        match weight {
            Weight::Costly => self.owed = took * OTHERS,
            Weight::Own | Weight::Imported => self.owed = self.owed.saturating_sub(took),
        }
        if weight != Weight::Own {
            self.is_imported_running = false;
        }
    }
}

impl Standing {
    const fn other(self) -> Self {
        match self {
            Self::Stranger => Self::Known,
            Self::Known => Self::Stranger,
        }
    }
}

/// Removes the first job that may run: one of those whose turn it is, or else another one.
fn next<T>(lane: &mut VecDeque<Waiting<T>>, turn: Standing, may_import: bool) -> Option<Waiting<T>> {
    let may_run = |waiting: &Waiting<T>| may_import || waiting.weight == Weight::Own;
    let has_turn = lane.iter().position(|waiting| may_run(waiting) && waiting.standing == turn);
    let place = has_turn.or_else(|| lane.iter().position(may_run))?;
    lane.remove(place)
}

/// The queue that the threads take jobs from.
pub struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    lanes: Lanes<T>,
    is_closed: bool,
}

impl<T> Queue<T> {
    /// A queue for `places` jobs.
    pub fn new(places: usize) -> Self {
        let (ordinary, costly) = (VecDeque::new(), VecDeque::new());
        let (owed, turn) = (Duration::ZERO, Standing::Known);
        let lanes = Lanes { places, ordinary, costly, is_imported_running: false, owed, turn };
        Self { state: Mutex::new(State { lanes, is_closed: false }), changed: Condvar::new() }
    }

    /// Returns the item if there is no place for it.
    pub fn push(&self, weight: Weight, standing: Standing, item: T) -> Result<(), T> {
        self.lock().lanes.push(weight, standing, item)?;
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for a job; `None` once the queue is closed and empty.
    pub fn take(&self) -> Option<(Weight, T)> {
        let mut state = self.lock();
        loop {
            if let Some(taken) = state.lanes.take() {
                return Some(taken);
            }
            if state.is_closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Call this after each job.
    pub fn done(&self, weight: Weight, took: Duration) {
        self.lock().lanes.done(weight, took);
        self.changed.notify_all();
    }

    /// Ends the threads once the waiting jobs are done.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Standing::{Known, Stranger};
    use super::Weight::{Costly, Imported, Own};
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn lanes(places: usize) -> Lanes<u32> {
        Queue::new(places).state.into_inner().unwrap().lanes
    }

    fn items(lanes: &mut Lanes<u32>, took: impl Fn(Weight) -> Duration) -> Vec<u32> {
        std::iter::from_fn(|| {
            let (weight, item) = lanes.take()?;
            lanes.done(weight, took(weight));
            Some(item)
        })
        .collect()
    }

    #[test]
    fn ordinary_jobs_are_done_in_order() {
        let mut lanes = lanes(8);
        for (item, weight) in [Own, Imported, Own, Imported].into_iter().enumerate() {
            lanes.push(weight, Stranger, u32::try_from(item).unwrap()).unwrap();
        }
        assert_eq!(items(&mut lanes, |_| MS), [0, 1, 2, 3]);
    }

    /// How many of `count` jobs get a place.
    fn kept(lanes: &mut Lanes<u32>, weight: Weight, standing: Standing, count: u32) -> usize {
        (0..count).filter(|item| lanes.push(weight, standing, *item).is_ok()).count()
    }

    #[test]
    fn imported_hashes_have_fewer_places() {
        let mut lanes = lanes(64);
        assert_eq!(kept(&mut lanes, Costly, Known, 10), 8);
        assert_eq!(kept(&mut lanes, Imported, Known, 100), 24, "half of the places, including the costly ones");
        assert_eq!(kept(&mut lanes, Own, Known, 100), 32, "the total is bounded too");
    }

    #[test]
    fn places_of_each_kind_are_reserved_for_known_clients() {
        let mut lanes = lanes(64);
        for (weight, strangers, known) in [(Costly, 6, 2), (Imported, 16, 8), (Own, 16, 16)] {
            assert_eq!(kept(&mut lanes, weight, Stranger, 100), strangers, "{weight:?}");
            assert_eq!(kept(&mut lanes, weight, Known, 100), known, "{weight:?}");
        }
        assert_eq!(kept(&mut self::lanes(1), Own, Stranger, 2), 1, "at least one place");
    }

    #[test]
    fn known_clients_and_strangers_take_turns() {
        for weight in [Own, Imported, Costly] {
            let mut lanes = lanes(64);
            for item in 0..4 {
                lanes.push(weight, Stranger, item).unwrap();
            }
            for item in 10..12 {
                lanes.push(weight, Known, item).unwrap();
            }
            assert_eq!(items(&mut lanes, |_| MS), [10, 0, 11, 1, 2, 3], "{weight:?}");
        }
    }

    #[test]
    fn costly_jobs_get_a_quarter_of_the_time_while_others_wait() {
        let mut lanes = lanes(64);
        for item in 0..3 {
            lanes.push(Costly, Stranger, 100 + item).unwrap();
        }
        for item in 0..7 {
            lanes.push(Own, Stranger, item).unwrap();
        }
        let took = |weight| if weight == Costly { 40 * MS } else { 20 * MS };
        assert_eq!(items(&mut lanes, took), [100, 0, 1, 2, 3, 4, 5, 101, 6, 102], "six times 20 ms after 40 ms");
    }

    #[test]
    fn costly_jobs_wait_only_for_other_jobs() {
        let mut lanes = lanes(64);
        for item in 0..3 {
            lanes.push(Costly, Stranger, item).unwrap();
        }
        assert_eq!(items(&mut lanes, |_| 1_000 * MS), [0, 1, 2]);
    }

    #[test]
    fn only_one_imported_hash_is_compared_at_a_time() {
        for running in [Imported, Costly] {
            let mut lanes = lanes(64);
            for (weight, item) in [(running, 0), (Imported, 1), (Own, 2), (Costly, 3)] {
                lanes.push(weight, Stranger, item).unwrap();
            }
            let first = lanes.take().unwrap();
            let second = lanes.take();
            assert_eq!(second, Some((Own, 2)), "another thread has a job meanwhile");
            assert_eq!(lanes.take(), None);
            lanes.done(first.0, MS);
            assert!(lanes.take().is_some_and(|(weight, _)| weight != Own));
        }
    }

    #[test]
    fn waiting_jobs_are_done_after_the_queue_is_closed() {
        let queue = Queue::new(4);
        queue.push(Own, Stranger, 1).unwrap();
        queue.close();
        assert_eq!((queue.take(), queue.take()), (Some((Own, 1)), None));
    }
}
