//! The token endpoint's exchanges: a code, or a refresh token, for tokens.

use std::time::Duration;

use sc_auth_contract::declared::{DeclaredClient, IdTokenAlgorithm, IdTokenClaims};
use sc_auth_contract::time::UnixTime;

use super::access::{AccessTokens, is_live_of};
use super::claims;
use super::grant::{GrantError, too_many};
use super::pkce;
use super::request::{self, RequestedClaims, problem};
use super::tokens::{self, AccessClaims, IdClaims, RefreshClaims};
use super::{OpenId, Present, USERINFO};
use crate::auth::audit::{AuditOutcome, Entry, Event};
use crate::auth::claims::Audience;
use crate::auth::client::Client;
use crate::auth::digest::sha256;
use crate::auth::session::{RepeatedRefresh, Sessions, network, random_uuid, user_agent};
use crate::store::{Chain, Grant, Rotation, StoreError, UsedCode};

/// The tokens of one exchange.
#[derive(Debug)]
pub struct Issued {
    pub access_token: String,
    /// The lifetime of the access token, in seconds.
    pub expires_in: u64,
    pub scope: String,
    /// `None` without the scope `openid` (OpenID Connect Core, 12.2).
    pub id_token: Option<String>,
    pub refresh_token: Option<String>,
}

/// One request of an authenticated client.
pub struct Exchange<'a> {
    pub openid: &'a OpenId,
    pub sessions: &'a Sessions,
    pub present: &'a Present,
    pub declared: &'a DeclaredClient,
    pub client: &'a Client,
    pub now: UnixTime,
}

/// A grant whose user may log in to the client.
struct Entitled {
    grant: Grant,
    groups: Vec<String>,
}

/// A refresh token as its grant describes it.
struct Successor<'a> {
    jti: &'a str,
    iat: UnixTime,
    exp: UnixTime,
    kid: &'a str,
}

impl<'a> Successor<'a> {
    fn of(chain: &'a Chain, iat: UnixTime, exp: UnixTime) -> Self {
        Self { jti: &chain.jti, iat, exp, kid: &chain.kid }
    }
}

fn refused(description: &'static str) -> GrantError {
    GrantError::Refused(problem("invalid_grant", description))
}

/// The algorithm of access tokens: each resource server of these applications is new, and its signatures are short and fast.
const ACCESS_TOKEN_ALGORITHM: IdTokenAlgorithm = IdTokenAlgorithm::ES256;
/// The same answer, whatever is wrong with a code.
const BAD_CODE: &str = "the code is invalid, expired or already used";
const BAD_TOKEN: &str = "the refresh token is invalid, expired or revoked";

