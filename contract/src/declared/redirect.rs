//! Redirect URIs: where a browser may be sent with a code.

use super::client::ClientType;

/// The longest redirect URI, in bytes.
pub const REDIRECT_URI_MAX: usize = 1_024;

/// A redirect URI in parts (RFC 3986).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedirectUri<'a> {
    scheme: &'a str,
    /// Host and port; empty where the scheme has none, as those of apps.
    authority: &'a str,
    /// Path and query.
    rest: &'a str,
}

/// Whether a host is the machine itself.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

impl<'a> RedirectUri<'a> {
    /// Parts of a URI; `None` if a browser or an HTTP header could interpret it differently.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?[]@!$&()*+,;=%".contains(&b);
        if text.len() > REDIRECT_URI_MAX || !text.bytes().all(is_plain) {
            return None;
        }
        let (scheme, after) = text.split_once(':')?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b));
        let (authority, rest) = match after.strip_prefix("//") {
            Some(after) => after.split_at(after.find(['/', '?']).unwrap_or(after.len())),
            None => ("", after),
        };
        (is_scheme && (authority.is_empty() || is_authority(authority))).then_some(Self { scheme, authority, rest })
    }

    /// The host, without the port.
    #[must_use]
    pub fn host(&self) -> &'a str {
        host_and_port(self.authority).0
    }

    /// The port, if one is given.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        host_and_port(self.authority).1?.parse().ok()
    }

    /// Host and port as they are given.
    #[must_use]
    pub const fn authority(&self) -> &'a str {
        self.authority
    }

    /// Path and query.
    #[must_use]
    pub const fn rest(&self) -> &'a str {
        self.rest
    }

    /// Whether it is only a scheme, a host and perhaps a port.
    #[must_use]
    pub const fn is_origin(&self) -> bool {
        !self.authority.is_empty() && self.rest.is_empty()
    }

    /// The scheme, such as `https`, or that of an app.
    #[must_use]
    pub const fn scheme(&self) -> &'a str {
        self.scheme
    }

    /// The origin of its pages, as browsers write it (Fetch Standard): without the default port.
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        let default_port = match self.scheme {
            "https" => "443",
            "http" => "80",
            _ => return None,
        };
        let (host, port) = host_and_port(self.authority);
        Some(match port.filter(|port| *port != default_port) {
            Some(port) => format!("{}://{host}:{port}", self.scheme),
            None => format!("{}://{host}", self.scheme),
        })
    }

    /// Whether a client of that type may have it.
    #[must_use]
    pub fn suits(&self, client_type: ClientType) -> bool {
        match self.scheme {
            "https" => !self.authority.is_empty(),
            "http" => is_loopback(self.host()),
            // RFC 8252, 7.1: the reverse of a domain name, which no dangerous scheme has.
            scheme => {
                let has_more = !self.authority.is_empty() || !self.rest.is_empty();
                client_type == ClientType::Native && scheme.contains('.') && has_more
            }
        }
    }

    /// Whether a native app that listens on this device may use it: the port can be any (RFC 8252, 7.3).
    #[must_use]
    pub fn is_loopback_form_of(&self, declared: &Self) -> bool {
        self.scheme == "http"
            && is_loopback(self.host())
            && (self.scheme, self.host(), self.rest) == (declared.scheme, declared.host(), declared.rest)
    }
}

fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rfind(':') {
        Some(at) if !authority[at..].contains(']') => (&authority[..at], Some(&authority[at + 1..])),
        _ => (authority, None),
    }
}

/// A host with an optional port; no user.
fn is_authority(authority: &str) -> bool {
    let (host, port) = host_and_port(authority);
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty() && host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
        }
    };
    is_host && port.is_none_or(is_port)
}

/// Only digits, as browsers write them.
fn is_port(text: &str) -> bool {
    let is_number = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    is_number && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suits(text: &str, client_type: ClientType) -> bool {
        RedirectUri::parse(text).is_some_and(|uri| uri.suits(client_type))
    }

    #[test]
    fn only_unambiguous_redirect_uris_are_allowed() {
        for good in ["https://a.test", "https://a.test/cb?x=1", "https://a.test:8443/", "http://localhost:3000/cb"] {
            assert!(suits(good, ClientType::Web) && suits(good, ClientType::Native), "{good}");
        }
        for native in ["com.example.app:/cb", "com.example.app://cb", "http://127.0.0.1/cb", "http://[::1]/cb"] {
            assert!(suits(native, ClientType::Native), "{native}");
        }
        for bad in [
            "",
            "a.test/cb",
            "//a.test/cb",
            "https://",
            "https:/cb",
            "https:///cb",
            "https://a.test/cb#",
            "https://a.test/cb#x",
            "https://u@a.test/",
            "https://u:p@a.test/",
            "https://a.test\\@b.test/",
            "https://a test/",
            "https://a.test/\u{e9}",
            "https://a.test/'",
            "https://a.test/\"",
            "https://*.a.test/",
            "https://A.test/",
            "https://a.test:0/",
            "https://a.test:+80/",
            "https://a.test:080/",
            "https://a.test:/",
            "http://127.0.0.1:+80/cb",
            "http://[::1]:+80/cb",
            "http://[::1]:/cb",
            "https://a.test:99999/",
            "https://a.test;script-src/",
            "https://a.test,b.test/",
            "http://a.test/",
            "http://localhost.a.test/",
            "http://127.0.0.1.a.test/",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "myapp:/cb",
            "com.example.app:",
        ] {
            assert!(!suits(bad, ClientType::Web) && !suits(bad, ClientType::Native), "{bad}");
        }
        assert!(!suits("com.example.app:/cb", ClientType::Web));
    }

    #[test]
    fn an_app_can_listen_on_any_port_of_its_device() {
        let is_form = |given: &str, declared: &str| {
            RedirectUri::parse(given).unwrap().is_loopback_form_of(&RedirectUri::parse(declared).unwrap())
        };
        assert!(is_form("http://127.0.0.1:51004/cb", "http://127.0.0.1/cb"));
        assert!(is_form("http://[::1]:51004/cb", "http://[::1]:1/cb"));
        for (given, declared) in [
            ("http://127.0.0.1:51004/cb2", "http://127.0.0.1/cb"),
            ("http://localhost:51004/cb", "http://127.0.0.1/cb"),
            ("https://a.test:51004/cb", "https://a.test/cb"),
        ] {
            assert!(!is_form(given, declared), "{given}");
        }
    }

    #[test]
    fn an_origin_is_written_as_browsers_do() {
        let origin = |text: &str| RedirectUri::parse(text).unwrap().origin();
        for (uri, wanted) in [
            ("https://a.test/cb?x=https://b.test", "https://a.test"),
            ("https://a.test:443/", "https://a.test"),
            ("https://a.test:80", "https://a.test:80"),
            ("http://localhost:3000/cb", "http://localhost:3000"),
            ("http://[::1]:80/", "http://[::1]"),
        ] {
            assert_eq!(origin(uri).as_deref(), Some(wanted), "{uri}");
        }
        assert_eq!(origin("com.example.app:/cb"), None);
    }

    #[test]
    fn a_redirect_uri_has_a_scheme() {
        let scheme = |text: &'static str| RedirectUri::parse(text).unwrap().scheme();
        assert_eq!(scheme("https://a.test:8443/cb?x"), "https");
        assert_eq!(scheme("com.example.app:/cb"), "com.example.app");
        assert_eq!(scheme("com.example.app://cb"), "com.example.app");
    }
}
