//! The logout request (OpenID Connect RP-Initiated Logout, 2), as a pure function of its parameters and the declarations.

use sc_auth_contract::declared::{Declared, DeclaredClient};
use serde::{Deserialize, Serialize};

use super::Present;
use super::request::{Parameters, STATE_MAX, is_among};
use super::tokens::{IdTokenHint, read_hint};
use crate::store::User;

/// What an application asks for. Its form travels through the browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogoutRequest {
    /// The client, if it is declared.
    pub client_id: Option<String>,
    /// One that the client has declared.
    post_logout_redirect_uri: Option<String>,
    state: Option<String>,
    /// The user and the session of the `id_token_hint`, if this server has signed it.
    id_token_sub: Option<String>,
    id_token_sid: Option<String>,
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
    pub fn parse(present: &Present, issuer: &str, parameters: &Parameters) -> Result<Self, InvalidLogout> {
        // Expired or not: applications keep ID tokens for the logout only.
        let hint = parameters.one("id_token_hint").and_then(|token| read_hint(&present.keys, token).ok());
        Self::from_parts(&present.declared, hint.filter(|hint| hint.iss == issuer), parameters)
    }

    fn from_parts(
        declared: &Declared,
        hint: Option<IdTokenHint>,
        parameters: &Parameters,
    ) -> Result<Self, InvalidLogout> {
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
        let redirect_uri = parameters.one("post_logout_redirect_uri");
        if let (Some(client), Some(redirect_uri)) = (client, redirect_uri)
            && !has_declared(client, redirect_uri)
        {
            return Err(InvalidLogout::RedirectUri);
        }
        Ok(Self {
            post_logout_redirect_uri: redirect_uri.filter(|_| client.is_some()).map(str::to_owned),
            client_id: client.map(|client| client.client_id.clone()),
            state: state.map(str::to_owned),
            id_token_sub: hint.as_ref().map(|hint| hint.sub.clone()),
            id_token_sid: hint.map(|hint| hint.sid),
            logout_hint: parameters.one("logout_hint").map(str::to_owned),
        })
    }

    /// Whether an ID token of this session came with the request. Without one, any page could log its visitors out; with one of
    /// another session, the request is suspect (RP-Initiated Logout, 2).
    pub fn needs_no_confirmation(&self, user: &User, sid: &str) -> bool {
        let names = [Some(user.uuid.as_str()), user.username.as_deref(), user.email.as_deref()];
        let is_meant = self.logout_hint.as_deref().is_none_or(|hint| names.contains(&Some(hint)));
        is_meant && self.id_token_sub.as_ref() == Some(&user.uuid) && self.id_token_sid.as_deref() == Some(sid)
    }

    /// Where the browser goes if nobody was logged in: with an ID token only, since anybody can name a client.
    pub fn target_without_session(&self, declared: &Declared) -> Option<String> {
        self.id_token_sub.as_ref().and_then(|_| self.target(declared))
    }

    /// Where the browser goes, if the client still declares it.
    pub fn target(&self, declared: &Declared) -> Option<String> {
        let client = self.client_id.as_deref().and_then(|id| declared.find(id))?;
        let uri = self.post_logout_redirect_uri.as_deref().filter(|uri| has_declared(client, uri))?;
        let Some(state) = &self.state else { return Some(uri.to_owned()) };
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("state", state).finish();
        Some(format!("{uri}{}{query}", if uri.contains('?') { '&' } else { '?' }))
    }
}

fn has_declared(client: &DeclaredClient, uri: &str) -> bool {
    is_among(&client.post_logout_redirect_uris, client.client_type, uri)
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

    fn parsed(hint: Option<&str>, pairs: &[(&str, &str)]) -> Result<LogoutRequest, InvalidLogout> {
        let hint = hint.map(|aud| IdTokenHint { iss: "i".into(), aud: aud.into(), sub: "u".into(), sid: "s".into() });
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        LogoutRequest::from_parts(&declared(), hint, &Parameters::parse(form.as_bytes()))
    }

    #[test]
    fn the_browser_goes_only_where_the_client_has_declared() {
        let to = ("post_logout_redirect_uri", BYE);
        let target = |hint, pairs: &[(&str, &str)]| parsed(hint, pairs).unwrap().target(&declared());
        assert_eq!(target(Some("shop"), &[to]).as_deref(), Some(BYE));
        assert_eq!(target(None, &[to, ("client_id", "shop")]).as_deref(), Some(BYE));
        let with_state = target(Some("shop"), &[to, ("state", "a b&c")]);
        assert_eq!(with_state.as_deref(), Some("https://shop.test/bye?x=1&state=a+b%26c"));
        assert_eq!(target(None, &[to]), None, "nobody says whose address it is");
        assert_eq!(target(None, &[to, ("client_id", "gone")]), None);
        assert_eq!(target(Some("gone"), &[to]), None);
        for bad in ["https://shop.test/bye", "https://shop.test/bye?x=1&y", "https://evil.test/", "//evil.test", "x"] {
            let refused = parsed(Some("shop"), &[("post_logout_redirect_uri", bad)]);
            assert_eq!(refused, Err(InvalidLogout::RedirectUri), "{bad}");
        }
        assert_eq!(parsed(Some("shop"), &[("client_id", "other")]), Err(InvalidLogout::Client));
        assert_eq!(parsed(Some("shop"), &[to, ("state", &"x".repeat(STATE_MAX + 1))]), Err(InvalidLogout::Parameters));
        assert_eq!(parsed(Some("shop"), &[to, to]), Err(InvalidLogout::Parameters));
        let of_client = parsed(None, &[to, ("client_id", "shop")]).unwrap();
        assert_eq!(of_client.target_without_session(&declared()), None);
        assert!(parsed(Some("shop"), &[to]).unwrap().target_without_session(&declared()).is_some());
    }

    #[test]
    fn a_native_application_can_return_to_any_port() {
        let native = json!({
            "clientId": "app", "type": "Native", "redirectUris": ["http://127.0.0.1/cb"],
            "postLogoutRedirectUris": ["http://127.0.0.1/bye"],
        });
        let declared = Declared::parse(&json!({"version": 1, "clients": [native]}).to_string()).unwrap();
        for (uri, is_valid) in [("http://127.0.0.1:5555/bye", true), ("http://127.0.0.1:5555/cb", false)] {
            assert_eq!(has_declared(declared.find("app").unwrap(), uri), is_valid, "{uri}");
        }
    }

    #[test]
    fn only_an_id_token_of_the_session_replaces_the_question() {
        let user = |uuid: &str| User { uuid: uuid.into(), username: Some("alice".into()), ..User::default() };
        assert!(parsed(Some("shop"), &[]).unwrap().needs_no_confirmation(&user("u"), "s"));
        assert!(!parsed(Some("shop"), &[]).unwrap().needs_no_confirmation(&user("u"), "of another browser"));
        assert!(parsed(Some("shop"), &[("logout_hint", "alice")]).unwrap().needs_no_confirmation(&user("u"), "s"));
        assert!(!parsed(Some("shop"), &[("logout_hint", "bobby")]).unwrap().needs_no_confirmation(&user("u"), "s"));
        assert!(!parsed(Some("shop"), &[]).unwrap().needs_no_confirmation(&user("other"), "s"));
        assert!(
            !parsed(None, &[("client_id", "shop"), ("logout_hint", "alice")])
                .unwrap()
                .needs_no_confirmation(&user("u"), "s")
        );
    }
}
