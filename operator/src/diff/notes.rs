//! What a diff does not show: objects that pods would wait for, and the order of automatic upgrades.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::core::PartialObjectMeta;
use kube::{Api, Client, ResourceExt as _};

use crate::api::{ScAuth, Upgrade};
use crate::render::Beside;
use crate::scauth::exposure::Exposure;
use crate::scauth::names::Names;
use crate::scauth::references::{Kind, Reference, references};
use crate::scauth::release::{self, ReleaseDefaults, UpgradeTurn};

/// The live ScAuths with the specs of the manifest. Those that do not exist yet start with the release of the operator.
pub fn with_manifest(mut fleet: Vec<ScAuth>, manifest: &[ScAuth]) -> Vec<ScAuth> {
    for live in &mut fleet {
        if let Some(wanted) = manifest.iter().find(|wanted| wanted.name_any() == live.name_any()) {
            live.spec = wanted.spec.clone();
        }
    }
    fleet
}

/// Which automatic upgrade comes before this one.
pub fn turn(wanted: &ScAuth, fleet: &[ScAuth], defaults: &ReleaseDefaults) -> Option<String> {
    let release = &defaults.version;
    match release::turn(wanted, fleet, defaults) {
        UpgradeTurn::After { scauth, .. } if scauth == wanted.name_any() => {
            Some(format!("its automatic upgrade to release {release} begins once it is Ready"))
        }
        UpgradeTurn::After { scauth, .. } => Some(format!(
            "its automatic upgrade to release {release} begins once ScAuth {scauth} has that release and is Ready: automatic \
             upgrades go one after another"
        )),
        UpgradeTurn::Now => is_first(wanted, fleet, defaults).then(|| {
            format!(
                "its automatic upgrade to release {release} begins at once, and those of the other ScAuths after it"
            )
        }),
    }
}

/// Whether others wait for its upgrade.
fn is_first(wanted: &ScAuth, fleet: &[ScAuth], defaults: &ReleaseDefaults) -> bool {
    let name = wanted.name_any();
    let waits = |other: &ScAuth| {
        let turn = release::turn(other, fleet, defaults);
        matches!(turn, UpgradeTurn::After { scauth, .. } if scauth == name)
    };
    wanted.spec.upgrade == Some(Upgrade::Automatic)
        && fleet.iter().any(|other| other.name_any() != name && waits(other))
}

/// The Secrets and ConfigMaps that the spec names, and that neither the cluster nor the manifest has.
pub async fn missing(client: &Client, wanted: &ScAuth, names: &Names, beside: &Beside) -> kube::Result<Vec<String>> {
    let mut problems = Vec::new();
    for reference in references(&wanted.spec, names, &Exposure::of(&wanted.spec, names)) {
        let Reference { kind, name, field, .. } = &reference;
        // cert-manager creates the one with the default name.
        let is_known = *name == names.certificate() || beside.has(*kind, &names.namespace, name);
        if !is_known && !exists(client, *kind, &names.namespace, name).await? {
            problems.push(format!("{kind} {name} is missing in namespace {}, see {field}", names.namespace));
        }
    }
    Ok(problems)
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
