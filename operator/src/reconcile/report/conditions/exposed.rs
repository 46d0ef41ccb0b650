//! Exposed: whether clients reach the API from outside of the cluster.

use std::collections::BTreeMap;

use super::{Finding, finding};
use crate::conditions::{ConditionStatus, ConditionType};
use crate::kinds::Kind;
use crate::reasons::Reason;
use crate::reconcile::exposure::{has_address, is_accepted, words_of_gateways};
use crate::reconcile::hosts::Other;
use crate::reconcile::report::Facts;

pub fn find(facts: &Facts<'_>) -> Finding {
    let spec = &facts.validated.spec;
    if !facts.validated.taken.is_empty() {
        return finding(ConditionType::Exposed, ConditionStatus::False, Reason::HostTaken, host_taken(facts));
    }
    if let Some(wanted) = spec.ingress() {
        return by_ingress(facts, &wanted.host, wanted.class_name.as_deref());
    }
    if let Some(wanted) = spec.http_route() {
        return by_route(facts, &wanted.hostnames.join(", "));
    }
    finding(
        ConditionType::Exposed,
        ConditionStatus::False,
        Reason::NotWanted,
        "spec.expose has neither ingress nor httpRoute: the API is reachable only through the Service",
    )
}

/// Which hosts lead where.
fn host_taken(facts: &Facts<'_>) -> String {
    let validated = facts.validated;
    let mut holders: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for Other { host, scauth, door } in &validated.taken {
        holders.entry((scauth, door)).or_default().push(host);
    }
    let holders = holders.iter().map(|((scauth, door), hosts)| {
        let (hosts, verb, it) = (hosts.join(", "), lead(hosts.len()), if hosts.len() == 1 { "it" } else { "them" });
        format!("{hosts} {verb} to ScAuth {scauth}, which had {it} first, through {door}")
    });
    let holders = holders.collect::<Vec<_>>().join("; ");
    let free = validated.http_route().map(|route| route.hostnames).unwrap_or_default();
    let (hosts, verb) =
        if free.is_empty() { ("no host".to_owned(), "leads") } else { (free.join(", "), lead(free.len())) };
    format!(
        "{holders}; {hosts} {verb} to this ScAuth; its pods run and are reached as {}: choose another host, or remove it \
         from the other ScAuth",
        validated.url()
    )
}

fn lead(count: usize) -> &'static str {
    if count == 1 { "leads" } else { "lead" }
}

fn by_ingress(facts: &Facts<'_>, host: &str, class: Option<&str>) -> Finding {
    if facts.children.get(&Kind::Ingress).is_some_and(has_address) {
        return admitted(facts, host);
    }
    let class = class.unwrap_or("the default class");
    let message =
        format!("no ingress controller has picked up the Ingress yet; does the cluster have one for {class}?");
    finding(ConditionType::Exposed, ConditionStatus::Unknown, Reason::NoAddress, message)
}

fn by_route(facts: &Facts<'_>, hosts: &str) -> Finding {
    if facts.unknown_kinds.contains(&Kind::HttpRoute) {
        let message = "the cluster does not have the HTTPRoute API: install Gateway API, or use spec.expose.ingress";
        return finding(ConditionType::Exposed, ConditionStatus::False, Reason::GatewayApiMissing, message);
    }
    let route = facts.children.get(&Kind::HttpRoute);
    let words: Vec<_> = route.into_iter().flat_map(words_of_gateways).collect();
    let refusal = |kind: &str| words.iter().find(|word| word["type"] == kind && word["status"] == "False");
    if let Some(refused) = refusal("Accepted").or_else(|| refusal("ResolvedRefs")) {
        let message = format!("a Gateway rejected the HTTPRoute: {}", refused["message"].as_str().unwrap_or_default());
        return finding(ConditionType::Exposed, ConditionStatus::False, Reason::RouteRefused, message);
    }
    if route.is_some_and(is_accepted) {
        return admitted(facts, hosts);
    }
    finding(
        ConditionType::Exposed,
        ConditionStatus::Unknown,
        Reason::NoGateway,
        "no Gateway has accepted the HTTPRoute yet; does a Gateway with that name exist?",
    )
}

/// Clients come through; whether they can be told apart is said too.
fn admitted(facts: &Facts<'_>, hosts: &str) -> Finding {
    let has_proxies = facts.validated.spec.expose.as_ref().is_some_and(|expose| !expose.trusted_proxies.is_empty());
    let hint = "; client addresses are unknown, so logins are not limited by address, and a stranger who guesses a \
                user's password can lock that user out; set spec.expose.trustedProxies to the networks of the ingress \
                controller";
    let message = format!("clients reach the API at {hosts}{}{}", shared(facts), if has_proxies { "" } else { hint });
    finding(ConditionType::Exposed, ConditionStatus::True, Reason::Admitted, message)
}

/// Those who claim a host by an object of the other kind.
fn shared(facts: &Facts<'_>) -> String {
    let shared = facts.observed.hosts.shared.iter().map(|other| {
        let Other { host, scauth, door } = other;
        format!("; ScAuth {scauth} also claims {host}, through {door}: DNS decides which of the two clients reach")
    });
    shared.collect()
}
