//! The children. Kinds that are not in this list are neither watched nor read nor applied; the compiler ensures that
//! those in it are built.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::ApiResource;
use kube::core::DynamicObject;
use kube::{Api, Client};
use strum::EnumIter;

use crate::scauth::names::Names;

/// A child, in the order of application. The generated Secrets are not children: they are created once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, EnumIter)]
pub enum Child {
    Namespace,
    ServiceAccount,
    NetworkPolicy,
    VolumeClaim,
    Service,
    /// The Service for health and metrics.
    OpsService,
    Deployment,
    DisruptionBudget,
    Autoscaler,
    Ingress,
    HttpRoute,
    ServiceMonitor,
}

/// How the operator treats a child.
#[derive(PartialEq, Eq)]
enum Treatment {
    Ordinary,
    /// It is kept when the spec no longer asks for it.
    HoldsData,
    /// Its status changes every few seconds, so only its spec is watched.
    ChangesOften,
    /// Its kind comes from a CustomResourceDefinition that the cluster may lack.
    MayBeUndefined,
}

impl Child {
    pub fn resource(self) -> ApiResource {
        match self {
            Self::Namespace => ApiResource::erase::<Namespace>(&()),
            Self::ServiceAccount => ApiResource::erase::<ServiceAccount>(&()),
            Self::NetworkPolicy => ApiResource::erase::<NetworkPolicy>(&()),
            Self::VolumeClaim => ApiResource::erase::<PersistentVolumeClaim>(&()),
            Self::Service | Self::OpsService => ApiResource::erase::<Service>(&()),
            Self::Deployment => ApiResource::erase::<Deployment>(&()),
            Self::DisruptionBudget => ApiResource::erase::<PodDisruptionBudget>(&()),
            Self::Autoscaler => ApiResource::erase::<HorizontalPodAutoscaler>(&()),
            Self::Ingress => ApiResource::erase::<Ingress>(&()),
            Self::HttpRoute => foreign("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes"),
            Self::ServiceMonitor => foreign("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors"),
        }
    }

    fn treatment(self) -> Treatment {
        match self {
            Self::Namespace | Self::VolumeClaim => Treatment::HoldsData,
            Self::Autoscaler => Treatment::ChangesOften,
            Self::HttpRoute | Self::ServiceMonitor => Treatment::MayBeUndefined,
            Self::ServiceAccount
            | Self::NetworkPolicy
            | Self::Service
            | Self::OpsService
            | Self::Deployment
            | Self::DisruptionBudget
            | Self::Ingress => Treatment::Ordinary,
        }
    }

    /// The name of the CustomResourceDefinition, if the cluster may lack the kind.
    pub fn definition(self) -> Option<String> {
        (self.treatment() == Treatment::MayBeUndefined).then(|| {
            let resource = self.resource();
            format!("{}.{}", resource.plural, resource.group)
        })
    }

    /// Whether the child is kept when the spec no longer asks for it.
    pub fn stays_when_dropped(self) -> bool {
        self.treatment() == Treatment::HoldsData
    }

    /// Whether only its spec is watched.
    pub fn is_watched_by_spec(self) -> bool {
        self.treatment() == Treatment::ChangesOften
    }

    pub fn name(self, names: &Names) -> String {
        match self {
            Self::Namespace => names.namespace.clone(),
            Self::Service => names.service(),
            Self::OpsService => names.ops_service(),
            Self::VolumeClaim => names.volume_claim(),
            Self::Ingress => names.ingress(),
            Self::ServiceAccount
            | Self::NetworkPolicy
            | Self::Deployment
            | Self::DisruptionBudget
            | Self::Autoscaler
            | Self::HttpRoute
            | Self::ServiceMonitor => names.scauth.clone(),
        }
    }

    pub fn api(self, client: &Client, namespace: &str) -> Api<DynamicObject> {
        match self {
            Self::Namespace => Api::all_with(client.clone(), &self.resource()),
            _ => Api::namespaced_with(client.clone(), namespace, &self.resource()),
        }
    }
}

/// A kind that is not built into Kubernetes.
fn foreign(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: format!("{group}/{version}"),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}
