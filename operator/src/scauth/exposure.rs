//! Where clients reach the API, by the spec; and whether they come in by the Ingress or HTTPRoute, from what its controllers
//! wrote into it.

use kube::ResourceExt as _;
use kube::core::DynamicObject;
use sc_auth_contract::places::PORT;
use serde_json::Value;

use crate::api::ScAuthSpec;
use crate::scauth::names::Names;

/// Where clients reach the API. Only the Gateway knows whether a route is reached by HTTPS; that it is not can be said
/// by auth.issuer.
pub fn url(spec: &ScAuthSpec, names: &Names) -> String {
    if let Some(ingress) = spec.ingress() {
        let scheme = if ingress.tls.is_some() { "https" } else { "http" };
        return format!("{scheme}://{}", ingress.host);
    }
    match spec.http_route().and_then(|route| route.hostnames.first()) {
        Some(host) => {
            let plain = format!("http://{host}");
            let issuer = spec.auth.as_ref().and_then(|auth| auth.issuer.as_deref());
            if issuer == Some(plain.as_str()) { plain } else { format!("https://{host}") }
        }
        None => format!("http://{}.{}.svc:{PORT}", names.service(), names.namespace),
    }
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
