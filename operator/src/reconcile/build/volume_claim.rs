//! The volume of the embedded database.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{Validated, kept};

const DEFAULT_SIZE: &str = "1Gi";

pub fn build(validated: &Validated) -> Option<PersistentVolumeClaim> {
    let embedded = validated.spec.database.embedded.as_ref()?;
    let size = embedded.size.clone().unwrap_or_else(|| DEFAULT_SIZE.to_owned());
    Some(PersistentVolumeClaim {
        metadata: kept(validated, &validated.names.volume_claim()),
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            resources: Some(VolumeResourceRequirements {
                requests: Some([("storage".to_owned(), Quantity(size))].into()),
                ..VolumeResourceRequirements::default()
            }),
            storage_class_name: embedded.storage_class_name.clone(),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    })
}
