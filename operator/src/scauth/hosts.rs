//! Ownership of a host that several ScAuths claim through the same entry point: an ingress class, or listeners of a
//! Gateway. One of them holds it and the others wait. The result follows from the objects alone, so that all reconciles
//! agree in any order.

pub mod entry_point;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use kube::core::DynamicObject;

use crate::api::{Exposure, Ingress, IngressAddress, ScAuth};
use crate::scauth::child::Child;
use crate::shared::conditions::{ConditionType, find};
use crate::shared::reasons::Reason;
use entry_point::{EntryPoint, entry_points};

/// A host that another ScAuth also claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    pub host: String,
    /// The other's name.
    pub scauth: String,
    /// The other's entry point.
    pub entry_point: String,
}

/// Conflicts of one ScAuth's hosts with those of others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Hosts that another ScAuth holds.
    pub taken: Vec<Other>,
    /// Hosts that another ScAuth holds by an object of the other kind: an HTTPRoute beside an Ingress. Whether both
    /// lead to the same address is unknown here.
    pub shared: Vec<Other>,
}

/// The hosts in the spec, in lower case.
fn claimed(scauth: &ScAuth) -> Vec<String> {
    named(scauth).map(|host| host.to_ascii_lowercase()).collect()
}

/// Whether a host is in the spec. Each reconcile asks this of all ScAuths: it allocates nothing.
fn claims(scauth: &ScAuth, host: &str) -> bool {
    named(scauth).any(|named| named.eq_ignore_ascii_case(host))
}

fn named(scauth: &ScAuth) -> impl Iterator<Item = &String> {
    let ingress = scauth.spec.ingress().into_iter().map(|ingress| &ingress.host);
    let route = scauth.spec.http_route().into_iter().flat_map(|route| &route.hostnames);
    ingress.chain(route)
}

/// How far a ScAuth already holds a host that it claims, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hold {
    /// Through each entry point in the spec.
    Whole,
    /// Through some of them.
    Part,
    None,
}

fn hold(scauth: &ScAuth, host: &str) -> Hold {
    let Some(status) = &scauth.status else { return Hold::None };
    let Some(held) = &status.exposure else {
        // Release 0.2 only recorded that clients reach the API.
        let is_current = status.observed_generation == scauth.metadata.generation;
        return if is_current && says(scauth, ConditionType::Exposed) == Some(Reason::Admitted) {
            Hold::Whole
        } else {
            Hold::None
        };
    };
    let entry_points = entry_points(scauth);
    let known = entry_points.iter().filter(|entry_point| held.through.contains(&entry_point.to_string())).count();
    if known == 0 || !held.hosts.iter().any(|held| held == host) {
        Hold::None
    } else if known == entry_points.len() {
        Hold::Whole
    } else {
        Hold::Part
    }
}

fn says(scauth: &ScAuth, type_: ConditionType) -> Option<Reason> {
    find(scauth.status.iter().flat_map(|status| &status.conditions), type_)?.reason.parse().ok()
}

/// Whether it may claim what it does not have yet: it would apply the object for it.
pub fn may_take(scauth: &ScAuth) -> bool {
    let seen = scauth.status.as_ref().and_then(|status| status.observed_generation);
    let is_refused =
        seen == scauth.metadata.generation && says(scauth, ConditionType::Ready).is_some_and(Reason::is_refusal);
    scauth.spec.suspend != Some(true) && !is_refused
}

/// Orders ScAuths, the oldest first; of those created in the same second, the first by name.
pub fn age(scauth: &ScAuth) -> (Option<Timestamp>, String) {
    (scauth.metadata.creation_timestamp.as_ref().map(|time| time.0), scauth.name_any())
}

struct Contender<'a> {
    scauth: &'a ScAuth,
    entry_points: Vec<EntryPoint<'a>>,
    hold: Hold,
}

impl<'a> Contender<'a> {
    fn new(scauth: &'a ScAuth, host: &str) -> Self {
        Self { scauth, entry_points: entry_points(scauth), hold: hold(scauth, host) }
    }

    /// The holder comes first, then the oldest.
    fn rank(&self) -> (Hold, Option<Timestamp>, String) {
        let (made, name) = age(self.scauth);
        (self.hold, made, name)
    }

    fn meets(&self, other: &Self, default_class: Option<&str>) -> bool {
        self.entry_points.iter().any(|mine| other.entry_points.iter().any(|theirs| mine.meets(theirs, default_class)))
    }

    fn has_other_kind(&self, other: &Self) -> bool {
        let theirs = other.entry_points.first();
        self.entry_points.first().zip(theirs).is_some_and(|(mine, theirs)| mine.has_other_kind(theirs))
    }

