//! The client's own address: from `X-Forwarded-For`, as far as the proxies that wrote it are trusted.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};

use super::app::App;
use super::listener::Peer;
use crate::auth::client::{Caller, Client};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The characters that fit in a session's row.
const USER_AGENT_LENGTH: usize = 255;

/// All hops of all headers, in order; the text of a hop that is not an address. Empty elements of a list do not count
/// (RFC 9110, 5.6.1).
fn hops(headers: &HeaderMap) -> Vec<Result<IpAddr, String>> {
    let values = headers.get_all(FORWARDED_FOR).into_iter().map(|value| value.to_str().unwrap_or("unreadable"));
    let hops = values.flat_map(|value| value.split(',')).map(str::trim).filter(|hop| !hop.is_empty());
    hops.map(|hop| address(hop).ok_or_else(|| hop.to_owned())).collect()
}

/// Parses an address as proxies write it: also in quotes or brackets, with a port or a zone, or as in `Forwarded`
/// (RFC 7239).
fn address(text: &str) -> Option<IpAddr> {
    let is_forwarded = text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("for="));
    let text = if is_forwarded { text[4..].split(';').next()? } else { text.trim_end_matches(';') };
    let text = without_quotes(text.trim());
    let host = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            is_port(port).then_some(host)?
        }
        None => match text.split_once(':') {
            // With more than one colon, it is an IPv6 address.
            Some((host, port)) if !port.contains(':') => is_port(&text[host.len()..]).then_some(host)?,
            _ => text,
        },
    };
    let without_zone = host.split_once('%').map_or(host, |(address, _)| address);
    without_zone.parse().ok().map(|address: IpAddr| address.to_canonical())
}

fn without_quotes(text: &str) -> &str {
    let within = |quote: char| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    within('"').or_else(|| within('\'')).unwrap_or(text).trim()
}

/// Nothing, or a colon and a number, which can be missing.
fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.is_empty() || port.parse::<u16>().is_ok())
}

/// The request's id, which is in the answer and in the log.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Empty outside of `refusals`.
pub fn caller(parts: &Parts) -> Caller {
    parts.extensions.get::<Caller>().cloned().unwrap_or_default()
}

impl FromRequestParts<App> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0.to_canonical());
        let seen = peer.map(|peer| seen(peer, &parts.headers, app));
        let user_agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(Self {
            address: seen.map(|(address, _)| address),
            is_own_address: seen.is_some_and(|(_, is_own)| is_own),
            user_agent: user_agent.map(|text| text.chars().take(USER_AGENT_LENGTH).collect()),
            request_id: parts.extensions.get::<RequestId>().map(|id| id.0.clone()),
            caller: caller(parts),
        })
    }
}

/// The address that a request comes from, and whether it is the client's own. Where a trusted proxy hides that, nothing
/// is limited by address, so somebody has to learn of it.
fn seen(peer: IpAddr, headers: &HeaderMap, app: &App) -> (IpAddr, bool) {
    let (proxies, hops) = (&app.settings.trusted_proxies, hops(headers));
    let (address, is_own) = proxies.client(peer, hops.iter().map(|hop| hop.as_ref().ok().copied()));
    if !is_own && proxies.is_proxy(peer) {
        let unread = hops.iter().rev().find_map(|hop| hop.as_ref().err());
        app.settings.proxy_warnings.log(peer, unread.map(String::as_str), app.now());
    }
    (address, is_own)
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
        let hops = hops(&headers).into_iter().map(Result::ok);
        let (address, is_own) = trusted.client(peer.parse().unwrap(), hops);
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

    #[test]
    fn an_address_is_read_in_each_form_that_proxies_write() {
        for (text, wanted) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:5123", "203.0.113.7"),
            ("\"203.0.113.7:5123\"", "203.0.113.7"),
            ("2001:DB8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:443", "2001:db8::7"),
            ("\"[2001:db8::7]:443\"", "2001:db8::7"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%25eth0]:443", "fe80::1"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("[::ffff:cb00:7107]:1", "203.0.113.7"),
            ("203.0.113.7:", "203.0.113.7"),
            ("[2001:db8::7]:", "2001:db8::7"),
            ("'203.0.113.7'", "203.0.113.7"),
            ("203.0.113.7;", "203.0.113.7"),
            ("for=203.0.113.7", "203.0.113.7"),
            ("For=\"[2001:db8::7]:443\";proto=https", "2001:db8::7"),
        ] {
            assert_eq!(address(text).map(|address| address.to_string()).as_deref(), Some(wanted), "{text}");
        }
        for bad in [
            "",
            "unknown",
            "_hidden",
            "a.test",
            "[2001:db8::7",
            "[2001:db8::7]443",
            "203.0.113.7:x",
            "1.2.3",
            "\"",
            "'",
            "for=",
            "for=unknown",
            "for=_x;proto=https",
            "005.0.0.9",
            "203.0.113.7;198.51.100.1",
            "203.0.113.7 (a.test)",
            "tcp://203.0.113.7",
            "2001:db8:0:0:0:0:0:7:443",
            "ä=1.2.3.4",
        ] {
            assert_eq!(address(bad), None, "{bad}");
        }
    }

    #[test]
    fn empty_elements_of_the_list_do_not_count() {
        let own = |address: &str| (address.to_owned(), true);
        for header in ["203.0.113.7,", "203.0.113.7, ,", ",203.0.113.7", " 203.0.113.7 ,,10.2.2.2,"] {
            let mut headers = HeaderMap::new();
            headers.append(FORWARDED_FOR, header.parse().unwrap());
            let trusted: TrustedProxies = "10.0.0.0/8".parse().unwrap();
            let hops = hops(&headers).into_iter().map(Result::ok);
            let (address, is_own) = trusted.client("10.1.1.1".parse().unwrap(), hops);
            assert_eq!((address.to_string(), is_own), own("203.0.113.7"), "{header}");
        }
        assert_eq!(client("10.0.0.0/8", "10.1.1.1", &["203.0.113.7", ","]), own("203.0.113.7"));
        assert_eq!(client("10.0.0.0/8", "10.1.1.1", &[","]), ("10.1.1.1".into(), false));
    }
}
