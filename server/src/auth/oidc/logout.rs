//! The logout request (OpenID Connect RP-Initiated Logout, 2), as a pure function of its parameters and the declarations.

use sc_auth_contract::declared::{Declared, DeclaredClient};
use serde::{Deserialize, Serialize};

use super::Present;
use super::request::{Parameters, STATE_MAX};
use super::tokens::{Hint, read_hint};
use crate::store::User;

/// What an application asks for. Its form travels through the browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogoutRequest {
    /// The client, if it is declared.
    pub client_id: Option<String>,
    /// Where the browser goes afterwards: an address that this client has declared.
    to: Option<String>,
    state: Option<String>,
    /// Whom an ID token of ours names.
    hinted: Option<String>,
    logout_hint: Option<String>,
}

/// Why a request is answered with an error page. The browser is never redirected to an address that is not declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidLogout {
    /// The client has not declared the `post_logout_redirect_uri`.
    RedirectUri,
    /// The `client_id` is not that of the ID token.
    Client,
    /// A parameter was sent more than once, or `state` is too long.
    Parameters,
}

impl LogoutRequest {
    /// # Errors
    /// The first problem.
    pub fn read(present: &Present, issuer: &str, parameters: &Parameters) -> Result<Self, InvalidLogout> {
        // Expired or not: applications keep ID tokens for the logout only.
        let hint = parameters.one("id_token_hint").and_then(|token| read_hint(&present.keys, token).ok());
        Self::of(&present.declared, hint.filter(|hint| hint.iss == issuer), parameters)
    }

    fn of(declared: &Declared, hint: Option<Hint>, parameters: &Parameters) -> Result<Self, InvalidLogout> {
        let state = parameters.one("state");
        if parameters.check_once().is_err() || state.is_some_and(|state| state.len() > STATE_MAX) {
            return Err(InvalidLogout::Parameters);
        }
        let given = parameters.one("client_id");
        if let (Some(given), Some(hint)) = (given, &hint)
            && given != hint.aud
        {
            return Err(InvalidLogout::Client);
        }
        let client_id = given.or(hint.as_ref().map(|hint| hint.aud.as_str()));
        let client = client_id.and_then(|id| declared.find(id));
        let to = parameters.one("post_logout_redirect_uri");
        if let (Some(client), Some(to)) = (client, to)
            && !has_declared(client, to)
        {
            return Err(InvalidLogout::RedirectUri);
        }
        Ok(Self {
            to: to.filter(|_| client.is_some()).map(str::to_owned),
            client_id: client.map(|client| client.client_id.clone()),
            state: state.map(str::to_owned),
            hinted: hint.map(|hint| hint.sub),
            logout_hint: parameters.one("logout_hint").map(str::to_owned),
        })
    }

    /// Whether an ID token of this user came with the request, so that nobody has to be asked: whoever has no such token could
    /// otherwise log out any visitor of a page.
    pub fn is_of(&self, user: &User) -> bool {
        let names = [Some(user.uuid.as_str()), user.username.as_deref(), user.email.as_deref()];
        let is_meant = self.logout_hint.as_deref().is_none_or(|hint| names.contains(&Some(hint)));
        is_meant && self.hinted.as_ref() == Some(&user.uuid)
    }

    /// Where the browser goes if nobody was logged in: with an ID token only, since anybody can name a client.
    pub fn target_without_session(&self, declared: &Declared) -> Option<String> {
        self.hinted.as_ref().and_then(|_| self.target(declared))
    }

    /// Where the browser goes, if the client still declares it.
    pub fn target(&self, declared: &Declared) -> Option<String> {
        let client = self.client_id.as_deref().and_then(|id| declared.find(id))?;
        let to = self.to.as_deref().filter(|to| has_declared(client, to))?;
        let Some(state) = &self.state else { return Some(to.to_owned()) };
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("state", state).finish();
        Some(format!("{to}{}{query}", if to.contains('?') { '&' } else { '?' }))
    }
}

fn has_declared(client: &DeclaredClient, to: &str) -> bool {
    client.post_logout_redirect_uris.iter().any(|declared| declared == to)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BYE: &str = "https://shop.test/bye?x=1";

    fn declared() -> Declared {
        let client = |id: &str| {
            json!({
                "clientId": id, "type": "Web", "redirectUris": ["https://shop.test/cb"],
                "postLogoutRedirectUris": [BYE], "secrets": [{"sha256": "0".repeat(64)}],
            })
        };
        Declared::parse(&json!({"version": 1, "clients": [client("shop"), client("other")]}).to_string()).unwrap()
    }

    fn read(hint: Option<&str>, pairs: &[(&str, &str)]) -> Result<LogoutRequest, InvalidLogout> {
        let hint = hint.map(|aud| Hint { iss: "i".into(), aud: aud.into(), sub: "u".into() });
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        LogoutRequest::of(&declared(), hint, &Parameters::parse(form.as_bytes()))
    }

    #[test]
    fn the_browser_goes_only_where_the_client_has_declared() {
        let to = ("post_logout_redirect_uri", BYE);
        let target = |hint, pairs: &[(&str, &str)]| read(hint, pairs).unwrap().target(&declared());
        assert_eq!(target(Some("shop"), &[to]).as_deref(), Some(BYE));
        assert_eq!(target(None, &[to, ("client_id", "shop")]).as_deref(), Some(BYE));
        let with_state = target(Some("shop"), &[to, ("state", "a b&c")]);
        assert_eq!(with_state.as_deref(), Some("https://shop.test/bye?x=1&state=a+b%26c"));
        assert_eq!(target(None, &[to]), None, "nobody says whose address it is");
        assert_eq!(target(None, &[to, ("client_id", "gone")]), None);
        assert_eq!(target(Some("gone"), &[to]), None);
        for bad in ["https://shop.test/bye", "https://shop.test/bye?x=1&y", "https://evil.test/", "//evil.test", "x"] {
            let refused = read(Some("shop"), &[("post_logout_redirect_uri", bad)]);
            assert_eq!(refused, Err(InvalidLogout::RedirectUri), "{bad}");
        }
        assert_eq!(read(Some("shop"), &[("client_id", "other")]), Err(InvalidLogout::Client));
        assert_eq!(read(Some("shop"), &[to, ("state", &"x".repeat(STATE_MAX + 1))]), Err(InvalidLogout::Parameters));
        assert_eq!(read(Some("shop"), &[to, to]), Err(InvalidLogout::Parameters));
        let of_client = read(None, &[to, ("client_id", "shop")]).unwrap();
        assert_eq!(of_client.target_without_session(&declared()), None);
        assert!(read(Some("shop"), &[to]).unwrap().target_without_session(&declared()).is_some());
    }

    #[test]
    fn only_an_id_token_of_the_user_replaces_the_question() {
        let user = |uuid: &str| User { uuid: uuid.into(), username: Some("alice".into()), ..User::default() };
        assert!(read(Some("shop"), &[]).unwrap().is_of(&user("u")));
        assert!(read(Some("shop"), &[("logout_hint", "alice")]).unwrap().is_of(&user("u")));
        assert!(!read(Some("shop"), &[("logout_hint", "bobby")]).unwrap().is_of(&user("u")));
        assert!(!read(Some("shop"), &[]).unwrap().is_of(&user("other")));
        assert!(!read(None, &[("client_id", "shop"), ("logout_hint", "alice")]).unwrap().is_of(&user("u")));
    }
}
