//! Exposed: whether clients outside the cluster reach the API.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sc_auth_contract::places::PORT;

use super::missing::missing;
use crate::api::{HttpRoute, IngressAddress, ServiceType};
use crate::scauth::child::Child;
use crate::scauth::exposure::{
    Answer, Exposure, Ingress, Parent, addresses, class_field, class_of, node_port, parents, service_type,
};
use crate::scauth::hosts::Other;
use crate::scauth::hosts::entry_point::{class, gateways};
use crate::scauth::references::Role;
use crate::scauth::report::input::ConditionInput;
use crate::shared::conditions::{ConditionStatus, ConditionType, ConditionUpdate, update};
use crate::shared::reasons::Reason;

pub fn find(input: &ConditionInput<'_>) -> ConditionUpdate {
    let wanted = &input.resolved.exposure;
    if input.is_applied {
        return if input.resolved.taken.is_empty() { by(input, wanted) } else { taken(input) };
    }
    // The spec is not applied: what exists counts.
    let live = Exposure::live(input.children, wanted);
    let is_absent = matches!(live, Exposure::None) && !matches!(wanted, Exposure::None);
    if live.hosts().iter().any(|host| input.resolved.is_taken(host)) || (is_absent && !input.resolved.taken.is_empty())
    {
        taken(input)
    } else if is_absent && !input.is_paused && input.unknown_kinds.contains(&Child::HttpRoute) {
        by(input, wanted)
    } else if is_absent {
        let message = if input.is_paused {
            "neither an Ingress nor an HTTPRoute exists, and the operator creates none while it changes nothing"
        } else {
            "neither an Ingress nor an HTTPRoute exists yet: Ready has the reason why not all of the spec is applied"
        };
        update(ConditionType::Exposed, ConditionStatus::False, Reason::NoAddress, message)
    } else {
        by(input, &live)
    }
}

fn by(input: &ConditionInput<'_>, exposure: &Exposure) -> ConditionUpdate {
    match exposure {
        Exposure::Ingress(ingress) => by_ingress(input, ingress),
        Exposure::Route(route) => by_route(input, route),
        Exposure::None => by_service(input),
    }
}

fn taken(input: &ConditionInput<'_>) -> ConditionUpdate {
    update(ConditionType::Exposed, ConditionStatus::False, Reason::HostTaken, host_taken(input))
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
    let missing = missing_certificate(input, wanted).map(|missing| format!("; {missing}")).unwrap_or_default();
    let unknown = |message: String| {
        update(ConditionType::Exposed, ConditionStatus::Unknown, Reason::NoAddress, message + &missing)
    };
    let absent = live.and_then(class_field).or(wanted.class.as_deref()).filter(|class| lacks(input, class));
    match (input.address, absent) {
        (Some(address), _) if live.and_then(class_of).unwrap_or_default() != address.class => {
            unknown(earlier(input, address, now, absent.is_some()))
        }
        (Some(address), Some(class)) => unknown(format!(
            "IngressClass {class} does not exist, so that no controller may serve the Ingress, whose address is {}: create \
             the IngressClass, or set spec.expose.ingress.className to one that exists (kubectl get ingressclass)",
            address.value
        )),
        (Some(address), None) => match other_controller(input, address) {
            Some(message) => unknown(message),
            None => with_certificate(input, wanted, admitted(input, &wanted.host)),
        },
        (None, Some(class)) => unknown(format!(
            "no ingress controller has picked up the Ingress: IngressClass {class} does not exist; create it, or set \
             spec.expose.ingress.className to one that exists (kubectl get ingressclass)"
        )),
        (None, None) => unknown(format!(
            "no ingress controller has picked up the Ingress yet; does the cluster have one for {}?",
            now.unwrap_or("the default class")
        )),
    }
}

fn missing_certificate(input: &ConditionInput<'_>, ingress: &Ingress) -> Option<String> {
    missing(input, Role::Certificate).filter(|_| is_looked_at(input, ingress))
}

/// Whether the certificate of this Ingress was looked for. While the spec is refused, that was the one in the spec.
fn is_looked_at(input: &ConditionInput<'_>, ingress: &Ingress) -> bool {
    let is_same = |other: &Ingress| (&other.host, &other.certificate) == (&ingress.host, &ingress.certificate);
    input.observed.ingress.as_ref().is_none_or(is_same)
}

/// Whether an IngressClass certainly does not exist.
fn lacks(input: &ConditionInput<'_>, class: &str) -> bool {
    input.observed.ingress_classes.as_ref().is_some_and(|classes| !classes.contains_key(class))
}

/// The address is from before the class changed.
fn earlier(input: &ConditionInput<'_>, address: &IngressAddress, class: Option<&str>, is_absent: bool) -> String {
    let class = class.map_or_else(|| "no class".to_owned(), |class| format!("class {class}"));
    let before = if address.class.is_empty() { "no class".to_owned() } else { format!("class {}", address.class) };
    let unknown = if is_absent { ", which does not exist as an IngressClass" } else { "" };
    format!(
        "the address {} was written for {before}; the Ingress now has {class}{unknown}, and no controller has written an \
         address for it{}",
        address.value,
        recreation(input)
    )
}

