//! Refuses requests whose head a proxy could read in another way than this server (RFC 9112, 3.2 and 6.1): it could then
//! pass one request as two, or under another host.

use axum::extract::Request;
use axum::http::header::{CONNECTION, HOST, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::error::ApiError;
use super::listener::HasTwoLengths;

pub async fn refuse_ambiguous(request: Request, next: Next) -> Response {
    let is_coded = request.headers().contains_key(TRANSFER_ENCODING);
    let mut response = match problem(&request) {
        Some(problem) => ApiError::Unread(StatusCode::BAD_REQUEST, problem.to_owned()).into_response(),
        None => next.run(request).await,
    };
    if is_coded {
        // A proxy may have forwarded a Content-Length too, of a head that was sent before the last answer: what follows
        // could be a part of this request to the proxy, and the next request to this server.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn problem(request: &Request) -> Option<&'static str> {
    let two_lengths = || {
        let has_two = request.extensions().get::<HasTwoLengths>().is_some();
        has_two.then_some("the request has both Content-Length and Transfer-Encoding")
    };
    host(request.headers(), request.version()).or_else(|| coding(request.headers())).or_else(two_lengths)
}

fn host(headers: &HeaderMap, version: Version) -> Option<&'static str> {
    let mut hosts = headers.get_all(HOST).into_iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version < Version::HTTP_11 => None,
        (None, _) => Some("the header Host is missing"),
        (Some(_), Some(_)) => Some("the request has more than one header Host"),
        (Some(host), None) if host.to_str().is_ok_and(is_host) => None,
        (Some(_), None) => Some("the header Host is not a host and an optional port"),
    }
}

/// `uri-host [ ":" port ]` (RFC 3986, 3.2.2)
fn is_host(text: &str) -> bool {
    let (is_valid, port) = if let Some((address, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        (address.parse::<std::net::Ipv6Addr>().is_ok(), rest)
    } else {
        let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        (name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&b)), port)
    };
    let is_port = |port: &str| port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
    is_valid && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

fn coding(headers: &HeaderMap) -> Option<&'static str> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).into_iter();
    let is_chunked = match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    };
    (!is_chunked).then_some("Transfer-Encoding must be chunked, once")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_an_optional_port() {
        for good in ["", "a", "a.test", "A.test.", "a_b", "10.0.0.1:8000", "[::1]", "[fd00::1]:80", "a:", "x%41"] {
            assert!(is_host(good), "{good:?}");
        }
        for bad in [
            "a b", "a/b", "u@a", "a:b", "a:1:2", "::1", "[::1", "[::1]80", "[::1]x", "[a]", "a\"", "a:123456", "a?b",
            "\u{fc}",
        ] {
            assert!(!is_host(bad), "{bad:?}");
        }
    }
}
