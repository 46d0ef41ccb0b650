//! Who has a host that several ask for.

use serde_json::{Value, json};

use super::external;
use crate::api::ScAuth;
use crate::scauth::child::Child;
use crate::scauth::children::build;
use crate::scauth::hosts::{Hosts, hosts, needs_default_class};
use crate::scauth::observe::Observed;

const HOST: &str = "auth.test";

/// A ScAuth that was created `made` seconds after the first, with `expose` in its spec.
fn scauth(name: &str, made: u8, expose: Value) -> ScAuth {
    let mut spec = external();
    spec["expose"] = expose;
    serde_json::from_value(json!({
        "metadata": {"name": name, "uid": name, "generation": 1, "creationTimestamp": format!("2026-01-01T00:00:{made:02}Z")},
        "spec": spec,
    }))
    .unwrap()
}

fn ingress(host: &str, class: Option<&str>) -> Value {
    json!({"ingress": {"host": host, "className": class}})
}

fn route(hosts: &[&str], parents: Value) -> Value {
    json!({"httpRoute": {"hostnames": hosts, "parentRefs": parents}})
}

fn with_status(mut scauth: ScAuth, status: Value) -> ScAuth {
    scauth.status = Some(serde_json::from_value(status).unwrap());
    scauth
}

fn holding(scauth: ScAuth, through: &str) -> ScAuth {
    with_status(scauth, json!({"observedGeneration": 1, "exposure": {"hosts": [HOST], "through": [through]}}))
}

fn condition(kind: &str, reason: &str) -> Value {
    json!({"type": kind, "status": "False", "reason": reason, "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"})
}

fn of(fleet: &[ScAuth], name: &str, default_class: Option<&str>) -> Hosts {
    let all: Vec<_> = fleet.iter().collect();
    let mine = fleet.iter().find(|scauth| scauth.metadata.name.as_deref() == Some(name)).unwrap();
    hosts(mine, &all, default_class)
}

/// Who has the host, of a fleet in any order.
fn winners(fleet: &[ScAuth], default_class: Option<&str>) -> Vec<String> {
    let names = fleet.iter().map(|scauth| scauth.metadata.name.clone().unwrap());
    let mut winners: Vec<_> = names.filter(|name| of(fleet, name, default_class).taken.is_empty()).collect();
    let mut reversed: Vec<_> = fleet.to_vec();
    reversed.reverse();
    for name in &winners {
        assert_eq!(of(&reversed, name, default_class).taken, [], "the order of the fleet says nothing");
    }
    winners.sort();
    winners
}

#[test]
fn one_has_a_host_and_it_is_the_oldest_or_the_first_by_name() {
    let traefik = || ingress(HOST, Some("traefik"));
    assert_eq!(winners(&[scauth("a", 2, traefik()), scauth("b", 1, traefik())], None), ["b"]);
    let same_second = [scauth("c", 1, traefik()), scauth("b", 1, traefik()), scauth("a", 1, traefik())];
    assert_eq!(winners(&same_second, None), ["a"]);
    let taken = of(&same_second, "c", None).taken;
    assert_eq!((taken[0].scauth.as_str(), taken[0].host.as_str()), ("a", HOST));
    assert_eq!(taken[0].entry_point, "IngressClass traefik");
}

#[test]
fn who_has_it_keeps_it() {
    let traefik = || ingress(HOST, Some("traefik"));
    let old = || scauth("old", 1, traefik());
    let young = holding(scauth("young", 2, traefik()), "IngressClass traefik");
    assert_eq!(winners(&[old(), young.clone()], None), ["young"]);
    // Both believe to have it, as after two operators at once: one of them is wrong.
    assert_eq!(winners(&[holding(old(), "IngressClass traefik"), young], None), ["old"]);
    // What is held elsewhere is no hold here.
    let moved = holding(scauth("moved", 1, traefik()), "IngressClass nginx");
    let here = holding(scauth("here", 2, traefik()), "IngressClass traefik");
    assert_eq!(winners(&[moved, here], None), ["here"]);
}

