//! Events about an object.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube_runtime::events::{Event, EventType, Recorder};

use super::conditions::{ConditionStatus, ConditionType, find, is_informational};
use super::reasons::Reason;

/// An event to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    type_: EventType,
    reason: String,
    note: String,
}

impl News {
    /// Its type is Normal if the reason requires no action, otherwise Warning.
    pub fn of(reason: Reason, note: String) -> Self {
        Self { type_: type_of(reason.is_informational()), reason: reason.to_string(), note }
    }
}

fn type_of(is_informational: bool) -> EventType {
    if is_informational { EventType::Normal } else { EventType::Warning }
}

/// An event for each condition whose status or reason has changed, except for
///
/// - a new condition that requires no action: the first status says the same;
/// - a condition with the reason of one before it: the API has one event of a reason, and would only count it.
pub fn changes(old: &[Condition], new: &[Condition]) -> Vec<News> {
    let is_known = |new: &Condition| {
        old.iter().any(|old| old.type_ == new.type_ && old.status == new.status && old.reason == new.reason)
    };
    let ready = find(new, ConditionType::Ready).map(|ready| ready.reason.as_str());
    // The reason of these two is usually that of Ready.
    let repeats = [ConditionType::Reconciling, ConditionType::Stalled];
    let is_news = |new: &Condition| new.status == ConditionStatus::True && Some(new.reason.as_str()) != ready;
    let told = new.iter().filter(|new| !repeats.iter().any(|type_| new.type_ == *type_) || is_news(new));
    let is_quiet = |new: &Condition| is_informational(new) && !old.iter().any(|old| old.type_ == new.type_);
    let mut reasons = BTreeSet::new();
    let changed = told.filter(|new| !is_known(new) && !is_quiet(new));
    changed
        .filter(|new| reasons.insert((is_informational(new), new.reason.as_str())))
        .map(|new| News {
            type_: type_of(is_informational(new)),
            reason: new.reason.clone(),
            note: format!("{}={}: {}", new.type_, new.status, new.message),
        })
        .collect()
}

/// Publishes the events. A failure is only logged.
pub async fn publish(recorder: &Recorder, object: &ObjectReference, news: Vec<News>) {
    for News { type_, reason, note } in news {
        let note = Some(note.chars().take(1_000).collect());
        let event = Event { type_, reason, note, action: "Reconcile".to_owned(), secondary: None };
        if let Err(error) = recorder.publish(&event, object).await {
            tracing::warn!(%error, "could not publish an event");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn condition(kind: &str, status: &str, reason: Reason) -> Condition {
        let reason = reason.to_string();
        let condition = json!({"type": kind, "status": status, "reason": reason, "message": "why",
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        serde_json::from_value(condition).unwrap()
    }

    fn notes(old: &[Condition], new: &[Condition]) -> Vec<String> {
        changes(old, new).into_iter().map(|news| news.note).collect()
    }

    #[test]
    fn a_new_object_has_events_only_about_what_requires_action() {
        let new = [
            condition("Ready", "False", Reason::RollingOut),
            condition("DatabaseReady", "False", Reason::SecretNotFound),
            condition("Reconciling", "True", Reason::RollingOut),
        ];
        assert_eq!(notes(&[], &new), ["DatabaseReady=False: why"]);
        let serving = condition("Ready", "True", Reason::Serving);
        assert_eq!(notes(&new, &[serving]), ["Ready=True: why"], "a change is an event");
    }
}
