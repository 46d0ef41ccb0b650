//! An account without any right and without a token: the pods never speak to the API server.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::{Validated, owned};

pub fn build(validated: &Validated) -> ServiceAccount {
    ServiceAccount {
        metadata: owned(validated, &validated.names.scauth),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
