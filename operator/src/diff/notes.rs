//! What a diff does not show: objects that pods would wait for, hosts that lead elsewhere, kinds that the cluster lacks,
//! and the order of automatic upgrades.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::core::PartialObjectMeta;
use kube::{Api, Client, ResourceExt as _};

use crate::api::{ScAuth, Upgrade};
use crate::render::Beside;
use crate::scauth::exposure::Exposure;
use crate::scauth::hosts::Other;
use crate::scauth::names::Names;
use crate::scauth::references::{Kind, Reference, Role, references};
use crate::scauth::release::{self, ReleaseDefaults, UpgradeTurn};
use crate::scauth::resolved::Resolved;

/// The beginning of cert-manager's annotations, by which it creates the certificate of an Ingress.
const CERT_MANAGER: &str = "cert-manager.io/";

/// The live ScAuths with the specs of the manifest, and those that do not exist yet.
pub fn with_manifest(mut fleet: Vec<ScAuth>, manifest: &[ScAuth]) -> Vec<ScAuth> {
    for wanted in manifest {
        match fleet.iter_mut().find(|live| live.name_any() == wanted.name_any()) {
            Some(live) => live.spec = wanted.spec.clone(),
            None => fleet.push(new(wanted.clone())),
        }
    }
    fleet
}

/// A ScAuth that does not exist yet: younger than all others, and as old as the other new ones, since kubectl creates
/// several within a second.
pub fn new(mut scauth: ScAuth) -> ScAuth {
    scauth.metadata.creation_timestamp = Some(Time(Timestamp::MAX));
    scauth.metadata.uid = None;
    scauth.status = None;
    scauth
}

/// The hosts that do not lead to this ScAuth.
pub fn hosts(resolved: &Resolved) -> impl Iterator<Item = String> {
    resolved.taken.iter().map(|Other { host, scauth, entry_point }| {
        format!(
            "{host} does not lead to it: ScAuth {scauth} asks for that host too, through {entry_point}, and has it first, \
             or comes first by name; choose another host, or remove it from the other ScAuth"
        )
    })
}

/// A child of a kind that the cluster does not have.
pub fn unknown_kind(kind: &str) -> String {
    format!("the cluster does not have the {kind} API: the {kind} is created once it is installed")
}

/// Which automatic upgrade comes before this one.
pub fn turn(wanted: &ScAuth, fleet: &[ScAuth], defaults: &ReleaseDefaults) -> Option<String> {
    // Those that do not exist yet start with the release of the operator.
    let fleet: Vec<_> = fleet.iter().filter(|scauth| scauth.metadata.uid.is_some()).collect();
    let release = &defaults.version;
    match release::turn(wanted, fleet.iter().copied(), defaults) {
        UpgradeTurn::After { scauth, .. } if scauth == wanted.name_any() => {
            Some(format!("its automatic upgrade to release {release} begins once it is Ready"))
        }
        UpgradeTurn::After { scauth, .. } => Some(format!(
            "its automatic upgrade to release {release} begins once ScAuth {scauth} has that release and is Ready: automatic \
             upgrades go one after another"
        )),
        UpgradeTurn::Now => is_first(wanted, &fleet, defaults).then(|| {
            format!(
                "its automatic upgrade to release {release} begins at once, and those of the other ScAuths after it"
            )
        }),
    }
}

/// Whether others wait for its upgrade.
fn is_first(wanted: &ScAuth, fleet: &[&ScAuth], defaults: &ReleaseDefaults) -> bool {
    let name = wanted.name_any();
    let waits = |other: &ScAuth| {
        let turn = release::turn(other, fleet.iter().copied(), defaults);
        matches!(turn, UpgradeTurn::After { scauth, .. } if scauth == name)
    };
    wanted.spec.upgrade == Some(Upgrade::Automatic)
        && fleet.iter().any(|other| other.name_any() != name && waits(other))
}

/// The Secrets and ConfigMaps that the spec names, and that neither the cluster nor the manifest has.
#[derive(Debug, Default)]
pub struct Missing {
    /// Those that nothing in the manifest creates.
    pub problems: Vec<String>,
    /// Those that another operator may create for an object of the manifest.
    pub notes: Vec<String>,
}

pub async fn missing(client: &Client, wanted: &ScAuth, names: &Names, beside: &Beside) -> kube::Result<Missing> {
    let mut missing = Missing::default();
    let namespace = &names.namespace;
    for reference in references(&wanted.spec, names, &Exposure::of(&wanted.spec, names)) {
        let Reference { kind, name, field, .. } = &reference;
        let is_known = comes_from_cert_manager(wanted, names, &reference) || beside.has(*kind, namespace, name);
        if is_known || exists(client, *kind, namespace, name).await? {
            continue;
        }
        match beside.writer_of(namespace, name) {
            Some(writer) => missing.notes.push(format!(
                "{kind} {name} does not exist in namespace {namespace} yet, see {field}; {writer} of the manifest may \
                 create it"
            )),
            None => missing.problems.push(format!("{kind} {name} is missing in namespace {namespace}, see {field}")),
        }
    }
    Ok(missing)
}

/// Whether cert-manager creates it: the certificate with the default name, or the one of an Ingress that asks for it.
fn comes_from_cert_manager(wanted: &ScAuth, names: &Names, reference: &Reference) -> bool {
    let asks = |name: &String| name.starts_with(CERT_MANAGER);
    let annotations = wanted.spec.ingress().map(|ingress| &ingress.annotations);
    reference.name == names.certificate()
        || reference.role == Role::Certificate && annotations.is_some_and(|all| all.keys().any(asks))
}

/// Without the right to read it, it may exist. Only metadata is read.
async fn exists(client: &Client, kind: Kind, namespace: &str, name: &str) -> kube::Result<bool> {
    let found = match kind {
        Kind::Secret => {
            let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
            api.get_metadata_opt(name).await.map(|found: Option<PartialObjectMeta<Secret>>| found.is_some())
        }
        Kind::ConfigMap => {
            let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
            api.get_metadata_opt(name).await.map(|found: Option<PartialObjectMeta<ConfigMap>>| found.is_some())
        }
    };
    match found {
        Err(kube::Error::Api(answer)) if answer.code == 403 => Ok(true),
        found => found,
    }
}
