//! Which addresses a request of the server may go to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sc_auth_contract::declared::Reach;

/// Whether a receiver may have this address. Its host name is no proof: the owner of a name can point it anywhere.
pub fn is_allowed(reach: Reach, address: IpAddr) -> bool {
    let address = address.to_canonical();
    match reach {
        Reach::Public => is_public(address),
        // The ranges of Services and pods differ between clusters, so any address but these is accepted.
        Reach::Service => !is_local(address),
        Reach::Loopback => address.is_loopback(),
    }
}

/// This machine, its neighbours, groups, and the metadata services of clouds.
fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_local_v4(address),
        IpAddr::V6(address) => is_local_v6(address),
    }
}

fn is_local_v4(address: Ipv4Addr) -> bool {
    // Link-local addresses include most metadata services; those of Oracle, Alibaba and Azure are the last three.
    matches!(
        address.octets(),
        [0 | 127 | 224..=239 | 255, ..] | [169, 254, ..] | [192, 0, 0, _] | [100, 100, 100, 200] | AZURE
    )
}

fn is_local_v6(address: Ipv6Addr) -> bool {
    // The services of EC2 for its own machines have addresses in fd00:ec2::/32.
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unicast_link_local()
        || matches!(address.segments(), [0xfd00, 0xec2, ..])
        || behind_nat64(address).is_some_and(is_local_v4)
}

/// A public address that only machines of Azure reach, and that leads to their metadata.
const AZURE: [u8; 4] = [168, 63, 129, 16];

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// All but the special-purpose addresses (RFC 6890 and its registry).
fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        [0 | 10 | 127 | 224..=255, ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [192, 168, ..]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
            | AZURE
    )
}

/// The same for IPv6. NAT64 (RFC 6052) and 6to4 (RFC 3056) lead to an IPv4 address.
fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        [0x64, 0xff9b, ..] => behind_nat64(address).is_some_and(is_public_v4),
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// The IPv4 address that an address of NAT64 leads to.
fn behind_nat64(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = address.segments() else { return None };
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Some(Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_name_leads_to_no_special_address() {
        let may = |reach, text: &str| is_allowed(reach, text.parse().unwrap());
        for public in ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101", "192.0.1.1", "172.32.0.1"] {
            assert!(may(Reach::Public, public) && !may(Reach::Loopback, public), "{public}");
        }
        for special in [
            "0.0.0.0",
            "10.96.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.1.2.3",
            "169.254.169.254",
            "168.63.129.16",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!may(Reach::Public, special), "{special}");
        }
    }

    #[test]
    fn a_service_is_in_the_cluster_and_loopback_is_this_machine() {
        let may = |reach, text: &str| is_allowed(reach, text.parse().unwrap());
        for inside in ["10.96.0.1", "172.20.1.1", "192.168.1.1", "fd12::1", "34.118.224.1"] {
            assert!(may(Reach::Service, inside) && !may(Reach::Loopback, inside), "{inside}");
        }
        for local in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(!may(Reach::Service, local) && may(Reach::Loopback, local), "{local}");
        }
        for other in [
            "0.0.0.0",
            "0.1.2.3",
            "100.100.100.200",
            "168.63.129.16",
            "169.254.169.254",
            "192.0.0.192",
            "224.0.0.1",
            "255.255.255.255",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::7f00:1",
            "fe80::1",
            "fd00:ec2::254",
            "fd00:ec2::23",
        ] {
            assert!(!may(Reach::Service, other) && !may(Reach::Loopback, other), "{other}");
        }
    }
}