/// The class was deleted, and created again for another controller, after the address was written.
fn other_controller(input: &ConditionInput<'_>, address: &IngressAddress) -> Option<String> {
    let now = input.observed.ingress_classes.as_ref()?.get(&address.class)?;
    let before = address.controller.as_ref().filter(|before| *before != now)?;
    Some(format!(
        "the address {} was written when IngressClass {} belonged to controller {before}; it now belongs to {now}, which has \
         not written an address{}",
        address.value,
        address.class,
        recreation(input)
    ))
}

/// What to do if the controller does not write the same address again; nothing while nobody would recreate the Ingress.
fn recreation(input: &ConditionInput<'_>) -> String {
    if input.is_paused {
        return String::new();
    }
    let names = &input.resolved.names;
    format!(
        ". If the new controller uses the same address, delete the Ingress; the API is unreachable until the operator \
         recreates it: kubectl -n {} delete ingress {}",
        names.namespace,
        names.ingress()
    )
}

/// A controller may have a certificate without a Secret, such as one in its cloud. A Secret that the spec names is one that
/// it should have.
fn with_certificate(input: &ConditionInput<'_>, wanted: &Ingress, admitted: ConditionUpdate) -> ConditionUpdate {
    if let Some(problem) = input.observed.bad_certificate.as_ref().filter(|_| is_looked_at(input, wanted)) {
        let message = format!(
            "{problem}; the ingress controller serves it or a default certificate, and clients accept neither: correct the \
             Secret, or check the Certificate of cert-manager"
        );
        return update(ConditionType::Exposed, ConditionStatus::False, Reason::CertificateInvalid, message);
    }
    let Some(missing) = missing_certificate(input, wanted) else { return admitted };
    let is_default = wanted.certificate == Some(input.resolved.names.certificate());
    let status = if is_default { ConditionStatus::Unknown } else { ConditionStatus::False };
    update(ConditionType::Exposed, status, Reason::SecretNotFound, missing)
}

/// A Service without an Ingress or HTTPRoute is reached from outside the cluster if its type says so.
fn by_service(input: &ConditionInput<'_>) -> ConditionUpdate {
    let live = input.children.get(&Child::Service);
    let kind = live.and_then(service_type).filter(|_| !input.is_applied);
    let kind = kind.unwrap_or_else(|| input.resolved.service.kind.unwrap_or_default());
    let service = input.resolved.names.service();
    let (status, reason, message) = match kind {
        ServiceType::ClusterIp => (
            ConditionStatus::False,
            Reason::NotWanted,
            if input.is_applied {
                "spec.expose has neither ingress nor httpRoute: the API is reachable only through the Service"
            } else {
                "neither an Ingress nor an HTTPRoute exists: the API is reachable only through the Service"
            }
            .to_owned(),
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
    let parents = input.children.get(&Child::HttpRoute).map(parents).unwrap_or_default();
    let refused = parents.iter().find_map(|parent| match &parent.answer {
        Answer::Refused(words) => Some(format!("{} rejected the HTTPRoute: {words}", parent.name)),
        _ => None,
    });
    if let Some(message) = refused {
        return update(ConditionType::Exposed, ConditionStatus::False, Reason::RouteRefused, message);
    }
    let silent: Vec<_> = parents.iter().filter(|parent| parent.answer != Answer::Accepted).collect();
    if silent.is_empty() && !parents.is_empty() {
        return admitted(input, &wanted.hostnames.join(", "));
    }
    let message = not_accepted(input, wanted, &parents, &silent);
    update(ConditionType::Exposed, ConditionStatus::Unknown, Reason::NoGateway, message)
}

/// Names the Gateways that have not accepted the route, and those that have.
fn not_accepted(input: &ConditionInput<'_>, wanted: &HttpRoute, all: &[Parent], silent: &[&Parent]) -> String {
    if all.is_empty() {
        let own = &input.resolved.names.namespace;
        let gateways = gateways(wanted, own).iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
        return format!("the HTTPRoute does not exist, and {gateways} cannot accept it");
    }
    let names = |parents: &mut dyn Iterator<Item = &Parent>| {
        parents.map(|parent| parent.name.as_str()).collect::<Vec<_>>().join(" and ")
    };
    let is_outdated = |parent: &&Parent| parent.answer == Answer::None { is_outdated: true };
    let accepted = names(&mut all.iter().filter(|parent| parent.answer == Answer::Accepted));
    let outdated = names(&mut silent.iter().copied().filter(is_outdated));
    let verb = if silent.len() == 1 { "has" } else { "have" };
    let mut message = format!("{} {verb} not accepted the HTTPRoute yet", names(&mut silent.iter().copied()));
    if !accepted.is_empty() {
        let _ = write!(message, ", unlike {accepted}");
    }
    if !outdated.is_empty() {
        let _ = write!(
            message,
            "; the conditions of {outdated} are about an earlier generation of the HTTPRoute, or name none"
        );
    }
    message + "; does the Gateway exist, and a controller for it?"
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
