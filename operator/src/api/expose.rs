//! How clients reach the API, and what may reach the pods.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{NetworkPolicyEgressRule, NetworkPolicyPeer};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// How clients outside of the cluster reach the API.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.ingress), has(self.httpRoute), has(self.none)].exists_one(set, set)").message(
    "set spec.expose.ingress, or httpRoute, or none, and only one of them; without spec.expose the API stays inside of the cluster"))]
pub struct Expose {
    /// By an Ingress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Ingress>,
    /// By an HTTPRoute, where Gateway API is installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_route: Option<HttpRoute>,
    /// By nothing of ours: only the Service reaches the API, or a proxy that you run. Written as `none: {}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none: Option<Nothing>,
    /// The networks of the proxies in front of the API, such as 10.0.0.0/8: what they write into X-Forwarded-For is
    /// taken for the client's address, and limits by address are kept. Without it there are none, since all clients
    /// would share the proxy's. Name the proxies' networks and no others: whoever is in one can claim any address.
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
    /// The host name that clients use.
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')").message(
        "spec.expose.ingress.host is the bare host name: lower-case, such as auth.example.com, without https:// and without a path"))]
    #[schemars(length(min = 1, max = 253))]
    pub host: String,
    /// The ingress class; the cluster's default by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub class_name: Option<String>,
    /// Annotations for the ingress controller, or for cert-manager: `cert-manager.io/cluster-issuer: NAME` together
    /// with `tls: {}` gets a certificate.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[x_kube(validation = Rule::new("self.all(name, !name.startsWith('sc-auth.io/'))").message(
        "annotations that begin with sc-auth.io/ are the operator's own"))]
    #[schemars(length(max = 50), inner(length(max = 16384)), extend("maxProperties" = 50))]
    pub annotations: BTreeMap<String, String>,
    /// Serve HTTPS, with a certificate from a Secret in the ScAuth's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<IngressTls>,
}

/// The certificate of an Ingress.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IngressTls {
    /// A Secret of type kubernetes.io/tls, yours or the one that cert-manager is to write; `NAME-tls` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: Option<String>,
}

/// An HTTPRoute of Gateway API.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRoute {
    /// The Gateways that take the route up.
    #[schemars(length(min = 1, max = 16))]
    pub parent_refs: Vec<ParentRef>,
    /// The host names that clients use; the first one is where the API says that it is.
    #[x_kube(validation = Rule::new("self.all(host, host.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'))").message(
        "write bare host names: lower-case, such as auth.example.com, without https:// and without a path"))]
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 253)))]
    pub hostnames: Vec<String>,
}

/// A Gateway, or one of its listeners.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentRef {
    /// The Gateway's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its namespace; the ScAuth's by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// The name of one listener; all that allow it by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub section_name: Option<String>,
    /// The port of the listeners; any by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
}

/// What may reach the pods, and what they may reach. Whether it is enforced is up to the cluster's network.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPolicy {
    /// Who may reach the API, port 8000; everybody by default. Name the ingress controller, and who else calls it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub ingress_from: Vec<NetworkPolicyPeer>,
    /// What the pods may reach; everything by default. Name the database. DNS, port 53, is added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub egress_to: Vec<NetworkPolicyEgressRule>,
}

/// Metrics for Prometheus.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Monitoring {
    /// Who may reach the metrics, port 8001, beside the operator: name Prometheus.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub from: Vec<NetworkPolicyPeer>,
    /// How often they are read; as Prometheus has it by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,4}[sm]$')").message("write a duration such as 30s or 1m"))]
    #[schemars(length(min = 2, max = 6))]
    pub interval: Option<String>,
    /// Labels of the ServiceMonitor, as your Prometheus selects them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[x_kube(validation = Rule::new("self.all(name, !name.startsWith('app.kubernetes.io/') && !name.startsWith('sc-auth.io/'))").message(
        "labels that begin with app.kubernetes.io/ or sc-auth.io/ are the operator's own"))]
    #[schemars(length(max = 20), inner(length(max = 63)), extend("maxProperties" = 20))]
    pub labels: BTreeMap<String, String>,
}
