//! Errors of a reconcile, and their messages for users.

use kube::core::Status;

use crate::shared::reasons::Reason;

/// Why a reconcile is retried.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("writing the status: {}", explain(.0))]
    Report(#[source] kube::Error),
    #[error("writing the status took too long")]
    TimedOut,
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

impl Error {
    /// The outcome of the reconcile, for the metrics.
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::TimedOut | Self::Apply(ApplyError::TimedOut) => "timed_out",
            Self::Report(_) => "not_reported",
            Self::Apply(ApplyError::Unread(_)) => "not_read",
            Self::Apply(_) => "not_applied",
        }
    }
}

/// Why the children could not be read or applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("reading the cluster: {}", explain(.0))]
    Unread(#[from] kube::Error),
    /// The API server refused a request, or did not respond.
    #[error("{kind} {name}: {}", explain(source))]
    Refused { kind: String, name: String, source: kube::Error },
    #[error("the API server did not answer in time")]
    TimedOut,
    #[error("generating keys: {0}")]
    Keys(#[from] sc_auth_contract::keys::KeysError),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// The API server's own message, if it sent one; the library's text repeats it with all its details.
pub fn explain(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(answer) if !answer.message.is_empty() => answer.message.clone(),
        other => other.to_string(),
    }
}

/// Whether the API server refused a request because of a quota.
pub fn is_over_quota(message: &str) -> bool {
    message.contains("exceeded quota")
}

pub fn refused(kind: String, name: &str, source: kube::Error) -> ApplyError {
    ApplyError::Refused { kind, name: name.to_owned(), source }
}

impl ApplyError {
    /// The reason for a condition.
    pub fn reason(&self) -> Reason {
        let Some(answer) = self.answer() else {
            return if matches!(self, Self::TimedOut) { Reason::ApiServerUnavailable } else { Reason::ApplyFailed };
        };
        let says = |text: &str| answer.message.contains(text);
        match answer.code {
            403 if is_over_quota(&answer.message) => Reason::QuotaExceeded,
            403 if says("being terminated") => Reason::NamespaceTerminating,
            400..=499 if says("ValidatingAdmissionPolicy") || says("admission webhook") || says("admission policy") => {
                Reason::PolicyDenied
            }
            403 => Reason::Forbidden,
            409 => Reason::Conflict,
            400 | 422 => Reason::Invalid,
            // Server-side apply answers so to an object with two items of the same key, or with a field that has no such
            // value.
            500 if ["typed patch object", "duplicate entries for key", "failed to convert new object"]
                .into_iter()
                .any(says) =>
            {
                Reason::Invalid
            }
            429 | 500..=599 => Reason::ApiServerUnavailable,
            _ => Reason::ApplyFailed,
        }
    }

    /// Whether a retry may succeed without a change: the API server is overloaded, or another client was faster.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Keys(_) | Self::Json(_) => false,
            Self::TimedOut => true,
            Self::Refused { .. } | Self::Unread(_) => self.answer().is_none_or(|answer| {
                matches!(self.reason(), Reason::ApiServerUnavailable | Reason::Conflict) || answer.code == 404
            }),
        }
    }

    pub fn is_not_found(&self) -> bool {
        self.answer().is_some_and(|answer| answer.code == 404)
    }

    /// The API server's message, if it sent one.
    fn answer(&self) -> Option<&Status> {
        match self {
            Self::Refused { source: kube::Error::Api(answer), .. } | Self::Unread(kube::Error::Api(answer)) => {
                Some(answer)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(code: u16, message: &str) -> ApplyError {
        let answer = Status { code, message: message.to_owned(), ..Status::default() };
        refused("Deployment".to_owned(), "a", kube::Error::Api(Box::new(answer)))
    }

    /// The API server says 500, but a retry would get the same answer.
    #[test]
    fn an_object_that_the_api_server_cannot_convert_is_invalid() {
        for message in [
            "failed to convert new object (a/a; apps/v1, Kind=Deployment) to proper version (apps/v1): quantities must match the \
             regular expression",
            "failed to create typed patch object (a/a; apps/v1, Kind=Deployment): duplicate entries for key [name=\"A\"]",
        ] {
            let error = answered(500, message);
            assert_eq!((error.reason(), error.is_transient()), (Reason::Invalid, false), "{message}");
        }
        let error = answered(500, "etcdserver: request timed out");
        assert_eq!((error.reason(), error.is_transient()), (Reason::ApiServerUnavailable, true));
    }
}
