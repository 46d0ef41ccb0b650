//! What a user allows an application: a code first, then tokens.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::CryptoRng;
use sc_auth_contract::declared::DeclaredClient;
use sc_auth_contract::time::UnixTime;
use sha2::{Digest as _, Sha256};

use super::request::{AuthorizationRequest, OAuthProblem};
use crate::auth::audit::{AuditOutcome, Entry, Event};
use crate::auth::client::Client;
use crate::auth::session::{Browser, Sessions, random_uuid};
use crate::store::{NewEvent, NewGrant, StoreError, User};

/// How long a code is valid.
const CODE: Duration = Duration::from_mins(1);

/// Why the token endpoint refuses a request.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    #[error("{0:?}")]
    Refused(OAuthProblem),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("signing a token: {0}")]
    Signing(#[from] anyhow::Error),
}

/// The hash of a code or a code verifier.
pub(super) fn digest(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}

/// A grant that the database does not know yet, and the code that leads to it.
pub struct NewCode {
    pub code: String,
    client_id: String,
    grant: NewGrant,
}

/// What a client asks for, for the user of a browser.
pub fn new_grant(
    browser: &Browser,
    declared: &DeclaredClient,
    request: &AuthorizationRequest,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> NewCode {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    let code = URL_SAFE_NO_PAD.encode(bytes);
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
        expires_at: now + CODE,
        code_hash: digest(&code),
        code_challenge: request.code_challenge.clone(),
        redirect_uri: request.to.redirect_uri.clone(),
        nonce: request.nonce.clone(),
        claims: request.claims.to_text(),
    };
    NewCode { code, client_id: declared.client_id.clone(), grant }
}

/// Makes a code valid. `consent` are the scopes that the user allows from now on without being asked again. Returns `false`
/// if the session has ended meanwhile.
pub async fn give(
    sessions: &Sessions,
    code: &NewCode,
    browser: &Browser,
    consent: Option<&str>,
    client: &Client,
    now: UnixTime,
) -> Result<bool, StoreError> {
    let entry = Entry::new(Event::ConsentGiven, AuditOutcome::Success).by(&browser.user).detail(&code.client_id);
    let event = consent.map(|_| sessions.event(client, entry, now));
    let ended = too_many(sessions, &browser.user, client, now);
    let is_given = sessions.store.create_grant(code.grant.clone(), consent, event.as_ref(), &ended).await?;
    if let (true, Some(event)) = (is_given, event) {
        sessions.done(&event);
    }
    Ok(is_given)
}

/// The event of the oldest grants, which end if a user has too many.
pub(super) fn too_many(sessions: &Sessions, user: &User, client: &Client, now: UnixTime) -> NewEvent {
    let entry = Entry::new(Event::GrantsEnded, AuditOutcome::Success).by(user);
    sessions.event(client, entry, now)
}
