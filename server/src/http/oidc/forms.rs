//! Cookies, forms and origin headers of page requests.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::auth::oidc::request::{OAuthProblem, Parameters};
use crate::auth::session::Cookie;
use crate::http::app::App;
use crate::http::body;
use crate::http::body::limits::Limit;
use crate::http::error::ApiError;

/// The cookie of a browser's session.
pub const SESSION: &str = "__Host-sc-auth-session";
/// The cookie that forms are bound to, before a login too.
pub const FORM: &str = "__Host-sc-auth-form";
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A cookie of ours; browsers accept one with this prefix only from this host itself.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<Cookie> {
    // By pairs of bytes: sites of the same domain can add cookies that are no text.
    let values = headers.get_all(header::COOKIE).into_iter();
    let pairs = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    let texts = pairs.filter_map(|pair| std::str::from_utf8(pair).ok()).map(|pair| pair.trim_matches([' ', '\t']));
    let mut pairs = texts.filter_map(|pair| pair.split_once('='));
    pairs.find(|(found, _)| *found == name).and_then(|(_, value)| Cookie::parse(value))
}

/// The header that sets a cookie, which browsers keep for so many seconds.
pub fn set_cookie(name: &str, cookie: &Cookie, seconds: u32) -> HeaderValue {
    cookie_header(name, cookie.as_str(), seconds)
}

/// The header that removes a cookie.
pub fn remove_cookie(name: &str) -> HeaderValue {
    cookie_header(name, "", 0)
}

/// Browsers remove a cookie only if path and prefix are those with which it was set.
fn cookie_header(name: &str, value: &str, max_age: u32) -> HeaderValue {
    let text = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={max_age}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// Like [`is_own_host`], and logs the hosts if they differ: the issuer or a proxy may be wrong.
pub fn asks_for_own_host(app: &App, issuer: &str, headers: &HeaderMap) -> bool {
    let is_own = is_own_host(headers, issuer);
    if !is_own && app.settings.host_warnings.take(app.now()) {
        tracing::warn!(
            host = ?headers.get(header::HOST),
            issuer,
            "a page was requested under another host than that of SC_AUTH_ISSUER; set the address that browsers use, and let \
             the proxy pass the header Host"
        );
    }
    is_own
}

/// Whether the browser asked for the host of the issuer: cookies and links are for that host.
pub fn is_own_host(headers: &HeaderMap, issuer: &str) -> bool {
    let (scheme, authority) = issuer.split_once("://").unwrap_or_default();
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host = host.strip_suffix(default_port).unwrap_or(host);
    host.eq_ignore_ascii_case(authority.strip_suffix(default_port).unwrap_or(authority))
}

/// Whether a form was sent by one of our own pages, as far as the browser says.
pub fn is_own_form(headers: &HeaderMap, issuer: &str) -> bool {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
    let is_own_origin = text(header::ORIGIN).is_none_or(|origin| origin == issuer);
    is_own_origin && text(SEC_FETCH_SITE).is_none_or(|site| site == "same-origin")
}

/// Reads a form. No parameter may be repeated.
///
/// # Errors
/// If it is too large, late or not a form.
pub async fn read(request: Request, limit: Limit) -> Result<Parameters, ApiError> {
    let body = body::form(request, limit).await?;
    let repeated = |problem: OAuthProblem| ApiError::text(StatusCode::BAD_REQUEST, problem.description);
    Parameters::parse(&body).once().map_err(repeated)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_form_of_another_site_is_refused() {
        let is_own = |pairs: &[(HeaderName, &'static str)]| is_own_form(&headers(pairs), "https://auth.test");
        assert!(is_own(&[]), "a client without these headers has no cookies of a browser");
        assert!(is_own(&[(header::ORIGIN, "https://auth.test"), (SEC_FETCH_SITE, "same-origin")]));
        for pairs in [
            vec![(header::ORIGIN, "https://evil.test")],
            vec![(header::ORIGIN, "null")],
            vec![(header::ORIGIN, "https://auth.test.evil.test")],
            vec![(header::ORIGIN, "http://auth.test")],
            vec![(SEC_FETCH_SITE, "cross-site")],
            vec![(SEC_FETCH_SITE, "same-site")],
            vec![(SEC_FETCH_SITE, "none")],
            vec![(header::ORIGIN, "https://auth.test"), (SEC_FETCH_SITE, "cross-site")],
        ] {
            assert!(!is_own(&pairs), "{pairs:?}");
        }
    }

    #[test]
    fn pages_have_one_host() {
        let is_own = |host, issuer| is_own_host(&headers(&[(header::HOST, host)]), issuer);
        for (host, issuer) in [
            ("auth.test", "https://auth.test"),
            ("Auth.Test", "https://auth.test"),
            ("auth.test:443", "https://auth.test"),
            ("auth.test", "https://auth.test:443"),
            ("localhost:8000", "http://localhost:8000"),
        ] {
            assert!(is_own(host, issuer), "{host} {issuer}");
        }
        for (host, issuer) in [
            ("", "https://auth.test"),
            ("evil.test", "https://auth.test"),
            ("auth.test:80", "https://auth.test"),
            ("auth.test", "https://auth.test:8443"),
        ] {
            assert!(!is_own(host, issuer), "{host} {issuer}");
        }
    }

    #[test]
    fn cookies_of_others_hide_none_of_ours() {
        let value = "A".repeat(43);
        for other in [&b"name=J\xc3\xb6rg"[..], b"name=J\xf6rg", b"\xff", b"", b"=", b"a=\"b; c\""] {
            for text in [
                [other, b"; ", SESSION.as_bytes(), b"=", value.as_bytes()].concat(),
                [SESSION.as_bytes(), b"=", value.as_bytes(), b";", other].concat(),
            ] {
                let mut headers = HeaderMap::new();
                headers.append(header::COOKIE, HeaderValue::from_bytes(&text).unwrap());
                assert_eq!(cookie(&headers, SESSION).unwrap().as_str(), value, "{other:?}");
            }
        }
        // U+00A0 is no blank of HTTP: this is another name.
        let text = format!("\u{a0}{SESSION}={value}");
        let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_bytes(text.as_bytes()).unwrap())]);
        assert!(cookie(&headers, SESSION).is_none());
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let value = "A".repeat(43);
        let text = format!("a=b; x{SESSION}=x; {SESSION}={value}; {FORM}=short");
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, text.parse().unwrap());
        assert_eq!(cookie(&headers, SESSION).unwrap().as_str(), value);
        assert!(cookie(&headers, FORM).is_none());
        let set = set_cookie(SESSION, &cookie(&headers, SESSION).unwrap(), 60);
        let wanted = format!("{SESSION}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60");
        assert_eq!(set.to_str().unwrap(), wanted);
        assert_eq!(remove_cookie(SESSION), wanted.replace(&value, "").replace("=60", "=0"));
    }
}
