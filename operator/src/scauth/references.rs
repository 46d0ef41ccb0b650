//! The Secrets and ConfigMaps that the spec names and that a person, or another program, creates. Pure functions.

use strum::Display;

use super::exposure::Exposure;
use super::names::Names;
use crate::api::{PodTemplate, ScAuthSpec};
use crate::shared::schema::is_dns_subdomain;

/// The kind of an object that the spec names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Display)]
pub enum Kind {
    Secret,
    ConfigMap,
}

/// What such an object is for, which decides what happens without it and which condition reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Pods need it for their database.
    Database,
    /// Pods do not start without it.
    Start,
    /// The kubelet pulls the image with it.
    Pull,
    /// The ingress controller serves its certificate.
    Certificate,
}

impl Role {
    /// Whether pods do not start without it.
    pub fn blocks_pods(self) -> bool {
        matches!(self, Self::Database | Self::Start)
    }
}

/// An object that the spec names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub kind: Kind,
    pub name: String,
    /// The field that names it.
    pub field: &'static str,
    pub role: Role,
}

/// All of them, each once per field. The certificate is that of `exposure`, which may differ from the spec while nothing is
/// applied.
pub fn references(spec: &ScAuthSpec, names: &Names, exposure: &Exposure) -> Vec<Reference> {
    let mut all = of_database(spec);
    let legacy = spec.auth.as_ref().and_then(|auth| auth.legacy_tokens.as_ref());
    let legacy = legacy.map(|legacy| legacy.secret_key_from.name.clone());
    all.extend(of_field("spec.auth.legacyTokens.secretKeyFrom", Role::Start, legacy));
    if let Some(template) = &spec.pod_template {
        all.extend(of_template(template));
    }
    if let Exposure::Ingress(ingress) = exposure {
        all.extend(of_field("spec.expose.ingress.tls", Role::Certificate, ingress.certificate.clone()));
    }
    // The content of ours is checked elsewhere. A text that is not a name must not become a part of a request's path.
    all.retain(|reference| {
        (reference.kind != Kind::Secret || reference.name != names.secret()) && is_dns_subdomain(&reference.name)
    });
    all.sort_by(|left, right| {
        (left.role, left.field, left.kind, &left.name).cmp(&(right.role, right.field, right.kind, &right.name))
    });
    all.dedup();
    all
}

fn of_field(
    field: &'static str,
    role: Role,
    secrets: impl IntoIterator<Item = String>,
) -> impl Iterator<Item = Reference> {
    of_kind(Kind::Secret, field, role, secrets)
}

fn of_kind(
    kind: Kind,
    field: &'static str,
    role: Role,
    names: impl IntoIterator<Item = String>,
) -> impl Iterator<Item = Reference> {
    names.into_iter().map(move |name| Reference { kind, name, field, role })
}

fn of_database(spec: &ScAuthSpec) -> Vec<Reference> {
    let Some(external) = &spec.database.external else { return Vec::new() };
    let url = external.url_from.as_ref().map(|key| key.name.clone());
    let credentials = external.credentials_from.as_ref().map(|secret| secret.name.clone());
    let authority = external.tls.as_ref().and_then(|tls| tls.ca_from.as_ref()).map(|key| key.name.clone());
    let all = of_field("spec.database.external.urlFrom", Role::Database, url)
        .chain(of_field("spec.database.external.credentialsFrom", Role::Database, credentials))
        .chain(of_field("spec.database.external.tls.caFrom", Role::Database, authority));
    all.collect()
}

/// Skips optional references.
fn of_template(template: &PodTemplate) -> Vec<Reference> {
    let is_needed = |optional: Option<bool>| optional != Some(true);
    let variables = template.env.iter().filter_map(|variable| variable.value_from.as_ref()?.secret_key_ref.as_ref());
    let variables = variables.filter(|key| is_needed(key.optional)).map(|key| key.name.clone());
    let volumes = template.volumes.iter().filter_map(|volume| volume.secret.as_ref());
    let volumes = volumes.filter(|secret| is_needed(secret.optional)).filter_map(|secret| secret.secret_name.clone());
    let projected = template.volumes.iter().filter_map(|volume| volume.projected.as_ref());
    let projected = projected.flat_map(|projected| &projected.sources).filter_map(|source| source.secret.as_ref());
    let projected = projected.filter(|secret| is_needed(secret.optional)).map(|secret| secret.name.clone());
    let csi = template.volumes.iter().filter_map(|volume| volume.csi.as_ref()?.node_publish_secret_ref.as_ref());
    let csi = csi.map(|secret| secret.name.clone());
    let pull = template.image_pull_secrets.iter().map(|secret| secret.name.clone());
    let all = of_field("spec.podTemplate.env", Role::Start, variables)
        .chain(of_field("spec.podTemplate.volumes", Role::Start, volumes.chain(projected).chain(csi)))
        .chain(of_field("spec.podTemplate.imagePullSecrets", Role::Pull, pull))
        .chain(config_maps(template));
    all.collect()
}

/// Skips optional references too.
fn config_maps(template: &PodTemplate) -> impl Iterator<Item = Reference> {
    let is_needed = |optional: Option<bool>| optional != Some(true);
    let variables =
        template.env.iter().filter_map(|variable| variable.value_from.as_ref()?.config_map_key_ref.as_ref());
    let variables = variables.filter(move |key| is_needed(key.optional)).map(|key| key.name.clone());
    let volumes = template.volumes.iter().filter_map(|volume| volume.config_map.as_ref());
    let volumes = volumes.filter(move |map| is_needed(map.optional)).map(|map| map.name.clone());
    let projected = template.volumes.iter().filter_map(|volume| volume.projected.as_ref());
    let projected = projected.flat_map(|projected| &projected.sources).filter_map(|source| source.config_map.as_ref());
    let projected = projected.filter(move |map| is_needed(map.optional)).map(|map| map.name.clone());
    of_kind(Kind::ConfigMap, "spec.podTemplate.env", Role::Start, variables).chain(of_kind(
        Kind::ConfigMap,
        "spec.podTemplate.volumes",
        Role::Start,
        volumes.chain(projected),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_object_can_be_called_is_not_looked_for() {
        for name in ["a", "db", "a-b.c1", "0"] {
            assert!(is_dns_subdomain(name), "{name}");
        }
        let long = "a".repeat(254);
        for name in ["", "../../other/secrets/db", "a/b", "a%2fb", "x y", "A", "-a", "a-", "a..b", "a?b", "a#b", &long]
        {
            assert!(!is_dns_subdomain(name), "{name}");
        }
    }
}
