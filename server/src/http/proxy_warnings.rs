//! Warnings about proxies that hide the addresses of clients.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sc_auth_contract::time::UnixTime;

/// The time between two warnings of one kind.
const WARN_AGAIN_AFTER: Duration = Duration::from_hours(1);

/// When the two kinds of warnings about proxies were last logged.
#[derive(Debug, Default)]
pub struct ProxyWarnings(Mutex<[Option<UnixTime>; 2]>);

impl ProxyWarnings {
    /// Logs that a proxy sent an address that cannot be read, or none.
    pub fn log(&self, proxy: IpAddr, unread: Option<&str>, now: UnixTime) {
        if !self.take(usize::from(unread.is_none()), now) {
            return;
        }
        if let Some(hop) = unread {
            let hop: String = hop.chars().take(64).collect();
            tracing::warn!(
                %proxy,
                hop,
                "X-Forwarded-For of a trusted proxy is not a list of addresses: such requests are not limited by address"
            );
        } else {
            tracing::warn!(
                %proxy,
                "a trusted proxy sent no X-Forwarded-For: such requests are not limited by address. If it is not a proxy, \
                 remove it from SC_AUTH_TRUSTED_PROXIES"
            );
        }
    }

    fn take(&self, kind: usize, now: UnixTime) -> bool {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = logged.get_mut(kind) else { return false };
        let is_due = last.is_none_or(|last| last + WARN_AGAIN_AFTER <= now);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_warning_is_logged_once_an_hour() {
        let warnings = ProxyWarnings::default();
        let count = |kind, now: i64| (0..100).filter(|_| warnings.take(kind, now.into())).count();
        assert_eq!([count(0, 0), count(1, 0), count(0, 3_599), count(0, 3_600), count(1, 9_999)], [1, 1, 0, 1, 1]);
    }
}
