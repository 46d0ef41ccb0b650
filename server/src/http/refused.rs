//! Counts refused requests: those of one client within a minute together.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use axum::http::StatusCode;
use sc_auth_contract::time::UnixTime;

use crate::auth::audit::{AuditOutcome, Entry, Event};
use crate::auth::client::{Client, Person};
use crate::auth::network;
use crate::store::NewEvent;

/// This many refusals of one client within a minute are an audit event.
const BURST: u32 = 20;
/// The most clients to tell apart; an attacker with more addresses must fill neither the memory nor the log.
const MAX_CLIENTS: usize = 1_000;
/// The form of the login page.
pub const LOGIN_PAGE: &str = "/login";
/// The form of the login to the pages of one's own account.
pub const ACCOUNT_LOGIN: &str = "/account/login";
/// A refused login has an event of its own.
const LOGINS: [&str; 3] = ["/api/v1/accounts/login", LOGIN_PAGE, ACCOUNT_LOGIN];

/// A refused request.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub at: UnixTime,
    pub status: StatusCode,
    pub method: String,
    pub route: String,
    pub client: Client,
    pub user: Option<Person>,
}

/// The refusals of the present minute.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<HashMap<Key, Counted>>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    minute: i64,
    status: u16,
    network: Option<IpAddr>,
    user: Option<String>,
    /// Method and route of what a user may not do; empty for other refusals.
    call: (String, String),
}

#[derive(Debug, Clone)]
pub struct Counted {
    pub first: Refusal,
    pub total: u32,
    /// How many of them the audit events count.
    pub recorded: u32,
}

impl Refusals {
    /// Returns whether it is the first of its client within the minute, and the event to record.
    pub fn count(&self, refusal: Refusal) -> (bool, Option<NewEvent>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut key, mut refusal) = (refusal.key(), refusal);
        if seen.len() >= MAX_CLIENTS && !seen.contains_key(&key) {
            refusal = Refusal { client: Client::default(), user: None, ..refusal };
            key = refusal.key();
        }
        let counted = seen.entry(key).or_insert(Counted { first: refusal, total: 0, recorded: 0 });
        counted.total = counted.total.saturating_add(1);
        let event = (counted.first.recorded_from() == Some(counted.total)).then(|| {
            counted.recorded = counted.total;
            counted.first.event(counted.total)
        });
        (counted.total == 1, event)
    }

    /// Removes the refusals of earlier minutes.
    pub fn take_before(&self, now: UnixTime) -> Vec<Counted> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let present = now.minutes();
        seen.extract_if(|key, _| key.minute < present).map(|(_, counted)| counted).collect()
    }
}

impl Refusal {
    fn key(&self) -> Key {
        Key {
            minute: self.at.minutes(),
            status: self.status.as_u16(),
            network: self.client.address.map(network::of),
            user: self.user.as_ref().map(|user| user.uuid.clone()),
            call: match self.status {
                StatusCode::FORBIDDEN => (self.method.clone(), self.route.clone()),
                _ => (String::new(), String::new()),
            },
        }
    }

    /// The number of refusals within a minute from which on they are an event; `None` if they never are.
    fn recorded_from(&self) -> Option<u32> {
        match self.status {
            StatusCode::FORBIDDEN if LOGINS.contains(&self.route.as_str()) => None,
            StatusCode::FORBIDDEN => Some(1),
            _ => Some(BURST),
        }
    }

    pub fn log(&self, count: u32) {
        tracing::info!(
            status = self.status.as_u16(),
            method = self.method,
            route = self.route,
            user = self.user.as_ref().map(|user| user.uuid.as_str()),
            address = self.client.address_text(),
            count,
            "refused"
        );
    }

    pub fn event(&self, count: u32) -> NewEvent {
        let is_known = matches!(self.status, StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS);
        let outcome = if is_known { AuditOutcome::Denied } else { AuditOutcome::Failure };
        let mut entry = Entry::new(Event::RequestRefused, outcome);
        if let Some(Person { uuid, name, is_proven }) = &self.user {
            let name = name.as_deref();
            entry = if *is_proven { entry.by_named(uuid, name) } else { entry.to(uuid, name) };
        }
        let detail = format!("{} {} {}", self.status.as_u16(), self.method, self.route);
        let event = entry.detail(detail).event(&self.client, self.at);
        NewEvent { count: i32::try_from(count).unwrap_or(i32::MAX), ..event }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, address: &str, at: i64) -> Refusal {
        let client = Client { address: Some(address.parse().unwrap()), is_own_address: true, ..Client::default() };
        let (status, at) = (StatusCode::from_u16(status).unwrap(), at.into());
        Refusal { at, status, method: "GET".into(), route: "/x".into(), client, user: None }
    }

    #[test]
    fn a_client_s_refusals_of_one_minute_are_counted_together() {
        let refusals = Refusals::default();
        let counts: Vec<_> = (0..50).map(|_| refusals.count(refusal(401, "203.0.113.7", 120))).collect();
        assert_eq!(counts.iter().filter(|(is_first, _)| *is_first).count(), 1);
        let events: Vec<_> = counts.iter().filter_map(|(_, event)| event.as_ref()).collect();
        assert_eq!(events.iter().map(|event| event.count).collect::<Vec<_>>(), [20]);
        assert!(refusals.take_before(179.into()).is_empty(), "the minute is not over");
        let over = refusals.take_before(180.into());
        assert_eq!(over.iter().map(|counted| (counted.total, counted.recorded)).collect::<Vec<_>>(), [(50, 20)]);
        let rest = over[0].first.event(30);
        assert_eq!(rest.repeat_key, events[0].repeat_key, "it is added to the same row");
    }

    #[test]
    fn what_a_user_may_not_do_is_an_event_at_once() {
        let refusals = Refusals::default();
        assert_eq!(refusals.count(refusal(403, "203.0.113.7", 0)).1.unwrap().count, 1);
        assert!(refusals.count(refusal(403, "203.0.113.7", 0)).1.is_none());
        let delete = Refusal { method: "DELETE".into(), ..refusal(403, "203.0.113.7", 0) };
        let event = refusals.count(delete).1.unwrap();
        assert_eq!(event.detail.as_deref(), Some("403 DELETE /x"), "another call has its own event");
        for route in LOGINS {
            let login = Refusal { route: route.into(), ..refusal(403, "203.0.113.8", 0) };
            assert!(refusals.count(login).1.is_none(), "{route}");
        }
    }

    #[test]
    fn the_number_of_clients_is_bounded() {
        let refusals = Refusals::default();
        let counts = (0..5_000_u32).map(|number| refusals.count(refusal(403, &format!("2001:db8:0:{number:x}::1"), 0)));
        let events = counts.filter_map(|(_, event)| event).count();
        assert_eq!(events, MAX_CLIENTS + 1, "the others share one");
        assert_eq!(refusals.take_before(60.into()).len(), MAX_CLIENTS + 1);
    }
}
