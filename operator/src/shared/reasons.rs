//! Reasons of conditions and events. docs/conditions.md describes the action for each.

use strum::{Display, EnumIter, EnumString};

/// A reason of a condition or of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Display, EnumIter, EnumString)]
pub enum Reason {
    // Healthy or progressing.
    Done,
    Serving,
    RollingOut,
    Suspended,
    Terminating,
    Starting,
    Migrated,
    Admitted,
    ByService,
    Applied,
    // The spec cannot be applied without a change.
    NamespaceNotAllowed,
    NameConflict,
    ImageNotAllowed,
    Invalid,
    // Another object must be created or deleted first.
    SecretNotFound,
    ConfigMapNotFound,
    NamespaceTerminating,
    ChildTerminating,
    GarbageCollecting,
    GatewayApiMissing,
    PrometheusOperatorMissing,
    // The API server refuses a request.
    PolicyDenied,
    QuotaExceeded,
    Forbidden,
    Conflict,
    ApiServerUnavailable,
    ApplyFailed,
    // Pods do not start.
    OutOfMemory,
    MigrationFailed,
    StartFailed,
    ImagePullFailed,
    PodsRefused,
    StorageClassNotFound,
    Unschedulable,
    MountFailed,
    PodFailed,
    RolloutPaused,
    RolloutStuck,
    // Pods use another database than before, or would.
    DatabaseChanged,
    DatabaseLost,
    DatabaseShared,
    AddressUnusable,
    VolumeAtRisk,
    VolumeOnNetwork,
    // Pods serve with a problem.
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
    CertificateInvalid,
    RouteRefused,
    HostTaken,
    // The first Admin, and the keys of sessions.
    AdminCreated,
    AdminNotCreated,
    KeysKnown,
    KeysLost,
    // Applications that log users in.
    ClientsLoaded,
    ClientsRefused,
    ClientsUnreadable,
    KeysNotLoaded,
    IssuerNotUsable,
    ServerTooOld,
    // Events of keys.
    KeyPublished,
    KeyPromoted,
    KeyRevoked,
    KeyUnknown,
    // Events of releases.
    UpgradeUnknown,
}

/// What a reason has the operator do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Informational,
    Refusal,
    FailedStart,
    Other,
}

impl Reason {
    /// Whether it requires no action, whatever the condition's status is.
    pub fn is_informational(self) -> bool {
        self.effect() == Effect::Informational
    }

    /// Whether the operator could not apply the spec.
    pub fn is_refusal(self) -> bool {
        self.effect() == Effect::Refusal
    }

    /// Whether new pods do not start, which another image may fix.
    pub fn is_failed_start(self) -> bool {
        self.effect() == Effect::FailedStart
    }

    fn effect(self) -> Effect {
        match self {
            Self::RollingOut
            | Self::VolumeResizing
            | Self::NotWanted
            | Self::NoAddress
            | Self::NoGateway
            | Self::IssuerNotUsable
            | Self::Starting
            | Self::Suspended
            | Self::Terminating
            | Self::KeyPublished
            | Self::KeyPromoted
            | Self::KeyRevoked => Effect::Informational,
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
            | Self::ApplyFailed => Effect::Refusal,
            Self::OutOfMemory
            | Self::MigrationFailed
            | Self::StartFailed
            | Self::ImagePullFailed
            | Self::RolloutStuck => Effect::FailedStart,
            Self::Done
            | Self::Serving
            | Self::Migrated
            | Self::Admitted
            | Self::ByService
            | Self::Applied
            | Self::SecretNotFound
            | Self::ConfigMapNotFound
            | Self::GatewayApiMissing
            | Self::PrometheusOperatorMissing
            | Self::PodsRefused
            | Self::StorageClassNotFound
            | Self::Unschedulable
            | Self::MountFailed
            | Self::PodFailed
            | Self::RolloutPaused
            | Self::DatabaseChanged
            | Self::DatabaseLost
            | Self::DatabaseShared
            | Self::AddressUnusable
            | Self::VolumeAtRisk
            | Self::VolumeOnNetwork
            | Self::VolumeNotExpandable
            | Self::VolumePending
            | Self::DatabaseUnreachable
            | Self::ServerErrors
            | Self::PodsUnreachable
            | Self::KeysUnreadable
            | Self::CertificateInvalid
            | Self::RouteRefused
            | Self::HostTaken
            | Self::AdminCreated
            | Self::AdminNotCreated
            | Self::KeysKnown
            | Self::KeysLost
            | Self::ClientsLoaded
            | Self::ClientsRefused
            | Self::ClientsUnreadable
            | Self::KeysNotLoaded
            | Self::ServerTooOld
            | Self::KeyUnknown
            | Self::UpgradeUnknown => Effect::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use strum::IntoEnumIterator as _;

    use super::*;

    /// The files of tests against an API server or a cluster.
    fn tests(folder: &Path) -> String {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries
            .map(|path| if path.is_dir() { tests(&path) } else { std::fs::read_to_string(path).unwrap_or_default() })
            .collect()
    }

    #[test]
    fn a_test_against_an_api_server_or_a_cluster_reaches_each_reason() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let all =
            ["tests/apiserver", "tests/controller", "../e2e/tests"].map(|folder| tests(&root.join(folder))).concat();
        let missing: Vec<_> = Reason::iter().filter(|reason| !all.contains(&format!("\"{reason}\""))).collect();
        assert_eq!(missing, []);
    }

    /// Only the first column of the page's tables contains reasons.
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
