//! The limits of a listener: the number of connections, and their memory.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::Limits;

/// The memory of one connection, in bytes, without what it receives and sends.
const COST: u64 = 32 << 10;
/// Open files that are not connections of clients: those of the other port, of the database, and some more.
const OTHER_FILES: u64 = 128;
/// The limits on the largest machines.
const MAX_PLACES: usize = 16_384;
const MAX_BYTES: u64 = 64 << 20;
/// The memory to assume without a memory limit, in bytes.
const DEFAULT_MEMORY: u64 = 512 << 20;
/// For the kubelet, Prometheus, the operator and a few more.
const OPS: Room = Room { places: 64, bytes: 1 << 20 };

/// The limits of one listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Connections.
    pub places: usize,
    /// Bytes of unfinished requests and of unread responses.
    pub bytes: usize,
}

impl Room {
    /// For the API.
    pub fn api(files: u64, limits: Limits) -> Self {
        let memory = limits.memory.unwrap_or(DEFAULT_MEMORY);
        // A quarter of the memory is for connections, and a sixteenth for what they send and receive.
        let places = files.saturating_sub(OTHER_FILES).min(memory / 4 / COST);
        Self {
            places: usize::try_from(places).unwrap_or(MAX_PLACES).clamp(16, MAX_PLACES),
            bytes: usize::try_from((memory / 16).clamp(2 << 20, MAX_BYTES)).unwrap_or(usize::MAX),
        }
    }

    /// For port 8001.
    pub const fn ops() -> Self {
        OPS
    }

    /// The number of connections above which a peer's own are closed first.
    pub const fn share(&self) -> usize {
        self.places / 4
    }
}

/// Raises the limit of open files as far as allowed, and returns it.
pub fn raise_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum.unwrap_or(u64::MAX),
        Err(error) => {
            tracing::warn!(%error, "could not raise RLIMIT_NOFILE");
            limit.current.unwrap_or(u64::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(files: u64, mib: Option<u64>) -> usize {
        Room::api(files, Limits { cpu: None, memory: mib.map(|mib| mib << 20) }).places
    }

    #[test]
    fn places_fit_the_memory_and_the_files() {
        assert_eq!(places(1 << 20, Some(128)), 1_024);
        assert_eq!(places(1 << 20, Some(64)), 512);
        assert_eq!(places(1 << 20, Some(1 << 20)), MAX_PLACES);
        assert_eq!(places(1_024, Some(128)), 896);
        assert_eq!(places(1_024, None), 896);
        assert_eq!(places(u64::MAX, None), 4_096);
        assert_eq!(places(64, None), 16);
    }

    #[test]
    fn requests_and_responses_take_a_small_part_of_the_memory() {
        let bytes = |mib: u64| Room::api(4_096, Limits { cpu: None, memory: Some(mib << 20) }).bytes >> 20;
        assert_eq!((bytes(16), bytes(128), bytes(1 << 20)), (2, 8, 64));
    }
}
