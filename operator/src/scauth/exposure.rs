//! The address of the API according to the spec, and whether clients reach it through the Ingress or HTTPRoute
//! according to the status that its controllers wrote.

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use kube::core::DynamicObject;
use sc_auth_contract::places::PORT;
use serde_json::Value;

use crate::api::{HttpRoute, ScAuthSpec};
use crate::scauth::names::Names;

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
    let addresses = ingress.data.pointer("/status/loadBalancer/ingress").and_then(Value::as_array);
    addresses.is_some_and(|addresses| !addresses.is_empty())
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
