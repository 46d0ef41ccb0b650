//! Which events share a row. The key of such a row names its minute, so that a row counts the events of one minute.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use sc_auth_contract::time::UnixTime;
use sha2::{Digest as _, Sha256};

use crate::auth::client::Client;
use crate::auth::network;
use crate::store::NewEvent;

/// The successful events of one kind and user that have a row each, in one minute and on one replica.
const OWN_ROWS: u32 = 10;

/// What a user has done within the present minute.
#[derive(Debug, Default)]
pub struct EventLimiter(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    number: i64,
    counts: HashMap<(String, &'static str), u32>,
}

impl EventLimiter {
    /// Lets the event share a row with equal ones of the client's network if its user has caused many events of that
    /// kind within this minute, from any address. An event that differs has a row of its own: it must not disappear
    /// behind others, which an intruder could cause first. A refusal has a key already.
    pub fn share(&self, mut event: NewEvent, client: &Client) -> NewEvent {
        let Some(user) = event.actor_uuid.clone().filter(|_| event.repeat_key.is_none()) else { return event };
        let number = event.at.minutes();
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if minute.number != number {
            *minute = Minute { number, counts: HashMap::new() };
        }
        let count = minute.counts.entry((user.clone(), event.event)).or_default();
        *count += 1;
        if *count > OWN_ROWS {
            let subject = event.subject_uuid.as_deref().unwrap_or_default();
            let detail = event.detail.as_deref().unwrap_or_default();
            let what = [event.event, event.outcome, &user, subject, detail];
            event.repeat_key = Some(key_of_event(&what, client, event.at));
        }
        event
    }
}

/// Events share a row by client, whatever else differs: an unknown name, a user agent, an address in its network. `what`
/// are the parts of the event that count.
pub(super) fn key_of_event(what: &[&str], client: &Client, now: UnixTime) -> String {
    let network = client.address.map(|address| network::of(address).to_string()).unwrap_or_default();
    digest(&[&[now.minutes().to_string().as_str(), &network], what].concat())
}

/// 64 hexadecimal digits.
fn digest(parts: &[&str]) -> String {
    Sha256::digest(parts.join("\n")).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::audit::{AuditOutcome, Entry, Event};

    fn changed(detail: &str, address: &str) -> (NewEvent, Client) {
        let client = Client { address: Some(address.parse().unwrap()), is_own_address: true, ..Client::default() };
        let entry = Entry::new(Event::AccountChanged, AuditOutcome::Success).by_named("u", None).detail(detail);
        (entry.event(&client, 120.into()), client)
    }

    #[test]
    fn an_event_that_differs_does_not_disappear_behind_many_others() {
        let limiter = EventLimiter::default();
        let share = |detail, address| {
            let (event, client) = changed(detail, address);
            limiter.share(event, &client).repeat_key
        };
        for _ in 0..OWN_ROWS {
            assert_eq!(share("name", "203.0.113.7"), None);
        }
        let shared = share("name", "203.0.113.7");
        assert!(shared.is_some());
        assert_eq!(share("name", "203.0.113.7"), shared, "an equal one is counted in its row");
        for (detail, address) in [("email", "203.0.113.7"), ("name", "198.51.100.1"), ("email", "198.51.100.1")] {
            assert_ne!(share(detail, address), shared, "{detail} {address}");
        }
    }
}
