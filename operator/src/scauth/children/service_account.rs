//! A ServiceAccount without rights and without a token: the pods never call the API server.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::metadata::owned;
use crate::scauth::resolved::Resolved;

pub fn build(resolved: &Resolved) -> ServiceAccount {
    ServiceAccount {
        metadata: owned(resolved, &resolved.names.scauth),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
