//! From what is wanted and what is there to what is to be done, or to the reason why not. No client here: these are
//! pure functions.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Resource as _, ResourceExt as _};

use super::observe::Observed;
use crate::api::{DeletionPolicy, Ingress, ScAuth, ScAuthSpec};
use crate::names::{ANNOTATION_ALLOW, LABEL_RETAINED, Names};

/// A ScAuth that can be built, with every default filled in.
#[derive(Debug, Clone)]
pub struct Validated {
    pub names: Names,
    pub owner: OwnerReference,
    pub policy: DeletionPolicy,
    pub namespace: NamespaceUse,
    pub spec: ScAuthSpec,
    pub image: String,
    pub replicas: i32,
    pub issuer: String,
}

/// Whose the namespace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamespaceUse {
    /// Ours, there or not yet.
    Managed,
    /// The user's, who lets us in.
    Users,
    /// The user's, but with an owner reference of ours that must come off.
    Returned,
}

/// Why nothing can be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub reason: &'static str,
    pub message: String,
    /// Whether only a change of the spec can mend it.
    pub is_final: bool,
}

/// Whose an existing object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    Ours,
    /// It belongs to an earlier ScAuth of this name, and will be collected.
    Former,
    Foreign,
}

/// Whose an object is: ours by its owner's uid or by our retention label.
pub fn claim(metadata: &ObjectMeta, owner: &OwnerReference) -> Claim {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    if owners.iter().any(|other| other.uid == owner.uid) {
        return Claim::Ours;
    }
    if owners
        .iter()
        .any(|other| other.kind == owner.kind && other.api_version == owner.api_version && other.name == owner.name)
    {
        return Claim::Former;
    }
    let retained = metadata.labels.as_ref().and_then(|labels| labels.get(LABEL_RETAINED));
    if retained == Some(&owner.name) { Claim::Ours } else { Claim::Foreign }
}

/// What the operator knows beside the objects.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The server's image where the spec names none.
    pub server_image: String,
    /// The operator's own namespace.
    pub namespace: String,
}

/// # Errors
/// The first reason why this ScAuth cannot be built now.
pub fn validate(scauth: &ScAuth, observed: &Observed, environment: &Environment) -> Result<Validated, Refusal> {
    let names = names(scauth);
    let owner = scauth.controller_owner_ref(&()).ok_or_else(|| Refusal {
        reason: "NotStored",
        message: "the object has no uid yet".into(),
        is_final: false,
    })?;
    if names.namespace == environment.namespace {
        return Err(Refusal {
            reason: "NamespaceNotAllowed",
            message: format!("namespace {} is the operator's own: set another spec.namespace", names.namespace),
            is_final: true,
        });
    }
    let namespace = namespace_use(observed.namespace.as_ref(), &names, &owner)?;
    for (kind, metadata) in observed.children() {
        check_child(kind, metadata, &owner)?;
    }
    let spec = scauth.spec.clone();
    Ok(Validated {
        namespace,
        policy: spec.deletion_policy.unwrap_or_default(),
        image: spec.image.clone().unwrap_or_else(|| environment.server_image.clone()),
        replicas: spec.replicas.unwrap_or(if spec.database.embedded.is_some() { 1 } else { 2 }),
        issuer: issuer(&spec, &names),
        names,
        owner,
        spec,
    })
}

pub fn names(scauth: &ScAuth) -> Names {
    let name = scauth.name_any();
    Names { namespace: scauth.spec.namespace.clone().unwrap_or_else(|| name.clone()), scauth: name }
}

fn namespace_use(live: Option<&Namespace>, names: &Names, owner: &OwnerReference) -> Result<NamespaceUse, Refusal> {
    let Some(live) = live else { return Ok(NamespaceUse::Managed) };
    if live.metadata.deletion_timestamp.is_some() {
        return Err(Refusal {
            reason: "NamespaceTerminating",
            message: format!("namespace {} is being deleted; it is made anew once it is gone", names.namespace),
            is_final: false,
        });
    }
    let is_ours = claim(&live.metadata, owner);
    let allowed = live
        .annotations()
        .get(ANNOTATION_ALLOW)
        .is_some_and(|allowed| allowed.split(',').map(str::trim).any(|name| name == "*" || name == names.scauth));
    match (allowed, is_ours) {
        (true, Claim::Ours) => Ok(NamespaceUse::Returned),
        (true, _) => Ok(NamespaceUse::Users),
        (false, Claim::Ours) => Ok(NamespaceUse::Managed),
        (false, Claim::Former) => Err(collecting("Namespace", &names.namespace)),
        (false, Claim::Foreign) => Err(Refusal {
            reason: "NamespaceNotAllowed",
            message: format!(
                "namespace {0} existed before; whoever it belongs to lets us in with: kubectl annotate namespace {0} {ANNOTATION_ALLOW}={1}",
                names.namespace, names.scauth
            ),
            is_final: false,
        }),
    }
}

fn check_child(kind: &'static str, metadata: &ObjectMeta, owner: &OwnerReference) -> Result<(), Refusal> {
    let name = metadata.name.as_deref().unwrap_or_default();
    match claim(metadata, owner) {
        Claim::Former => Err(collecting(kind, name)),
        Claim::Foreign => Err(Refusal {
            reason: "NameConflict",
            message: format!("{kind} {name} belongs to someone else and is left alone: rename or delete it"),
            is_final: false,
        }),
        Claim::Ours if metadata.deletion_timestamp.is_some() => Err(Refusal {
            reason: "ChildTerminating",
            message: format!("{kind} {name} is being deleted; it is made anew once it is gone"),
            is_final: false,
        }),
        Claim::Ours => Ok(()),
    }
}

fn collecting(kind: &str, name: &str) -> Refusal {
    Refusal {
        reason: "GarbageCollecting",
        message: format!("{kind} {name} belongs to an earlier ScAuth of this name and is about to go"),
        is_final: false,
    }
}

fn issuer(spec: &ScAuthSpec, names: &Names) -> String {
    let explicit = spec.auth.as_ref().and_then(|auth| auth.issuer.clone());
    explicit.unwrap_or_else(|| url(ingress(spec), names))
}

/// The Ingress that the spec asks for.
pub fn ingress(spec: &ScAuthSpec) -> Option<&Ingress> {
    spec.expose.as_ref().and_then(|expose| expose.ingress.as_ref())
}

/// Where clients reach the API.
pub fn url(ingress: Option<&Ingress>, names: &Names) -> String {
    match ingress {
        Some(ingress) if ingress.tls.is_some() => format!("https://{}", ingress.host),
        Some(ingress) => format!("http://{}", ingress.host),
        None => format!("http://{}.{}.svc:8000", names.service(), names.namespace),
    }
}
