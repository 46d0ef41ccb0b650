//! From what is wanted and what is there to what is to be done, or to the reason why not. No client here: these are
//! pure functions.

mod namespace;
mod ownership;

use kube::Resource as _;

use ownership::check_child;

use super::capacity;
use super::exposure::url;
use super::identity::Expectation;
use super::observe::Observed;
use super::scale::{beside, scale};
use super::validated::Validated;
use super::volume;
use crate::api::ScAuth;
use crate::scauth::child::Child;
use crate::scauth::names::Names;
use crate::scauth::release::{self, ReleaseDefaults, UpgradeTurn};
use crate::shared::reasons::Reason;

/// Why nothing can be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    pub message: String,
    /// Whether only a change of the spec can mend it.
    pub is_final: bool,
}

/// What the operator knows beside the objects.
#[derive(Debug, Clone)]
pub struct Environment {
    pub defaults: ReleaseDefaults,
    /// The operator's own namespace.
    pub namespace: String,
    /// What the image of a ScAuth must begin with, one of these; anything where there is none.
    pub allowed_images: Vec<String>,
}

/// # Errors
/// The first reason why this ScAuth cannot be built now.
pub fn validate(
    scauth: &ScAuth,
    observed: &Observed,
    environment: &Environment,
    turn: &UpgradeTurn,
) -> Result<Validated, Refusal> {
    let names = Names::of(scauth);
    let owner = scauth.controller_owner_ref(&()).ok_or_else(|| Refusal {
        reason: Reason::Invalid,
        message: "the object does not have a uid yet".into(),
        is_final: false,
    })?;
    check_image(scauth, environment)?;
    let namespace = namespace::check(observed.children.get(&Child::Namespace), &names, &owner, &environment.namespace)?;
    for (kind, metadata) in observed.owned() {
        check_child(&kind, metadata, &owner, volume::is_going(&observed.children))?;
    }
    let spec = scauth.spec.clone();
    Ok(Validated {
        namespace,
        policy: spec.deletion_policy.unwrap_or_default(),
        release: release::choose(scauth, observed.children.get(&Child::Deployment), &environment.defaults, turn),
        scale: beside(scale(&spec), &spec, observed.foreign_autoscaler.as_ref()),
        volume: spec
            .database
            .embedded
            .as_ref()
            .map(|embedded| capacity::settle(embedded, observed.children.get(&Child::VolumeClaim))),
        issuer: spec.auth.as_ref().and_then(|auth| auth.issuer.clone()).unwrap_or_else(|| url(&spec, &names)),
        taken: observed.hosts.taken.clone(),
        had_keys: scauth.status.as_ref().is_some_and(|status| !status.keys.is_empty()),
        expectation: Expectation::of(scauth, observed),
        operator_namespace: environment.namespace.clone(),
        names,
        owner,
        spec,
    })
}

fn check_image(scauth: &ScAuth, environment: &Environment) -> Result<(), Refusal> {
    let allowed = &environment.allowed_images;
    match &scauth.spec.image {
        Some(image) if !allowed.is_empty() && !allowed.iter().any(|start| image.starts_with(start)) => Err(Refusal {
            reason: Reason::ImageNotAllowed,
            message: format!(
                "spec.image is {image}; this operator only allows images that begin with {}",
                allowed.join(", ")
            ),
            is_final: true,
        }),
        _ => Ok(()),
    }
}
