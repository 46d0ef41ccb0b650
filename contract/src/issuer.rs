//! Which issuers OpenID Connect can be used with.

use url::Url;

use crate::declared::{ClientType, RedirectUri};

/// Whether it is `https` and has no path (OpenID Connect Discovery, 3); on this machine, `http` is enough. Browsers send the
/// canonical form, and clients compare the issuer byte by byte.
#[must_use]
pub fn is_usable(issuer: &str) -> bool {
    canonical(issuer).is_some_and(|canonical| canonical == issuer)
}

/// The usable form of an issuer, as browsers write it: in lower case, without the default port, a trailing dot and `/`.
#[must_use]
pub fn canonical(issuer: &str) -> Option<String> {
    let url = Url::parse(issuer).ok()?;
    let has_more = url.path() != "/" || url.query().is_some() || url.fragment().is_some();
    let host = url.host_str().map(|host| host.strip_suffix('.').unwrap_or(host))?;
    if has_more || !url.username().is_empty() || url.password().is_some() || host.split('.').any(str::is_empty) {
        return None;
    }
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let text = format!("{}://{host}{port}", url.scheme());
    let suits = RedirectUri::parse(&text).is_some_and(|uri| uri.is_origin() && uri.suits(ClientType::Web));
    suits.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_an_https_origin_or_this_machine() {
        for good in
            ["https://auth.example.com", "https://auth.example.com:8443", "http://localhost:8000", "http://[::1]:1"]
        {
            assert!(is_usable(good), "{good}");
        }
        for bad in [
            "http://auth.example.com",
            "https://auth.example.com/tenant",
            "https://auth.example.com?x",
            "https://auth.example.com/#",
            "https://u@auth.example.com",
            "https://:p@auth.example.com",
            "https://auth..example.com",
            "https://auth.example.com..",
            "https://auth_1.example.com",
            "http://localhost.example.com",
            "com.example.app:/x",
            "https://",
            "https://auth.example.com:0",
            "https://1.2.3.4.5",
        ] {
            assert!(!is_usable(bad) && canonical(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn only_the_form_that_browsers_send_can_be_used() {
        for (issuer, sent) in [
            ("https://auth.example.com:443", "https://auth.example.com"),
            ("https://auth.example.com:08443", "https://auth.example.com:8443"),
            ("https://auth.example.com/", "https://auth.example.com"),
            ("https://auth.example.com.", "https://auth.example.com"),
            ("https://auth.example.com.:443/", "https://auth.example.com"),
            ("https://Auth.example.com", "https://auth.example.com"),
            ("HTTPS://auth.example.com", "https://auth.example.com"),
            ("http://localhost:80", "http://localhost"),
            ("https://[2001:DB8:0::1]", "https://[2001:db8::1]"),
            ("https://[::ffff:1.2.3.4]", "https://[::ffff:102:304]"),
            ("https://0x7f.1", "https://127.0.0.1"),
        ] {
            assert!(!is_usable(issuer), "{issuer}");
            assert_eq!(canonical(issuer).as_deref(), Some(sent), "{issuer}");
            assert!(is_usable(sent), "{sent}");
        }
    }
}
