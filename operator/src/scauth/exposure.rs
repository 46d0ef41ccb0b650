//! Where clients reach the API, by the spec; and whether they come in by the Ingress or HTTPRoute, from what its controllers
//! wrote into it.

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use kube::core::DynamicObject;
use sc_auth_contract::places::PORT;
use serde_json::Value;

use crate::api::{HttpRoute, ScAuthSpec};
use crate::scauth::names::Names;

/// By what clients reach the API from outside of the cluster.
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
    /// `None` leaves the class to the cluster.
    pub class: Option<String>,
    pub annotations: BTreeMap<String, String>,
    /// The Secret with the certificate, where the Ingress serves HTTPS.
    pub certificate: Option<String>,
}

impl Exposure {
    /// What the spec asks for.
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

    /// Where clients reach the API. Only the Gateway knows whether a route is reached by HTTPS; that it is not can be said
    /// by auth.issuer.
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

/// Where clients reach the API, by the spec alone.
pub fn url(spec: &ScAuthSpec, names: &Names) -> String {
    let issuer = spec.auth.as_ref().and_then(|auth| auth.issuer.as_deref());
    Exposure::of(spec, names).url(names, issuer)
}

/// Whether an ingress controller has written an address into it.
pub fn has_address(ingress: &DynamicObject) -> bool {
    let addresses = ingress.data.pointer("/status/loadBalancer/ingress").and_then(Value::as_array);
    addresses.is_some_and(|addresses| !addresses.is_empty())
}

/// Whether a Gateway takes the route.
pub fn is_accepted(route: &DynamicObject) -> bool {
    words_of_gateways(route).iter().any(|word| word["type"] == "Accepted" && word["status"] == "True")
}

/// The conditions that the route's present Gateways have written into it as it is now. Some leave their words behind when
/// a route leaves them.
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