#[test]
fn what_release_0_2_let_clients_in_by_counts_as_held() {
    let traefik = || ingress(HOST, Some("traefik"));
    let admitted = json!({"observedGeneration": 1, "conditions": [condition("Exposed", "Admitted")]});
    let young = with_status(scauth("young", 2, traefik()), admitted.clone());
    assert_eq!(winners(&[scauth("old", 1, traefik()), young.clone()], None), ["young"]);
    assert_eq!(winners(&[with_status(scauth("old", 1, traefik()), admitted), young], None), ["old"]);
}

#[test]
fn another_class_or_another_host_is_no_conflict_and_letters_have_no_case() {
    let fleet = [
        scauth("a", 1, ingress(HOST, Some("traefik"))),
        scauth("b", 2, ingress(HOST, Some("nginx"))),
        scauth("c", 3, ingress("other.test", Some("traefik"))),
        scauth("d", 4, ingress("AUTH.test", Some("traefik"))),
        scauth("e", 5, json!({"none": {}})),
    ];
    assert_eq!(winners(&fleet, None), ["a", "b", "c", "e"]);
}

#[test]
fn an_ingress_without_a_class_has_the_default_one() {
    let unnamed = || ingress(HOST, None);
    let both_unnamed = [scauth("a", 1, unnamed()), scauth("b", 2, unnamed())];
    assert_eq!(winners(&both_unnamed, Some("traefik")), ["a"]);
    assert_eq!(winners(&both_unnamed, None), ["a"], "one controller takes both, or none does");
    let fleet = [scauth("a", 1, unnamed()), scauth("b", 2, ingress(HOST, Some("traefik")))];
    assert_eq!(winners(&fleet, Some("traefik")), ["a"]);
    assert_eq!(winners(&fleet, Some("nginx")), ["a", "b"]);
    assert_eq!(winners(&fleet, None), ["a", "b"], "not known");
    let by_annotation = json!({"ingress": {"host": HOST, "annotations": {"kubernetes.io/ingress.class": "traefik"}}});
    let fleet = [scauth("a", 1, by_annotation), scauth("b", 2, ingress(HOST, Some("traefik")))];
    assert_eq!(winners(&fleet, None), ["a"]);
}

#[test]
fn the_default_class_is_asked_for_only_where_it_matters() {
    let asks = |mine: Value, theirs: Value| needs_default_class(&scauth("a", 1, mine), &[&scauth("b", 2, theirs)]);
    assert!(asks(ingress(HOST, None), ingress(HOST, Some("traefik"))));
    assert!(asks(ingress(HOST, Some("traefik")), ingress(HOST, None)));
    assert!(!asks(ingress(HOST, None), ingress(HOST, None)));
    assert!(!asks(ingress(HOST, None), ingress("other.test", Some("traefik"))));
    assert!(!asks(ingress(HOST, None), route(&[HOST], json!([{"name": "edge"}]))));
}

#[test]
fn routes_meet_at_a_gateway_unless_their_listeners_differ() {
    let edge = |more: Value| {
        let mut parent = json!({"name": "edge", "namespace": "gateways"});
        parent.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([parent])
    };
    for (mine, theirs, meet) in [
        (edge(json!({})), edge(json!({})), true),
        (edge(json!({})), edge(json!({"sectionName": "https"})), true),
        (edge(json!({"sectionName": "https"})), edge(json!({"sectionName": "http"})), false),
        (edge(json!({"port": 443})), edge(json!({"port": 80})), false),
        (edge(json!({"port": 443})), edge(json!({"sectionName": "https"})), true),
        // Each is in its own namespace.
        (json!([{"name": "edge"}]), json!([{"name": "edge"}]), false),
        (json!([{"name": "edge"}, {"name": "edge", "namespace": "gateways"}]), edge(json!({})), true),
    ] {
        let fleet = [scauth("a", 1, route(&[HOST], mine.clone())), scauth("b", 2, route(&[HOST], theirs.clone()))];
        let expected: &[&str] = if meet { &["a"] } else { &["a", "b"] };
        assert_eq!(winners(&fleet, None), expected, "{mine} and {theirs}");
    }
}

