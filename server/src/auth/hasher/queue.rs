//! What waits for a hashing thread. Hashes of other services that cost many times what ours do have a few places of their
//! own and a small share of the threads' time, so that logins with them do not hold up all others.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a piece of work is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// It works in memory that is there already.
    Own,
    /// A hash of another service, which may take memory of its own: one at a time.
    Imported,
    /// The same, and many times the work.
    Costly,
}

/// One in so many places is for costly work.
const COSTLY_PLACES: usize = 8;
/// For each second of costly work, so many seconds of other work that waits.
const OTHERS: u32 = 3;

/// Work by its order, without any threads.
struct Lanes<T> {
    places: usize,
    ordinary: VecDeque<(Weight, T)>,
    costly: VecDeque<T>,
    /// Whether a hash of another service is compared now.
    is_imported_running: bool,
    /// Other work that comes before the next costly one.
    owed: Duration,
}

impl<T> Lanes<T> {
    /// Gives back what finds no place.
    fn push(&mut self, weight: Weight, item: T) -> Result<(), T> {
        let is_full = self.ordinary.len() + self.costly.len() >= self.places;
        if is_full || (weight == Weight::Costly && self.costly.len() >= self.places.div_ceil(COSTLY_PLACES)) {
            return Err(item);
        }
        match weight {
            Weight::Costly => self.costly.push_back(item),
            Weight::Own | Weight::Imported => self.ordinary.push_back((weight, item)),
        }
        Ok(())
    }

    /// What is to be done now, if anything.
    fn take(&mut self) -> Option<(Weight, T)> {
        let may_import = !self.is_imported_running;
        let has_turn = may_import && (self.owed.is_zero() || self.ordinary.is_empty());
        if let Some(item) = has_turn.then(|| self.costly.pop_front()).flatten() {
            self.is_imported_running = true;
            return Some((Weight::Costly, item));
        }
        let place = self.ordinary.iter().position(|(weight, _)| may_import || *weight == Weight::Own)?;
        let (weight, item) = self.ordinary.remove(place)?;
        self.is_imported_running |= weight == Weight::Imported;
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

/// Work that threads wait for.
pub struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    lanes: Lanes<T>,
    is_closed: bool,
}

impl<T> Queue<T> {
    /// For so many pieces of work.
    pub fn new(places: usize) -> Self {
        let (ordinary, costly) = (VecDeque::new(), VecDeque::new());
        let lanes = Lanes { places, ordinary, costly, is_imported_running: false, owed: Duration::ZERO };
        Self { state: Mutex::new(State { lanes, is_closed: false }), changed: Condvar::new() }
    }

    /// Gives back what finds no place.
    pub fn push(&self, weight: Weight, item: T) -> Result<(), T> {
        self.lock().lanes.push(weight, item)?;
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for something to do; `None` once there will be nothing any more.
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

    /// To be called after each piece of work.
    pub fn done(&self, weight: Weight, took: Duration) {
        self.lock().lanes.done(weight, took);
        self.changed.notify_all();
    }

    /// What waits is still done.
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
    fn ordinary_work_is_done_in_its_order() {
        let mut lanes = lanes(8);
        for (item, weight) in [Own, Imported, Own, Imported].into_iter().enumerate() {
            lanes.push(weight, u32::try_from(item).unwrap()).unwrap();
        }
        assert_eq!(items(&mut lanes, |_| MS), [0, 1, 2, 3]);
    }

    #[test]
    fn costly_work_has_few_places() {
        let mut lanes = lanes(16);
        let kept: Vec<_> = (0..10).filter(|item| lanes.push(Costly, *item).is_ok()).collect();
        assert_eq!(kept, [0, 1]);
        let kept = (0..20).filter(|item| lanes.push(Own, *item).is_ok()).count();
        assert_eq!(kept, 14, "the places of all together are bounded too");
    }

    #[test]
    fn costly_work_gets_a_quarter_of_the_time_while_other_work_waits() {
        let mut lanes = lanes(64);
        for item in 0..3 {
            lanes.push(Costly, 100 + item).unwrap();
        }
        for item in 0..7 {
            lanes.push(Own, item).unwrap();
        }
        let took = |weight| if weight == Costly { 40 * MS } else { 20 * MS };
        assert_eq!(items(&mut lanes, took), [100, 0, 1, 2, 3, 4, 5, 101, 6, 102], "six times 20 ms after 40 ms");
    }

    #[test]
    fn costly_work_waits_for_nothing_but_work() {
        let mut lanes = lanes(64);
        for item in 0..3 {
            lanes.push(Costly, item).unwrap();
        }
        assert_eq!(items(&mut lanes, |_| 1_000 * MS), [0, 1, 2]);
    }

    #[test]
    fn only_one_imported_hash_is_compared_at_a_time() {
        for running in [Imported, Costly] {
            let mut lanes = lanes(64);
            for (weight, item) in [(running, 0), (Imported, 1), (Own, 2), (Costly, 3)] {
                lanes.push(weight, item).unwrap();
            }
            let first = lanes.take().unwrap();
            let second = lanes.take();
            assert_eq!(second, Some((Own, 2)), "another thread has something to do meanwhile");
            assert_eq!(lanes.take(), None);
            lanes.done(first.0, MS);
            assert!(lanes.take().is_some_and(|(weight, _)| weight != Own));
        }
    }

    #[test]
    fn what_waits_is_done_after_the_end() {
        let queue = Queue::new(4);
        queue.push(Own, 1).unwrap();
        queue.close();
        assert_eq!((queue.take(), queue.take()), (Some((Own, 1)), None));
    }
}
