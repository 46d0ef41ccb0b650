//! Which namespaces may be used: our own, or one whose owner allows it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::ResourceExt as _;
use kube::core::DynamicObject;

use super::ownership::collecting;
use crate::scauth::names::{ANNOTATION_ALLOW, Names};
use crate::scauth::resolved::NamespaceUse;
use crate::scauth::retention::ownership;
use crate::shared::ownership::Ownership;
use crate::shared::reasons::Reason;
use crate::shared::refusal::Refusal;

/// The owner of the namespace, or of the one that will be created.
pub fn found(live: Option<&DynamicObject>, names: &Names, owner: &OwnerReference) -> NamespaceUse {
    let Some(live) = live else { return NamespaceUse::Managed };
    match (is_allowed(live, names), ownership(&live.metadata, owner)) {
        (true, Ownership::Ours) => NamespaceUse::Returned,
        (false, Ownership::Ours) => NamespaceUse::Managed,
        (_, Ownership::Former | Ownership::Foreign) => NamespaceUse::Users,
    }
}

fn is_allowed(live: &DynamicObject, names: &Names) -> bool {
    let allowed = live.annotations().get(ANNOTATION_ALLOW);
    allowed.is_some_and(|allowed| allowed.split(',').map(str::trim).any(|name| name == "*" || name == names.scauth))
}

/// # Errors
/// If the namespace exists and may not be used, or is being deleted.
pub fn check(live: &DynamicObject, names: &Names, owner: &OwnerReference) -> Result<(), Refusal> {
    if live.metadata.deletion_timestamp.is_some() {
        return Err(Refusal {
            reason: Reason::NamespaceTerminating,
            message: format!(
                "namespace {} is being deleted; it is recreated once deletion has finished",
                names.namespace
            ),
            is_final: false,
        });
    }
    match (is_allowed(live, names), ownership(&live.metadata, owner)) {
        (true, _) | (_, Ownership::Ours) => Ok(()),
        (false, Ownership::Former) => Err(collecting("Namespace", &names.namespace)),
        (false, Ownership::Foreign) => Err(Refusal {
            reason: Reason::NamespaceNotAllowed,
            message: format!(
                "namespace {0} already exists; its owner can allow this ScAuth with: kubectl annotate namespace {0} {ANNOTATION_ALLOW}={1}",
                names.namespace, names.scauth
            ),
            is_final: false,
        }),
    }
}

/// # Errors
/// If the namespace does not exist and an older ScAuth gets it.
pub fn check_missing(names: &Names, rival: Option<&str>) -> Result<(), Refusal> {
    let Some(rival) = rival else { return Ok(()) };
    Err(Refusal {
        reason: Reason::NamespaceNotAllowed,
        message: format!(
            "ScAuth {rival}, which is older, asks for namespace {} too and gets it: set another spec.namespace",
            names.namespace
        ),
        is_final: false,
    })
}

/// # Errors
/// If it is the operator's own namespace.
pub fn check_operators(names: &Names, operators: &str) -> Result<(), Refusal> {
    if names.namespace != operators {
        return Ok(());
    }
    Err(Refusal {
        reason: Reason::NamespaceNotAllowed,
        message: format!("namespace {operators} is the namespace of the operator: set another spec.namespace"),
        is_final: true,
    })
}
