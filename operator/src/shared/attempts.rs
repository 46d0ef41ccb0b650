//! Counts the consecutive failures of each object. Each has its own retry delays, so that a broken one never delays
//! another.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kube_runtime::controller::Action;

use super::error::Error;
use super::jitter::jittered;
use super::reasons::Reason;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(5);
/// The longest delay for failures that end without a watched change, such as a raised quota.
const LONGEST_OF_QUOTA: Duration = Duration::from_secs(25);
/// Transient failures are reported only after this many in a row.
const THRESHOLD: u32 = 3;

/// By the object's uid: a new object of the same name starts without failures.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<HashMap<String, u32>>);

impl Attempts {
    /// Counts a failure. Returns the delay before the retry.
    pub fn count(&self, uid: &str) -> Duration {
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = attempts.entry(uid.to_owned()).or_default();
        let delay = FIRST.saturating_mul(1 << (*failures).min(16)).min(LONGEST);
        *failures = failures.saturating_add(1);
        delay
    }

    /// The requeue after a failure.
    pub fn retry(&self, name: &str, uid: &str, error: &Error) -> Action {
        let delay = self.count(uid).min(longest(error));
        tracing::warn!(name, %error, delay = delay.as_secs(), "reconcile failed");
        Action::requeue(jittered(delay))
    }

    pub fn is_below_threshold(&self, uid: &str) -> bool {
        let attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.get(uid).is_none_or(|failures| *failures < THRESHOLD)
    }

    /// Forgets deleted objects.
    pub fn keep_only(&self, exists: impl Fn(&str) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|uid, _| exists(uid));
    }

    pub fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

fn longest(error: &Error) -> Duration {
    match error {
        Error::Apply(refused) if refused.reason() == Reason::QuotaExceeded => LONGEST_OF_QUOTA,
        _ => LONGEST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_five_minutes_and_each_has_its_own() {
        let attempts = Attempts::default();
        let delays: Vec<_> = (0..11).map(|_| attempts.count("a").as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(attempts.count("b").as_secs(), 1);
        attempts.forget("a");
        assert_eq!(attempts.count("a").as_secs(), 1);
    }

    #[test]
    fn a_quota_that_is_raised_is_noticed_within_half_a_minute() {
        use crate::shared::error::ApplyError;
        let refusal = |code: u16, message: &str| {
            let status =
                serde_json::json!({"status": "Failure", "code": code, "message": message, "reason": "Forbidden"});
            let source = kube::Error::Api(Box::new(serde_json::from_value(status).unwrap()));
            Error::Apply(ApplyError::Refused { kind: "Service".into(), name: "a".into(), source })
        };
        let quota = refusal(403, "services \"a\" is forbidden: exceeded quota: few");
        assert!(longest(&quota).mul_f64(1.1) < Duration::from_secs(30));
        assert_eq!(longest(&refusal(403, "not allowed")), LONGEST);
    }

    #[test]
    fn an_object_that_is_gone_is_forgotten() {
        let attempts = Attempts::default();
        for name in ["a", "b", "b"] {
            attempts.count(name);
        }
        attempts.keep_only(|name| name == "b");
        assert_eq!((attempts.count("a").as_secs(), attempts.count("b").as_secs()), (1, 4));
    }
}
