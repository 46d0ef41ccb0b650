//! The volume of the embedded database.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::metadata::kept;
use crate::scauth::resolved::Resolved;

pub fn build(resolved: &Resolved) -> Option<PersistentVolumeClaim> {
    let volume = resolved.database.volume()?;
    Some(PersistentVolumeClaim {
        metadata: kept(resolved, &resolved.names.volume_claim()),
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            resources: Some(VolumeResourceRequirements {
                requests: Some([("storage".to_owned(), Quantity(volume.request.clone()))].into()),
                ..VolumeResourceRequirements::default()
            }),
            storage_class_name: volume.class.clone(),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    })
}
