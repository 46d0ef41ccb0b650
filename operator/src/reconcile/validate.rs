//! From what is wanted and what is there to what is to be done, or to the reason why not. No client here: these are
//! pure functions.

mod namespace;
mod ownership;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource as _, ResourceExt as _};
use sc_auth_contract::places::PORT;

pub use namespace::NamespaceUse;
use ownership::check_child;
pub use ownership::{Claim, claim, counts, is_wanted};

use super::capacity::{self, Volume};
use super::hosts::Other;
use super::identity::Expectation;
use super::observe::Observed;
use super::volume;
use crate::api::{Autoscaling, DeletionPolicy, HttpRoute, Ingress, ScAuth, ScAuthSpec};
use crate::kinds::Kind;
use crate::names::Names;
use crate::reasons::Reason;
use crate::release::{self, Offer, Release, Turn};

/// A ScAuth that can be built, with every default filled in.
#[derive(Debug, Clone)]
pub struct Validated {
    pub names: Names,
    pub owner: OwnerReference,
    pub policy: DeletionPolicy,
    pub namespace: NamespaceUse,
    pub spec: ScAuthSpec,
    pub release: Release,
    pub scale: Scale,
    pub issuer: String,
    /// The claim of an embedded database's volume.
    pub volume: Option<Volume>,
    /// The hosts of the spec that another ScAuth has: nothing leads from them to this one.
    pub taken: Vec<Other>,
    /// Whether the status knows of signing keys.
    pub had_keys: bool,
    /// Which database the pods are to expect.
    pub expectation: Expectation,
    /// The operator's own namespace, from which it asks the pods how they are.
    pub operator_namespace: String,
}

impl Validated {
    /// The Ingress that is to be there: the host is free.
    pub fn ingress(&self) -> Option<&Ingress> {
        ingress(&self.spec).filter(|ingress| !self.is_taken(&ingress.host))
    }

    /// The HTTPRoute that is to be there, for the hosts that are free.
    pub fn http_route(&self) -> Option<HttpRoute> {
        let mut route = http_route(&self.spec)?.clone();
        route.hostnames.retain(|host| !self.is_taken(host));
        (!route.hostnames.is_empty()).then_some(route)
    }

    fn is_taken(&self, host: &str) -> bool {
        self.taken.iter().any(|taken| taken.host.eq_ignore_ascii_case(host))
    }

    /// Where clients reach the API, which is not where they are to reach it while another has the host.
    pub fn url(&self) -> String {
        let mut spec = self.spec.clone();
        if let Some(expose) = &mut spec.expose {
            expose.ingress = self.ingress().cloned();
            expose.http_route = self.http_route();
        }
        url(&spec, &self.names)
    }
}

/// Who decides how many pods serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scale {
    Fixed(i32),
    Auto(Autoscaling),
    /// A HorizontalPodAutoscaler that somebody else made; the spec has `replicas`.
    Theirs {
        autoscaler: String,
        replicas: i32,
    },
}

impl Scale {
    /// The most pods that there may be.
    pub fn most(&self) -> i32 {
        match self {
            Self::Fixed(replicas) | Self::Theirs { replicas, .. } => *replicas,
            Self::Auto(autoscaling) => autoscaling.max,
        }
    }
}

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
    pub offer: Offer,
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
    turn: &Turn,
) -> Result<Validated, Refusal> {
    let names = names(scauth);
    let owner = scauth.controller_owner_ref(&()).ok_or_else(|| Refusal {
        reason: Reason::Invalid,
        message: "the object does not have a uid yet".into(),
        is_final: false,
    })?;
    check_image(scauth, environment)?;
    let namespace = namespace::check(observed.children.get(&Kind::Namespace), &names, &owner, &environment.namespace)?;
    for (kind, metadata) in observed.owned() {
        check_child(&kind, metadata, &owner, volume::is_going(&observed.children))?;
    }
    let spec = scauth.spec.clone();
    Ok(Validated {
        namespace,
        policy: spec.deletion_policy.unwrap_or_default(),
        release: release::choose(scauth, observed.children.get(&Kind::Deployment), &environment.offer, turn),
        scale: beside(scale(&spec), &spec, observed),
        volume: spec
            .database
            .embedded
            .as_ref()
            .map(|embedded| capacity::settle(embedded, observed.children.get(&Kind::VolumeClaim))),
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

fn scale(spec: &ScAuthSpec) -> Scale {
    let default = if spec.database.embedded.is_some() { 1 } else { 2 };
    match &spec.autoscaling {
        Some(autoscaling) => Scale::Auto(autoscaling.clone()),
        None => Scale::Fixed(spec.replicas.unwrap_or(default)),
    }
}

/// Two that set the number of replicas would undo each other's work. An embedded database has one writer, whoever else
/// would like more.
fn beside(scale: Scale, spec: &ScAuthSpec, observed: &Observed) -> Scale {
    match (scale, &observed.foreign_autoscaler) {
        (Scale::Fixed(replicas), Some(theirs)) if spec.database.embedded.is_none() => {
            Scale::Theirs { autoscaler: theirs.name_any(), replicas }
        }
        (scale, _) => scale,
    }
}

pub fn names(scauth: &ScAuth) -> Names {
    let name = scauth.name_any();
    Names { namespace: scauth.spec.namespace.clone().unwrap_or_else(|| name.clone()), scauth: name }
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

/// The Ingress that the spec asks for.
pub fn ingress(spec: &ScAuthSpec) -> Option<&Ingress> {
    spec.expose.as_ref().and_then(|expose| expose.ingress.as_ref())
}

/// The HTTPRoute that the spec asks for.
pub fn http_route(spec: &ScAuthSpec) -> Option<&HttpRoute> {
    spec.expose.as_ref().and_then(|expose| expose.http_route.as_ref())
}

/// Where clients reach the API. Only the Gateway knows whether a route is reached by HTTPS; that it is not can be said
/// by auth.issuer.
pub fn url(spec: &ScAuthSpec, names: &Names) -> String {
    if let Some(ingress) = ingress(spec) {
        let scheme = if ingress.tls.is_some() { "https" } else { "http" };
        return format!("{scheme}://{}", ingress.host);
    }
    match http_route(spec).and_then(|route| route.hostnames.first()) {
        Some(host) => {
            let plain = format!("http://{host}");
            let issuer = spec.auth.as_ref().and_then(|auth| auth.issuer.as_deref());
            if issuer == Some(plain.as_str()) { plain } else { format!("https://{host}") }
        }
        None => format!("http://{}.{}.svc:{PORT}", names.service(), names.namespace),
    }
}
