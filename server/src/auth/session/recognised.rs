//! Recognises a client at its login by an earlier refresh token.

use super::{Kind, OldTokens, Sessions, token};

/// The user of the refresh token, and the session that failures are counted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognised {
    pub user_uuid: String,
    pub session: String,
}

/// All old tokens of a user count as one session, so that a client who can forge them does not get a new count with
/// each.
const OLD_SESSION: &str = "old";

impl Sessions {
    /// The uuid of the user whom a token was issued to, of any kind, even an expired one or one whose session has ended.
    pub fn holder(&self, token: &str) -> Option<String> {
        if OldTokens::is_old(token) {
            return Some(self.old_tokens.as_ref()?.claims(token).ok()?.sub);
        }
        Some(token::claims(&self.keys.get(), token).ok()?.sub)
    }

    /// Reads a refresh token, even an expired one or one whose session has ended. It does not replace the password.
    /// `None` for anything else, which is not an error: clients of 0.2 could send any header.
    pub fn recognise(&self, token: &str) -> Option<Recognised> {
        if OldTokens::is_old(token) {
            let claims = self.old_tokens.as_ref()?.claims(token).ok().filter(|claims| claims.kind == Kind::Refresh)?;
            return Some(Recognised { user_uuid: claims.sub, session: OLD_SESSION.into() });
        }
        let claims = token::claims(&self.keys.get(), token).ok().filter(|claims| claims.kind == Kind::Refresh)?;
        Some(Recognised { user_uuid: claims.sub, session: claims.sid })
    }
}
