//! Exposed: whether clients reach the API from outside of the cluster.

use super::{Finding, finding};
use crate::kinds::Kind;
use crate::reasons::Reason;
use crate::reconcile::exposure::{has_address, is_accepted, words_of_gateways};
use crate::reconcile::hosts::Other;
use crate::reconcile::report::Facts;
use crate::reconcile::validate::{http_route, ingress};

pub fn find(facts: &Facts<'_>) -> Finding {
    let spec = &facts.validated.spec;
    if let Some(taken) = facts.validated.taken.first() {
        return finding("Exposed", "False", Reason::HostTaken, host_taken(facts, taken));
    }
    if let Some(wanted) = ingress(spec) {
        return by_ingress(facts, &wanted.host, wanted.class_name.as_deref());
    }
    if let Some(wanted) = http_route(spec) {
        return by_route(facts, &wanted.hostnames.join(", "));
    }
    finding(
        "Exposed",
        "False",
        Reason::NotWanted,
        "spec.expose names no ingress and no httpRoute: only the Service reaches the API",
    )
}

fn host_taken(facts: &Facts<'_>, first: &Other) -> String {
    let hosts: Vec<_> = facts.validated.taken.iter().map(|taken| taken.host.as_str()).collect();
    let (hosts, Other { scauth, door, .. }) = (hosts.join(", "), first);
    let url = facts.validated.url();
    format!(
        "{hosts} leads to ScAuth {scauth}, which had it first, through {door}; the pods are up, and reached as {url}: \
         choose another host, or remove it from ScAuth {scauth}"
    )
}

fn by_ingress(facts: &Facts<'_>, host: &str, class: Option<&str>) -> Finding {
    if facts.children.get(&Kind::Ingress).is_some_and(has_address) {
        return admitted(facts, host);
    }
    let class = class.unwrap_or("the default class");
    let message = format!("no ingress controller has taken the Ingress up yet; is there one for {class}?");
    finding("Exposed", "Unknown", Reason::NoAddress, message)
}

fn by_route(facts: &Facts<'_>, hosts: &str) -> Finding {
    if facts.unknown_kinds.contains(&Kind::HttpRoute) {
        let message = "the cluster has no HTTPRoute: install Gateway API, or use spec.expose.ingress";
        return finding("Exposed", "False", Reason::GatewayApiMissing, message);
    }
    let route = facts.children.get(&Kind::HttpRoute);
    let words: Vec<_> = route.into_iter().flat_map(words_of_gateways).collect();
    let refusal = |kind: &str| words.iter().find(|word| word["type"] == kind && word["status"] == "False");
    if let Some(refused) = refusal("Accepted").or_else(|| refusal("ResolvedRefs")) {
        let message =
            format!("a Gateway does not take the HTTPRoute: {}", refused["message"].as_str().unwrap_or_default());
        return finding("Exposed", "False", Reason::RouteRefused, message);
    }
    if route.is_some_and(is_accepted) {
        return admitted(facts, hosts);
    }
    finding(
        "Exposed",
        "Unknown",
        Reason::NoGateway,
        "no Gateway has taken the HTTPRoute up yet; is there one of that name?",
    )
}

/// Clients come through; whether they can be told apart is said too.
fn admitted(facts: &Facts<'_>, hosts: &str) -> Finding {
    let has_proxies = facts.validated.spec.expose.as_ref().is_some_and(|expose| !expose.trusted_proxies.is_empty());
    let hint = "; clients' addresses are not known, so logins are not limited by address, and a stranger who guesses at a \
                password keeps its owner from logging in; set spec.expose.trustedProxies to the ingress controller's \
                networks";
    let message = format!("clients reach it as {hosts}{}{}", shared(facts), if has_proxies { "" } else { hint });
    finding("Exposed", "True", Reason::Admitted, message)
}

/// Those who claim a host by an object of the other kind.
fn shared(facts: &Facts<'_>) -> String {
    let shared = facts.observed.hosts.shared.iter().map(|other| {
        let Other { host, scauth, door } = other;
        format!("; ScAuth {scauth} claims {host} too, through {door}: which of the two clients reach is up to DNS")
    });
    shared.collect()
}
