//! All connections of a listener, and which of them goes when places or memory run out. Pure.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::time::Instant;

use super::connection::{Connection, Worth};
use super::room::Room;

/// What is cut at once where memory runs out: this part of what there is, so that it is not looked for at each byte.
const PART: usize = 32;

/// All open connections by their numbers.
pub struct Table {
    room: Room,
    next: u64,
    connections: HashMap<u64, Connection>,
    peers: HashMap<IpAddr, Sum>,
    /// Bytes that all of them keep in memory.
    held: usize,
    /// How many were cut for others since somebody asked.
    cut: Cuts,
}

/// What the connections of one peer come to.
#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    connections: usize,
    held: usize,
}

/// How many connections were cut, and why.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Cuts {
    pub for_places: u64,
    pub for_bytes: u64,
}

impl Table {
    pub fn new(room: Room) -> Self {
        // At once: what grows while connections come lies behind their memory, and keeps it from going back.
        let (connections, peers) = (HashMap::with_capacity(room.places + 1), HashMap::new());
        Self { room, next: 0, connections, peers, held: 0, cut: Cuts::default() }
    }

    pub fn is_full(&self) -> bool {
        self.connections.len() >= self.room.places
    }

    /// Gives a new connection a number, and the place of another one where all are taken. Gives it back where all
    /// requests are being worked on.
    pub fn admit(&mut self, connection: Connection, now: Instant) -> Result<u64, Box<Connection>> {
        if self.is_full() {
            let Some(number) = self.least(now) else { return Err(Box::new(connection)) };
            self.cut(number);
            self.cut.for_places += 1;
        }
        self.next += 1;
        self.peers.entry(connection.peer).or_default().connections += 1;
        self.connections.insert(self.next, connection);
        Ok(self.next)
    }

    /// The connection that matters least.
    fn least(&self, now: Instant) -> Option<u64> {
        let rank = |connection: &Connection| {
            // A proxy's connections are those of many clients.
            let count = if connection.is_proxy { 0 } else { self.sum(connection).connections };
            let worth = connection.worth(count > self.room.share(), now)?;
            // Idle connections go by age, no matter whose they are; others first where there are most.
            let count = if matches!(worth, Worth::Idle | Worth::IdleOfMany) { 0 } else { count };
            Some((worth, Reverse(count), connection.since()))
        };
        let ranked = self.connections.iter().filter_map(|(number, connection)| Some((rank(connection)?, *number)));
        ranked.min().map(|(_, number)| number)
    }

    fn sum(&self, connection: &Connection) -> Sum {
        self.peers.get(&connection.peer).copied().unwrap_or_default()
    }

    /// Tells a connection what happened to it, and cuts others where all together keep too much in memory.
    pub fn tell<T>(
        &mut self,
        number: u64,
        now: Instant,
        event: impl FnOnce(&mut Connection, Instant) -> T,
    ) -> Option<T> {
        let connection = self.connections.get_mut(&number)?;
        let before = connection.held();
        let told = event(connection, now);
        let after = connection.held();
        if after != before {
            self.held = self.held - before + after;
            if let Some(sum) = self.peers.get_mut(&connection.peer) {
                sum.held = sum.held - before + after;
            }
        }
        if self.held > self.room.bytes {
            self.cut_slowest(now);
        }
        Some(told)
    }

    /// Cuts the slowest connections of the peer that keeps most in memory.
    fn cut_slowest(&mut self, now: Instant) {
        let may_lose = || self.connections.iter().filter(|(_, connection)| connection.may_lose_bytes());
        let Some(heaviest) = may_lose().max_by_key(|(_, connection)| self.sum(connection).held) else { return };
        let peer = heaviest.1.peer;
        let mut paces: Vec<_> = may_lose()
            .filter(|(_, connection)| connection.peer == peer)
            .map(|(number, connection)| (connection.pace(now), *number))
            .collect();
        paces.sort_unstable_by(|(one, _), (other, _)| one.total_cmp(other));
        let enough = self.room.bytes - self.room.bytes / PART;
        for (_, number) in paces {
            if self.held <= enough {
                break;
            }
            self.cut(number);
            self.cut.for_bytes += 1;
        }
    }

    /// Cuts what takes too long. Says whose they were, and why.
    pub fn sweep(&mut self, now: Instant) -> Vec<(IpAddr, &'static str)> {
        let overdue: Vec<_> = self
            .connections
            .iter()
            .filter_map(|(number, connection)| Some((*number, connection.peer, connection.overdue(now)?)))
            .collect();
        for (number, ..) in &overdue {
            self.cut(*number);
        }
        overdue.into_iter().map(|(_, peer, why)| (peer, why)).collect()
    }

    fn cut(&mut self, number: u64) {
        if let Some(connection) = self.connections.get(&number) {
            connection.cut.cancel();
        }
        self.remove(number);
    }

    pub fn cut_all(&mut self) {
        for (_, connection) in self.connections.drain() {
            connection.cut.cancel();
        }
        self.peers.clear();
        self.held = 0;
    }