impl Exchange<'_> {
    /// Exchanges a code (RFC 6749, 4.1.3). It can be used once: a second use ends the grant.
    pub async fn code(
        &self,
        code: &str,
        redirect_uri: &str,
        verifier: Option<&str>,
        resources: &[String],
    ) -> Result<Issued, GrantError> {
        let grant = self.grant_of_code(code, redirect_uri, verifier).await?;
        let audiences = self.narrowed_audiences(&grant, resources)?;
        let entitled = self.entitled(grant).await?;
        let grant = &entitled.grant;
        let chain = grant.is_offline.then(|| self.new_chain());
        let ends_at = if chain.is_some() { self.next_end(grant) } else { self.end_with_session(grant) };
        if ends_at <= self.now {
            return Err(refused(BAD_CODE));
        }
        let used = UsedCode {
            expires_at: ends_at,
            chain,
            now: self.now,
            is_notified: self.declared.backchannel_logout_uri.is_some(),
            ended: too_many(self.sessions, &grant.user, &self.declared.client_id, self.client, self.now),
        };
        let recorded = self.sessions.store.use_code(grant, &used).await?;
        if !self.sessions.all_done(recorded.as_deref()) {
            // Another request was faster, or the session has ended.
            return Err(self.end_replayed(grant, Event::CodeReplayed, None).await);
        }
        let successor = used.chain.as_ref().map(|chain| Successor::of(chain, self.now, ends_at));
        let scopes = self.present_scopes(grant);
        self.issue(&entitled, &scopes, audiences, grant.nonce.clone(), ends_at, successor.as_ref())
    }

    /// The grant of a code that can be used.
    async fn grant_of_code(&self, code: &str, redirect_uri: &str, verifier: Option<&str>) -> Result<Grant, GrantError> {
        let grant = self.sessions.store.grant_of_code(&sha256(code)).await?;
        let grant = grant.filter(|grant| grant.client == self.declared.key()).ok_or(refused(BAD_CODE))?;
        // Before the replay check: a used code alone, found in a log, must not end the grant.
        if grant.redirect_uri != redirect_uri {
            return Err(refused("redirect_uri differs from that of the authorization request"));
        }
        pkce::check(grant.code_challenge.as_deref(), verifier).map_err(refused)?;
        if grant.code_used_at.is_some() {
            return Err(self.end_replayed(&grant, Event::CodeReplayed, None).await);
        }
        if grant.is_live(self.now) { Ok(grant) } else { Err(refused(BAD_CODE)) }
    }

    /// Exchanges a refresh token for the next one (RFC 6749, 6).
    pub async fn refresh(&self, token: &str, scope: Option<&str>, resources: &[String]) -> Result<Issued, GrantError> {
        let claims = tokens::verify_refresh(&self.sessions.keys.get(), token, self.now, self.sessions.leeway);
        let claims = claims.map_err(|_| refused(BAD_TOKEN))?;
        let entitled = self.live(&claims.grant_id).await?;
        let grant = &entitled.grant;
        let scopes = self.narrowed(grant, scope)?;
        let audiences = self.narrowed_audiences(grant, resources)?;
        if grant.refresh_jti.as_deref() == Some(claims.jti.as_str()) {
            let (chain, exp) = (self.new_chain(), self.next_end(grant));
            // Sessions may have become shorter since the login.
            if exp <= self.now {
                return Err(refused(BAD_TOKEN));
            }
            let rotation = Rotation {
                id: &grant.grant_id,
                from_jti: &claims.jti,
                to_jti: &chain.jti,
                kid: &chain.kid,
                network: network(self.client),
                user_agent: user_agent(self.client),
                now: self.now,
                expires_at: exp,
            };
            if self.sessions.store.rotate_grant(rotation).await? {
                let successor = Successor::of(&chain, self.now, exp);
                return self.issue(&entitled, &scopes, audiences, None, exp, Some(&successor));
            }
        }
        self.repeated(&claims, &scopes, audiences).await
    }

    /// The token was used before, or another request was faster. See [`crate::auth::session`] for the rules.
    async fn repeated(
        &self,
        claims: &RefreshClaims,
        scopes: &[String],
        audiences: Vec<String>,
    ) -> Result<Issued, GrantError> {
        let entitled = self.live(&claims.grant_id).await?;
        let grant = &entitled.grant;
        match RepeatedRefresh::of(grant, &claims.jti, self.client, self.now) {
            RepeatedRefresh::Allowed => {
                self.note_repeated(grant).await?;
                let successor = Successor {
                    jti: grant.refresh_jti.as_deref().unwrap_or_default(),
                    iat: grant.refresh_iat.unwrap_or(grant.created_at),
                    exp: grant.expires_at,
                    kid: grant.refresh_kid.as_deref().unwrap_or_default(),
                };
                self.issue(&entitled, scopes, audiences, None, grant.expires_at, Some(&successor))
            }
            why => Err(self.end_replayed(grant, Event::RefreshReplayed, why.detail()).await),
        }
    }

    fn new_chain(&self) -> Chain {
        Chain { jti: random_uuid(&mut rand::rng()).to_string(), kid: self.sessions.keys.get().refresh().kid.clone() }
    }

    /// Records a burst of repetitions once.
    async fn note_repeated(&self, grant: &Grant) -> Result<(), StoreError> {
        let (sessions, successor) = (self.sessions, grant.refresh_jti.as_deref().unwrap_or_default());
        if !sessions.repeated.is_first(successor, self.client) {
            return Ok(());
        }
        let entry = Entry::new(Event::RefreshRepeated, AuditOutcome::Success).by(&grant.user);
        let event = sessions.event(self.client, entry.detail(&self.declared.client_id), self.now);
        sessions.record(event).await.inspect_err(|_| sessions.repeated.forget(successor, self.client))
    }

    /// The same grant, if its user may still log in to the client: somebody may have left its groups.
    async fn entitled(&self, grant: Grant) -> Result<Entitled, GrantError> {
        let groups = claims::groups(&self.sessions.store, &grant.user, self.declared).await?;
        let groups = groups.ok_or(refused("the user may no longer log in to this client"))?;
        Ok(Entitled { grant, groups })
    }

    async fn live(&self, grant_id: &str) -> Result<Entitled, GrantError> {
        let grant = self.sessions.store.grant(grant_id).await?;
        // The declaration may have lost the scope meanwhile.
        let is_allowed = self.declared.scopes.iter().any(|scope| scope == "offline_access");
        let is_own = |grant: &Grant| is_allowed && is_live_of(grant, self.declared, self.now);
        self.entitled(grant.filter(is_own).ok_or(refused(BAD_TOKEN))?).await
    }

    async fn end_replayed(&self, grant: &Grant, what: Event, why: Option<&str>) -> GrantError {
        let client_id = &self.declared.client_id;
        let detail = why.map_or_else(|| client_id.clone(), |why| format!("{client_id}: {why}"));
        let entry = Entry::new(what, AuditOutcome::Denied).by(&grant.user).detail(detail);
        let event = self.sessions.event(self.client, entry, self.now);
        match self.sessions.store.end_grant(&grant.grant_id, &event).await {
            Ok(true) => self.sessions.done(&event),
            Ok(false) => {}
            Err(error) => return error.into(),
        }
        refused(if what == Event::CodeReplayed { BAD_CODE } else { BAD_TOKEN })
    }

    pub(super) const fn access_tokens(&self) -> AccessTokens<'_> {
        let Self { openid, present, sessions, now, .. } = *self;
        AccessTokens { openid, present, sessions, now }
    }

    fn access_ttl(&self) -> Duration {
        Duration::from_secs(self.declared.access_token_seconds())
    }

    /// Each refresh extends the chain, up to the longest lifetime of a session.
    fn next_end(&self, grant: &Grant) -> UnixTime {
        let lifetimes = &self.sessions.lifetimes;
        (self.now + lifetimes.refresh).min(grant.created_at + lifetimes.session)
    }

    /// The end of a grant without a refresh token: that of its only access token.
    fn end_with_session(&self, grant: &Grant) -> UnixTime {
        let ends_at = self.now + self.access_ttl();
        grant.session_ends_at.map_or(ends_at, |session| ends_at.min(session))
    }

    /// The scopes that the client still may have.
    fn present_scopes(&self, grant: &Grant) -> Vec<String> {
        let may_have = |scope: &&str| self.declared.scopes.iter().any(|declared| declared == scope);
        grant.scopes.split(' ').filter(may_have).map(str::to_owned).collect()
    }

    fn narrowed(&self, grant: &Grant, asked: Option<&str>) -> Result<Vec<String>, GrantError> {
        let present = self.present_scopes(grant);
        let Some(asked) = asked else { return Ok(present) };
        let asked: Vec<_> = asked.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
        if asked.iter().any(|scope| !present.contains(scope)) {
            return Err(GrantError::Refused(problem("invalid_scope", "the scope exceeds the grant")));
        }
        Ok(asked)
    }

    fn narrowed_audiences(&self, grant: &Grant, asked: &[String]) -> Result<Vec<String>, GrantError> {
        let granted = audiences_of(grant);
        let declared = request::audiences(self.declared, &[], &self.openid.address(USERINFO));
        let mut audiences = declared.map_err(GrantError::Refused)?;
        audiences.retain(|audience| granted.contains(audience));
        if audiences.is_empty() {
            // The declaration or the issuer has changed: the client has to log the user in again.
            return Err(refused("the client has lost the audiences of the grant"));
        }
        if asked.iter().any(|resource| !audiences.contains(resource)) {
            return Err(GrantError::Refused(problem("invalid_target", "the grant does not include this audience")));
        }
        audiences.retain(|audience| asked.is_empty() || asked.contains(audience));
        Ok(audiences)
    }

    /// An access token never outlives its grant, which ends at `ends_at`.
    fn issue(
        &self,
        entitled: &Entitled,
        scopes: &[String],
        audiences: Vec<String>,
        nonce: Option<String>,
        ends_at: UnixTime,
        successor: Option<&Successor<'_>>,
    ) -> Result<Issued, GrantError> {
        let grant = &entitled.grant;
        let refresh_token = successor.map(|successor| self.refresh_token(grant, successor)).transpose()?;
        let scope = scopes.join(" ");
        let exp = (self.now + self.access_ttl()).min(ends_at);
        let is_openid = scopes.iter().any(|scope| scope == "openid");
        let access = AccessClaims {
            iss: self.openid.issuer.clone(),
            aud: Audience::from(audiences),
            sub: grant.user.uuid.clone(),
            client_id: self.declared.client_id.clone(),
            scope: scope.clone(),
            jti: random_uuid(&mut rand::rng()).to_string(),
            grant_id: grant.grant_id.clone(),
            auth_time: grant.auth_time,
            iat: self.now,
            exp,
        };
        let access_key = self.present.keys.signing(ACCESS_TOKEN_ALGORITHM);
        Ok(Issued {
            access_token: tokens::sign_access(access_key, &access)?,
            expires_in: (exp - self.now).as_secs(),
            scope,
            id_token: is_openid.then(|| self.id_token(entitled, scopes, nonce)).transpose()?,
            refresh_token,
        })
    }

    fn id_token(&self, entitled: &Entitled, scopes: &[String], nonce: Option<String>) -> anyhow::Result<String> {
        let Entitled { grant, groups } = entitled;
        let requested = RequestedClaims::of_text(grant.claims.as_deref()).id_token;
        let has = |scopes: &[String], scope: &str| scopes.iter().any(|given| given == scope);
        let wants = |claim: &str, scope: &str| {
            let is_requested = requested.iter().any(|name| name == claim) && has(&self.declared.scopes, scope);
            is_requested || (has(scopes, scope) && self.declared.id_token_claims == IdTokenClaims::Scopes)
        };
        let claims = IdClaims {
            iss: self.openid.issuer.clone(),
            aud: self.declared.client_id.clone(),
            sub: grant.user.uuid.clone(),
            nonce,
            sid: grant.sid.clone(),
            auth_time: grant.auth_time,
            iat: self.now,
            exp: self.now + Duration::from_secs(self.declared.id_token_seconds()),
            user: claims::of_user(&grant.user, groups, wants),
        };
        tokens::sign_id(self.present.keys.signing(self.declared.id_token_algorithm), &claims)
    }

    fn refresh_token(&self, grant: &Grant, successor: &Successor<'_>) -> anyhow::Result<String> {
        let keys = self.sessions.keys.get();
        // If the key was revoked meanwhile, the current one signs.
        let key = keys.find(successor.kid).unwrap_or_else(|| keys.refresh());
        let claims = RefreshClaims {
            iss: self.openid.issuer.clone(),
            aud: RefreshClaims::audience(),
            sub: grant.user.uuid.clone(),
            client_id: self.declared.client_id.clone(),
            grant_id: grant.grant_id.clone(),
            jti: successor.jti.to_owned(),
            iat: successor.iat,
            exp: successor.exp,
        };
        tokens::sign_refresh(key, &claims)
    }
}

fn audiences_of(grant: &Grant) -> Vec<String> {
    serde_json::from_str(&grant.audiences).unwrap_or_default()
}
