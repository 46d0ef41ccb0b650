//! Access tokens of applications: when they are valid, for each endpoint that takes one.

use sc_auth_contract::declared::DeclaredClient;
use sc_auth_contract::time::UnixTime;

use super::tokens::{self, AccessClaims};
use super::{OpenId, Present, claims};
use crate::auth::session::Sessions;
use crate::store::{Grant, StoreError};

/// What the validity of a token depends on.
pub struct AccessTokens<'a> {
    pub openid: &'a OpenId,
    pub present: &'a Present,
    pub sessions: &'a Sessions,
    pub now: UnixTime,
}

/// A valid access token.
pub struct ValidAccess<'a> {
    pub claims: AccessClaims,
    pub declared: &'a DeclaredClient,
    pub grant: Grant,
    /// The user's groups as far as the client has to do with groups.
    pub groups: Vec<String>,
}

impl<'a> AccessTokens<'a> {
    /// The claims of a token that this server has signed and that has not expired. Its grant may have ended.
    pub fn read(&self, token: &str) -> Option<AccessClaims> {
        let leeway = self.sessions.leeway;
        tokens::verify_access(&self.present.keys, &self.openid.issuer, token, self.now, leeway).ok()
    }

    /// The token if it is valid and the caller is an audience of it. The caller does not learn which (RFC 7662, 2.2).
    pub async fn introspect(
        &self,
        caller: &DeclaredClient,
        token: &str,
    ) -> Result<Option<ValidAccess<'a>>, StoreError> {
        match self.read(token).filter(|claims| caller.is_audience(claims.aud.names())) {
            Some(claims) => self.validate(claims).await,
            None => Ok(None),
        }
    }

    /// `None` if the grant has ended, the client is not declared any more, or the user has left its groups.
    pub async fn validate(&self, claims: AccessClaims) -> Result<Option<ValidAccess<'a>>, StoreError> {
        let Some(declared) = self.present.declared.find(&claims.client_id) else { return Ok(None) };
        let store = &self.sessions.store;
        let is_own = |grant: &Grant| is_live_of(grant, declared, self.now) && grant.user.uuid == claims.sub;
        let Some(grant) = store.grant(&claims.grant_id).await?.filter(is_own) else { return Ok(None) };
        let groups = claims::groups(store, &grant.user, declared).await?;
        Ok(groups.map(|groups| ValidAccess { claims, declared, grant, groups }))
    }
}

impl ValidAccess<'_> {
    /// The scopes of the token that the client still has.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        let may_have = |scope: &&str| self.declared.scopes.iter().any(|own| own == scope);
        self.claims.scope.split(' ').filter(may_have)
    }
}

/// Whether a grant is live and belongs to the client: the rule for access tokens and refresh tokens.
pub(super) fn is_live_of(grant: &Grant, declared: &DeclaredClient, now: UnixTime) -> bool {
    grant.is_live(now) && grant.client == declared.key()
}
