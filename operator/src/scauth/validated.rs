//! A ScAuth that was validated.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::capacity::Volume;
use super::exposure::url;
use super::hosts::Other;
use super::identity::Expectation;
use super::scale::Scale;
use crate::api::{DeletionPolicy, HttpRoute, Ingress, ScAuthSpec};
use crate::scauth::names::Names;
use crate::scauth::release::Release;

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
        self.spec.ingress().filter(|ingress| !self.is_taken(&ingress.host))
    }

    /// The HTTPRoute that is to be there, for the hosts that are free.
    pub fn http_route(&self) -> Option<HttpRoute> {
        let mut route = self.spec.http_route()?.clone();
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
