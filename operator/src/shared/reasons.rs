//! Why a condition is as it is, or an event came: the words that users and tools act upon. docs/conditions.md says of
//! each what to do.

use strum::{Display, EnumIter, EnumString};

/// A reason of a condition or of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Display, EnumIter, EnumString)]
pub enum Reason {
    // All is well, or on its way.
    Done,
    Serving,
    RollingOut,
    Suspended,
    Starting,
    Migrated,
    Admitted,
    Applied,
    // The spec cannot be carried out as it is.
    NamespaceNotAllowed,
    NameConflict,
    ImageNotAllowed,
    Invalid,
    // Something else must come, or go, first.
    SecretNotFound,
    NamespaceTerminating,
    ChildTerminating,
    GarbageCollecting,
    GatewayApiMissing,
    PrometheusOperatorMissing,
    // The API server says no.
    PolicyDenied,
    QuotaExceeded,
    Forbidden,
    Conflict,
    ApiServerUnavailable,
    ApplyFailed,
    // Pods do not start.
    MigrationFailed,
    StartFailed,
    ImagePullFailed,
    PodsRefused,
    Unschedulable,
    MountFailed,
    RolloutStuck,
    // They are on another database than before, or would be.
    DatabaseChanged,
    DatabaseLost,
    DatabaseShared,
    AddressUnusable,
    VolumeAtRisk,
    // They serve, but something is wrong.
    VolumeNotExpandable,
    VolumeResizing,
    VolumePending,
    DatabaseUnreachable,
    ServerErrors,
    PodsUnreachable,
    KeysUnreadable,
    NotWanted,
    NoAddress,
    NoGateway,
    RouteRefused,
    HostTaken,
    // The first Admin, and sessions' keys.
    AdminMade,
    AdminNotMade,
    KeysKnown,
    KeysLost,
    // Events of keys.
    KeyPublished,
    KeyPromoted,
    KeyRevoked,
    KeyUnknown,
    // And of releases.
    UpgradeUnknown,
}

impl Reason {
    /// Whether it asks nothing of anybody, whatever its condition's status is.
    pub fn is_informational(self) -> bool {
        matches!(
            self,
            Self::RollingOut
                | Self::VolumeResizing
                | Self::NotWanted
                | Self::NoAddress
                | Self::NoGateway
                | Self::Starting
                | Self::Suspended
                | Self::KeyPublished
                | Self::KeyPromoted
                | Self::KeyRevoked
        )
    }

    /// Whether the operator could not carry the spec out.
    pub fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::NamespaceNotAllowed
                | Self::NameConflict
                | Self::ImageNotAllowed
                | Self::Invalid
                | Self::NamespaceTerminating
                | Self::ChildTerminating
                | Self::GarbageCollecting
                | Self::PolicyDenied
                | Self::QuotaExceeded
                | Self::Forbidden
                | Self::Conflict
                | Self::ApiServerUnavailable
                | Self::ApplyFailed
        )
    }

    /// Whether new pods do not come up, which another image may fix.
    pub fn is_failed_start(self) -> bool {
        matches!(self, Self::MigrationFailed | Self::StartFailed | Self::ImagePullFailed | Self::RolloutStuck)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use strum::IntoEnumIterator as _;

    use super::*;

    /// The first column of the page's tables holds reasons, and nothing else has them.
    #[test]
    fn the_page_on_conditions_has_each_reason_and_no_other() {
        let page = include_str!("../../../docs/conditions.md");
        let rows = page.lines().filter(|line| line.starts_with("| `"));
        let first_columns = rows.filter_map(|line| line.split('|').nth(1));
        let told: BTreeSet<_> = first_columns.flat_map(|column| column.split('`').skip(1).step_by(2)).collect();
        let all: Vec<_> = Reason::iter().map(|reason| reason.to_string()).collect();
        let all: BTreeSet<_> = all.iter().map(String::as_str).collect();
        assert_eq!(told, all);
    }
}
