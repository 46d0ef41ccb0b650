//! Grants: a code first, then tokens.

use std::time::Duration;

use rand::CryptoRng;
use sc_auth_contract::declared::DeclaredClient;
use sc_auth_contract::time::UnixTime;

use super::request::{AuthorizationRequest, OAuthProblem};
use crate::auth::audit::{AuditOutcome, Entry, Event};
use crate::auth::client::Client;
use crate::auth::digest::sha256;
use crate::auth::random_text::random_secret;
use crate::auth::session::{Browser, Sessions, random_uuid};
use crate::store::{NewEvent, NewGrant, Permissions, StoreError, User};

/// The most grants of all users in an embedded database: the limits of a user alone would let many accounts fill its volume.
const MAX_GRANTS: u64 = 200_000;
/// The most consents of all users in an embedded database, for the same reason.
const MAX_CONSENTS: u64 = 200_000;
/// How long a code is valid.
const CODE_TTL: Duration = Duration::from_mins(1);

/// Why the token endpoint refuses a request.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    #[error("{}", .0.description)]
    Refused(OAuthProblem),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("signing a token: {0}")]
    Signing(#[from] anyhow::Error),
}

/// A grant that the database does not know yet, and the code that leads to it.
pub struct NewCode {
    pub code: String,
    client_id: String,
    grant: NewGrant,
}

/// Creates the grant and the code of an authorization request.
pub fn new_grant(
    browser: &Browser,
    declared: &DeclaredClient,
    request: &AuthorizationRequest,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> NewCode {
    let code = random_secret(rng);
    let grant = NewGrant {
        grant_id: random_uuid(rng).to_string(),
        user_id: browser.user.id,
        sid: browser.sid.clone(),
        client: declared.key(),
        scopes: request.scopes.join(" "),
        audiences: serde_json::json!(request.audiences).to_string(),
        is_offline: request.is_offline(),
        auth_time: browser.auth_time,
        created_at: now,
        expires_at: now + CODE_TTL,
        code_hash: sha256(&code),
        code_challenge: request.code_challenge.clone(),
        redirect_uri: request.to.redirect_uri.clone(),
        nonce: request.nonce.clone(),
        claims: request.claims.to_text(),
    };
    NewCode { code, client_id: declared.client_id.clone(), grant }
}

/// What a user has answered to the question for consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consented {
    /// `None` if the user is asked again next time.
    pub remember: Option<Permissions>,
}

/// Stores the grant, so that its code can be exchanged. `consented` is `None` if the user was not asked. Returns `false` if
/// the session has ended meanwhile.
pub async fn store_grant(
    sessions: &Sessions,
    code: &NewCode,
    browser: &Browser,
    consented: Option<&Consented>,
    client: &Client,
    now: UnixTime,
) -> Result<bool, StoreError> {
    let entry = Entry::new(Event::ConsentGiven, AuditOutcome::Success).by(&browser.user).detail(&code.client_id);
    let event = consented.map(|_| sessions.event(client, entry, now));
    let ended = too_many(sessions, &browser.user, &code.client_id, client, now);
    let remember = consented.and_then(|consented| consented.remember.as_ref());
    let recorded = sessions.store.create_grant(code.grant.clone(), remember, event.as_ref(), &ended).await?;
    Ok(sessions.all_done(recorded.as_deref()))
}

/// Ends grants if there are too many of all users. Like sessions, they are limited only where `most` limits those.
pub async fn limit_grants(sessions: &Sessions, now: UnixTime) -> Result<(), StoreError> {
    if sessions.most.is_none() {
        return Ok(());
    }
    let event = Entry::new(Event::GrantsEnded, AuditOutcome::Success).event(&Client::default(), now);
    let count = sessions.store.limit_grants(MAX_GRANTS, &event).await?;
    if count > 0 {
        sessions.done(&event.about(count, "grant"));
    }
    Ok(())
}

/// Forgets the first consents if all users have too many: they are asked again. Limited as grants are.
pub async fn limit_consents(sessions: &Sessions) -> Result<(), StoreError> {
    if sessions.most.is_none() {
        return Ok(());
    }
    let count = sessions.store.limit_consents(MAX_CONSENTS).await?;
    if count > 0 {
        tracing::warn!(count, "users have consented to too many applications; those who did first are asked again");
    }
    Ok(())
}

/// The event of the least recently used grants, which end if a user has too many for an application.
pub(super) fn too_many(sessions: &Sessions, user: &User, client_id: &str, client: &Client, now: UnixTime) -> NewEvent {
    let entry = Entry::new(Event::GrantsEnded, AuditOutcome::Success).by(user).detail(client_id);
    sessions.event(client, entry, now)
}
