//! The paths of OpenID Connect and of its pages.

pub const AUTHORIZE: &str = "/oauth2/authorize";
pub const TOKEN: &str = "/oauth2/token";
pub const REVOKE: &str = "/oauth2/revoke";
pub const INTROSPECT: &str = "/oauth2/introspect";
pub const LOGOUT: &str = "/oauth2/logout";
pub const JWKS: &str = "/oauth2/jwks";
/// The keys of applications and those of `/api/v1`.
pub const ALL_KEYS: &str = "/oauth2/keys";
pub const OAUTH_METADATA: &str = "/.well-known/oauth-authorization-server";
pub const CONFIGURATION: &str = "/.well-known/openid-configuration";
pub const CONSENT: &str = "/consent";
/// The answer to the question whether to log out.
pub const LOGOUT_FORM: &str = "/logout";
pub const APPLICATIONS: &str = "/account/applications";
pub const LOGO: &str = "/assets/logo";
pub const STYLE: &str = "/assets/sc-auth.css";

pub use crate::auth::oidc::USERINFO;
pub use crate::http::refused::{ACCOUNT_LOGIN, LOGIN_PAGE as LOGIN};
