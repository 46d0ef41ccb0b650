//! How clients reach the API, and what may reach the pods.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{NetworkPolicyEgressRule, NetworkPolicyPeer};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::Display;

use super::references::SECRET_NAME;
use super::rules::{
    DNS_NAME, OWN_ANNOTATIONS, OWN_LABELS, PEERS, annotations, distinct_parents, labels, no_own_annotation,
    no_own_label, object_name, peers,
};

/// How clients outside the cluster reach the API.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.ingress), has(self.httpRoute), has(self.none)].exists_one(set, set)").message(
    "set spec.expose.ingress, or httpRoute, or none, and only one of them; without spec.expose the API stays inside of the cluster"))]
#[x_kube(validation = Rule::new("!has(self.labels) || !has(self.none)").message(
    "spec.expose.labels needs ingress or httpRoute"))]
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
    /// Labels of the Ingress or HTTPRoute.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[x_kube(validation = Rule::new(no_own_label()).message(OWN_LABELS))]
    #[schemars(schema_with = "labels", extend("maxProperties" = 20))]
    pub labels: BTreeMap<String, String>,
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
#[x_kube(validation = Rule::new("!has(self.className) || !has(self.annotations) || !('kubernetes.io/ingress.class' in self.annotations)").message(
    "set className or the annotation kubernetes.io/ingress.class, not both"))]
pub struct Ingress {
    /// Host name that clients use.
    #[x_kube(validation = Rule::new(object_name()).message(
        "spec.expose.ingress.host is the bare host name: lower-case, such as auth.example.com, without https:// and without a path"))]
    #[schemars(length(max = 253))]
    #[x_kube(validation = Rule::new("!isIP(self)").message("spec.expose.ingress.host is a host name, not an address"))]
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
    #[schemars(schema_with = "annotations", extend("maxProperties" = 50))]
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
    #[x_kube(validation = Rule::new(distinct_parents()).message(
        "name each Gateway or listener in parentRefs once: items with one Gateway have different sectionNames"))]
    #[schemars(length(min = 1, max = 16))]
    pub parent_refs: Vec<ParentRef>,
    /// Host names that clients use. The first one is the API's address in status.url.
    #[x_kube(validation = Rule::new(format!("self.all(host, host.matches('{DNS_NAME}'))")).message(
        "write bare host names: lower-case, such as auth.example.com, without https:// and without a path"))]
    #[x_kube(validation = Rule::new("self.all(host, self.exists_one(other, other == host))").message(
        "name each host in hostnames once"))]
    #[x_kube(validation = Rule::new("self.all(host, !isIP(host))").message("write host names in hostnames, not addresses"))]
    #[schemars(length(min = 1, max = 16), inner(length(max = 253)))]
    pub hostnames: Vec<String>,
    /// Annotations of the route, such as those of ExternalDNS.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[x_kube(validation = Rule::new(no_own_annotation()).message(OWN_ANNOTATIONS))]
    #[schemars(schema_with = "annotations", extend("maxProperties" = 50))]
    pub annotations: BTreeMap<String, String>,
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

