//! Who a request came from, as far as the network knows.

use std::net::IpAddr;

use super::network;

/// What is noted of a request.
#[derive(Debug, Clone, Default)]
pub struct Client {
    /// The client's own address, where a proxy that is trusted has told it.
    pub address: Option<IpAddr>,
    /// Whether that address is the client's own, and not that of a proxy that many share.
    pub is_own_address: bool,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
}

impl Client {
    /// The client's own network, where it is known.
    pub fn network(&self) -> Option<IpAddr> {
        self.address.filter(|_| self.is_own_address).map(network::of)
    }

    pub fn address_text(&self) -> Option<String> {
        self.address.map(|address| address.to_string())
    }
}
