//! The client's own address: from `X-Forwarded-For`, as far as the proxies that wrote it are trusted.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};

use super::app::App;
use super::listener::Peer;
use crate::auth::client::Client;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The characters that fit in a session's row.
const USER_AGENT_LENGTH: usize = 255;

/// All hops of all headers, in order; `None` for a hop that is not an address.
fn hops(headers: &HeaderMap) -> impl DoubleEndedIterator<Item = Option<IpAddr>> {
    headers.get_all(FORWARDED_FOR).into_iter().flat_map(|value| {
        let text = value.to_str().unwrap_or("unreadable");
        text.split(',').map(|hop| address(hop.trim())).collect::<Vec<_>>()
    })
}

/// Parses an address. Some proxies add a port.
fn address(text: &str) -> Option<IpAddr> {
    let address = text.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip())).ok()?;
    Some(address.to_canonical())
}

/// The request's id, which is in the answer and in the log.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

impl FromRequestParts<App> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0.to_canonical());
        let seen = peer.map(|peer| app.settings.trusted_proxies.client(peer, hops(&parts.headers)));
        let user_agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(Self {
            address: seen.map(|(address, _)| address),
            is_own_address: seen.is_some_and(|(_, is_own)| is_own),
            user_agent: user_agent.map(|text| text.chars().take(USER_AGENT_LENGTH).collect()),
            request_id: parts.extensions.get::<RequestId>().map(|id| id.0.clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::proxies::TrustedProxies;

    fn client(trusted: &str, peer: &str, forwarded: &[&'static str]) -> (String, bool) {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        let trusted: TrustedProxies = trusted.parse().unwrap();
        let (address, is_own) = trusted.client(peer.parse().unwrap(), hops(&headers));
        (address.to_string(), is_own)
    }

    #[test]
    fn the_rightmost_untrusted_hop_is_the_client() {
        let own = |address: &str| (address.to_owned(), true);
        assert_eq!(client("10.0.0.0/8", "10.1.1.1", &["203.0.113.7"]), own("203.0.113.7"));
        assert_eq!(client("10.0.0.0/8", "10.1.1.1", &["198.51.100.1, 203.0.113.7, 10.2.2.2"]), own("203.0.113.7"));
        assert_eq!(client("10.0.0.0/8", "10.1.1.1", &["198.51.100.1", "203.0.113.7"]), own("203.0.113.7"));
        assert_eq!(client("10.0.0.0/8", "10.1.1.1", &["203.0.113.7:5123"]), own("203.0.113.7"));
        assert_eq!(client("10.0.0.0/8, fd00::/8", "fd00::1", &["[2001:db8::7]:80"]), own("2001:db8::7"));
        assert_eq!(client("10.0.0.0/8", "10.1.1.1", &["10.9.9.9"]), own("10.9.9.9"), "a client inside");
    }

    #[test]
    fn the_header_of_an_untrusted_peer_is_ignored() {
        assert_eq!(client("10.0.0.0/8", "203.0.113.9", &["198.51.100.1"]), ("203.0.113.9".into(), true));
        assert_eq!(client("direct", "203.0.113.9", &["198.51.100.1"]), ("203.0.113.9".into(), true));
    }

    #[test]
    fn a_shared_address_is_not_the_client_s_own() {
        assert_eq!(
            client("", "10.1.1.1", &["203.0.113.7"]),
            ("10.1.1.1".into(), false),
            "trusted proxies are not configured"
        );
        assert_eq!(client("10.0.0.0/8", "10.1.1.1", &[]), ("10.1.1.1".into(), false));
        assert_eq!(client("10.0.0.0/8", "10.1.1.1", &["203.0.113.7, unknown"]), ("10.1.1.1".into(), false));
    }
}