/// The Service of the API.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.nodePort) || has(self.externalTrafficPolicy)) || (has(self.type) && self.type != 'ClusterIP')").message(
        "nodePort and externalTrafficPolicy need spec.service.type NodePort or LoadBalancer"),
    validation = Rule::new("!(has(self.loadBalancerClass) || has(self.loadBalancerSourceRanges)) || (has(self.type) && self.type == 'LoadBalancer')").message(
        "loadBalancerClass and loadBalancerSourceRanges need spec.service.type LoadBalancer"),
    validation = Rule::new("!(has(self.type) && has(oldSelf.type) && self.type == 'LoadBalancer' && oldSelf.type == 'LoadBalancer') \
        || (has(self.loadBalancerClass) ? self.loadBalancerClass : '') \
        == (has(oldSelf.loadBalancerClass) ? oldSelf.loadBalancerClass : '')").message(
        "loadBalancerClass cannot change while spec.service.type is LoadBalancer: set another type in between")
)]
pub struct Service {
    /// See [`ServiceType`], whose text is the one that `kubectl explain` prints.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<ServiceType>,
    /// Annotations of the Service, such as those of a cloud's load balancer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[x_kube(validation = Rule::new(no_own_annotation()).message(OWN_ANNOTATIONS))]
    #[schemars(schema_with = "annotations", extend("maxProperties" = 50))]
    pub annotations: BTreeMap<String, String>,
    /// Port on each node. Defaults to one that the cluster chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub node_port: Option<i32>,
    /// Class of the load balancer. Defaults to the cluster's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^([a-z0-9]([-.a-z0-9]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$')").message(
        "write a loadBalancerClass such as service.k8s.aws/nlb"))]
    #[schemars(length(max = 317))]
    pub load_balancer_class: Option<String>,
    /// Networks that the load balancer admits. Default to all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new("self.all(network, isCIDR(network))").message(
        "write networks such as 203.0.113.0/24"))]
    #[schemars(length(max = 32), inner(length(max = 49)))]
    pub load_balancer_source_ranges: Vec<String>,
    /// See [`TrafficPolicy`], whose text is the one that `kubectl explain` prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_traffic_policy: Option<TrafficPolicy>,
}

/// `ClusterIP` (default), `NodePort` or `LoadBalancer`. The API speaks plain HTTP on port 8000: serve HTTPS at the
/// load balancer.
#[derive(JsonSchema, Clone, Copy, Debug, Default, Display, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceType {
    /// Only inside of the cluster.
    #[default]
    #[serde(rename = "ClusterIP")]
    #[strum(serialize = "ClusterIP")]
    ClusterIp,
    /// On a port of each node.
    NodePort,
    /// Through a load balancer of the cloud.
    LoadBalancer,
}

/// `Cluster` (default), or `Local`: only nodes with a pod answer, and the pods see the clients' addresses.
#[derive(JsonSchema, Clone, Copy, Debug, Display, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrafficPolicy {
    /// Each node.
    Cluster,
    /// Nodes with a pod.
    Local,
}

/// Network access to and from the pods. The cluster's network plugin must enforce NetworkPolicies.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPolicy {
    /// Peers that can reach the API on port 8000. Defaults to all. List the ingress controller and other callers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new(peers("self")).message(PEERS))]
    #[schemars(length(max = 32))]
    pub ingress_from: Vec<NetworkPolicyPeer>,
    /// Ports of a service mesh, such as 15008 of Istio ambient, or 4143 of Linkerd. The peers of ports 8000 and 8001 can
    /// reach them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new("!(8001 in self)").message("spec.monitoring.from opens port 8001"))]
    #[schemars(length(max = 16), inner(range(min = 1, max = 65535)))]
    pub ingress_ports: Vec<i32>,
    /// Peers that the pods can reach. Defaults to all. List the database and the receivers of logout tokens; DNS (port
    /// 53) is added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new(format!("self.all(rule, !has(rule.to) || {})", peers("rule.to"))).message(PEERS))]
    #[schemars(length(max = 32))]
    pub egress_to: Vec<NetworkPolicyEgressRule>,
}

/// Metrics for Prometheus.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Monitoring {
    /// Peers that can reach the metrics on port 8001, in addition to the operator. List Prometheus.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(validation = Rule::new(peers("self")).message(PEERS))]
    #[schemars(length(max = 32))]
    pub from: Vec<NetworkPolicyPeer>,
    /// Scrape interval. Defaults to Prometheus' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,4}[sm]$')").message("write a duration such as 30s or 1m"))]
    #[schemars(length(min = 2, max = 6))]
    pub interval: Option<String>,
    /// Labels of the ServiceMonitor, for the selector of your Prometheus.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[x_kube(validation = Rule::new(no_own_label()).message(OWN_LABELS))]
    #[schemars(schema_with = "labels", extend("maxProperties" = 20))]
    pub labels: BTreeMap<String, String>,
}
