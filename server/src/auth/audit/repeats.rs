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
pub struct Repeats(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    number: i64,
    counts: HashMap<(String, &'static str), u32>,
}

impl Repeats {
    /// Lets the event share a row with others if its user has caused many of them within this minute, from any address.
    /// A refusal has a key already.
    pub fn share(&self, mut event: NewEvent) -> NewEvent {
        let Some(user) = event.actor_uuid.clone().filter(|_| event.repeat_key.is_none()) else { return event };
        let number = minute(event.at);
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if minute.number != number {
            *minute = Minute { number, counts: HashMap::new() };
        }
        let count = minute.counts.entry((user.clone(), event.event)).or_default();
        *count += 1;
        if *count > OWN_ROWS {
            event.repeat_key = Some(digest(&[&number.to_string(), event.event, event.outcome, &user]));
        }
        event
    }
}

/// Refusals share a row by client, whatever else differs: an unknown name, a user agent, an address in its network.
/// `what` are the parts of the event that count.
pub(super) fn key_of_refusal(what: &[&str], client: &Client, now: UnixTime) -> String {
    let network = client.address.map(|address| network::of(address).to_string()).unwrap_or_default();
    digest(&[&[minute(now).to_string().as_str(), &network], what].concat())
}

fn minute(now: UnixTime) -> i64 {
    now.seconds().div_euclid(60)
}

/// 64 hexadecimal digits.
fn digest(parts: &[&str]) -> String {
    Sha256::digest(parts.join("\n")).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
