//! A ServiceAccount without rights and without a token: the pods never call the API server. Annotations may give it rights
//! in a cloud.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::metadata::{annotations, owned};
use crate::scauth::resolved::Resolved;

pub fn build(resolved: &Resolved) -> ServiceAccount {
    ServiceAccount {
        metadata: ObjectMeta {
            annotations: annotations(&resolved.service_account_annotations),
            ..owned(resolved, &resolved.names.scauth)
        },
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
