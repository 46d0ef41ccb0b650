//! OpenID Connect: applications log users in with this server's pages.

mod access;
pub mod claims;
mod decision;
mod exchange;
mod grant;
mod hinted;
pub mod keys;
pub mod logout;
mod pkce;
pub mod request;
mod revocation;
pub mod tokens;

use std::sync::Arc;

use sc_auth_contract::declared::Declared;

pub use access::{AccessTokens, ValidAccess};
pub use decision::{Case, Decision, Step};
pub use exchange::{Exchange, Issued};
pub use grant::{Consented, GrantError, limit_consents, limit_grants, new_grant, store_grant};
pub use hinted::Hinted;
use keys::{OidcKeyRing, OidcKeys};

use super::declared::DeclaredFile;

/// The state that the OpenID Connect endpoints share.
pub struct OpenId {
    /// A usable one, see [`issuer`].
    pub issuer: String,
    pub declared: Arc<DeclaredFile>,
    pub keys: Arc<OidcKeyRing>,
}

/// The clients and keys for one request, although the files may change meanwhile.
pub struct Present {
    pub declared: Arc<Declared>,
    pub keys: Arc<OidcKeys>,
}

impl OpenId {
    /// `None` while the clients or the keys are not loaded yet.
    pub fn present(&self) -> Option<Present> {
        Some(Present { declared: self.declared.get()?, keys: self.keys.get()? })
    }

    /// An address of this service. It never comes from the header Host.
    pub fn address(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }
}

/// The path of the userinfo endpoint, which is an audience too.
pub const USERINFO: &str = "/oauth2/userinfo";