    pub fn remove(&mut self, number: u64) {
        let Some(connection) = self.connections.remove(&number) else { return };
        self.held -= connection.held();
        if let Entry::Occupied(mut sum) = self.peers.entry(connection.peer) {
            sum.get_mut().connections -= 1;
            sum.get_mut().held -= connection.held();
            if sum.get().connections == 0 {
                sum.remove();
            }
        }
    }

    /// How many were cut for others since this was last asked.
    pub fn take_cuts(&mut self) -> Cuts {
        std::mem::take(&mut self.cut)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ROOM: Room = Room { places: 8, bytes: 100_000 };
    const MANY: &str = "203.0.113.1";
    const FEW: &str = "203.0.113.2";

    /// A table whose clock stands still until it is moved.
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
            self.tell(number, Connection::waits_for_more);
            number
        }

        fn tell(&mut self, number: u64, event: impl FnOnce(&mut Connection, Instant)) {
            self.table.tell(number, self.now, event);
        }

        fn pass(&mut self, time: Duration) {
            self.now += time;
        }

        /// A whole request and its response.
        fn serve(&mut self, number: u64) {
            self.tell(number, |connection, now| {
                connection.received(100, now);
                connection.begin(100, true, now);
                connection.answers(now);
                connection.answered();
                connection.flushed(now);
            });
        }

        /// A request that waits for its body.
        fn send_part(&mut self, number: u64, count: usize) {
            self.tell(number, |connection, now| {
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
    fn who_never_asked_anything_goes_before_who_did() {
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
    fn idle_connections_go_by_age_and_those_of_a_peer_with_many_first() {
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
            assert!(!clock.has(*gone) && clock.has(few), "the oldest of the peer with most");
        }
        clock.add("198.51.100.9");
        assert!(!clock.has(few), "then the oldest of all");
    }

    #[test]
    fn a_peer_with_many_does_not_keep_its_places_by_beginning_a_second_request() {
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
    fn a_declared_proxy_is_no_peer_with_many() {
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
    fn a_request_that_is_worked_on_is_never_cut() {
        let mut clock = Clock::new();
        for _ in 0..8 {
            let number = clock.add(MANY);
            clock.tell(number, |connection, now| connection.begin(100, true, now));
        }
        clock.pass(60 * SECOND);
        assert!(clock.table.admit(Connection::new(FEW.parse().unwrap(), false, clock.now), clock.now).is_err());
        assert_eq!(clock.table.sweep(clock.now), []);
    }

    #[test]
    fn where_memory_runs_out_the_slowest_of_the_heaviest_peer_goes() {
        let mut clock = Clock::new();
        let few = clock.add(FEW);
        clock.send_part(few, 10_000);
        let many: Vec<_> = (0..4).map(|_| clock.add(MANY)).collect();
        for number in &many {
            clock.pass(SECOND);
            clock.send_part(*number, 22_000);
        }
        assert!(many.iter().all(|number| clock.has(*number)));
        clock.tell(many[0], |connection, now| connection.received(1_000, now));
        clock.tell(few, |connection, now| connection.received(1_500, now));
        assert!(clock.has(few), "it is slower, and of a peer that has less");
        assert!(clock.has(many[0]) || clock.has(many[1]));
        assert_eq!(many.iter().filter(|number| clock.has(**number)).count(), 3);
        assert!(clock.has(many[3]), "the newest is not the slowest");
        assert!(clock.table.held <= ROOM.bytes);
    }

    #[test]
    fn times_are_bounded_and_those_of_used_connections_outlast_a_proxy_s() {
        let mut clock = Clock::new();
        let (silent, used, slow, blocked) = (clock.add(FEW), clock.add(FEW), clock.add(FEW), clock.add(FEW));
        clock.serve(used);
        clock.serve(slow);
        clock.serve(blocked);
        clock.tell(slow, |connection, now| connection.received(1, now));
        clock.tell(blocked, |connection, now| {
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
    fn sums_come_to_nothing_when_all_have_gone() {
        let mut clock = Clock::new();
        let numbers: Vec<_> = (0..20).map(|_| clock.add(MANY)).collect();
        for number in &numbers {
            clock.send_part(*number, 30_000);
            clock.tell(*number, |connection, _| connection.queued(30_000));
        }
        for number in numbers {
            clock.table.remove(number);
        }
        assert_eq!((clock.table.held, clock.table.peers.len()), (0, 0));
    }

    #[test]
    fn requests_whose_length_is_known_roughly_do_not_add_up() {
        let mut clock = Clock::new();
        let number = clock.add(FEW);
        for _ in 0..1_000 {
            clock.tell(number, |connection, now| {
                connection.received(120, now);
                connection.begin(100, true, now);
                connection.answers(now);
                connection.answered();
                connection.flushed(now);
            });
        }
        assert!(clock.table.held <= 240, "{}", clock.table.held);
    }
}
