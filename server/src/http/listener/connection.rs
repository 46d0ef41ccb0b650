//! The state of a connection: its phase, since when, and its bytes in memory. Pure functions: each event has the time
//! as an argument.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::framing::Framing;

/// How long a client may take to send its first request, and the head of each later one.
pub const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long an idle connection is kept after its first request. Longer than in nginx and Traefik (60 s and 90 s): if
/// the server closed first, a request could already be on its way, and its client would get 502 from the proxy.
pub const IDLE_TIME: Duration = Duration::from_mins(2);
/// How long a client may read nothing of a response.
pub const WRITE_TIME: Duration = Duration::from_secs(20);
/// How long the server discards what a client sends after the last response, so that it can read that response.
pub const LINGER_TIME: Duration = Duration::from_secs(2);
/// The largest head of a request, in bytes.
pub const HEAD_BYTES: usize = 16 << 10;
/// The bytes that each request is assumed to have transferred when it begins.
const CREDIT: usize = 4 << 10;
/// Longer than [`crate::http::body::TIME`], so that the handler's limit applies first.
const BODY_TIME: Duration = Duration::from_secs(12);
/// How long a new connection is not closed for another one: its request may be on its way.
const GRACE: Duration = Duration::from_millis(500);

/// The phase of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Accepted, but not yet read from.
    New,
    /// No part of a request has arrived.
    Idle,
    /// A part of a request's head has arrived.
    Head,
    /// A handler waits for the rest of the body.
    Body,
    /// A handler is working.
    Working,
    /// The response is being written.
    Answering,
    /// The last response is written; further input is discarded.
    Closing,
}

/// The importance of a connection when places run out: the first in this order is closed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Worth {
    Closing,
    /// Without a request so far, although it had time for one.
    Unused,
    /// Stuck in a later request, of a peer with more than its share.
    StuckOfMany,
    /// Idle, of a peer with more than its share.
    IdleOfMany,
    /// Too new to have sent a request, of a peer with more than its share.
    NewOfMany,
    Idle,
    /// Stuck in a later request.
    Stuck,
    New,
}

/// See the module.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent")]
pub struct Connection {
    /// The network of the client or proxy.
    pub peer: IpAddr,
    /// Whether the peer is a configured proxy: its connections serve many clients.
    pub is_proxy: bool,
    /// Cancelled when the connection is cut, that is, closed by the listener.
    pub cut: CancellationToken,
    accepted: Instant,
    phase: Phase,
    since: Instant,
    /// When the client stopped reading.
    blocked: Option<Instant>,
    /// Whether it has completed a request and its response.
    has_served: bool,
    /// Whether the current request was received completely.
    is_whole: bool,
    /// Whether the current response was queued completely.
    is_answered: bool,
    /// Bytes of unfinished requests.
    incoming: usize,
    /// Of those, bytes of the current request; known once its head has arrived.
    current: usize,
    /// Bytes of responses that are not yet written.
    outgoing: usize,
    /// Bytes transferred since `since`.
    moved: usize,
    framing: Framing,
}

impl Connection {
    pub fn new(peer: IpAddr, is_proxy: bool, now: Instant) -> Self {
        Self {
            peer,
            is_proxy,
            cut: CancellationToken::new(),
            accepted: now,
            phase: Phase::New,
            since: now,
            blocked: None,
            has_served: false,
            is_whole: true,
            is_answered: false,
            incoming: 0,
            current: 0,
            outgoing: 0,
            moved: 0,
            framing: Framing::new(),
        }
    }

    /// Its bytes in memory.
    pub const fn held(&self) -> usize {
        self.incoming + self.outgoing
    }

    /// Whether a part of the last request is unread.
    pub fn has_unread(&self) -> bool {
        !self.is_whole || self.phase == Phase::Head
    }

    fn enter(&mut self, phase: Phase, now: Instant) {
        if self.phase != phase {
            (self.phase, self.since, self.moved) = (phase, now, 0);
        }
    }

    pub fn received(&mut self, count: usize, now: Instant) {
        if matches!(self.phase, Phase::New | Phase::Idle) {
            self.enter(Phase::Head, now);
            self.framing = Framing::new();
        }
        self.incoming += count;
        self.moved += count;
    }

    /// Looks at received bytes, which may be a part of a head.
    pub fn read(&mut self, bytes: &[u8]) {
        if self.phase == Phase::Head {
            self.framing.read(bytes);
        }
    }

    /// Whether the current head has both Content-Length and Transfer-Encoding. This is unknown if it was sent before the
    /// answer to the previous request; after a request with Transfer-Encoding the connection is closed in any case.
    pub const fn has_two_lengths(&self) -> bool {
        self.framing.has_two_lengths()
    }

    /// All available input has been read.
    pub fn waits_for_more(&mut self, now: Instant) {
        if self.phase == Phase::New {
            self.enter(Phase::Idle, now);
        }
    }

