//! How clients reach the API, and what may reach the pods.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{NetworkPolicyEgressRule, NetworkPolicyPeer};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::references::SECRET_NAME;
use super::rules::{DNS_NAME, labels, object_name};

/// How clients outside the cluster reach the API.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.ingress), has(self.httpRoute), has(self.none)].exists_one(set, set)").message(
    "set spec.expose.ingress, or httpRoute, or none, and only one of them; without spec.expose the API stays inside of the cluster"))]
pub struct Expose {
    /// Create an Ingress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Ingress>,
    /// Create an HTTPRoute. Needs Gateway API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_route: Option<HttpRoute>,
    /// Create neither: only the Service, or your own proxy, reaches the API. Written as `none: {}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none: Option<Nothing>,
    /// Networks of the proxies in front of the API, such as 10.0.0.0/8. Their X-Forwarded-For is trusted for the
    /// client's address, which the limits per address need. Without it, nothing is limited by address, since all
    /// clients share the proxy's. List only the networks of proxies: any host in them can forge a client address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new("self.all(network, isCIDR(network))").message(
        "write networks such as 10.0.0.0/8 or fd00::/8"))]
    #[schemars(length(max = 32), inner(length(min = 1, max = 49)))]
    pub trusted_proxies: Vec<String>,
}

/// Nothing.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nothing {}

/// An Ingress for one host.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ingress {
    /// Host name that clients use.
    #[x_kube(validation = Rule::new(object_name()).message(
        "spec.expose.ingress.host is the bare host name: lower-case, such as auth.example.com, without https:// and without a path"))]
    #[schemars(length(max = 253))]
    pub host: String,
    /// Ingress class. Defaults to the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(object_name()).message(
        "the name of an IngressClass has lower-case letters, digits, hyphens and dots"))]
    #[schemars(length(max = 253))]
    pub class_name: Option<String>,
    /// Annotations for the ingress controller or cert-manager: `cert-manager.io/cluster-issuer: NAME` with `tls:
    /// {}` requests a certificate.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[x_kube(validation = Rule::new("self.all(name, !name.startsWith('sc-auth.io/'))").message(
        "annotations that begin with sc-auth.io/ are the operator's own"))]
    #[schemars(length(max = 50), inner(length(max = 16384)), extend("maxProperties" = 50))]
    pub annotations: BTreeMap<String, String>,
    /// Serve HTTPS with a certificate from a Secret in the ScAuth's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<IngressTls>,
}

/// The certificate of an Ingress.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IngressTls {
    /// Secret of type kubernetes.io/tls that you or cert-manager create. Defaults to `NAME-tls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(object_name()).message(SECRET_NAME))]
    #[schemars(length(max = 253))]
    pub secret_name: Option<String>,
}

/// An HTTPRoute of Gateway API.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRoute {
    /// Gateways that the route attaches to.
    #[x_kube(validation = Rule::new("self.all(item, self.exists_one(other, other == item))").message(
        "name each Gateway or listener in parentRefs once"))]
    #[schemars(length(min = 1, max = 16))]
    pub parent_refs: Vec<ParentRef>,
    /// Host names that clients use. The first one is the API's address in status.url.
    #[x_kube(validation = Rule::new(format!("self.all(host, host.matches('{DNS_NAME}'))")).message(
        "write bare host names: lower-case, such as auth.example.com, without https:// and without a path"))]
    #[x_kube(validation = Rule::new("self.all(host, self.exists_one(other, other == host))").message(
        "name each host in hostnames once"))]
    #[schemars(length(min = 1, max = 16), inner(length(max = 253)))]
    pub hostnames: Vec<String>,
}

/// A Gateway, or one of its listeners.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentRef {
    /// Name of the Gateway.
    #[x_kube(validation = Rule::new(object_name()).message(
        "the name of a Gateway has lower-case letters, digits, hyphens and dots"))]
    #[schemars(length(max = 253))]
    pub name: String,
    /// Namespace of the Gateway. Defaults to the ScAuth's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message(
        "a namespace has lower-case letters, digits and hyphens, at most 63 characters"))]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
    /// Name of a listener. Defaults to all listeners that allow the route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(object_name()).message(
        "the name of a listener has lower-case letters, digits, hyphens and dots"))]
    #[schemars(length(max = 253))]
    pub section_name: Option<String>,
    /// Port of the listeners. Defaults to any port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
}

/// Network access to and from the pods. The cluster's network plugin must enforce NetworkPolicies.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPolicy {
    /// Peers that can reach the API on port 8000. Defaults to all. List the ingress controller and other callers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub ingress_from: Vec<NetworkPolicyPeer>,
    /// Peers that the pods can reach. Defaults to all. List the database; DNS (port 53) is added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub egress_to: Vec<NetworkPolicyEgressRule>,
}

/// Metrics for Prometheus.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Monitoring {
    /// Peers that can reach the metrics on port 8001, in addition to the operator. List Prometheus.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub from: Vec<NetworkPolicyPeer>,
    /// Scrape interval. Defaults to Prometheus' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,4}[sm]$')").message("write a duration such as 30s or 1m"))]
    #[schemars(length(min = 2, max = 6))]
    pub interval: Option<String>,
    /// Labels of the ServiceMonitor, for the selector of your Prometheus.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[x_kube(validation = Rule::new("self.all(name, !name.startsWith('app.kubernetes.io/') && !name.startsWith('sc-auth.io/'))").message(
        "labels that begin with app.kubernetes.io/ or sc-auth.io/ are the operator's own"))]
    #[schemars(schema_with = "labels", extend("maxProperties" = 20))]
    pub labels: BTreeMap<String, String>,
}
