//! A ScAuth that can be built, independent of its spec.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use sc_auth_contract::keys::Algorithm;

use super::capacity::Volume;
use super::exposure::Exposure;
use super::hosts::Other;
use super::identity::Expectation;
use super::mounts::SecretMount;
use super::names::Names;
use super::release::Release;
use super::resources::PodResources;
use super::rotation::Plan;
use super::scale::Scale;
use super::settings::Settings;
use crate::api::{DeletionPolicy, ImagePullPolicy, Login, Monitoring, NetworkPolicy, PodTemplate, Service};

/// A ScAuth that can be built, with all defaults. `suspend` is no part.
#[derive(Debug, Clone)]
pub struct Resolved {
    pub names: Names,
    pub owner: OwnerReference,
    pub policy: DeletionPolicy,
    pub namespace: NamespaceUse,
    pub namespace_labels: BTreeMap<String, String>,
    pub namespace_annotations: BTreeMap<String, String>,
    pub service: Service,
    pub service_account_annotations: BTreeMap<String, String>,
    pub image_pull_policy: ImagePullPolicy,
    pub release: Release,
    /// Why the annotation for an upgrade has no effect.
    pub unknown_upgrade: Option<String>,
    /// The image in the spec.
    pub spec_image: Option<String>,
    pub scale: Scale,
    /// Whether the pods have a PodDisruptionBudget.
    pub has_budget: bool,
    pub database: Database,
    pub resources: PodResources,
    pub pod_template: PodTemplate,
    pub settings: Settings,
    /// All Secrets that the pods mount.
    pub secrets: Vec<SecretMount>,
    /// The algorithm of new keys for access tokens.
    pub algorithm: Algorithm,
    /// How the keys rotate.
    pub plan: Plan,
    pub admin: Admin,
    pub issuer: String,
    /// How clients reach the API if the hosts are free.
    pub exposure: Exposure,
    /// Labels of the Ingress or HTTPRoute.
    pub exposure_labels: BTreeMap<String, String>,
    /// Whether client addresses are known.
    pub has_trusted_proxies: bool,
    /// The hosts in the spec that another ScAuth holds: they do not lead to this one.
    pub taken: Vec<Other>,
    pub network_policy: NetworkPolicy,
    pub monitoring: Option<Monitoring>,
    pub reported: Reported,
    /// The login pages.
    pub login: Option<Login>,
    /// The database that the pods expect.
    pub expectation: Expectation,
    /// The operator's own namespace, from which it polls the pods.
    pub operator_namespace: String,
}

/// What the status says.
#[derive(Debug, Clone, Copy)]
pub struct Reported {
    /// It lists signing keys.
    pub has_keys: bool,
    /// It lists keys of OpenID Connect.
    pub has_oidc_keys: bool,
    /// Ready is True.
    pub is_ready: bool,
}

/// Where users and sessions are stored; settings and Secrets contain its address.
#[derive(Debug, Clone)]
pub enum Database {
    /// With the claim of its volume.
    Embedded(Volume),
    External(Address),
}

/// The form of the address of an external database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    Url,
    Parts,
}

impl Database {
    pub fn is_embedded(&self) -> bool {
        matches!(self, Self::Embedded(_))
    }

    pub fn volume(&self) -> Option<&Volume> {
        match self {
            Self::Embedded(volume) => Some(volume),
            Self::External(_) => None,
        }
    }
}

/// The first Admin.
#[derive(Debug, Clone)]
pub struct Admin {
    pub username: String,
    pub email: Option<String>,
    /// The minimum length of the password.
    pub password_min_length: usize,
}

impl Resolved {
    /// The exposure through the free hosts.
    pub fn free(&self) -> Exposure {
        match &self.exposure {
            Exposure::Ingress(ingress) if !self.is_taken(&ingress.host) => self.exposure.clone(),
            Exposure::Route(route) => {
                let mut route = route.clone();
                route.hostnames.retain(|host| !self.is_taken(host));
                if route.hostnames.is_empty() { Exposure::None } else { Exposure::Route(route) }
            }
            Exposure::Ingress(_) | Exposure::None => Exposure::None,
        }
    }

    /// Whether another ScAuth holds that host.
    pub fn is_taken(&self, host: &str) -> bool {
        self.taken.iter().any(|taken| taken.host.eq_ignore_ascii_case(host))
    }

    /// The current address of the API, which differs from the desired one while another ScAuth holds the host.
    pub fn url(&self) -> String {
        self.free().url(&self.names, Some(&self.issuer))
    }
}

/// The owner of the namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamespaceUse {
    /// Ours, existing or not yet.
    Managed,
    /// The user's, who allows its use.
    Users,
    /// The user's, but with an owner reference of ours to remove.
    Returned,
}
