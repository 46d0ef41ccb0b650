//! The authorization request (RFC 6749, 4.1.1; OpenID Connect Core, 3.1.2.1), as a pure function of its parameters and the
//! declared client.

mod claims;
mod oauth_problem;
mod object;
mod parameters;

use sc_auth_contract::declared::{ClientType, Declared, DeclaredClient, NONCE_MAX, RedirectUri};
use serde::{Deserialize, Serialize};

pub use claims::RequestedClaims;
pub use oauth_problem::{OAuthProblem, problem};
use object::RequestObject;
pub use parameters::Parameters;

use super::claims::scope_of;
use super::hinted::Hinted;

/// The longest `state`, in bytes.
pub const STATE_MAX: usize = 2_048;
/// The length of a SHA-256 digest in base64url.
const CHALLENGE: usize = 43;

/// How the answer reaches the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResponseMode {
    Query,
    FormPost,
}

/// What the client asks the server to show (`prompt`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    pub none: bool,
    pub login: bool,
    pub consent: bool,
}

/// Where the answer goes. Both were declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseTarget {
    pub redirect_uri: String,
    pub mode: ResponseMode,
    pub state: Option<String>,
}

/// A valid request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    pub client_id: String,
    pub to: ResponseTarget,
    pub scopes: Vec<String>,
    pub audiences: Vec<String>,
    pub nonce: Option<String>,
    pub code_challenge: Option<String>,
    pub prompt: Prompt,
    /// In seconds (OpenID Connect Core, 3.1.2.1).
    pub max_age: Option<u64>,
    pub ui_locales: Option<String>,
    pub login_hint: Option<String>,
    #[serde(default)]
    pub hinted: Hinted,
    #[serde(default)]
    pub claims: RequestedClaims,
}

