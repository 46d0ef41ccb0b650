//! The address of the API according to the spec, and whether clients reach it through the Ingress or HTTPRoute
//! according to the status that its controllers wrote.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;
use kube::core::DynamicObject;
use sc_auth_contract::places::PORT;
use serde_json::Value;

use crate::api::{HttpRoute, IngressAddress, ScAuth, ScAuthSpec};
use crate::scauth::hosts::entry_point::class;
use crate::scauth::names::Names;

/// The longest part of an address, or of a class, that the status repeats, in characters.
const LONGEST_ADDRESS: usize = 1_000;

/// The object through which clients outside the cluster reach the API.
#[derive(Debug, Clone)]
pub enum Exposure {
    Ingress(Ingress),
    Route(HttpRoute),
    None,
}

/// An Ingress for one host.
#[derive(Debug, Clone)]
pub struct Ingress {
    pub host: String,
    /// `None` selects the cluster's default class.
    pub class: Option<String>,
    pub annotations: BTreeMap<String, String>,
    /// The Secret with the certificate, if the Ingress serves HTTPS.
    pub certificate: Option<String>,
}

impl Exposure {
    /// The exposure in the spec.
    pub fn of(spec: &ScAuthSpec, names: &Names) -> Self {
        if let Some(ingress) = spec.ingress() {
            let tls = ingress.tls.as_ref();
            return Self::Ingress(Ingress {
                host: ingress.host.clone(),
                class: ingress.class_name.clone(),
                annotations: ingress.annotations.clone(),
                certificate: tls.map(|tls| tls.secret_name.clone().unwrap_or_else(|| names.certificate())),
            });
        }
        spec.http_route().cloned().map_or(Self::None, Self::Route)
    }

    /// The address of the API. Only the Gateway knows whether a route is served over HTTPS; auth.issuer can state that
    /// it is not.
    pub fn url(&self, names: &Names, issuer: Option<&str>) -> String {
        let host = match self {
            Self::Ingress(ingress) => {
                let scheme = if ingress.certificate.is_some() { "https" } else { "http" };
                return format!("{scheme}://{}", ingress.host);
            }
            Self::Route(route) => route.hostnames.first(),
            Self::None => None,
        };
        let Some(host) = host else { return format!("http://{}.{}.svc:{PORT}", names.service(), names.namespace) };
        let plain = format!("http://{host}");
        if issuer == Some(plain.as_str()) { plain } else { format!("https://{host}") }
    }
}

/// The address of the API, from the spec alone.
pub fn url(spec: &ScAuthSpec, names: &Names) -> String {
    let issuer = spec.auth.as_ref().and_then(|auth| auth.issuer.as_deref());
    Exposure::of(spec, names).url(names, issuer)
}

/// Whether an ingress controller has written an address into its status.
pub fn has_address(ingress: &DynamicObject) -> bool {
    addresses(ingress).is_some()
}

/// The addresses in the status of an Ingress or a Service; empty if they are written in an unknown form.
pub fn addresses(live: &DynamicObject) -> Option<String> {
    let written = live.data.pointer("/status/loadBalancer/ingress").and_then(Value::as_array)?;
    let text = |address: &Value| address["ip"].as_str().or(address["hostname"].as_str()).map(str::to_owned);
    let all = written.iter().filter_map(text).collect::<Vec<_>>().join(", ");
    (!written.is_empty()).then(|| all.chars().take(LONGEST_ADDRESS).collect())
}

/// The port that a Service opens on each node.
pub fn node_port(service: &DynamicObject) -> Option<i64> {
    service.data.pointer("/spec/ports/0/nodePort").and_then(Value::as_i64)
}

/// The class that a stored Ingress has, in its field or its annotation.
pub fn class_of(ingress: &DynamicObject) -> Option<&str> {
    class(ingress.data.pointer("/spec/ingressClassName").and_then(Value::as_str), ingress.annotations())
}

/// The address in the Ingress. A change of class leaves it there, so that it keeps the class that it was first seen
/// with until a controller writes it again: `before` is what was known of it.
pub fn address(ingress: &DynamicObject, before: Option<&IngressAddress>) -> Option<IngressAddress> {
    let now = IngressAddress {
        value: addresses(ingress)?,
        class: class_of(ingress).unwrap_or_default().chars().take(LONGEST_ADDRESS).collect(),
        written: written(ingress),
    };
    Some(before.filter(|before| before.is_same_as(&now)).cloned().unwrap_or(now))
}

/// The class in the spec, unless the Ingress has an address that was written for it. Controllers need no object for the
/// class in an annotation.
pub fn class_in_doubt<'a>(scauth: &'a ScAuth, ingress: Option<&DynamicObject>) -> Option<&'a str> {
    let wanted = scauth.spec.ingress()?.class_name.as_deref()?;
    let before = scauth.status.as_ref().and_then(|status| status.exposure.as_ref()?.address.as_ref());
    let address = ingress.and_then(|ingress| address(ingress, before));
    address.is_none_or(|address| address.class != wanted).then_some(wanted)
}

/// When a controller last changed the address.
fn written(ingress: &DynamicObject) -> Option<Time> {
    let entries = ingress.metadata.managed_fields.iter().flatten();
    let writers = entries.filter(|entry| {
        let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
        fields.is_some_and(|fields| fields.pointer("/f:status/f:loadBalancer").is_some())
    });
    writers.filter_map(|entry| entry.time.clone()).max()
}

/// Whether a Gateway has accepted the route.
pub fn is_accepted(route: &DynamicObject) -> bool {
    words_of_gateways(route).iter().any(|word| word["type"] == "Accepted" && word["status"] == "True")
}

/// The conditions of the route's current generation from its current Gateways. Some controllers keep their conditions
/// after a route is detached.
pub fn words_of_gateways(route: &DynamicObject) -> Vec<&Value> {
    let list = |path: &str| route.data.pointer(path).and_then(Value::as_array).into_iter().flatten();
    let identity = |reference: &Value| {
        let namespace = reference["namespace"].as_str().map(str::to_owned).or_else(|| route.namespace());
        (reference["name"].clone(), namespace, reference["sectionName"].clone(), reference["port"].clone())
    };
    let present: Vec<_> = list("/spec/parentRefs").map(identity).collect();
    let parents = list("/status/parents").filter(|parent| present.contains(&identity(&parent["parentRef"])));
    let conditions = parents.flat_map(|parent| parent["conditions"].as_array().into_iter().flatten());
    let now = route.metadata.generation;
    conditions
        .filter(|condition| condition["observedGeneration"].as_i64().is_none_or(|seen| Some(seen) >= now))
        .collect()
}
