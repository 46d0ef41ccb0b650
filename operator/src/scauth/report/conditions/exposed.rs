//! Exposed: whether clients outside the cluster reach the API.

use std::collections::BTreeMap;

use crate::scauth::child::Child;
use crate::scauth::exposure::{Exposure, Ingress, has_address, is_accepted, words_of_gateways};
use crate::scauth::hosts::Other;
use crate::scauth::hosts::entry_point::class;
use crate::scauth::report::input::ConditionInput;
use crate::shared::conditions::{ConditionStatus, ConditionType, ConditionUpdate, update};
use crate::shared::reasons::Reason;

pub fn find(input: &ConditionInput<'_>) -> ConditionUpdate {
    if !input.resolved.taken.is_empty() {
        return update(ConditionType::Exposed, ConditionStatus::False, Reason::HostTaken, host_taken(input));
    }
    match &input.resolved.exposure {
        Exposure::Ingress(wanted) => by_ingress(input, wanted),
        Exposure::Route(wanted) => by_route(input, &wanted.hostnames.join(", ")),
        Exposure::None => update(
            ConditionType::Exposed,
            ConditionStatus::False,
            Reason::NotWanted,
            "spec.expose has neither ingress nor httpRoute: the API is reachable only through the Service",
        ),
    }
}

/// Lists which hosts lead where.
fn host_taken(input: &ConditionInput<'_>) -> String {
    let resolved = input.resolved;
    let mut holders: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for Other { host, scauth, entry_point } in &resolved.taken {
        holders.entry((scauth, entry_point)).or_default().push(host);
    }
    let holders = holders.iter().map(|((scauth, entry_point), hosts)| {
        let (hosts, verb, it) = (hosts.join(", "), lead(hosts.len()), if hosts.len() == 1 { "it" } else { "them" });
        format!("{hosts} {verb} to ScAuth {scauth}, which had {it} first, through {entry_point}")
    });
    let holders = holders.collect::<Vec<_>>().join("; ");
    let free = match resolved.free() {
        Exposure::Route(route) => route.hostnames,
        Exposure::Ingress(_) | Exposure::None => Vec::new(),
    };
    let (hosts, verb) =
        if free.is_empty() { ("no host".to_owned(), "leads") } else { (free.join(", "), lead(free.len())) };
    format!(
        "{holders}; {hosts} {verb} to this ScAuth; its pods run and can be reached at {}: choose another host, or \
         remove it from the other ScAuth",
        resolved.url()
    )
}

fn lead(count: usize) -> &'static str {
    if count == 1 { "leads" } else { "lead" }
}

fn by_ingress(input: &ConditionInput<'_>, wanted: &Ingress) -> ConditionUpdate {
    if input.children.get(&Child::Ingress).is_some_and(has_address) {
        return admitted(input, &wanted.host);
    }
    let class = class(wanted.class.as_deref(), &wanted.annotations).unwrap_or("the default class");
    let message =
        format!("no ingress controller has picked up the Ingress yet; does the cluster have one for {class}?");
    update(ConditionType::Exposed, ConditionStatus::Unknown, Reason::NoAddress, message)
}

fn by_route(input: &ConditionInput<'_>, hosts: &str) -> ConditionUpdate {
    if input.unknown_kinds.contains(&Child::HttpRoute) {
        let message = "the cluster does not have the HTTPRoute API: install Gateway API, or use spec.expose.ingress";
        return update(ConditionType::Exposed, ConditionStatus::False, Reason::GatewayApiMissing, message);
    }
    let route = input.children.get(&Child::HttpRoute);
    let words: Vec<_> = route.into_iter().flat_map(words_of_gateways).collect();
    let refusal = |kind: &str| words.iter().find(|word| word["type"] == kind && word["status"] == "False");
    if let Some(refused) = refusal("Accepted").or_else(|| refusal("ResolvedRefs")) {
        let message = format!("a Gateway rejected the HTTPRoute: {}", refused["message"].as_str().unwrap_or_default());
        return update(ConditionType::Exposed, ConditionStatus::False, Reason::RouteRefused, message);
    }
    if route.is_some_and(is_accepted) {
        return admitted(input, hosts);
    }
    update(
        ConditionType::Exposed,
        ConditionStatus::Unknown,
        Reason::NoGateway,
        "no Gateway has accepted the HTTPRoute yet; does a Gateway with that name exist?",
    )
}

/// Clients reach the API; the message also reports whether their addresses are known.
fn admitted(input: &ConditionInput<'_>, hosts: &str) -> ConditionUpdate {
    let has_proxies = input.resolved.has_trusted_proxies;
    let hint = "; client addresses are unknown, so logins are not limited by address, and a stranger who guesses a \
                user's password can lock that user out; set spec.expose.trustedProxies to the networks of the ingress \
                controller";
    let message = format!("clients reach the API at {hosts}{}{}", shared(input), if has_proxies { "" } else { hint });
    update(ConditionType::Exposed, ConditionStatus::True, Reason::Admitted, message)
}

/// Lists the ScAuths that claim a host by an object of the other kind.
fn shared(input: &ConditionInput<'_>) -> String {
    let shared = input.observed.hosts.shared.iter().map(|other| {
        let Other { host, scauth, entry_point } = other;
        format!(
            "; ScAuth {scauth} also claims {host}, through {entry_point}: DNS decides which of the two clients reach"
        )
    });
    shared.collect()
}
