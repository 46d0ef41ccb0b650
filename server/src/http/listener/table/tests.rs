//! Which connection is cut, with a clock that the tests control.

use std::time::Duration;

use super::*;

const ROOM: Room = Room { places: 8, bytes: 100_000 };
const MANY: &str = "203.0.113.1";
const FEW: &str = "203.0.113.2";

/// A table with a clock that moves only on request.
struct Clock {
    table: Table,
    now: Instant,
}

impl Clock {
    fn new() -> Self {
        Self { table: Table::new(ROOM), now: Instant::now() }
    }

    fn add(&mut self, peer: &str) -> u64 {
        let connection = Connection::new(peer.parse().unwrap(), false, self.now);
        let number = self.table.admit(connection, self.now).unwrap();
        self.update(number, Connection::waits_for_more);
        number
    }

    fn update(&mut self, number: u64, event: impl FnOnce(&mut Connection, Instant)) {
        self.table.update(number, self.now, event);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// Completes a request and its response.
    fn serve(&mut self, number: u64) {
        self.update(number, |connection, now| {
            connection.received(100, now);
            connection.begin(100, true, now);
            connection.answers(now);
            connection.answered();
            connection.flushed(now);
        });
    }

    /// Begins a request that waits for its body.
    fn send_part(&mut self, number: u64, count: usize) {
        self.update(number, |connection, now| {
            connection.received(count, now);
            connection.begin(100, false, now);
            connection.waits_for_body(now);
        });
    }

    fn has(&self, number: u64) -> bool {
        self.table.connections.contains_key(&number)
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn connections_without_a_request_are_cut_first() {
    let mut clock = Clock::new();
    let used: Vec<_> = (0..4).map(|_| clock.add(FEW)).collect();
    for number in &used {
        clock.serve(*number);
    }
    clock.pass(SECOND);
    let unused: Vec<_> = (0..4).map(|_| clock.add(MANY)).collect();
    clock.pass(SECOND);
    for gone in unused {
        let added = clock.add(MANY);
        assert!(!clock.has(gone) && clock.has(added));
    }
    assert!(used.iter().all(|number| clock.has(*number)));
}

#[test]
fn idle_connections_are_cut_by_age_and_those_of_a_peer_with_many_first() {
    let mut clock = Clock::new();
    let few = clock.add(FEW);
    clock.serve(few);
    let many: Vec<_> = (0..7).map(|_| clock.add(MANY)).collect();
    for number in &many {
        clock.pass(SECOND);
        clock.serve(*number);
    }
    for (other, gone) in many[..5].iter().enumerate() {
        assert!(clock.has(*gone));
        let added = clock.add(&format!("198.51.100.{other}"));
        clock.serve(added);
        assert!(!clock.has(*gone) && clock.has(few), "the oldest of the peer with the most");
    }
    clock.add("198.51.100.9");
    assert!(!clock.has(few), "then the oldest of all");
}

#[test]
fn a_peer_with_many_cannot_keep_its_places_with_a_second_request() {
    let mut clock = Clock::new();
    let few = clock.add(FEW);
    clock.serve(few);
    let many: Vec<_> = (0..7).map(|_| clock.add(MANY)).collect();
    for number in &many {
        clock.serve(*number);
        clock.send_part(*number, 100);
    }
    clock.pass(SECOND);
    let added = clock.add("198.51.100.1");
    assert!(clock.has(few) && clock.has(added));
}

#[test]
fn a_configured_proxy_does_not_count_as_a_peer_with_many() {
    let mut clock = Clock::new();
    let proxy: Vec<_> = (0..5)
        .map(|_| {
            let connection = Connection::new(MANY.parse().unwrap(), true, clock.now);
            clock.table.admit(connection, clock.now).unwrap()
        })
        .collect();
    for number in &proxy {
        clock.serve(*number);
    }
    clock.pass(SECOND);
    let others: Vec<_> = (0..3).map(|_| clock.add(FEW)).collect();
    for number in &others {
        clock.serve(*number);
    }
    clock.add(FEW);
    assert!(proxy.iter().all(|number| clock.has(*number)) && !clock.has(others[0]));
}

#[test]
fn a_request_in_progress_is_never_cut() {
    let mut clock = Clock::new();
    for _ in 0..8 {
        let number = clock.add(MANY);
        clock.update(number, |connection, now| connection.begin(100, true, now));
    }
    clock.pass(60 * SECOND);
    assert!(clock.table.admit(Connection::new(FEW.parse().unwrap(), false, clock.now), clock.now).is_err());
    assert_eq!(clock.table.sweep(clock.now), []);
}

#[test]
fn the_slowest_connection_of_the_heaviest_peer_is_cut_to_free_memory() {
    let mut clock = Clock::new();
    let few = clock.add(FEW);
    clock.send_part(few, 10_000);
    let many: Vec<_> = (0..4).map(|_| clock.add(MANY)).collect();
    for number in &many {
        clock.pass(SECOND);
        clock.send_part(*number, 22_000);
    }
    assert!(many.iter().all(|number| clock.has(*number)));
    clock.update(many[0], |connection, now| connection.received(1_000, now));
    clock.update(few, |connection, now| connection.received(1_500, now));
    assert!(clock.has(few), "it is slower, but its peer has less");
    assert!(clock.has(many[0]) || clock.has(many[1]));
    assert_eq!(many.iter().filter(|number| clock.has(**number)).count(), 3);
    assert!(clock.has(many[3]), "the newest is not the slowest");
    assert!(clock.table.held <= ROOM.bytes);
}

#[test]
fn no_search_is_made_while_no_connection_can_be_cut() {
    let mut clock = Clock::new();
    let numbers: Vec<_> = (0..5).map(|_| clock.add(MANY)).collect();
    for number in &numbers {
        clock.update(*number, |connection, now| {
            connection.received(30_000, now);
            connection.begin(30_000, true, now);
        });
    }
    assert!(clock.table.held > ROOM.bytes && !clock.table.has_to_cut(), "all of them are in progress");
    // One of them stops reading its response.
    clock.update(numbers[2], |connection, now| {
        connection.answers(now);
        connection.is_blocked(now);
    });
    assert_eq!(numbers.iter().filter(|number| clock.has(**number)).count(), 4);
    assert!(!clock.has(numbers[2]) && !clock.table.has_to_cut());
}

#[test]
fn time_limits_apply_and_idle_connections_outlast_those_of_proxies() {
    let mut clock = Clock::new();
    let (silent, used, slow, blocked) = (clock.add(FEW), clock.add(FEW), clock.add(FEW), clock.add(FEW));
    clock.serve(used);
    clock.serve(slow);
    clock.serve(blocked);
    clock.update(slow, |connection, now| connection.received(1, now));
    clock.update(blocked, |connection, now| {
        connection.received(100, now);
        connection.begin(100, true, now);
        connection.answers(now);
        connection.is_blocked(now);
    });
    clock.pass(10 * SECOND);
    clock.table.sweep(clock.now);
    assert!(!clock.has(silent) && !clock.has(slow) && clock.has(blocked));
    clock.pass(10 * SECOND);
    clock.table.sweep(clock.now);
    assert!(!clock.has(blocked));
    clock.pass(75 * SECOND);
    clock.table.sweep(clock.now);
    assert!(clock.has(used), "Traefik keeps its connections 90 s");
    clock.pass(30 * SECOND);
    clock.table.sweep(clock.now);
    assert!(!clock.has(used));
}

#[test]
fn the_totals_are_zero_once_all_connections_have_ended() {
    let mut clock = Clock::new();
    let numbers: Vec<_> = (0..20).map(|_| clock.add(MANY)).collect();
    for number in &numbers {
        clock.send_part(*number, 30_000);
        clock.update(*number, |connection, _| connection.queued(30_000));
    }
    for number in numbers {
        clock.table.remove(number);
    }
    assert_eq!((clock.table.held, clock.table.losable, clock.table.peers.len()), (0, 0, 0));
}

#[test]
fn approximate_sizes_of_requests_do_not_accumulate() {
    let mut clock = Clock::new();
    let number = clock.add(FEW);
    for _ in 0..1_000 {
        clock.update(number, |connection, now| {
            connection.received(120, now);
            connection.begin(100, true, now);
            connection.answers(now);
            connection.answered();
            connection.flushed(now);
        });
    }
    assert!(clock.table.held <= 240, "{}", clock.table.held);
}
