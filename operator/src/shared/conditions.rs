//! The conditions in a status: their types, their statuses, and how one is updated.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use strum::{AsRefStr, Display, EnumIter, EnumString};

use super::reasons::Reason;

/// The type of a condition. docs/conditions.md describes each one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AsRefStr, Display, EnumIter, EnumString)]
pub enum ConditionType {
    Ready,
    Reconciling,
    Stalled,
    DatabaseReady,
    Exposed,
    KeysReady,
    AdminReady,
    OpenIdReady,
    Monitored,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, AsRefStr, Display, EnumString)]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

impl From<bool> for ConditionStatus {
    fn from(is_so: bool) -> Self {
        if is_so { Self::True } else { Self::False }
    }
}

impl PartialEq<ConditionType> for String {
    fn eq(&self, other: &ConditionType) -> bool {
        self == other.as_ref()
    }
}

impl PartialEq<ConditionStatus> for String {
    fn eq(&self, other: &ConditionStatus) -> bool {
        self == other.as_ref()
    }
}

/// The condition of this type.
pub fn find<'a>(conditions: impl IntoIterator<Item = &'a Condition>, type_: ConditionType) -> Option<&'a Condition> {
    conditions.into_iter().find(|condition| condition.type_ == type_)
}

/// Whether it requires no action.
pub fn is_informational(condition: &Condition) -> bool {
    condition.status == ConditionStatus::True || condition.reason.parse().is_ok_and(Reason::is_informational)
}

/// One condition without its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionUpdate {
    pub kind: ConditionType,
    pub status: ConditionStatus,
    pub reason: Reason,
    pub message: String,
}

pub fn update(
    kind: ConditionType,
    status: ConditionStatus,
    reason: Reason,
    message: impl Into<String>,
) -> ConditionUpdate {
    ConditionUpdate { kind, status, reason, message: message.into() }
}

/// The conditions of an object that could not be applied. `is_final` means that only a change of its spec can fix it.
pub fn blocked(reason: Reason, message: &str, is_final: bool) -> Vec<ConditionUpdate> {
    let (reconciling, stalled) = (ConditionStatus::from(!is_final), ConditionStatus::from(is_final));
    vec![
        update(ConditionType::Ready, ConditionStatus::False, reason, message),
        update(ConditionType::Reconciling, reconciling, reason, message),
        update(ConditionType::Stalled, stalled, reason, message),
    ]
}

impl ConditionUpdate {
    /// Never empty, whatever others said, and truncated to the maximum of the conditions' schema.
    fn words(&self) -> String {
        let words = self.message.trim();
        if words.is_empty() {
            return format!("{} is {}, reason {}; no details were reported", self.kind, self.status, self.reason);
        }
        words.chars().take(8_000).collect()
    }

    /// The new condition. The time of the last transition is kept if the status has not changed.
    pub fn condition(&self, old: &[Condition], generation: Option<i64>, now: Timestamp) -> Condition {
        let before = old.iter().find(|old| old.type_ == self.kind && old.status == self.status);
        Condition {
            type_: self.kind.to_string(),
            status: self.status.to_string(),
            reason: self.reason.to_string(),
            message: self.words(),
            observed_generation: generation,
            last_transition_time: before.map_or(Time(now), |before| before.last_transition_time.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator as _;

    use super::*;

    #[test]
    fn the_page_on_conditions_has_a_heading_of_each_type() {
        let page = include_str!("../../../docs/conditions.md");
        let headings: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        for type_ in ConditionType::iter() {
            let is_told = headings.iter().flat_map(|heading| heading.split(", ")).any(|name| name == type_.as_ref());
            assert!(is_told, "docs/conditions.md has no heading {type_}");
        }
    }
}
