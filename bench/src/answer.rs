//! The outcome of a request.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Accepted,
    /// Refused with 503 and `Retry-After`.
    Later,
}

/// How long to wait before the next attempt, if the server is too busy.
///
/// # Errors
/// If it failed in any other way: a busy server says how long to wait.
pub fn retry_after(status: StatusCode, headers: &HeaderMap) -> anyhow::Result<Option<Duration>> {
    if !status.is_server_error() {
        return Ok(None);
    }
    anyhow::ensure!(status == StatusCode::SERVICE_UNAVAILABLE, "answered {status}");
    let seconds = headers.get(RETRY_AFTER).context("answered 503 without Retry-After")?.to_str()?;
    Ok(Some(Duration::from_secs(seconds.parse()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_server_says_how_long_to_wait() {
        let headers = |seconds: &'static str| HeaderMap::from_iter([(RETRY_AFTER, seconds.parse().unwrap())]);
        let busy = StatusCode::SERVICE_UNAVAILABLE;
        assert_eq!(retry_after(busy, &headers("2")).unwrap(), Some(Duration::from_secs(2)));
        assert_eq!(retry_after(StatusCode::OK, &HeaderMap::new()).unwrap(), None);
        assert!(retry_after(busy, &HeaderMap::new()).is_err() && retry_after(busy, &headers("soon")).is_err());
        assert!(retry_after(StatusCode::INTERNAL_SERVER_ERROR, &headers("2")).is_err());
    }
}
