//! The types and statuses of the conditions in a status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use strum::{AsRefStr, Display, EnumIter, EnumString};

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
