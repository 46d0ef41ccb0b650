//! An application gives back a token (RFC 7009). It ends the whole grant, whichever of its tokens it is.

use super::exchange::Exchange;
use super::grant::GrantError;
use super::request::problem;
use super::tokens;
use crate::auth::audit::{AuditOutcome, Entry, Event};

impl Exchange<'_> {
    /// A token that is unknown or expired has nothing to end (RFC 7009, 2.2).
    ///
    /// # Errors
    /// If the token was issued to another client.
    pub async fn revoke(&self, token: &str) -> Result<(), GrantError> {
        let Some((client_id, grant_id)) = self.grant_of(token) else { return Ok(()) };
        // Before the grant is looked up: another client must not learn whether the token is valid.
        if client_id != self.declared.client_id {
            return Err(GrantError::Refused(problem("invalid_grant", "the token was issued to another client")));
        }
        let sessions = self.sessions;
        let grant = sessions.store.grant(&grant_id).await?.filter(|grant| grant.client == self.declared.key());
        let Some(grant) = grant else { return Ok(()) };
        let entry = Entry::new(Event::AccessRevoked, AuditOutcome::Success).by(&grant.user);
        let event = sessions.event(self.client, entry.detail(&self.declared.client_id), self.now);
        if sessions.store.end_grant(&grant_id, &event).await? {
            sessions.done(&event);
        }
        Ok(())
    }

    /// The client and the grant of a token. `token_type_hint` is ignored: `typ` tells the kinds apart (RFC 7009, 2.1 allows it).
    fn grant_of(&self, token: &str) -> Option<(String, String)> {
        let refresh = tokens::verify_refresh(&self.sessions.keys.get(), token, self.now, self.sessions.leeway);
        if let Ok(claims) = refresh {
            return Some((claims.client_id, claims.grant_id));
        }
        self.access_tokens().read(token).map(|claims| (claims.client_id, claims.grant_id))
    }
}