    fn other(&self, host: &str) -> Other {
        let entry_point = self.entry_points.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
        Other { host: host.to_owned(), scauth: self.scauth.name_any(), entry_point }
    }
}

/// The ScAuths that claim this host, including `scauth`.
fn contenders<'a>(scauth: &'a ScAuth, fleet: &[&'a ScAuth], host: &str) -> Vec<Contender<'a>> {
    let others = fleet.iter().filter(|other| {
        claims(other, host)
            && other.metadata.name != scauth.metadata.name
            && other.metadata.deletion_timestamp.is_none()
    });
    let others = others.map(|other| Contender::new(other, host));
    let others = others.filter(|other| other.hold != Hold::None || may_take(other.scauth));
    let mut all: Vec<_> = others.chain([Contender::new(scauth, host)]).collect();
    all.sort_by_cached_key(Contender::rank);
    all
}

/// Conflicts of this ScAuth's hosts with the others in the fleet. `default_class` is the class of an Ingress without
/// one, if known.
pub fn hosts(scauth: &ScAuth, fleet: &[&ScAuth], default_class: Option<&str>) -> Hosts {
    let mut hosts = Hosts::default();
    for host in claimed(scauth) {
        let all = contenders(scauth, fleet, &host);
        let mut having: Vec<&Contender<'_>> = Vec::new();
        for contender in &all {
            let winner = having.iter().find(|winner| winner.meets(contender, default_class));
            if !std::ptr::eq(contender.scauth, scauth) {
                having.extend(winner.is_none().then_some(contender));
                continue;
            }
            let others = all.iter().filter(|other| other.has_other_kind(contender));
            hosts.taken.extend(winner.map(|winner| winner.other(&host)));
            hosts.shared.extend(others.map(|other| other.other(&host)));
            break;
        }
    }
    hosts
}

/// Whether the default class determines which ScAuth holds a host of this one.
pub fn needs_default_class(scauth: &ScAuth, fleet: &[&ScAuth]) -> bool {
    let class_of =
        |ingress: &Ingress| entry_point::class(ingress.class_name.as_deref(), &ingress.annotations).is_some();
    let names_class = |scauth: &ScAuth| scauth.spec.ingress().map(class_of);
    let Some(mine) = names_class(scauth) else { return false };
    let hosts = claimed(scauth);
    fleet.iter().any(|other| names_class(other) == Some(!mine) && hosts.iter().any(|host| claims(other, host)))
}

/// The hosts that a ScAuth holds, as recorded in its status: those in the spec from which an object leads to it. The
/// address is kept without them, since a later host gets it too.
pub fn exposure(
    scauth: &ScAuth,
    children: &BTreeMap<Child, DynamicObject>,
    address: Option<IngressAddress>,
) -> Option<Exposure> {
    let strings = |child: Child, path: &str| {
        let found = children.get(&child).and_then(|live| live.data.pointer(path)).cloned().unwrap_or_default();
        found.as_array().cloned().unwrap_or_default()
    };
    let leading = match entry_points(scauth).first() {
        Some(EntryPoint::Class(_)) => {
            strings(Child::Ingress, "/spec/rules").into_iter().map(|rule| rule["host"].clone()).collect()
        }
        Some(EntryPoint::Gateway { .. }) => strings(Child::HttpRoute, "/spec/hostnames"),
        None => Vec::new(),
    };
    let hosts: Vec<_> = claimed(scauth).into_iter().filter(|host| leading.iter().any(|lead| lead == host)).collect();
    let through = entry_points(scauth).iter().map(ToString::to_string).collect();
    (!hosts.is_empty() || address.is_some()).then_some(Exposure { hosts, through, address })
}

/// The parts of a ScAuth that determine which hosts others can hold.
#[derive(Debug, PartialEq, Eq)]
pub struct Stake {
    hosts: BTreeSet<String>,
    rest: String,
}

impl Stake {
    pub fn of(scauth: &ScAuth) -> Self {
        let held = scauth.status.iter().flat_map(|status| &status.exposure);
        let hosts: Vec<_> = claimed(scauth);
        let holds: Vec<_> = hosts.iter().map(|host| hold(scauth, host)).collect();
        let is_going = scauth.metadata.deletion_timestamp.is_some();
        let rest = format!("{:?}", (entry_points(scauth), holds, may_take(scauth), is_going, &scauth.metadata.uid));
        Self { hosts: held.flat_map(|held| held.hosts.iter().cloned()).chain(hosts).collect(), rest }
    }

    /// The hosts that it claims or holds.
    pub fn hosts(&self) -> impl Iterator<Item = &String> {
        self.hosts.iter()
    }
}
