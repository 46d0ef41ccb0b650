//! Addresses of an application that belong to a logout.

use super::client::DeclaredClient;
use super::redirect::{RedirectUri, is_loopback};

/// Where the server of a back-channel logout URI may be. A request to any other address is refused: otherwise a declaration
/// could make the server send requests to whatever it reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// At a public address, by https.
    Public,
    /// A Service of Kubernetes, in the client's own namespace.
    Service,
    /// This machine; only for a client without a namespace.
    Loopback,
}

/// Where the logout tokens of an application are sent (OpenID Connect Back-Channel Logout, 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackchannelUri<'a> {
    uri: RedirectUri<'a>,
    /// Which addresses the host may have.
    pub reach: Reach,
}

impl<'a> BackchannelUri<'a> {
    /// Reads the URI of a client in this namespace, which is empty without Kubernetes.
    #[must_use]
    pub fn parse(text: &'a str, namespace: &str) -> Option<Self> {
        let uri = RedirectUri::parse(text).filter(|uri| !uri.host().is_empty())?;
        let is_own_machine = namespace.is_empty() && is_loopback(uri.host());
        let reach = match uri.scheme() {
            "https" | "http" if is_own_machine => Reach::Loopback,
            "https" | "http" if is_service(uri.host(), namespace) => Reach::Service,
            "https" if is_public_name(uri.host()) => Reach::Public,
            _ => return None,
        };
        Some(Self { uri, reach })
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.uri.scheme() == "https"
    }

    /// The host, an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &'a str {
        self.uri.host().trim_start_matches('[').trim_end_matches(']')
    }

    /// The port that is given, or that of the scheme.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.uri.port().unwrap_or(if self.is_https() { 443 } else { 80 })
    }

    /// The host and the port as they are given, for the header `Host`.
    #[must_use]
    pub const fn authority(&self) -> &'a str {
        self.uri.authority()
    }

    /// The path and the query, for the request line.
    #[must_use]
    pub fn path(&self) -> String {
        let rest = self.uri.rest();
        if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") }
    }
}

/// Whether a host is the name of a Service in this namespace, whatever the cluster's domain is.
fn is_service(host: &str, namespace: &str) -> bool {
    let mut parts = host.split('.');
    let is_name = |part: Option<&str>| part.is_some_and(|part| !part.is_empty());
    !namespace.is_empty()
        && is_name(parts.next())
        && parts.next() == Some(namespace)
        && parts.next() == Some("svc")
        && matches!((parts.next(), parts.next(), parts.next()), (None, ..) | (Some("cluster"), Some("local"), None))
}

/// Whether a host can have a public address. A literal address has no certificate of a public authority, but for a few.
fn is_public_name(host: &str) -> bool {
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let is_address = host.starts_with('[') || last.bytes().all(|b| b.is_ascii_digit());
    host.contains('.') && !is_address && !matches!(last, "svc" | "local" | "localhost" | "internal")
}

impl DeclaredClient {
    /// The URI to which logouts are sent. None but a valid one is in an accepted client.
    #[must_use]
    pub fn backchannel_uri(&self) -> Option<BackchannelUri<'_>> {
        self.backchannel_logout_uri.as_deref().and_then(|text| BackchannelUri::parse(text, &self.namespace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(text: &str, namespace: &str) -> Option<Reach> {
        BackchannelUri::parse(text, namespace).map(|uri| uri.reach)
    }

    #[test]
    fn plain_http_leads_only_to_an_own_service_or_to_this_machine() {
        for (text, namespace, wanted) in [
            ("https://shop.example.com/logout?x=1", "shop", Reach::Public),
            ("https://shop.example.com:8443", "", Reach::Public),
            ("http://web.shop.svc:8080/logout", "shop", Reach::Service),
            ("http://web.shop.svc.cluster.local/logout", "shop", Reach::Service),
            ("http://localhost:3000/logout", "", Reach::Loopback),
            ("http://[::1]:3000/logout", "", Reach::Loopback),
            ("https://127.0.0.1/logout", "", Reach::Loopback),
            ("https://web.shop.svc:8443/logout", "shop", Reach::Service),
        ] {
            assert_eq!(reach(text, namespace), Some(wanted), "{text} {namespace}");
        }
        for (text, namespace) in [
            ("http://shop.example.com/logout", "shop"),
            ("http://web.other.svc/logout", "shop"),
            ("https://web.other.svc/logout", "shop"),
            ("https://web.other.svc.cluster.local/logout", "shop"),
            ("https://web.shop.svc/logout", ""),
            ("https://localhost/logout", "shop"),
            ("https://web/logout", "shop"),
            ("https://10.0.0.1/logout", "shop"),
            ("https://8.8.8.8/logout", ""),
            ("https://[fd00::1]/logout", ""),
            ("http://web.shop.svc.evil.test/logout", "shop"),
            ("http://web.shop.svc.cluster.local.evil.test/", "shop"),
            ("http://a.web.shop.svc/logout", "shop"),
            ("http://.shop.svc/logout", "shop"),
            ("http://web.shop.svc/logout", ""),
            ("http://web..svc/logout", ""),
            ("http://localhost/logout", "shop"),
            ("http://127.0.0.1/logout", "shop"),
            ("http://127.0.0.1.evil.test/", ""),
            ("http://u@localhost/", ""),
            ("com.example.app:/logout", ""),
            ("https:/logout", ""),
            ("https://shop.example.com/#x", ""),
            ("file:///etc/passwd", ""),
        ] {
            assert_eq!(reach(text, namespace), None, "{text} {namespace}");
        }
    }

    #[test]
    fn a_uri_has_the_parts_of_a_request() {
        let parts = |text| {
            let uri = BackchannelUri::parse(text, "").unwrap();
            (uri.host(), uri.port(), uri.path(), uri.is_https())
        };
        assert_eq!(parts("https://a.test"), ("a.test", 443, "/".to_owned(), true));
        assert_eq!(parts("https://a.test?x"), ("a.test", 443, "/?x".to_owned(), true));
        assert_eq!(parts("http://[::1]:81/x?y"), ("::1", 81, "/x?y".to_owned(), false));
    }
}
