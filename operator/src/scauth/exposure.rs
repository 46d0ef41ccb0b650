//! How clients outside the cluster reach the API, according to the spec and to the live Ingress or HTTPRoute, and the
//! addresses that controllers wrote into their status.

mod address;
mod route;

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use kube::core::DynamicObject;
use sc_auth_contract::places::PORT;
use serde_json::Value;

use crate::api::{HttpRoute, ScAuthSpec, ServiceType};
use crate::scauth::child::Child;
use crate::scauth::hosts::entry_point::class;
use crate::scauth::names::Names;
pub use address::{Writers, address, address_written, writers};
pub use route::{Answer, Parent, accepted_since, is_accepted, parents};

/// The longest part of an address, or of a class, that the status repeats, in characters.
const LONGEST_ADDRESS: usize = 1_000;
/// The class of an Ingress.
const CLASS_FIELD: &str = "/spec/ingressClassName";

/// The controller of each IngressClass.
pub type IngressClasses = BTreeMap<String, String>;

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

    /// The exposure that exists. Of an Ingress and an HTTPRoute at once, the one that is `wanted` counts.
    pub fn live(children: &BTreeMap<Child, DynamicObject>, wanted: &Self) -> Self {
        let ingress = children.get(&Child::Ingress).and_then(Ingress::live).map(Self::Ingress);
        let route = children.get(&Child::HttpRoute).and_then(live_route).map(Self::Route);
        let found = if matches!(wanted, Self::Route(_)) { route.or(ingress) } else { ingress.or(route) };
        found.unwrap_or(Self::None)
    }

    /// The hosts that lead to the API.
    pub fn hosts(&self) -> Vec<&str> {
        match self {
            Self::Ingress(ingress) => vec![&ingress.host],
            Self::Route(route) => route.hostnames.iter().map(String::as_str).collect(),
            Self::None => Vec::new(),
        }
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

impl Ingress {
    /// The live Ingress, if it has a host.
    fn live(ingress: &DynamicObject) -> Option<Self> {
        let text = |path: &str| ingress.data.pointer(path).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            host: text("/spec/rules/0/host")?,
            class: text(CLASS_FIELD),
            annotations: ingress.annotations().clone(),
            certificate: text("/spec/tls/0/secretName"),
        })
    }
}

fn live_route(route: &DynamicObject) -> Option<HttpRoute> {
    serde_json::from_value(route.data.get("spec")?.clone()).ok()
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

/// The type of a stored Service.
pub fn service_type(service: &DynamicObject) -> Option<ServiceType> {
    serde_json::from_value(service.data.pointer("/spec/type")?.clone()).ok()
}

/// The port that a Service opens on each node.
pub fn node_port(service: &DynamicObject) -> Option<i64> {
    service.data.pointer("/spec/ports/0/nodePort").and_then(Value::as_i64)
}

/// The class that a stored Ingress has, in its field or its annotation.
pub fn class_of(ingress: &DynamicObject) -> Option<&str> {
    class(class_field(ingress), ingress.annotations())
}

/// The IngressClass that a stored Ingress names. Controllers need no such object for the class in an annotation.
pub fn class_field(ingress: &DynamicObject) -> Option<&str> {
    ingress.data.pointer(CLASS_FIELD).and_then(Value::as_str)
}
