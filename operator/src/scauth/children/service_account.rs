//! A ServiceAccount without rights and without a token: the pods never call the API server.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::{Resolved, owned};

pub fn build(resolved: &Resolved) -> ServiceAccount {
    ServiceAccount {
        metadata: owned(resolved, &resolved.names.scauth),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
