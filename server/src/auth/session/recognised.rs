//! A client that shows at its login that it was logged in before.

use super::{Kind, OldTokens, Sessions, token};

/// Whose refresh token it showed, and what its failures are counted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognised {
    pub user_uuid: String,
    pub session: String,
}

/// All old tokens of a user count as one session: whoever can forge them must not begin a new count with each.
const OLD_SESSION: &str = "old";

impl Sessions {
    /// Reads a refresh token, expired or not, and whether its session has ended or not. It opens nothing: the password is
    /// still asked for. `None` where it is anything else, which is not refused: clients of 0.2 sent what they liked.
    pub fn recognise(&self, token: &str) -> Option<Recognised> {
        if OldTokens::is_old(token) {
            let claims = self.old_tokens.as_ref()?.claims(token).ok().filter(|claims| claims.kind == Kind::Refresh)?;
            return Some(Recognised { user_uuid: claims.sub, session: OLD_SESSION.into() });
        }
        let claims = token::claims(&self.keys.get(), token).ok().filter(|claims| claims.kind == Kind::Refresh)?;
        Some(Recognised { user_uuid: claims.sub, session: claims.sid })
    }
}