    /// A request's head has arrived; it has `size` bytes.
    pub fn begin(&mut self, size: usize, is_whole: bool, now: Instant) {
        if self.phase == Phase::Head {
            // The rest of the last input was the beginning of this head.
            self.incoming = self.incoming.min(size + self.moved);
        }
        self.enter(Phase::Working, now);
        (self.is_whole, self.is_answered, self.current) = (is_whole, false, size);
    }

    /// The handler waits for more of the body.
    pub fn waits_for_body(&mut self, now: Instant) {
        if self.phase == Phase::Working {
            self.enter(Phase::Body, now);
        }
    }

    /// The handler has received the whole body.
    pub fn has_body(&mut self, now: Instant) {
        // The framing of chunks is not counted separately.
        (self.is_whole, self.current) = (true, self.incoming);
        if self.phase == Phase::Body {
            self.enter(Phase::Working, now);
        }
    }

    /// The handler has answered.
    pub fn answers(&mut self, now: Instant) {
        self.enter(Phase::Answering, now);
    }

    /// `count` more bytes of the response were queued for writing.
    pub const fn queued(&mut self, count: usize) {
        self.outgoing += count;
    }

    /// The whole response is queued.
    pub const fn answered(&mut self) {
        self.is_answered = true;
    }

    pub fn wrote(&mut self, count: usize) {
        self.blocked = None;
        self.moved += count;
        self.outgoing = self.outgoing.saturating_sub(count);
    }

    pub fn is_blocked(&mut self, now: Instant) {
        self.blocked.get_or_insert(now);
    }

    /// All queued bytes are written.
    pub fn flushed(&mut self, now: Instant) {
        (self.blocked, self.outgoing) = (None, 0);
        if self.phase != Phase::Answering || !self.is_answered {
            return;
        }
        self.has_served = true;
        // The rest belongs to the next request.
        self.incoming = self.incoming.saturating_sub(self.current).min(HEAD_BYTES);
        self.current = 0;
        self.enter(Phase::Idle, now);
    }

    pub fn closes(&mut self, now: Instant) {
        self.enter(Phase::Closing, now);
        self.incoming = 0;
    }

    /// The time limit that has expired, if any.
    pub fn overdue(&self, now: Instant) -> Option<&'static str> {
        let after = |since: Instant, limit, why| (now.saturating_duration_since(since) >= limit).then_some(why);
        let stuck = self.blocked.and_then(|since| after(since, WRITE_TIME, "the client did not read"));
        stuck.or_else(|| match self.phase {
            Phase::New | Phase::Idle | Phase::Head if !self.has_served => {
                after(self.accepted, HEAD_TIME, "no request in time")
            }
            Phase::Head => after(self.since, HEAD_TIME, "no request in time"),
            Phase::New | Phase::Idle => after(self.since, IDLE_TIME, "idle"),
            Phase::Body => after(self.since, BODY_TIME, "no complete body in time"),
            Phase::Closing => after(self.since, LINGER_TIME, "the client did not close"),
            Phase::Working | Phase::Answering => None,
        })
    }

    /// Its importance. `None` if it must stay because its request is in progress.
    pub fn worth(&self, is_of_many: bool, now: Instant) -> Option<Worth> {
        let is_stuck = match self.phase {
            Phase::New | Phase::Working => return None,
            Phase::Closing => return Some(Worth::Closing),
            Phase::Answering => self.blocked.is_some(),
            Phase::Idle if self.has_served => {
                return Some(if is_of_many { Worth::IdleOfMany } else { Worth::Idle });
            }
            Phase::Idle | Phase::Head | Phase::Body => true,
        };
        let is_young = now.saturating_duration_since(self.accepted) < GRACE;
        match (is_stuck, self.has_served) {
            (false, _) => None,
            (true, true) => Some(if is_of_many { Worth::StuckOfMany } else { Worth::Stuck }),
            (true, false) if !is_young => Some(Worth::Unused),
            (true, false) => Some(if is_of_many { Worth::NewOfMany } else { Worth::New }),
        }
    }

    /// When its phase began.
    pub const fn since(&self) -> Instant {
        self.since
    }

    /// Whether it may be cut to free memory.
    pub fn may_lose_bytes(&self) -> bool {
        self.held() > 0
            && match self.phase {
                Phase::Head | Phase::Body | Phase::Closing => true,
                // The size of a request is known only approximately.
                Phase::Idle => self.held() >= CREDIT,
                Phase::Answering | Phase::Working => self.blocked.is_some(),
                Phase::New => false,
            }
    }

    /// The bytes per second that it transfers. A connection whose phase has just begun does not count as slow.
    pub fn pace(&self, now: Instant) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "only for comparison")]
        let moved = (self.moved + CREDIT) as f64;
        moved / now.saturating_duration_since(self.since).as_secs_f64().max(0.001)
    }
}