#[test]
fn who_waits_for_somebody_is_in_nobodys_way() {
    let at = |gateways: &[&str]| {
        let parents: Vec<_> = gateways.iter().map(|name| json!({"name": name, "namespace": "gateways"})).collect();
        route(&[HOST], json!(parents))
    };
    let fleet = [scauth("a", 1, at(&["one"])), scauth("b", 2, at(&["one", "two"])), scauth("c", 3, at(&["two"]))];
    assert_eq!(winners(&fleet, None), ["a", "c"]);
}

#[test]
fn who_cannot_take_it_does_not_keep_it_from_others() {
    let traefik = || ingress(HOST, Some("traefik"));
    let young = || scauth("young", 2, traefik());
    let mut going = scauth("old", 1, traefik());
    going.metadata.deletion_timestamp = going.metadata.creation_timestamp.clone();
    let mut asleep = scauth("old", 1, traefik());
    asleep.spec.suspend = Some(true);
    let refused = json!({"observedGeneration": 1, "conditions": [condition("Ready", "NamespaceNotAllowed")]});
    let refused = with_status(scauth("old", 1, traefik()), refused);
    for old in [going, asleep.clone(), refused.clone()] {
        assert!(of(&[old, young()], "young", None).taken.is_empty());
    }
    // But what one has, it has.
    assert!(!of(&[holding(asleep, "IngressClass traefik"), young()], "young", None).taken.is_empty());
    let mut seen_before = refused;
    seen_before.metadata.generation = Some(2);
    assert!(!of(&[seen_before, young()], "young", None).taken.is_empty(), "its new spec may do");
}

#[test]
fn an_ingress_and_a_route_are_told_of_each_other_and_both_stay() {
    let fleet = [
        scauth("a", 1, ingress(HOST, Some("traefik"))),
        scauth("b", 2, route(&[HOST], json!([{"name": "edge", "namespace": "gateways"}]))),
    ];
    assert_eq!(winners(&fleet, None), ["a", "b"]);
    let shared = of(&fleet, "a", None).shared;
    assert_eq!((shared[0].scauth.as_str(), shared[0].entry_point.as_str()), ("b", "Gateway gateways/edge"));
    assert_eq!(of(&fleet, "b", None).shared[0].scauth, "a");
}

#[test]
fn from_a_taken_host_nothing_leads_here_and_from_the_others_it_does() {
    let edge = json!([{"name": "edge", "namespace": "gateways"}]);
    let of_both = route(&[HOST, "free.test"], edge.clone());
    let fleet = [scauth("first", 1, route(&[HOST], edge)), scauth(super::NAME, 2, of_both)];
    let mut observed = Observed { hosts: of(&fleet, super::NAME, None), ..Observed::default() };
    let spec = |scauth: &ScAuth| serde_json::to_value(&scauth.spec).unwrap();
    let resolved = super::resolved(spec(&fleet[1]), &observed).unwrap();
    assert_eq!(build(&resolved).unwrap()[&Child::HttpRoute]["spec"]["hostnames"], json!(["free.test"]));
    assert_eq!(resolved.url(), "https://free.test");
    assert_eq!(resolved.issuer, "https://auth.test", "what the tokens say does not change with who has the host");

    let only = scauth(super::NAME, 2, ingress(HOST, None));
    observed.hosts = of(&[scauth("first", 1, ingress(HOST, None)), only.clone()], super::NAME, None);
    let resolved = super::resolved(spec(&only), &observed).unwrap();
    assert!(!build(&resolved).unwrap().contains_key(&Child::Ingress));
    assert_eq!(resolved.url(), "http://tenant-svc.tenant.svc:8000");
}
