//! Decides when the next attempt may be made, as a pure function of the failures so far.
//!
//! Failures with one name open *slots*: one attempt each. The first slots are open from the start, the later ones open
//! 1, 2, 4, … and then 300 seconds after the previous one, so that the sum over all networks is bounded. A network that
//! has failed twice leaves the last two open slots to others, so that one network alone never blocks a newcomer.

use std::time::Duration;

use sc_auth_contract::time::UnixTime;

use crate::store::Failures;

/// The longest delay.
const LONGEST: Duration = Duration::from_mins(5);
/// Failures are forgotten after this many seconds without another one.
pub const FORGET_AFTER: Duration = Duration::from_hours(24);
/// The open slots that are reserved for networks that have hardly failed; also the most unused slots that are saved.
const RESERVE: i32 = 2;
/// Failures after which a network leaves the reserve to others.
const NEWCOMER: i32 = 2;

/// How failures are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Unknown clients: 5 failures without any delay, since people mistype.
    Strict,
    /// Clients that have logged in before: 10.
    Lenient,
    /// Unknown clients shortly after the password was reset on the command line: 50, so that the user can log in before
    /// an attacker who continues to guess closes the name again.
    Roomy,
}

/// How long [`Pace::Roomy`] applies.
const ROOMY_FOR: Duration = Duration::from_mins(10);

impl Pace {
    /// The pace of unknown clients.
    pub fn of_strangers(epoch: i64, now: UnixTime) -> Self {
        if now < UnixTime::from_seconds(epoch) + ROOMY_FOR { Self::Roomy } else { Self::Strict }
    }

    const fn free(self) -> i32 {
        match self {
            Self::Strict => 5,
            Self::Lenient => 10,
            Self::Roomy => 50,
        }
    }

    /// The time between the slot of this failure and the next: none for the free ones, then 1, 2, 4, … seconds.
    fn delay(self, failures: i32) -> Duration {
        match u32::try_from(failures.saturating_sub(self.free())) {
            Ok(beyond) if beyond > 0 => {
                Duration::from_secs(1_u64.checked_shl(beyond - 1).unwrap_or(u64::MAX)).min(LONGEST)
            }
            _ => Duration::ZERO,
        }
    }

    /// The seconds between the opening of the next slot and of the one `ahead` slots later.
    fn later(self, failures: i32, ahead: i32) -> Duration {
        (1..=ahead).map(|slot| self.delay(failures.saturating_add(slot))).sum()
    }
}

/// Who a client shares a name's failures with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Nobody, as far as is known: it may take every slot.
    All,
    /// Other networks. The number is how often this one has failed.
    OfNetwork(i32),
}

/// Failures expire after [`FORGET_AFTER`].
pub fn recent(failures: Failures, now: UnixTime) -> Failures {
    if failures.last_failed_at + FORGET_AFTER < now { Failures::default() } else { failures }
}

/// The seconds until an attempt may be made.
pub fn wait(pace: Pace, failures: Failures, share: Share, now: UnixTime) -> Duration {
    let failures = recent(failures, now);
    let opens_at = failures.retry_at + pace.later(failures.count, left_to_others(pace, failures, share));
    opens_at - now
}

fn left_to_others(pace: Pace, failures: Failures, share: Share) -> i32 {
    match share {
        Share::OfNetwork(own) if own >= NEWCOMER && failures.count >= pace.free() => RESERVE,
        Share::OfNetwork(_) | Share::All => 0,
    }
}

/// The failures including a new one, which takes a slot.
pub fn after_failure(pace: Pace, old: Failures, share: Share, now: UnixTime) -> Failures {
    let old = recent(old, now);
    let count = old.count.saturating_add(1);
    let taken_at = match share {
        Share::All => now,
        // Slots that have opened meanwhile stay open, up to the reserve.
        Share::OfNetwork(_) => old.retry_at.max(now - pace.later(old.count, RESERVE)),
    };
    Failures { count, last_failed_at: now, retry_at: taken_at + pace.delay(count) }
}

