//! The client of a request, as seen from the network.

use std::net::IpAddr;

use super::network;

/// The data of a request that sessions and audit events record.
#[derive(Debug, Clone, Default)]
pub struct Client {
    /// The address that the request came from.
    pub address: Option<IpAddr>,
    /// Whether that address is the client's own, and not that of a proxy that many clients share.
    pub is_own_address: bool,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
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
