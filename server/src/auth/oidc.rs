//! OpenID Connect: applications log users in with this server's pages.

pub mod claims;
mod exchange;
mod grant;
pub mod issuer;
pub mod keys;
pub mod request;
pub mod tokens;

use std::sync::Arc;

use sc_auth_contract::declared::Declared;

pub use exchange::{Exchange, Issued};
pub use grant::{GrantError, give, new_grant};
use keys::{OidcKeyRing, OidcKeys};

use super::declared::DeclaredFile;

/// What the endpoints need beside accounts and sessions.
pub struct OpenId {
    /// A usable one, see [`issuer`].
    pub issuer: String,
    pub declared: Arc<DeclaredFile>,
    pub keys: Arc<OidcKeyRing>,
}

/// What one request uses: files may change meanwhile.
pub struct Present {
    pub declared: Arc<Declared>,
    pub keys: Arc<OidcKeys>,
}

impl OpenId {
    /// `None` while the file of clients or the keys could not be read yet.
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
