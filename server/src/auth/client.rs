//! The client of a request, as seen from the network.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use super::network;
use crate::store::User;

/// The data of a request that sessions and audit events record.
#[derive(Debug, Clone, Default)]
pub struct Client {
    /// The address that the request came from.
    pub address: Option<IpAddr>,
    /// Whether that address is the client's own, and not that of a proxy that many clients share.
    pub is_own_address: bool,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
    pub caller: Caller,
}

/// The user of a request, once known: the trace of a refusal names it.
#[derive(Debug, Clone, Default)]
pub struct Caller(Arc<OnceLock<Person>>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub uuid: String,
    pub name: Option<String>,
    /// Whether the client is this user. Otherwise it named the user, or sent a token of the user that is not valid.
    pub is_proven: bool,
}

impl Caller {
    /// The client has a valid token of this user.
    pub fn is(&self, user: &User) {
        self.set(user, true);
    }

    /// The client tries to log in as this user.
    pub fn claims(&self, user: &User) {
        self.set(user, false);
    }

    fn set(&self, user: &User, is_proven: bool) {
        let person = Person { uuid: user.uuid.clone(), name: user.username.clone(), is_proven };
        // The first one stays.
        let _ = self.0.set(person);
    }

    pub fn get(&self) -> Option<&Person> {
        self.0.get()
    }
}

impl Client {
    /// The client's own network, if known.
    pub fn network(&self) -> Option<IpAddr> {
        self.address.filter(|_| self.is_own_address).map(network::of)
    }

    /// The IPv6 /48 of the client's own address, if known.
    pub fn site(&self) -> Option<IpAddr> {
        self.address.filter(|_| self.is_own_address).and_then(network::site_of)
    }

    pub fn address_text(&self) -> Option<String> {
        self.address.map(|address| address.to_string())
    }
}
