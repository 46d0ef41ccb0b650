//! One connection as its listener sees it: what it is doing, since when, and what it keeps in memory. Pure: the time
//! comes in with each event.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// How long a client may take to send its first request, and the head of each later one.
pub const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a connection that carried a request is kept idle. Longer than nginx and Traefik keep theirs (60 s and
/// 90 s): where the server closes first, a request may be on its way, and its client gets 502 from the proxy.
pub const IDLE_TIME: Duration = Duration::from_mins(2);
/// How long a client that reads nothing may hold up a response.
pub const WRITE_TIME: Duration = Duration::from_secs(20);
/// How long what a client still sends is thrown away after the last response, so that it can read that response.
pub const LINGER_TIME: Duration = Duration::from_secs(2);
/// The largest head of a request, in bytes.
pub const HEAD_BYTES: usize = 16 << 10;
/// What each request is taken to have moved when it begins, in bytes.
const CREDIT: usize = 4 << 10;
/// Somewhat longer than [`crate::http::body::TIME`]: the handler has the first word.
const BODY_TIME: Duration = Duration::from_secs(12);
/// How long a new connection is safe from being cut for the next one: its request may be on its way.
const GRACE: Duration = Duration::from_millis(500);

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Accepted, not read from yet.
    New,
    /// Nothing of a request is there.
    Idle,
    /// Part of a request's head is there.
    Head,
    /// A handler waits for the rest of the body.
    Body,
    /// A handler works.
    Working,
    /// The response is being written.
    Answering,
    /// The last response is written; what still comes is thrown away.
    Closing,
}

/// How much it matters that a connection stays, when places run out. The first goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Worth {
    Closing,
    /// It never carried a request, and had time for one.
    Unused,
    /// Stuck in a later request, of a peer that has more than its share.
    StuckOfMany,
    /// Idle, of a peer that has more than its share.
    IdleOfMany,
    /// It never carried a request and had no time for one yet, of a peer that has more than its share.
    NewOfMany,
    Idle,
    /// Stuck in a later request.
    Stuck,
    New,
}

/// See the module.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Connection {
    /// The address of the client or proxy, without what one subscriber may choose.
    pub peer: IpAddr,
    /// A proxy that was declared: its connections carry many clients.
    pub is_proxy: bool,
    /// To be cancelled when the connection is cut.
    pub cut: CancellationToken,
    accepted: Instant,
    phase: Phase,
    since: Instant,
    /// When the client stopped reading.
    blocked: Option<Instant>,
    /// Whether it has carried a whole request and its response.
    has_served: bool,
    /// Whether the whole of the current request was received.
    is_whole: bool,
    /// Whether the end of the current response was handed over for writing.
    is_answered: bool,
    /// Bytes of unfinished requests.
    incoming: usize,
    /// Of those, bytes that belong to the current request; known once its head is there.
    current: usize,
    /// Bytes of responses that are not written yet.
    outgoing: usize,
    /// Bytes that were moved since `since`.
    moved: usize,
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
        }
    }

    /// Bytes that it keeps in memory.
    pub const fn held(&self) -> usize {
        self.incoming + self.outgoing
    }

    /// Whether a part of the last request was never read.
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
        }
        self.incoming += count;
        self.moved += count;
    }

    /// All that was there is read.
    pub fn waits_for_more(&mut self, now: Instant) {
        if self.phase == Phase::New {
            self.enter(Phase::Idle, now);
        }
    }

    /// A request's head is there. `size` is what it takes.
    pub fn begin(&mut self, size: usize, is_whole: bool, now: Instant) {
        if self.phase == Phase::Head {
            // What was left of the last request was the beginning of this head.
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

    /// The handler got the whole body.
    pub fn has_body(&mut self, now: Instant) {
        // Chunks have frames, which nobody counts.
        (self.is_whole, self.current) = (true, self.incoming);
        if self.phase == Phase::Body {
            self.enter(Phase::Working, now);
        }
    }

    /// The handler has answered.
    pub fn answers(&mut self, now: Instant) {
        self.enter(Phase::Answering, now);
    }

    /// `count` more bytes of the response are to be written.
    pub const fn queued(&mut self, count: usize) {
        self.outgoing += count;
    }

    /// All of the response is handed over.
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

    /// All that was handed over is written.
    pub fn flushed(&mut self, now: Instant) {
        (self.blocked, self.outgoing) = (None, 0);
        if self.phase != Phase::Answering || !self.is_answered {
            return;
        }
        self.has_served = true;
        // What is left is of the next request.
        self.incoming = self.incoming.saturating_sub(self.current).min(HEAD_BYTES);
        self.current = 0;
        self.enter(Phase::Idle, now);
    }

    pub fn closes(&mut self, now: Instant) {
        self.enter(Phase::Closing, now);
        self.incoming = 0;
    }

    /// Why its time is over, if it is.
    pub fn overdue(&self, now: Instant) -> Option<&'static str> {
        let after = |since: Instant, limit, why| (now.saturating_duration_since(since) >= limit).then_some(why);
        let stuck = self.blocked.and_then(|since| after(since, WRITE_TIME, "the client did not read"));
        stuck.or_else(|| match self.phase {
            Phase::New | Phase::Idle | Phase::Head if !self.has_served => {
                after(self.accepted, HEAD_TIME, "no request in time")
            }
            Phase::Head => after(self.since, HEAD_TIME, "no request in time"),
            Phase::New | Phase::Idle => after(self.since, IDLE_TIME, "idle"),
            Phase::Body => after(self.since, BODY_TIME, "no whole body in time"),
            Phase::Closing => after(self.since, LINGER_TIME, "the client did not close"),
            Phase::Working | Phase::Answering => None,
        })
    }

    /// How much it matters. `None` where it must stay: its request is being worked on.
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

    /// When it began to do what it does.
    pub const fn since(&self) -> Instant {
        self.since
    }

    /// Whether it may be cut because of what it keeps in memory.
    pub fn may_lose_bytes(&self) -> bool {
        self.held() > 0
            && match self.phase {
                Phase::Head | Phase::Body | Phase::Closing => true,
                // How long a request was is known roughly only.
                Phase::Idle => self.held() >= CREDIT,
                Phase::Answering | Phase::Working => self.blocked.is_some(),
                Phase::New => false,
            }
    }

    /// Bytes a second that it moves. One that has just begun is not slow.
    pub fn pace(&self, now: Instant) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "it is compared only")]
        let moved = (self.moved + CREDIT) as f64;
        moved / now.saturating_duration_since(self.since).as_secs_f64().max(0.001)
    }
}
