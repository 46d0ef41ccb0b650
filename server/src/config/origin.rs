//! Origins of web pages (RFC 6454), as browsers send them: in lower case, without the default port.

use std::net::Ipv6Addr;

use axum::http::HeaderValue;
use url::Host;

/// Schemes whose documents have no origin of their own, or that no page has.
const WITHOUT_PAGES: [&str; 8] = ["ftp", "ws", "wss", "file", "data", "blob", "about", "javascript"];
/// In bytes.
const LONGEST: usize = 256;
const ADVICE: &str = "write origins such as https://app.example.com, without a path, separated by commas";

/// An element of SC_AUTH_CORS_ORIGINS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// As a browser sends it.
    Usable(HeaderValue),
    /// No browser sends it, but release 0.2 started with it.
    Useless { text: String, advice: &'static str },
}

impl Origin {
    /// # Errors
    /// What to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, host) = text.split_once("://").ok_or(ADVICE)?;
        let scheme = scheme.to_ascii_lowercase();
        if !is_scheme(&scheme)
            || host.is_empty()
            || host.contains('/')
            || text.len() > LONGEST
            || !text.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(ADVICE.into());
        }
        if WITHOUT_PAGES.contains(&scheme.as_str()) {
            return Err(format!("no web page has an origin that begins with {scheme}://; {ADVICE}"));
        }
        match authority(&scheme, host) {
            Ok(authority) => {
                let value = HeaderValue::from_str(&format!("{scheme}://{authority}"));
                value.map(Self::Usable).map_err(|_| ADVICE.into())
            }
            Err(advice) if is_web(&scheme) => {
                // Without the password, since it is logged.
                let text = match host.rsplit_once('@') {
                    Some((_, host)) => format!("{scheme}://…@{host}"),
                    None => text.to_owned(),
                };
                Ok(Self::Useless { text, advice })
            }
            Err(advice) => Err(advice.into()),
        }
    }
}

fn is_web(scheme: &str) -> bool {
    scheme == "http" || scheme == "https"
}

/// In lower case; an IPv4 address in its usual form, which browsers send for `127.1` and `0x7f.1` too.
fn web_host(text: &str) -> Result<String, &'static str> {
    let labels = text.strip_suffix('.').unwrap_or(text);
    if labels.split('.').any(str::is_empty) {
        return Err("a part of the host's name is empty");
    }
    let host = Host::parse(text).map_err(|_| "the host is neither a name nor an address")?;
    Ok(host.to_string())
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
}

/// Host and port as a browser writes them.
fn authority(scheme: &str, text: &str) -> Result<String, &'static str> {
    if text.contains('*') {
        return Err("wildcards are not supported; write each origin");
    }
    if text.contains('@') {
        return Err("an origin has no user and no password");
    }
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (host, port) = if let Some((address, rest)) = bracketed {
        let address: Ipv6Addr = address.parse().map_err(|_| "the IPv6 address is invalid")?;
        // Browsers write ::ffff:1.2.3.4 without dots.
        (Host::<&str>::Ipv6(address).to_string(), rest)
    } else {
        let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        let is_valid = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        if host.is_empty() || !host.bytes().all(is_valid) {
            return Err("an origin is a scheme, a host and an optional port");
        }
        (if is_web(scheme) { web_host(host)? } else { host.to_ascii_lowercase() }, port)
    };
    let default = match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    if port.is_empty() || port == ":" {
        return Ok(host);
    }
    let port = port.strip_prefix(':').filter(|port| port.bytes().all(|b| b.is_ascii_digit()));
    let port: u16 = port.and_then(|port| port.parse().ok()).ok_or("the port is not a number up to 65535")?;
    Ok(if Some(port) == default { host } else { format!("{host}:{port}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_send_it() {
        for (text, wanted) in [
            ("https://App.Example.COM", "https://app.example.com"),
            ("HTTPS://a.test:443", "https://a.test"),
            ("http://a.test:80", "http://a.test"),
            ("http://a.test:443", "http://a.test:443"),
            ("https://a.test:", "https://a.test"),
            ("https://a.test:08443", "https://a.test:8443"),
            ("https://[0:0::1]:443", "https://[::1]"),
            ("https://127.1", "https://127.0.0.1"),
            ("https://0x7f.1:8443", "https://127.0.0.1:8443"),
            ("https://[::ffff:1.2.3.4]", "https://[::ffff:102:304]"),
            ("https://a_b.test.", "https://a_b.test."),
            ("https://xn--bcher-kva.Example", "https://xn--bcher-kva.example"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("Tauri://localhost", "tauri://localhost"),
            ("ionic://localhost:8080", "ionic://localhost:8080"),
        ] {
            assert_eq!(Origin::parse(text), Ok(Origin::Usable(HeaderValue::from_static(wanted))), "{text}");
        }
        let advice = "an origin has no user and no password";
        let useless = Origin::Useless { text: "https://…@a.test".into(), advice };
        assert_eq!(Origin::parse("https://user:s3cret@a.test"), Ok(useless));
        for text in ["https://256.1.1.1", "https://1.2.3.4.5", "https://xn--a", "https://a..test", "https://."] {
            assert!(matches!(Origin::parse(text), Ok(Origin::Useless { .. })), "{text}");
        }
        for bad in ["about://blank", "JavaScript://a", "capacitor://*", "tauri://a@b", "://a", "-a://b"] {
            assert!(Origin::parse(bad).is_err(), "{bad}");
        }
    }
}
