//! The Secrets and ConfigMaps behind the files of `spec.podTemplate.volumes`.

use k8s_openapi::api::core::v1::KeyToPath;

use crate::api::{PodTemplate, PodVolume, PodVolumeMount};
use crate::scauth::references::Kind;

/// A key of a Secret or ConfigMap.
pub struct Key<'a> {
    pub kind: Kind,
    /// The name of the object.
    pub object: &'a str,
    /// The name of the key.
    pub name: &'a str,
}

/// An object whose keys are files of a volume.
struct Source<'a> {
    kind: Kind,
    name: &'a str,
    /// The keys and their files; without them, each key is a file.
    items: Option<&'a [KeyToPath]>,
}

impl Source<'_> {
    fn asks_for(&self, key: &str) -> bool {
        self.items.into_iter().flatten().any(|item| item.key == key)
    }
}

fn sources(volume: &PodVolume) -> Vec<Source<'_>> {
    let secret = volume.secret.iter().filter_map(|secret| {
        Some(Source { kind: Kind::Secret, name: secret.secret_name.as_deref()?, items: secret.items.as_deref() })
    });
    let map = volume.config_map.iter();
    let map = map.map(|map| Source { kind: Kind::ConfigMap, name: &map.name, items: map.items.as_deref() });
    let projected = || volume.projected.iter().flat_map(|projected| &projected.sources);
    let secrets = projected().filter_map(|source| source.secret.as_ref());
    let secrets =
        secrets.map(|secret| Source { kind: Kind::Secret, name: &secret.name, items: secret.items.as_deref() });
    let maps = projected().filter_map(|source| source.config_map.as_ref());
    let maps = maps.map(|map| Source { kind: Kind::ConfigMap, name: &map.name, items: map.items.as_deref() });
    secret.chain(map).chain(secrets).chain(maps).collect()
}

/// `MountVolume.SetUp failed for volume "NAME" : references non-existent secret key: KEY`, or `… : configmap references
/// non-existent config key: KEY`: what is said before, and the key.
pub fn of_kubelet<'a>(template: &'a PodTemplate, words: &'a str) -> Option<(&'a str, Key<'a>)> {
    let (before, rest) = words.split_once("MountVolume.SetUp failed for volume \"")?;
    let (volume, rest) = rest.split_once('"')?;
    let complaint = |kind, words| Some((kind, rest.split_once(words)?.1));
    let (kind, rest) = complaint(Kind::Secret, "references non-existent secret key: ")
        .or_else(|| complaint(Kind::ConfigMap, "references non-existent config key: "))?;
    let key = rest.split([' ', ',', ';']).next()?;
    let volume = template.volumes.iter().find(|other| other.name == volume)?;
    let source = sources(volume).into_iter().find(|source| source.kind == kind && source.asks_for(key))?;
    Some((before, Key { kind, object: source.name, name: key }))
}

/// The key behind a file of the pods; `None` if that is not certain.
pub fn key_of<'a>(template: &'a PodTemplate, file: &'a str) -> Option<Key<'a>> {
    let within = |mount: &'a PodVolumeMount| Some((mount, within(mount, file)?));
    let mounts = template.volume_mounts.iter().filter_map(within);
    let (mount, path) = mounts.max_by_key(|(mount, _)| mount.mount_path.len())?;
    let volume = template.volumes.iter().find(|volume| volume.name == mount.name)?;
    let mut found = sources(volume).into_iter().filter_map(|source| {
        let name = match source.items {
            Some(items) => items.iter().find(|item| item.path == path)?.key.as_str(),
            None => path,
        };
        (!name.contains('/')).then_some(Key { kind: source.kind, object: source.name, name })
    });
    // Of several that have each key as a file, any may be the one.
    found.next().filter(|_| found.next().is_none())
}

/// The path within the volume.
fn within<'a>(mount: &'a PodVolumeMount, file: &'a str) -> Option<&'a str> {
    let rest = file.strip_prefix(mount.mount_path.trim_end_matches('/'))?;
    match &mount.sub_path {
        // A subPath of a folder is rare, and of a Secret there is none.
        Some(path) => rest.is_empty().then_some(path),
        None => rest.strip_prefix('/'),
    }
}
