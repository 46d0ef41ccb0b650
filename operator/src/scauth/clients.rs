//! What pods report of the declared applications: OpenIdReady shows it, and an answer is news if that changes.

use std::collections::BTreeSet;

use sc_auth_contract::status::{DeclaredStatus, Status};
use strum::{EnumIter, IntoEnumIterator as _};

use super::names::Names;
use crate::shared::reasons::Reason;

/// The refused applications that the message names.
const MAX_NAMED: usize = 3;

/// The applications of all pods.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clients {
    /// Why a pod cannot use the present file.
    pub problem: Option<String>,
    /// The number of clients that each pod serves.
    pub served: usize,
    /// The number of clients that a pod refuses.
    pub refused: usize,
    /// The first of them, each with the reason.
    pub first_refused: BTreeSet<String>,
    /// Whether a pod has no keys for their tokens.
    pub lacks_keys: bool,
}

/// The one that the condition shows, the first that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter)]
enum Finding {
    Unreadable,
    NoKeys,
    Refused,
    Loaded,
}

impl Finding {
    fn reason(self) -> Reason {
        match self {
            Self::Unreadable => Reason::ClientsUnreadable,
            Self::NoKeys => Reason::KeysNotLoaded,
            Self::Refused => Reason::ClientsRefused,
            Self::Loaded => Reason::ClientsLoaded,
        }
    }
}

impl Clients {
    /// `None` if no pod has a file of them.
    pub fn of<'a>(answers: impl Iterator<Item = &'a Status>) -> Option<Self> {
        let files = answers.filter_map(|answer| Some((answer.declared.as_ref()?, answer.oidc_keys.is_empty())));
        files.map(|(file, lacks_keys)| Self::of_pod(file, lacks_keys)).reduce(Self::and)
    }

    fn of_pod(file: &DeclaredStatus, lacks_keys: bool) -> Self {
        let named = file.refused.iter().map(|refused| format!("{}: {}", refused.client, refused.problem));
        Self {
            problem: file.problem.clone(),
            served: file.clients,
            refused: file.refused.len() + file.more_refused,
            first_refused: named.collect(),
            lacks_keys,
        }
    }

    fn and(mut self, other: Self) -> Self {
        self.first_refused.extend(other.first_refused);
        Self {
            problem: self.problem.or(other.problem),
            served: self.served.min(other.served),
            refused: self.refused.max(other.refused),
            first_refused: self.first_refused,
            lacks_keys: self.lacks_keys || other.lacks_keys,
        }
    }

    /// Whether pods are the source of a condition with this reason.
    pub fn report(reason: Reason) -> bool {
        reason == Reason::PodsUnreachable || Finding::iter().any(|finding| finding.reason() == reason)
    }

    fn finding(&self) -> Finding {
        if self.problem.is_some() {
            Finding::Unreadable
        } else if self.lacks_keys {
            Finding::NoKeys
        } else if self.refused > 0 {
            Finding::Refused
        } else {
            Finding::Loaded
        }
    }

    pub fn reason(&self) -> Reason {
        self.finding().reason()
    }

    /// The beginning of the condition's message, with everything that the pods report.
    pub fn message(&self, names: &Names) -> String {
        let secret = names.declared_secret();
        match self.finding() {
            Finding::Unreadable => format!(
                "Secret {secret} cannot be used: {}; the pods keep serving the previous applications",
                self.problem.as_deref().unwrap_or_default()
            ),
            Finding::NoKeys => format!(
                "the pods have no keys of OpenID Connect yet: the operator adds oidc-keys.json to Secret {}, and Kubernetes \
                 updates it in the pods within about a minute",
                names.secret()
            ),
            Finding::Refused => self.refusals(&secret),
            Finding::Loaded if self.served == 0 => format!("no applications are declared in Secret {secret}"),
            Finding::Loaded => {
                let (count, are) = counted(self.served);
                format!("{count} in Secret {secret} {are} served")
            }
        }
    }

    fn refusals(&self, secret: &str) -> String {
        let (count, are) = counted(self.refused);
        let others = if self.served > 0 { ", the others are served" } else { "" };
        let named: Vec<_> = self.first_refused.iter().take(MAX_NAMED).map(String::as_str).collect();
        let more = self.refused.saturating_sub(named.len());
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        format!("{count} in Secret {secret} {are} refused{others}: {}{more}", named.join("; "))
    }
}

fn counted(count: usize) -> (String, &'static str) {
    if count == 1 { ("1 application".to_owned(), "is") } else { (format!("{count} applications"), "are") }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(declared: &Value) -> Clients {
        let keys = json!([{"kid": "a", "algorithm": "RS256", "state": "current", "since": 1}]);
        let answer: Status = serde_json::from_value(json!({"declared": declared, "oidc_keys": keys})).unwrap();
        Clients::of([&answer].into_iter()).unwrap()
    }

    #[test]
    fn the_message_counts_and_names_applications() {
        let names = Names { scauth: "a".into(), namespace: "b".into() };
        let refused = |count: usize| -> Vec<Value> {
            (0..count).map(|number| json!({"client": format!("c{number}"), "problem": "bad"})).collect()
        };
        for (declared, reason, message) in [
            (json!({"clients": 0}), Reason::ClientsLoaded, "no applications are declared in Secret a-declared"),
            (json!({"clients": 1}), Reason::ClientsLoaded, "1 application in Secret a-declared is served"),
            (json!({"clients": 2}), Reason::ClientsLoaded, "2 applications in Secret a-declared are served"),
            (
                json!({"clients": 2, "refused": refused(1)}),
                Reason::ClientsRefused,
                "1 application in Secret a-declared is refused, the others are served: c0: bad",
            ),
            (
                json!({"refused": refused(4), "more_refused": 5}),
                Reason::ClientsRefused,
                "9 applications in Secret a-declared are refused: c0: bad; c1: bad; c2: bad; and 6 more",
            ),
            (
                json!({"clients": 1, "problem": "it is not JSON"}),
                Reason::ClientsUnreadable,
                "Secret a-declared cannot be used: it is not JSON; the pods keep serving the previous applications",
            ),
        ] {
            let clients = of(&declared);
            assert_eq!((clients.reason(), clients.message(&names).as_str()), (reason, message));
        }
    }

    #[test]
    fn of_several_pods_the_worst_counts() {
        let answers: Vec<Status> = serde_json::from_value(json!([
            {"declared": {"clients": 3, "refused": [{"client": "a", "problem": "bad"}]}},
            {"declared": {"clients": 2, "problem": "it is not JSON"}},
            {},
        ]))
        .unwrap();
        let all = Clients::of(answers.iter()).unwrap();
        assert_eq!((all.served, all.refused, all.lacks_keys), (2, 1, true));
        assert_eq!(all.reason(), Reason::ClientsUnreadable);
        assert_eq!(Clients::of([&answers[2]].into_iter()), None);
    }
}
