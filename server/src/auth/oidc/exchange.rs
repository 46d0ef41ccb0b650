//! The token endpoint's exchanges: a code, or a refresh token, for tokens.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use sc_auth_contract::declared::{DeclaredClient, IdTokenAlgorithm, IdTokenClaims};
use sc_auth_contract::time::UnixTime;

use super::access::{AccessTokens, is_live_of};
use super::claims;
use super::grant::{GrantError, too_many};
use super::request::{self, RequestedClaims, problem};
use super::tokens::{self, AccessClaims, IdClaims, RefreshClaims};
use super::{OpenId, Present, USERINFO};
use crate::auth::audit::{AuditOutcome, Entry, Event};
use crate::auth::claims::Audience;
use crate::auth::client::Client;
use crate::auth::digest::sha256;
use crate::auth::session::{RepeatedRefresh, Sessions, network, random_uuid, user_agent};
use crate::store::{Chain, Grant, Rotation, StoreError};

/// The tokens of one exchange.
#[derive(Debug)]
pub struct Issued {
    pub access_token: String,
    /// The lifetime of the access token, in seconds.
    pub expires_in: u64,
    pub scope: String,
    pub id_token: String,
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
        let store = &self.sessions.store;
        let grant = store.grant_of_code(&sha256(code)).await?.filter(|grant| grant.client == self.declared.key());
        let grant = grant.ok_or(refused(BAD_CODE))?;
        // Before the replay check: a used code alone, found in a log, must not end the grant.
        if grant.redirect_uri != redirect_uri {
            return Err(refused("redirect_uri differs from that of the authorization request"));
        }
        check_verifier(grant.code_challenge.as_deref(), verifier)?;
        if grant.code_used_at.is_some() {
            return Err(self.end_replayed(&grant, Event::CodeReplayed, None).await);
        }
        if !grant.is_live(self.now) {
            return Err(refused(BAD_CODE));
        }
        let audiences = self.narrowed_audiences(&grant, resources)?;
        let Entitled { grant, groups } = self.entitled(grant).await?;
        let access_ends = self.now + self.access_ttl();
        let api_keys = self.sessions.keys.get();
        let chain = grant
            .is_offline
            .then(|| Chain { jti: random_uuid(&mut rand::rng()).to_string(), kid: api_keys.refresh().kid.clone() });
        let refresh_ends = self.next_end(&grant);
        let ends = if chain.is_some() { refresh_ends.max(access_ends) } else { access_ends };
        let ended = too_many(self.sessions, &grant.user, &self.declared.client_id, self.client, self.now);
        let logout_uri = self.declared.backchannel_logout_uri.as_deref();
        if !store.use_code(&grant, chain.as_ref(), self.now, ends, logout_uri, &ended).await? {
            // Another request was faster, or the session has ended.
            return Err(self.end_replayed(&grant, Event::CodeReplayed, None).await);
        }
        let successor =
            chain.as_ref().map(|chain| Successor { jti: &chain.jti, iat: self.now, exp: ends, kid: &chain.kid });
        let scopes = self.present_scopes(&grant);
        let nonce = grant.nonce.clone();
        self.issue(&Entitled { grant, groups }, &scopes, audiences, nonce, successor.as_ref())
    }

    /// Exchanges a refresh token for the next one (RFC 6749, 6). See [`crate::auth::session`] for the rules of a
    /// repetition.
    pub async fn refresh(&self, token: &str, scope: Option<&str>, resources: &[String]) -> Result<Issued, GrantError> {
        let api_keys = self.sessions.keys.get();
        let claims = tokens::verify_refresh(&api_keys, token, self.now, self.sessions.leeway);
        let claims = claims.map_err(|_| refused(BAD_TOKEN))?;
        let entitled = self.live(&claims.grant_id).await?;
        let grant = &entitled.grant;
        let scopes = self.narrowed(grant, scope)?;
        let audiences = self.narrowed_audiences(grant, resources)?;
        let (jti, kid) = (random_uuid(&mut rand::rng()).to_string(), &api_keys.refresh().kid);
        if grant.refresh_jti.as_deref() == Some(claims.jti.as_str()) {
            let exp = self.next_end(grant);
            let rotation = Rotation {
                id: &grant.grant_id,
                from_jti: &claims.jti,
                to_jti: &jti,
                kid,
                network: network(self.client),
                user_agent: user_agent(self.client),
                now: self.now,
                expires_at: exp,
            };
            if self.sessions.store.rotate_grant(rotation).await? {
                let successor = Successor { jti: &jti, iat: self.now, exp, kid };
                return self.issue(&entitled, &scopes, audiences, None, Some(&successor));
            }
        }
        // The token was used before, or another request was faster: read the row again.
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
                self.issue(&entitled, &scopes, audiences, None, Some(&successor))
            }
            why => Err(self.end_replayed(grant, Event::RefreshReplayed, why.detail()).await),
        }
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

    fn issue(
        &self,
        entitled: &Entitled,
        scopes: &[String],
        audiences: Vec<String>,
        nonce: Option<String>,
        successor: Option<&Successor<'_>>,
    ) -> Result<Issued, GrantError> {
        let grant = &entitled.grant;
        let refresh_token = successor.map(|successor| self.refresh_token(grant, successor)).transpose()?;
        let scope = scopes.join(" ");
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
            exp: self.now + self.access_ttl(),
        };
        let access_key = self.present.keys.signing(ACCESS_TOKEN_ALGORITHM);
        Ok(Issued {
            access_token: tokens::sign_access(access_key, &access)?,
            expires_in: self.declared.access_token_seconds(),
            scope,
            id_token: self.id_token(entitled, scopes, nonce)?,
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

/// A verifier without a challenge is an error too: somebody removed the challenge from the request (RFC 9700, 2.1.1).
fn check_verifier(challenge: Option<&str>, verifier: Option<&str>) -> Result<(), GrantError> {
    match (challenge, verifier) {
        (_, Some(verifier)) if !is_verifier(verifier) => {
            Err(refused("code_verifier must have 43 to 128 letters, digits, or - . _ ~"))
        }
        (None, None) => Ok(()),
        (Some(challenge), Some(verifier))
            if verify_slices_are_equal(sha256(verifier).as_bytes(), challenge.as_bytes()).is_ok() =>
        {
            Ok(())
        }
        (Some(_), None) => Err(refused("code_verifier is missing")),
        (None, Some(_)) => Err(refused("the authorization request had no code_challenge")),
        (Some(_), Some(_)) => Err(refused("code_verifier does not match")),
    }
}

/// RFC 7636, 4.1
fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_matches_the_challenge_of_the_request() {
        // RFC 7636, appendix B.
        let (verifier, challenge) =
            ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(check_verifier(Some(challenge), Some(verifier)).is_ok() && check_verifier(None, None).is_ok());
        for (challenge, verifier) in [
            (Some(challenge), None),
            (None, Some(verifier)),
            (Some(challenge), Some(challenge)),
            (Some(verifier), Some(verifier)),
        ] {
            assert!(check_verifier(challenge, verifier).is_err(), "{challenge:?} {verifier:?}");
        }
        let check = |verifier: &str| check_verifier(Some(&sha256(verifier)), Some(verifier)).is_ok();
        assert!(check(&"a".repeat(43)) && check(&"-._~".repeat(32)));
        for weak in ["a".repeat(42), "a".repeat(129), " ".repeat(43), "=".repeat(43), "ü".repeat(43), String::new()] {
            assert!(!check(&weak), "{weak}");
        }
    }
}
