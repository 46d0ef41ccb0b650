//! Which issuers OpenID Connect can be used with.

use sc_auth_contract::declared::{ClientType, RedirectUri};

/// Whether it is `https` and has no path (OpenID Connect Discovery, 3); on this machine, `http` is enough.
pub fn is_usable(issuer: &str) -> bool {
    RedirectUri::parse(issuer).is_some_and(|uri| uri.is_origin() && uri.suits(ClientType::Web))
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
            "https://auth.example.com/",
            "https://auth.example.com/tenant",
            "https://auth.example.com?x",
            "https://u@auth.example.com",
            "https://Auth.example.com",
            "http://localhost.example.com",
            "com.example.app:/x",
        ] {
            assert!(!is_usable(bad), "{bad}");
        }
    }
}