impl AuthorizationRequest {
    /// What the user has to allow: the scopes, and those of single claims.
    pub fn to_allow(&self) -> Vec<&str> {
        let mut scopes: Vec<_> = self.scopes.iter().map(String::as_str).collect();
        let claims = self.claims.userinfo.iter().chain(&self.claims.id_token);
        for scope in claims.filter_map(|claim| scope_of(claim)) {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        scopes
    }

    /// The audiences that the user has to allow: all but this server, whose userinfo depends on the scopes only.
    pub fn audiences_to_allow(&self, declared: &DeclaredClient) -> Vec<&str> {
        self.audiences.iter().filter(|name| declared.audiences.contains(name)).map(String::as_str).collect()
    }

    /// Whether the client wants a refresh token that outlives the session (OpenID Connect Core, 11).
    pub fn is_offline(&self) -> bool {
        self.scopes.iter().any(|scope| scope == "offline_access")
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The client is not declared: show an error page, never redirect.
    Page,
    /// The redirect URI is missing or not declared: the same.
    RedirectUri,
    /// Send the error to the client.
    Redirect(ResponseTarget, OAuthProblem),
}

/// Reads the request of a declared client. `userinfo` is the audience of clients that declare none, `hinted` the user of its
/// `id_token_hint`.
///
/// # Errors
/// The first problem.
pub fn read(
    declared: &Declared,
    parameters: &Parameters,
    userinfo: &str,
    hinted: Hinted,
) -> Result<AuthorizationRequest, Refusal> {
    let client = parameters.one("client_id").and_then(|id| declared.find(id)).ok_or(Refusal::Page)?;
    let redirect_uri = parameters.one("redirect_uri").filter(|uri| is_declared(client, uri));
    let redirect_uri = redirect_uri.ok_or(Refusal::RedirectUri)?;
    let object = parameters.one("request").map(RequestObject::read).unwrap_or_default();
    let mode = match parameters.one("response_mode").or(object.response_mode.as_deref()) {
        Some("form_post") => ResponseMode::FormPost,
        _ => ResponseMode::Query,
    };
    // Never cut: a client compares it.
    let state = parameters.one("state").or(object.state.as_deref());
    let state = state.filter(|state| is_opaque(state, STATE_MAX)).map(str::to_owned);
    let to = ResponseTarget { redirect_uri: redirect_uri.to_owned(), mode, state };
    valid(client, parameters, to.clone(), userinfo, hinted).map_err(|problem| Refusal::Redirect(to, problem))
}

/// Whether a sealed request could still be made: the declarations may have changed meanwhile.
pub fn is_still_valid(declared: &Declared, request: &AuthorizationRequest) -> bool {
    declared.find(&request.client_id).is_some_and(|client| {
        is_declared(client, &request.to.redirect_uri)
            && request.to_allow().iter().all(|scope| client.scopes.iter().any(|own| own == scope))
            && (request.code_challenge.is_some() || !client.require_pkce)
    })
}

fn is_declared(client: &DeclaredClient, given: &str) -> bool {
    is_among(&client.redirect_uris, client.client_type, given)
}

/// Whether a client that has declared these addresses can use this one.
pub(super) fn is_among(declared: &[String], client_type: ClientType, given: &str) -> bool {
    if declared.iter().any(|declared| declared == given) {
        return true;
    }
    let Some(given) = RedirectUri::parse(given).filter(|_| client_type == ClientType::Native) else { return false };
    let mut declared = declared.iter().filter_map(|uri| RedirectUri::parse(uri));
    declared.any(|declared| given.is_loopback_form_of(&declared))
}

/// Whether a `state` or a `nonce` can be used: PostgreSQL cannot store a NUL, and a form would change line breaks.
fn is_opaque(text: &str, max: usize) -> bool {
    text.len() <= max && !text.contains(char::is_control)
}

fn valid(
    client: &DeclaredClient,
    parameters: &Parameters,
    to: ResponseTarget,
    userinfo: &str,
    hinted: Hinted,
) -> Result<AuthorizationRequest, OAuthProblem> {
    supported(parameters)?;
    let is_invalid = |name, max| parameters.one(name).is_some_and(|text| !is_opaque(text, max));
    if is_invalid("state", STATE_MAX) || is_invalid("nonce", NONCE_MAX) {
        let description = "state or nonce is too long or has a control character";
        return Err(problem("invalid_request", description));
    }
    let owned = |name| parameters.one(name).map(str::to_owned);
    let may_have = |claim: &str| scope_of(claim).is_some_and(|scope| client.scopes.iter().any(|own| own == scope));
    Ok(AuthorizationRequest {
        client_id: client.client_id.clone(),
        to,
        scopes: scopes(client, parameters)?,
        audiences: audiences(client, parameters.all("resource"), userinfo)?,
        nonce: owned("nonce"),
        code_challenge: code_challenge(client, parameters)?,
        prompt: prompt(parameters)?,
        max_age: max_age(parameters)?,
        ui_locales: owned("ui_locales"),
        login_hint: owned("login_hint"),
        hinted,
        claims: RequestedClaims::read(parameters.one("claims"), may_have)?,
    })
}

fn supported(parameters: &Parameters) -> Result<(), OAuthProblem> {
    parameters.check_once()?;
    for (name, error, description) in [
        ("request", "request_not_supported", "request is not supported"),
        ("request_uri", "request_uri_not_supported", "request_uri is not supported"),
        ("registration", "registration_not_supported", "registration is not supported"),
    ] {
        if parameters.one(name).is_some() {
            return Err(problem(error, description));
        }
    }
    match parameters.one("response_type") {
        Some("code") => {}
        Some(_) => return Err(problem("unsupported_response_type", "response_type must be code")),
        None => return Err(problem("invalid_request", "response_type is missing")),
    }
    match parameters.one("response_mode") {
        None | Some("query" | "form_post") => Ok(()),
        Some(_) => Err(problem("invalid_request", "response_mode must be query or form_post")),
    }
}

/// Unknown scopes, and those that were not declared, are ignored (OpenID Connect Core, 3.1.2.1).
fn scopes(client: &DeclaredClient, parameters: &Parameters) -> Result<Vec<String>, OAuthProblem> {
    let asked: Vec<_> = parameters.one("scope").unwrap_or_default().split(' ').collect();
    if !asked.contains(&"openid") {
        return Err(problem("invalid_scope", "scope must contain openid"));
    }
    Ok(client.scopes.iter().filter(|scope| asked.contains(&scope.as_str())).cloned().collect())
}

/// The audiences of access tokens (RFC 8707): those that were asked for, or all.
///
/// # Errors
/// If one was not declared.
pub fn audiences(client: &DeclaredClient, asked: &[String], userinfo: &str) -> Result<Vec<String>, OAuthProblem> {
    let own = if client.audiences.is_empty() { vec![userinfo.to_owned()] } else { client.audiences.clone() };
    if asked.iter().any(|resource| !own.contains(resource)) {
        return Err(problem("invalid_target", "the client has no such audience"));
    }
    Ok(if asked.is_empty() { own } else { own.into_iter().filter(|name| asked.contains(name)).collect() })
}

/// Only S256 (RFC 9700, 2.1.1): with `plain`, anybody who sees the request can use the code.
fn code_challenge(client: &DeclaredClient, parameters: &Parameters) -> Result<Option<String>, OAuthProblem> {
    let Some(challenge) = parameters.one("code_challenge") else {
        return match parameters.one("code_challenge_method") {
            None if !client.require_pkce => Ok(None),
            _ => Err(problem("invalid_request", "code_challenge is missing")),
        };
    };
    if parameters.one("code_challenge_method") != Some("S256") {
        return Err(problem("invalid_request", "code_challenge_method must be S256"));
    }
    let is_digest =
        challenge.len() == CHALLENGE && challenge.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if !is_digest {
        return Err(problem("invalid_request", "code_challenge is not a digest in base64url"));
    }
    Ok(Some(challenge.to_owned()))
}

fn prompt(parameters: &Parameters) -> Result<Prompt, OAuthProblem> {
    let mut prompt = Prompt::default();
    for word in parameters.one("prompt").unwrap_or_default().split(' ').filter(|word| !word.is_empty()) {
        match word {
            "none" => prompt.none = true,
            // There is one account at a time: to select another one is to log in.
            "login" | "select_account" => prompt.login = true,
            "consent" => prompt.consent = true,
            _ => return Err(problem("invalid_request", "prompt has an unknown value")),
        }
    }
    if prompt.none && (prompt.login || prompt.consent) {
        return Err(problem("invalid_request", "prompt=none cannot be combined with other values"));
    }
    Ok(prompt)
}

fn max_age(parameters: &Parameters) -> Result<Option<u64>, OAuthProblem> {
    let parse = |text: &str| text.parse().map_err(|_| problem("invalid_request", "max_age is not a number"));
    parameters.one("max_age").map(parse).transpose()
}

#[cfg(test)]
mod tests;
