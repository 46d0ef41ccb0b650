//! What the cluster has for the embedded database's volume beside its claim: the StorageClass and the PersistentVolume.

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeSpec};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::core::DynamicObject;
use kube::{Api, Client};
use serde_json::Value;

/// Drivers of network file systems: the whole name, or its end after a dot or a slash.
const NETWORK_DRIVERS: [&str; 27] = [
    "nfs.csi.k8s.io",
    "smb.csi.k8s.io",
    "efs.csi.aws.com",
    "fsx.csi.aws.com",
    "fsx.openzfs.csi.aws.com",
    "file.csi.azure.com",
    "kubernetes.io/azure-file",
    "filestore.csi.storage.gke.io",
    "lustre.csi.storage.gke.io",
    "parallelstore.csi.storage.gke.io",
    "gcsfuse.csi.storage.gke.io",
    "s3.csi.aws.com",
    "blob.csi.azure.com",
    "cephfs.csi.ceph.com",
    "cephfs.manila.csi.openstack.org",
    "nfs.manila.csi.openstack.org",
    "kubernetes.io/cephfs",
    "kubernetes.io/glusterfs",
    "org.gluster.glusterfs",
    "k8s-sigs.io/nfs-subdir-external-provisioner",
    "nfs-subdir-external-provisioner",
    "nfs-client-provisioner",
    "nfs-server-provisioner",
    "nfs-ganesha-server-and-external-provisioner",
    "nasplugin.csi.alibabacloud.com",
    "csi.juicefs.com",
    "spectrumscale.csi.ibm.com",
];
/// Parts of the names that people give to provisioners of their own.
const NETWORK_WORDS: [&str; 4] = ["nfs", "cephfs", "glusterfs", "azurefile"];
/// Set by the PersistentVolume controller on claims that it provisions.
const PROVISIONER: &str = "volume.kubernetes.io/storage-provisioner";

/// The claim's StorageClass and driver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Storage {
    /// The StorageClass that a claim without a volume waits for and that does not exist.
    pub missing_class: Option<String>,
    /// The network file system that the volume is on, or will be.
    pub network: Option<String>,
}

/// # Errors
/// If the API server does not answer. Without the right to read, nothing is known.
pub async fn look(client: &Client, claim: &DynamicObject) -> kube::Result<Storage> {
    let text = |path: &str| claim.data.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty());
    let mut drivers = Vec::new();
    if let Some(name) = text("/spec/volumeName") {
        let volume = allowed(Api::<PersistentVolume>::all(client.clone()).get_opt(name).await)?.flatten();
        drivers.extend(volume.and_then(|volume| volume.spec).and_then(|spec| driver(&spec)));
    }
    drivers.extend(
        claim.metadata.annotations.iter().flatten().find(|(name, _)| *name == PROVISIONER).map(|(_, by)| by.clone()),
    );
    let mut missing_class = None;
    if let Some(name) = text("/spec/storageClassName").filter(|_| drivers.is_empty()) {
        match allowed(Api::<StorageClass>::all(client.clone()).get_opt(name).await)? {
            Some(Some(class)) => drivers.push(class.provisioner),
            Some(None) if text("/spec/volumeName").is_none() => missing_class = Some(name.to_owned()),
            _ => {}
        }
    }
    Ok(Storage { missing_class, network: drivers.into_iter().find(|driver| is_network(driver)) })
}

/// `None` without the right to read it.
fn allowed<T>(found: kube::Result<T>) -> kube::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(kube::Error::Api(answer)) if answer.code == 403 => Ok(None),
        Err(error) => Err(error),
    }
}

/// The driver of a volume, for what the kubelet mounts itself as the StorageClass would name it.
fn driver(volume: &PersistentVolumeSpec) -> Option<String> {
    let built_in = [
        (volume.nfs.is_some(), "nfs"),
        (volume.azure_file.is_some(), "kubernetes.io/azure-file"),
        (volume.cephfs.is_some(), "kubernetes.io/cephfs"),
        (volume.glusterfs.is_some(), "kubernetes.io/glusterfs"),
    ];
    let built_in = built_in.into_iter().find(|(is_so, _)| *is_so).map(|(_, name)| name.to_owned());
    volume.csi.as_ref().map(|csi| csi.driver.clone()).or(built_in)
}

fn is_network(driver: &str) -> bool {
    let driver = driver.to_ascii_lowercase();
    let is_known = |known: &&str| {
        driver.strip_suffix(*known).is_some_and(|before| before.is_empty() || before.ends_with(['.', '/']))
    };
    let mut words = driver.split(|letter: char| !letter.is_ascii_alphanumeric());
    NETWORK_DRIVERS.iter().any(is_known) || words.any(|word| NETWORK_WORDS.contains(&word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn network_file_systems_are_known_by_their_drivers() {
        for driver in [
            "nfs.csi.k8s.io",
            "efs.csi.aws.com",
            "file.csi.azure.com",
            "kubernetes.io/azure-file",
            "rook-ceph.cephfs.csi.ceph.com",
            "cluster.local/nfs-subdir-external-provisioner",
            "example.com/my-nfs",
            "NFS.csi.k8s.io",
        ] {
            assert!(is_network(driver), "{driver}");
        }
        for driver in [
            "ebs.csi.aws.com",
            "disk.csi.azure.com",
            "pd.csi.storage.gke.io",
            "rook-ceph.rbd.csi.ceph.com",
            "rancher.io/local-path",
            "kubernetes.io/no-provisioner",
            "driver.longhorn.io",
            "conferences.example.com/disk",
        ] {
            assert!(!is_network(driver), "{driver}");
        }
    }

    #[test]
    fn a_volume_has_the_driver_of_its_source() {
        for (source, expected) in [
            (json!({"nfs": {"server": "files.test", "path": "/"}}), Some("nfs")),
            (json!({"csi": {"driver": "efs.csi.aws.com", "volumeHandle": "a"}}), Some("efs.csi.aws.com")),
            (json!({"azureFile": {"secretName": "a", "shareName": "b"}}), Some("kubernetes.io/azure-file")),
            (json!({"local": {"path": "/"}}), None),
        ] {
            let spec: PersistentVolumeSpec = serde_json::from_value(source).unwrap();
            assert_eq!(driver(&spec).as_deref(), expected);
            assert_eq!(driver(&spec).is_some_and(|driver| is_network(&driver)), expected.is_some());
        }
    }
}
