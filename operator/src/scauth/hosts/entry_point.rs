//! The entry points through which clients reach a host.

use std::collections::BTreeMap;
use std::fmt;

use crate::api::{HttpRoute, ScAuth};
use crate::scauth::names;

/// The annotation for the class before the field existed; some controllers still read it.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

/// An ingress class, or listeners of a Gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryPoint<'a> {
    /// `None` is the cluster's default class.
    Class(Option<&'a str>),
    /// All listeners if neither section nor port is set.
    Gateway { namespace: String, name: &'a str, section: Option<&'a str>, port: Option<i32> },
}

/// The class that an Ingress names in its field or its annotation.
pub fn class<'a>(field: Option<&'a str>, annotations: &'a BTreeMap<String, String>) -> Option<&'a str> {
    field.or_else(|| annotations.get(CLASS_ANNOTATION).map(String::as_str))
}

/// The entry points in the spec.
pub fn entry_points(scauth: &ScAuth) -> Vec<EntryPoint<'_>> {
    if let Some(ingress) = scauth.spec.ingress() {
        return vec![EntryPoint::Class(class(ingress.class_name.as_deref(), &ingress.annotations))];
    }
    scauth.spec.http_route().map(|route| gateways(route, names::namespace(scauth))).unwrap_or_default()
}

/// The listeners that a route in this namespace attaches to.
pub fn gateways<'a>(route: &'a HttpRoute, own: &str) -> Vec<EntryPoint<'a>> {
    let gateways = route.parent_refs.iter().map(|parent| EntryPoint::Gateway {
        namespace: parent.namespace.clone().unwrap_or_else(|| own.to_owned()),
        name: &parent.name,
        section: parent.section_name.as_deref(),
        port: parent.port,
    });
    gateways.collect()
}

impl EntryPoint<'_> {
    /// Whether a request can reach both. An unset section or port matches any.
    pub fn meets(&self, other: &Self, default_class: Option<&str>) -> bool {
        match (self, other) {
            (Self::Class(mine), Self::Class(theirs)) => mine.or(default_class) == theirs.or(default_class),
            (
                Self::Gateway { namespace, name, section, port },
                Self::Gateway {
                    namespace: their_namespace,
                    name: their_name,
                    section: their_section,
                    port: their_port,
                },
            ) => {
                let is_same_section = section.is_none() || their_section.is_none() || section == their_section;
                let is_same_port = port.is_none() || their_port.is_none() || port == their_port;
                (namespace, name) == (their_namespace, their_name) && is_same_section && is_same_port
            }
            _ => false,
        }
    }

    /// Whether one belongs to an Ingress and the other to an HTTPRoute.
    pub fn has_other_kind(&self, other: &Self) -> bool {
        matches!(self, Self::Class(_)) != matches!(other, Self::Class(_))
    }
}

impl fmt::Display for EntryPoint<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class(Some(name)) => write!(formatter, "IngressClass {name}"),
            Self::Class(None) => formatter.write_str("the default IngressClass"),
            Self::Gateway { namespace, name, section, port } => {
                write!(formatter, "Gateway {namespace}/{name}")?;
                section.map_or(Ok(()), |section| write!(formatter, " listener {section}"))?;
                port.map_or(Ok(()), |port| write!(formatter, " port {port}"))
            }
        }
    }
}
