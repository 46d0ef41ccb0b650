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

/// # Errors
/// If the namespace exists and may not be used, or is being deleted.
pub fn check(
    live: &DynamicObject,
    names: &Names,
    owner: &OwnerReference,
    operators: &str,
) -> Result<NamespaceUse, Refusal> {
    check_operators(names, operators)?;
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
    let is_ours = ownership(&live.metadata, owner);
    let allowed = live
        .annotations()
        .get(ANNOTATION_ALLOW)
        .is_some_and(|allowed| allowed.split(',').map(str::trim).any(|name| name == "*" || name == names.scauth));
    match (allowed, is_ours) {
        (true, Ownership::Ours) => Ok(NamespaceUse::Returned),
        (true, _) => Ok(NamespaceUse::Users),
        (false, Ownership::Ours) => Ok(NamespaceUse::Managed),
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
pub fn check_missing(names: &Names, rival: Option<&str>, operators: &str) -> Result<NamespaceUse, Refusal> {
    check_operators(names, operators)?;
    let Some(rival) = rival else { return Ok(NamespaceUse::Managed) };
    Err(Refusal {
        reason: Reason::NamespaceNotAllowed,
        message: format!(
            "ScAuth {rival}, which is older, asks for namespace {} too and gets it: set another spec.namespace",
            names.namespace
        ),
        is_final: false,
    })
}

fn check_operators(names: &Names, operators: &str) -> Result<(), Refusal> {
    if names.namespace != operators {
        return Ok(());
    }
    Err(Refusal {
        reason: Reason::NamespaceNotAllowed,
        message: format!("namespace {operators} is the namespace of the operator: set another spec.namespace"),
        is_final: true,
    })
}