/// The failures without those of a network that has logged in; `None` if none are left.
pub fn without(failures: Failures, own: i32) -> Option<Failures> {
    let count = failures.count.saturating_sub(own);
    (count > 0).then_some(Failures { count, ..failures })
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixTime = UnixTime::from_seconds(1_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    fn after(seconds: u32) -> UnixTime {
        START + seconds * SECOND
    }

    /// One name, guessed at from several networks.
    struct Name {
        failures: Failures,
        own: Vec<i32>,
    }

    impl Name {
        fn new(networks: usize) -> Self {
            Self { failures: Failures::default(), own: vec![0; networks] }
        }

        fn wait(&self, network: usize, now: UnixTime) -> u64 {
            wait(Pace::Strict, self.failures, Share::OfNetwork(self.own[network]), now).as_secs()
        }

        /// A wrong guess, if it may be made.
        fn guess(&mut self, network: usize, now: UnixTime) -> bool {
            let share = Share::OfNetwork(self.own[network]);
            let may = wait(Pace::Strict, self.failures, share, now).is_zero();
            if may {
                self.failures = after_failure(Pace::Strict, self.failures, share, now);
                self.own[network] += 1;
            }
            may
        }
    }

    /// The most guesses in `seconds` seconds of a client to which every slot is open.
    fn bound(seconds: u32) -> i32 {
        let mut failures = Failures::default();
        for now in (0..seconds).map(after) {
            while wait(Pace::Strict, failures, Share::All, now).is_zero() {
                failures = after_failure(Pace::Strict, failures, Share::All, now);
            }
        }
        failures.count
    }

    #[test]
    fn delays_grow_up_to_a_limit() {
        let delays: Vec<_> = (1..=16).map(|failures| Pace::Strict.delay(failures).as_secs()).collect();
        assert_eq!(delays, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(Pace::Lenient.delay(10), Duration::ZERO);
        assert_eq!(Pace::Lenient.delay(11), SECOND);
        for failures in [68, 69, 70, i32::MAX, i32::MAX - 1] {
            assert_eq!(Pace::Strict.delay(failures), 300 * SECOND);
            assert_eq!(Pace::Strict.later(failures, RESERVE), 600 * SECOND);
        }
    }

    #[test]
    fn clients_behind_an_unknown_network_share_one_counter() {
        assert_eq!(bound(1), 6);
        assert_eq!(bound(3_600), 6 + 9 + 10, "6 at once, 9 in growing delays, then 12 an hour");
        let old = Failures { count: 1_000, last_failed_at: START, retry_at: START };
        assert_eq!(after_failure(Pace::Strict, old, Share::All, after(900)).retry_at, after(1_200), "nothing is saved");
    }

    #[test]
    fn all_networks_together_get_no_more_than_one_would() {
        for networks in [1, 2, 10, 200, 2_000] {
            let mut name = Name::new(networks);
            let mut total = 0;
            for second in 0..1_200 {
                for network in 0..networks.min(200) {
                    let network = (network + usize::try_from(second).unwrap() * 200) % networks;
                    total += i32::from(name.guess(network, after(second)));
                }
                assert!(total <= bound(second + 1), "{networks} networks: {total} after {second} s");
            }
        }
    }

    #[test]
    fn one_network_alone_has_five_attempts_before_the_delays_grow() {
        let mut name = Name::new(1);
        let mut now = START;
        let waits: Vec<_> = (0..16)
            .map(|_| {
                let wait = name.wait(0, now);
                now = now + Duration::from_secs(wait);
                assert!(name.guess(0, now));
                wait
            })
            .collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 3, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    }

    #[test]
    fn a_guesser_on_one_network_leaves_two_attempts_to_every_newcomer() {
        let mut name = Name::new(2);
        for half_second in 0..4 * 3_600 {
            let now = after(half_second / 2);
            name.guess(0, now);
            assert!(name.wait(1, now) <= 3, "after {half_second} half seconds");
        }
        let now = after(7_200);
        assert!(name.guess(1, now) && name.guess(1, now));
        assert!(name.wait(1, now) > 0);
    }

    #[test]
    fn several_guessers_leave_attempts_to_newcomers_too() {
        let mut name = Name::new(5);
        for second in 0..7_200 {
            for network in 0..4 {
                name.guess(network, after(second));
            }
        }
        assert_eq!(name.wait(4, after(7_200)), 0);
    }

    #[test]
    fn more_attempts_are_allowed_for_a_while_after_a_reset() {
        assert_eq!(Pace::of_strangers(0, START), Pace::Strict);
        assert_eq!(Pace::of_strangers(START.seconds(), after(599)), Pace::Roomy);
        assert_eq!(Pace::of_strangers(START.seconds(), after(600)), Pace::Strict);
        let guesses = Failures { count: 40, last_failed_at: START, retry_at: START };
        assert_eq!(wait(Pace::Roomy, guesses, Share::OfNetwork(9), START), Duration::ZERO);
        assert_eq!(wait(Pace::Strict, guesses, Share::OfNetwork(9), START), 600 * SECOND, "none without the reset");
    }

    #[test]
    fn failures_are_forgotten_after_a_day() {
        let old = Failures { count: 20, last_failed_at: START, retry_at: after(300) };
        assert_eq!(after_failure(Pace::Strict, old, Share::All, START + FORGET_AFTER).count, 21);
        let now = START + FORGET_AFTER + SECOND;
        let new = after_failure(Pace::Strict, old, Share::All, now);
        assert_eq!((new.count, new.retry_at), (1, now));
        assert_eq!(after_failure(Pace::Strict, old, Share::OfNetwork(3), now).count, 1);
    }

    #[test]
    fn a_successful_login_clears_only_its_own_failures() {
        let failures = Failures { count: 9, last_failed_at: START, retry_at: START };
        assert_eq!(without(failures, 2).unwrap().count, 7);
        assert_eq!(without(failures, 9), None);
        assert_eq!(without(failures, 12), None);
    }
}
