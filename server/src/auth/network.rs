//! The network that failures and known clients are counted by.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The prefix of IPv6 addresses in which a translator writes IPv4 addresses (RFC 6052).
const TRANSLATED: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];

/// The IPv4 address that an IPv6 address contains, if it contains one: many clients share the network of a translator.
fn canonical(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if v6.segments().starts_with(&TRANSLATED) => {
            let [.., a, b, c, d] = v6.octets();
            Ipv4Addr::new(a, b, c, d).into()
        }
        address => address,
    }
}

/// The network of an address: a subscriber usually has a whole IPv6 /64, but only one IPv4 address.
pub fn of(address: IpAddr) -> IpAddr {
    match canonical(address) {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

/// The IPv6 /48 of an address, which an organisation gets, or anybody who asks a tunnel broker: 65,536 networks.
pub fn site_of(address: IpAddr) -> Option<IpAddr> {
    match canonical(address) {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            Some(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_subscriber_are_one_network() {
        let network = |address: &str| of(address.parse().unwrap()).to_string();
        assert_eq!(network("203.0.113.7"), "203.0.113.7");
        assert_eq!(network("::ffff:203.0.113.7"), "203.0.113.7");
        assert_eq!(network("64:ff9b::203.0.113.7"), "203.0.113.7");
        assert_eq!(network("64:ff9b:1::203.0.113.7"), "64:ff9b:1::");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }

    #[test]
    fn only_an_ipv6_address_has_a_site() {
        let site = |address: &str| site_of(address.parse().unwrap()).map(|site| site.to_string());
        assert_eq!(site("2001:db8:1:2:3:4:5:6").as_deref(), Some("2001:db8:1::"));
        assert_eq!([site("203.0.113.7"), site("::ffff:203.0.113.7"), site("64:ff9b::203.0.113.7")], [None, None, None]);
    }
}
