//! The connections of a listener, and the choice of those to cut when places or memory run out. Pure functions.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::time::Instant;

use super::connection::{Connection, Worth};
use super::room::Room;

/// When memory runs out, one part in this many is freed at once, so that the next byte does not cause another search.
const PART: usize = 32;

/// All open connections by their numbers.
pub struct Table {
    room: Room,
    next: u64,
    connections: HashMap<u64, Connection>,
    peers: HashMap<IpAddr, Sum>,
    /// The bytes of all connections in memory.
    held: usize,
    /// The number of connections that may be cut to free memory. While it is 0, no search is made.
    losable: usize,
    /// The number of connections that were cut for others since [`Self::take_cuts`].
    cut: Cuts,
}

/// The totals of one peer's connections.
#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    connections: usize,
    held: usize,
}

/// The number of cut connections, by reason.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Cuts {
    pub for_places: u64,
    pub for_bytes: u64,
}

impl Table {
    pub fn new(room: Room) -> Self {
        // Allocate it now: a table that grew later would lie behind the connections' memory in the heap, which could
        // then not be returned to the kernel.
        let (connections, peers) = (HashMap::with_capacity(room.places + 1), HashMap::new());
        Self { room, next: 0, connections, peers, held: 0, losable: 0, cut: Cuts::default() }
    }

    pub fn is_full(&self) -> bool {
        self.connections.len() >= self.room.places
    }

    /// Gives a new connection a number. If all places are taken, it cuts another connection; if each of them has a
    /// request in progress, it returns the new one.
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

    /// The least important connection.
    fn least(&self, now: Instant) -> Option<u64> {
        let rank = |connection: &Connection| {
            // A proxy's connections belong to many clients.
            let count = if connection.is_proxy { 0 } else { self.sum(connection).connections };
            let worth = connection.worth(count > self.room.share(), now)?;
            // Idle connections are cut by age, regardless of their peers; others first from the peer with the most.
            let count = if matches!(worth, Worth::Idle | Worth::IdleOfMany) { 0 } else { count };
            Some((worth, Reverse(count), connection.since()))
        };
        let ranked = self.connections.iter().filter_map(|(number, connection)| Some((rank(connection)?, *number)));
        ranked.min().map(|(_, number)| number)
    }

    fn sum(&self, connection: &Connection) -> Sum {
        self.peers.get(&connection.peer).copied().unwrap_or_default()
    }

    /// Applies an event to a connection, and cuts others if the connections exceed the memory limit.
    pub fn update<T>(
        &mut self,
        number: u64,
        now: Instant,
        event: impl FnOnce(&mut Connection, Instant) -> T,
    ) -> Option<T> {
        let connection = self.connections.get_mut(&number)?;
        let (before, could_lose) = (connection.held(), connection.may_lose_bytes());
        let result = event(connection, now);
        let (after, may_lose) = (connection.held(), connection.may_lose_bytes());
        self.losable = self.losable - usize::from(could_lose) + usize::from(may_lose);
        if after != before {
            self.held = self.held - before + after;
            if let Some(sum) = self.peers.get_mut(&connection.peer) {
                sum.held = sum.held - before + after;
            }
        }
        if self.has_to_cut() {
            self.cut_slowest(now);
        }
        Some(result)
    }

    /// Whether the memory limit is exceeded and a connection may be cut, so that each search cuts at least one.
    const fn has_to_cut(&self) -> bool {
        self.held > self.room.bytes && self.losable > 0
    }

    /// Cuts the slowest connections of the peer with the most bytes in memory.
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

    /// Cuts connections whose time limit has expired. Returns their peers and the reasons.
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
        (self.held, self.losable) = (0, 0);
    }

    pub fn remove(&mut self, number: u64) {
        let Some(connection) = self.connections.remove(&number) else { return };
        self.held -= connection.held();
        self.losable -= usize::from(connection.may_lose_bytes());
        if let Entry::Occupied(mut sum) = self.peers.entry(connection.peer) {
            sum.get_mut().connections -= 1;
            sum.get_mut().held -= connection.held();
            if sum.get().connections == 0 {
                sum.remove();
            }
        }
    }

    /// The number of connections that were cut for others since the last call.
    pub fn take_cuts(&mut self) -> Cuts {
        std::mem::take(&mut self.cut)
    }
}

#[cfg(test)]
mod tests;
