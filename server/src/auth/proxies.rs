//! The proxies whose `X-Forwarded-For` is trusted.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// The proxies that are trusted to report a client's address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TrustedProxies {
    /// Not configured: the peer may be a proxy that all clients share.
    #[default]
    Unknown,
    /// Clients connect directly.
    Direct,
    /// Proxies in these networks.
    Networks(Vec<IpNet>),
}

impl FromStr for TrustedProxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Ok(Self::Unknown),
            "direct" => Ok(Self::Direct),
            networks => networks.split(',').map(network).collect::<Result<_, _>>().map(Self::Networks),
        }
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().or_else(|_| single()).map_err(|_| {
        format!("{text:?} is not a network; write networks such as 10.0.0.0/8, separated by commas, or `direct`")
    })
}

impl TrustedProxies {
    /// Whether it is the address of a configured proxy.
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        matches!(self, Self::Networks(networks) if networks.iter().any(|network| network.contains(&address)))
    }

    /// The address that a request comes from, and whether it is the client's own. `hops` are the addresses of
    /// `X-Forwarded-For`, `None` for one that is not an address.
    pub fn client(&self, peer: IpAddr, hops: impl DoubleEndedIterator<Item = Option<IpAddr>>) -> (IpAddr, bool) {
        let networks = match self {
            Self::Unknown => return (peer, false),
            Self::Direct => return (peer, true),
            Self::Networks(networks) => networks,
        };
        let is_trusted = |address: &IpAddr| networks.iter().any(|network| network.contains(address));
        let mut address = peer;
        // From the right: each proxy appends its peer's address, and only trusted proxies are believed.
        for hop in hops.rev() {
            if !is_trusted(&address) {
                return (address, true);
            }
            match hop {
                Some(hop) => address = hop,
                None => return (address, false),
            }
        }
        // Not forwarded at all, or by trusted proxies only.
        (address, !is_trusted(&peer) || address != peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_network_is_named_in_the_error() {
        let error = "10.0.0.0/8, proxy".parse::<TrustedProxies>().unwrap_err();
        assert!(error.starts_with("\"proxy\" is not a network; write networks such as 10.0.0.0/8"), "{error}");
    }
}
