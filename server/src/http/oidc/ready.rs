//! The paths, and what each request uses.

use std::sync::Arc;

use crate::auth::oidc::{OpenId, Present};
use crate::http::app::App;

pub const AUTHORIZE: &str = "/oauth2/authorize";
pub const TOKEN: &str = "/oauth2/token";
pub const JWKS: &str = "/oauth2/jwks";
/// The keys of applications and those of `/api/v1`.
pub const ALL_KEYS: &str = "/oauth2/keys";
pub const CONFIGURATION: &str = "/.well-known/openid-configuration";
pub const OAUTH_METADATA: &str = "/.well-known/oauth-authorization-server";

/// What a request uses; `None` while the clients or the keys could not be read yet.
pub fn ready(app: &App) -> Option<(Arc<OpenId>, Present)> {
    let openid = app.openid.clone()?;
    let present = openid.present()?;
    Some((openid, present))
}
