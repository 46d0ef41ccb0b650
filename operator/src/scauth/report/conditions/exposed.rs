//! Exposed: whether clients outside the cluster reach the API.

use std::collections::BTreeMap;

use sc_auth_contract::places::PORT;

use super::secrets::missing;
use crate::api::{HttpRoute, IngressAddress, ServiceType};
use crate::scauth::child::Child;
use crate::scauth::exposure::{Exposure, Ingress, addresses, class_of, is_accepted, node_port, words_of_gateways};
use crate::scauth::hosts::Other;
use crate::scauth::hosts::entry_point::{class, gateways};
use crate::scauth::references::Role;
use crate::scauth::report::input::ConditionInput;
use crate::shared::conditions::{ConditionStatus, ConditionType, ConditionUpdate, update};
use crate::shared::reasons::Reason;

pub fn find(input: &ConditionInput<'_>) -> ConditionUpdate {
    if !input.resolved.taken.is_empty() {
        return update(ConditionType::Exposed, ConditionStatus::False, Reason::HostTaken, host_taken(input));
    }
    match &input.resolved.exposure {
        Exposure::Ingress(wanted) => by_ingress(input, wanted),
        Exposure::Route(wanted) => by_route(input, wanted),
        Exposure::None => by_service(input),
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
    let live = input.children.get(&Child::Ingress);
    let now = live.and_then(class_of).or_else(|| class(wanted.class.as_deref(), &wanted.annotations));
    let class = now.unwrap_or("the default class");
    let missing = missing(input, Role::Certificate).map(|missing| format!("; {missing}")).unwrap_or_default();
    let unknown = |message: String| {
        update(ConditionType::Exposed, ConditionStatus::Unknown, Reason::NoAddress, message + &missing)
    };
    match input.address {
        Some(address) if live.and_then(class_of).unwrap_or_default() == address.class => {
            with_certificate(input, wanted, admitted(input, &wanted.host))
        }
        Some(address) => unknown(earlier(input, address, now)),
        None if input.observed.lacks_ingress_class => unknown(format!(
            "no ingress controller has picked up the Ingress: IngressClass {class} does not exist; create it, or set \
             spec.expose.ingress.className to one that exists (kubectl get ingressclass)"
        )),
        None => unknown(format!(
            "no ingress controller has picked up the Ingress yet; does the cluster have one for {class}?"
        )),
    }
}

/// The address is from before the class changed.
fn earlier(input: &ConditionInput<'_>, address: &IngressAddress, class: Option<&str>) -> String {
    let names = &input.resolved.names;
    let class = class.map_or_else(|| "no class".to_owned(), |class| format!("class {class}"));
    let before = if address.class.is_empty() { "no class".to_owned() } else { format!("class {}", address.class) };
    let unknown = if input.observed.lacks_ingress_class { ", which does not exist as an IngressClass" } else { "" };
    format!(
        "the address {} was written for {before}; the Ingress now has {class}{unknown}, and no controller has written an \
         address for it. If the new controller uses the same address, delete the Ingress; the API is unreachable until \
         the operator recreates it: kubectl -n {} delete ingress {}",
        address.value,
        names.namespace,
        names.ingress()
    )
}

/// A controller may have a certificate without a Secret, such as one in its cloud. A Secret that the spec names is one that
/// it should have.
fn with_certificate(input: &ConditionInput<'_>, wanted: &Ingress, admitted: ConditionUpdate) -> ConditionUpdate {
    let Some(missing) = missing(input, Role::Certificate) else { return admitted };
    let is_default = wanted.certificate == Some(input.resolved.names.certificate());
    let status = if is_default { ConditionStatus::Unknown } else { ConditionStatus::False };
    update(ConditionType::Exposed, status, Reason::SecretNotFound, missing)
}

/// A Service without an Ingress or HTTPRoute is reached from outside the cluster if its type says so.
fn by_service(input: &ConditionInput<'_>) -> ConditionUpdate {
    let (kind, live) = (input.resolved.service.kind.unwrap_or_default(), input.children.get(&Child::Service));
    let service = input.resolved.names.service();
    let (status, reason, message) = match kind {
        ServiceType::ClusterIp => (
            ConditionStatus::False,
            Reason::NotWanted,
            "spec.expose has neither ingress nor httpRoute: the API is reachable only through the Service".to_owned(),
        ),
        ServiceType::NodePort => {
            let port = live.and_then(node_port).map(|port| format!(" {port}")).unwrap_or_default();
            let message = format!("Service {service} opens port{port} of each node, by HTTP without TLS");
            (ConditionStatus::True, Reason::ByService, message)
        }
        ServiceType::LoadBalancer => by_load_balancer(&service, live.and_then(addresses), input),
    };
    update(ConditionType::Exposed, status, reason, message)
}

fn by_load_balancer(
    service: &str,
    addresses: Option<String>,
    input: &ConditionInput<'_>,
) -> (ConditionStatus, Reason, String) {
    if let Some(addresses) = addresses {
        let message = format!(
            "clients reach the API through the load balancer of Service {service}, {addresses}, on port {PORT}, by HTTP \
             without TLS unless the load balancer adds it"
        );
        return (ConditionStatus::True, Reason::ByService, message);
    }
    let message = format!(
        "Service {service} has no load balancer yet; its events have the reason: kubectl -n {} describe service {service}",
        input.resolved.names.namespace
    );
    (ConditionStatus::Unknown, Reason::NoAddress, message)
}

fn by_route(input: &ConditionInput<'_>, wanted: &HttpRoute) -> ConditionUpdate {
    if input.unknown_kinds.contains(&Child::HttpRoute) {
        let message = "the cluster does not have the HTTPRoute API: install Gateway API, or use spec.expose.ingress";
        return update(ConditionType::Exposed, ConditionStatus::False, Reason::GatewayApiMissing, message);
    }
    let route = input.children.get(&Child::HttpRoute);
    let words: Vec<_> = route.into_iter().flat_map(words_of_gateways).collect();
    let refusal = |kind: &str| words.iter().find(|word| word["type"] == kind && word["status"] == "False");
    if let Some(refused) = refusal("Accepted").or_else(|| refusal("ResolvedRefs")) {
        let words = ["message", "reason"].into_iter().filter_map(|field| refused[field].as_str());
        let words = words.into_iter().find(|words| !words.trim().is_empty()).unwrap_or("it gave no reason");
        let message = format!("a Gateway rejected the HTTPRoute: {words}");
        return update(ConditionType::Exposed, ConditionStatus::False, Reason::RouteRefused, message);
    }
    if route.is_some_and(is_accepted) {
        return admitted(input, &wanted.hostnames.join(", "));
    }
    let own = &input.resolved.names.namespace;
    let gateways = gateways(wanted, own).iter().map(ToString::to_string).collect::<Vec<_>>();
    let gateways = gateways.join(" and ");
    let message = format!("no Gateway has accepted the HTTPRoute yet; does {gateways} exist, and a controller for it?");
    update(ConditionType::Exposed, ConditionStatus::Unknown, Reason::NoGateway, message)
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
