//! What each request to OpenID Connect needs.

use std::sync::Arc;

use crate::auth::oidc::{OpenId, Present};
use crate::http::app::App;
use crate::http::error::ApiError;

/// The answer while the clients or the keys are not loaded yet. The API is served.
pub const NOT_READY: ApiError = ApiError::NotReady("the clients or the keys are not loaded yet");

/// `None` while the clients or the keys are not loaded yet.
pub fn ready(app: &App) -> Option<(Arc<OpenId>, Present)> {
    let openid = app.openid.clone()?;
    let present = openid.present()?;
    Some((openid, present))
}
