//! The proxies whose `X-Forwarded-For` is trusted.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

/// The addresses of the internet, without those for groups and for experiments.
const CLIENTS_V4: [&str; 3] = ["0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/3"];
const CLIENTS_V6: &str = "2000::/3";

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
        let networks: Vec<_> = text.split(',').map(str::trim).filter(|network| !network.is_empty()).collect();
        match networks.as_slice() {
            [] => Ok(Self::Unknown),
            [word] if word.eq_ignore_ascii_case("direct") => Ok(Self::Direct),
            networks => networks.iter().map(|text| network(text)).collect::<Result<_, _>>().map(Self::Networks),
        }
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().or_else(|_| single()).map(canonical).map_err(|_| {
        format!("{text:?} is not a network; write networks such as 10.0.0.0/8, separated by commas, or `direct`")
    })
}

/// The IPv4 network that an IPv4-mapped IPv6 network stands for: addresses are compared in that form.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else { return network };
    let ipv4 = mapped.addr().to_ipv4_mapped().zip(mapped.prefix_len().checked_sub(96));
    ipv4.and_then(|(address, length)| Ipv4Net::new(address, length).ok()).map_or(network, IpNet::V4)
}

impl TrustedProxies {
    /// Whether it is the address of a configured proxy.
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        matches!(self, Self::Networks(networks) if networks.iter().any(|network| network.contains(&address)))
    }

    /// Whether every address that a client on the internet can have is trusted, be it by several networks.
    pub fn are_all(&self) -> bool {
        let Self::Networks(networks) = self else { return false };
        let joined = IpNet::aggregate(networks);
        let is_trusted =
            |text: &str| text.parse::<IpNet>().is_ok_and(|all| joined.iter().any(|net| net.contains(&all)));
        CLIENTS_V4.into_iter().all(is_trusted) || is_trusted(CLIENTS_V6)
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

    #[test]
    fn words_are_read_in_any_case_and_empty_elements_do_not_count() {
        let parsed = |text: &str| text.parse::<TrustedProxies>().unwrap();
        assert_eq!(
            (parsed(" , "), parsed(" Direct "), parsed("DIRECT,")),
            (TrustedProxies::Unknown, TrustedProxies::Direct, TrustedProxies::Direct,)
        );
        assert_eq!(parsed("10.0.0.0/8, FD00::/8,"), parsed("10.0.0.0/8,fd00::/8"));
        assert!("direct,10.0.0.0/8".parse::<TrustedProxies>().is_err());
    }

    #[test]
    fn every_address_can_be_trusted_by_several_networks() {
        for (networks, are_all) in [
            ("0.0.0.0/0", true),
            ("::/0", true),
            ("0.0.0.0/1,128.0.0.0/1", true),
            ("0.0.0.0/2, 64.0.0.0/2, 128.0.0.0/2, 192.0.0.0/3", true),
            ("2000::/3", true),
            ("::/1", true),
            ("2000::/4, 3000::/4, 10.0.0.0/8", true),
            ("0.0.0.0/1", false),
            ("128.0.0.0/1", false),
            ("2000::/4", false),
            ("10.0.0.0/8, fd00::/8, 172.16.0.0/12", false),
            ("direct", false),
            ("", false),
        ] {
            assert_eq!(networks.parse::<TrustedProxies>().unwrap().are_all(), are_all, "{networks}");
        }
    }

    #[test]
    fn an_ipv4_mapped_network_is_the_ipv4_network() {
        let proxies: TrustedProxies = "::ffff:10.0.0.0/104, ::ffff:192.0.2.1".parse().unwrap();
        assert!(["10.1.2.3", "192.0.2.1"].iter().all(|proxy| proxies.is_proxy(proxy.parse().unwrap())));
        assert!(!proxies.is_proxy("192.0.2.2".parse().unwrap()));
    }
}
