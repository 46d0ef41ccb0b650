//! What the Gateways of an HTTPRoute say of it. A route leads to the API through each of its parents only once each has
//! accepted it.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use kube::core::DynamicObject;
use serde_json::Value;

use crate::scauth::hosts::entry_point::EntryPoint;

/// The conditions of a route that leads to its Service.
const ACCEPTED: &str = "Accepted";
const RESOLVED: &str = "ResolvedRefs";

/// A Gateway, or listeners of it, to which the route attaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// For a message.
    pub name: String,
    pub answer: Answer,
    /// Time of the latest change of its conditions, if it is known.
    pub since: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It accepts the route, and finds its Service.
    Accepted,
    /// It gives this reason.
    Refused(String),
    None {
        /// Whether it has answered, but not about the route's current generation.
        is_outdated: bool,
    },
}

/// Whether each Gateway has accepted the route.
pub fn is_accepted(route: &DynamicObject) -> bool {
    let parents = parents(route);
    !parents.is_empty() && parents.iter().all(|parent| parent.answer == Answer::Accepted)
}

/// Since when each Gateway has accepted the route, if it is accepted and they say so.
pub fn accepted_since(route: &DynamicObject) -> Option<Timestamp> {
    parents(route).iter().filter_map(|parent| parent.since).max()
}

/// The parents in the spec of the route. Some controllers keep their conditions after a route is detached: those of other
/// parents do not count.
pub fn parents(route: &DynamicObject) -> Vec<Parent> {
    let own = route.namespace().unwrap_or_default();
    let said: Vec<_> = list(route, "/status/parents").iter().collect();
    let parents = list(route, "/spec/parentRefs").iter().map(|reference| {
        let identity = identity(reference, &own);
        let of_parent = || said.iter().filter(|status| self::identity(&status["parentRef"], &own) == identity);
        let answers: Vec<_> = of_parent().map(|status| answer(status, route.metadata.generation)).collect();
        let since = of_parent().filter_map(|status| last_change(status)).max();
        Parent { name: identity.to_string(), answer: strongest(&answers), since }
    });
    parents.collect()
}

fn list<'a>(route: &'a DynamicObject, path: &str) -> &'a [Value] {
    route.data.pointer(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn identity<'a>(reference: &'a Value, own: &str) -> EntryPoint<'a> {
    EntryPoint::Gateway {
        namespace: reference["namespace"].as_str().unwrap_or(own).to_owned(),
        name: reference["name"].as_str().unwrap_or_default(),
        section: reference["sectionName"].as_str(),
        port: reference["port"].as_i64().and_then(|port| i32::try_from(port).ok()),
    }
}

/// What one controller says about the current generation of the route.
fn answer(status: &Value, generation: Option<i64>) -> Answer {
    let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let find = |kind: &str| conditions.iter().find(|condition| condition["type"] == kind);
    let current = |kind: &str| find(kind).filter(|found| found["observedGeneration"].as_i64() >= generation);
    let both = [ACCEPTED, RESOLVED].map(current);
    if let Some(refused) = both.iter().flatten().find(|condition| condition["status"] == "False") {
        return Answer::Refused(words(refused));
    }
    if both.iter().all(|condition| condition.is_some_and(|condition| condition["status"] == "True")) {
        return Answer::Accepted;
    }
    let is_outdated = |kind: &str| find(kind).is_some() && current(kind).is_none();
    Answer::None { is_outdated: is_outdated(ACCEPTED) || is_outdated(RESOLVED) }
}

/// The time of the latest change of one controller's conditions.
fn last_change(status: &Value) -> Option<Timestamp> {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let conditions = conditions.filter(|condition| condition["type"] == ACCEPTED || condition["type"] == RESOLVED);
    conditions.filter_map(|condition| condition["lastTransitionTime"].as_str()?.parse().ok()).max()
}

fn words(condition: &Value) -> String {
    let words = ["message", "reason"].into_iter().filter_map(|field| condition[field].as_str());
    let mut words = words.filter(|words| !words.trim().is_empty());
    words.next().unwrap_or("it gave no reason").to_owned()
}

/// Of several controllers that answer for one parent, one that refuses counts, then one that accepts.
fn strongest(answers: &[Answer]) -> Answer {
    let is_refused = |answer: &&Answer| matches!(answer, Answer::Refused(_));
    let is_accepted = |answer: &&Answer| **answer == Answer::Accepted;
    let found = answers.iter().find(is_refused).or_else(|| answers.iter().find(is_accepted));
    let is_outdated = answers.iter().any(|answer| matches!(answer, Answer::None { is_outdated: true }));
    found.cloned().unwrap_or(Answer::None { is_outdated })
}
