//! The rules for a client.

use super::client::{
    ClientType, Consent, DeclaredClient, GROUPS, IdTokenAlgorithm, IdTokenClaims, default_access_token_ttl,
    default_id_token_ttl, default_scopes, seconds,
};
use super::logout::BackchannelUri;
use super::redirect::RedirectUri;
use crate::groups::{GROUP_MAX, GROUPS_MAX, is_group};
use crate::limits::is_hidden;

/// Features that this release supports beyond format 1. A client that `requires` others is refused: the server would not do
/// what the declaration says.
pub const UNDERSTOOD: &[&str] = &[GROUPS];
/// The most redirect URIs of a client.
const REDIRECT_URIS_MAX: usize = 20;
/// The most secrets that are valid at once.
const SECRETS_MAX: usize = 4;
/// The most audiences, and the most characters of one.
pub(super) const AUDIENCES_MAX: usize = 16;
pub(super) const AUDIENCE_MAX: usize = 256;
/// The most characters of the parts of a client's key: those of Kubernetes, and a `clientId`.
pub(super) const NAMESPACE_MAX: usize = 63;
pub(super) const NAME_MAX: usize = 253;
pub(super) const CLIENT_ID_MAX: usize = 320;
/// The scopes that a client can have.
pub const SCOPES: &[&str] = &["openid", "profile", "email", "groups", "offline_access"];

type Rule = Result<(), String>;

/// Checks the rules that the types do not.
///
/// # Errors
/// The first problem.
pub fn check(client: &DeclaredClient) -> Rule {
    understood(client)?;
    identity(client)?;
    secrets(client)?;
    service(client)?;
    redirect_uris(client)?;
    logout_uris(client)?;
    scopes(client)?;
    audiences(client)?;
    groups(client)?;
    lifetime("accessTokenTtl", &client.access_token_ttl, 300, 3_600)?;
    lifetime("idTokenTtl", &client.id_token_ttl, 60, 86_400)?;
    ensure(client.require_pkce || client.is_confidential(), "requirePkce: only a Web client can do without PKCE")
}

fn ensure(is_so: bool, problem: &str) -> Rule {
    if is_so { Ok(()) } else { Err(problem.to_owned()) }
}

fn understood(client: &DeclaredClient) -> Rule {
    match client.requires.iter().find(|name| !UNDERSTOOD.contains(&name.as_str())) {
        Some(name) => {
            let name: String = name.chars().filter(char::is_ascii_graphic).take(64).collect();
            Err(format!("it requires {name}, which this release does not understand"))
        }
        None => Ok(()),
    }
}

fn identity(client: &DeclaredClient) -> Rule {
    let is_word =
        |text: &str, max| text.len() <= max && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    ensure(
        !client.client_id.is_empty() && is_word(&client.client_id, CLIENT_ID_MAX),
        "clientId must have 1 to 320 letters, digits, or - . _ ~",
    )?;
    // That of the tokens of `/api/v1`.
    ensure(client.client_id != "sc-auth", "clientId sc-auth is reserved for the server's own tokens")?;
    ensure(
        is_word(&client.namespace, NAMESPACE_MAX) && is_word(&client.name, NAME_MAX),
        "namespace and name must be valid Kubernetes names",
    )?;
    let is_shown = |name: &String| !name.trim().is_empty() && name.chars().count() <= 100 && !name.contains(is_hidden);
    ensure(client.display_name.as_ref().is_none_or(is_shown), "displayName must have 1 to 100 visible characters")
}

fn groups(client: &DeclaredClient) -> Rule {
    ensure(
        client.groups.len() <= GROUPS_MAX && client.groups.iter().all(|group| is_group(group)),
        &format!(
            "groups must be at most {GROUPS_MAX} names of at most {GROUP_MAX} visible characters, without commas and blanks \
             around them, and not begin with system:"
        ),
    )
}

fn secrets(client: &DeclaredClient) -> Rule {
    for plain in ["secret", "clientSecret", "client_secret"] {
        let problem = "put only the hash of the secret into `secrets`: run `sc-auth-server declared hash-secret`";
        ensure(!client.unknown.contains_key(plain), problem)?;
    }
    if !client.is_confidential() {
        let problem = format!("a {:?} client cannot have a secret, because it cannot keep it", client.client_type);
        return ensure(client.secrets.is_empty(), &problem);
    }
    ensure(
        (1..=SECRETS_MAX).contains(&client.secrets.len()),
        &format!("a {:?} client needs 1 to {SECRETS_MAX} secrets", client.client_type),
    )?;
    let is_hash =
        |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    ensure(
        client.secrets.iter().all(|secret| is_hash(&secret.sha256)),
        "sha256 must have 64 hexadecimal digits in lower case",
    )
}

/// Members of a login would have no effect.
fn service(client: &DeclaredClient) -> Rule {
    if client.client_type != ClientType::Service {
        return Ok(());
    }
    let members = [
        ("redirectUris", client.redirect_uris.is_empty()),
        ("postLogoutRedirectUris", client.post_logout_redirect_uris.is_empty()),
        ("backchannelLogoutUri", client.backchannel_logout_uri.is_none()),
        ("scopes", client.scopes == default_scopes()),
        ("groups", client.groups.is_empty()),
        ("consent", client.consent == Consent::default()),
        ("accessTokenTtl", client.access_token_ttl == default_access_token_ttl()),
        ("idTokenTtl", client.id_token_ttl == default_id_token_ttl()),
        ("idTokenAlgorithm", client.id_token_algorithm == IdTokenAlgorithm::default()),
        ("idTokenClaims", client.id_token_claims == IdTokenClaims::default()),
        ("requirePkce", client.require_pkce),
    ];
    match members.iter().find(|(_, is_default)| !is_default) {
        Some((name, _)) => Err(format!("a Service client cannot have {name}: nobody logs in to it")),
        None => Ok(()),
    }
}

fn redirect_uris(client: &DeclaredClient) -> Rule {
    let uris = &client.redirect_uris;
    if client.client_type == ClientType::Service {
        return Ok(());
    }
    ensure(
        (1..=REDIRECT_URIS_MAX).contains(&uris.len()),
        &format!("redirectUris must have 1 to {REDIRECT_URIS_MAX} addresses"),
    )?;
    let suits = |text: &String| RedirectUri::parse(text).is_some_and(|uri| uri.suits(client.client_type));
    match uris.iter().position(|text| !suits(text)) {
        Some(place) => Err(format!(
            "redirectUris[{place}] must be an https URI without user information or fragment, with scheme and host in \
             lower case; \
             http only on localhost, 127.0.0.1 and [::1]; a Native client can also have a scheme with a dot"
        )),
        None => Ok(()),
    }
}

fn logout_uris(client: &DeclaredClient) -> Rule {
    let uris = &client.post_logout_redirect_uris;
    ensure(
        uris.len() <= REDIRECT_URIS_MAX,
        &format!("postLogoutRedirectUris must have at most {REDIRECT_URIS_MAX} addresses"),
    )?;
    let suits = |text: &String| RedirectUri::parse(text).is_some_and(|uri| uri.suits(client.client_type));
    if let Some(place) = uris.iter().position(|text| !suits(text)) {
        return Err(format!("postLogoutRedirectUris[{place}] must be an address as in redirectUris"));
    }
    let is_reachable = |text: &String| BackchannelUri::parse(text, &client.namespace).is_some();
    ensure(
        client.backchannel_logout_uri.as_ref().is_none_or(is_reachable),
        "backchannelLogoutUri must be an https address with a public host name, or http or https to a Service of the \
         client's own namespace, such as http://NAME.NAMESPACE.svc/logout; without a namespace also to localhost, \
         127.0.0.1 or [::1]",
    )
}

fn scopes(client: &DeclaredClient) -> Rule {
    if let Some(scope) = client.scopes.iter().find(|scope| !SCOPES.contains(&scope.as_str())) {
        let scope: String = scope.chars().filter(char::is_ascii_graphic).take(64).collect();
        return Err(format!("unknown scope {scope}; supported scopes: {}", SCOPES.join(", ")));
    }
    ensure(client.scopes.iter().any(|scope| scope == "openid"), "scopes must contain openid")
}

fn audiences(client: &DeclaredClient) -> Rule {
    // Those of the server's own tokens begin so.
    let is_audience = |text: &String| {
        !text.is_empty()
            && text.len() <= AUDIENCE_MAX
            && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
            && !text.starts_with("sc-auth/")
    };
    ensure(
        client.audiences.len() <= AUDIENCES_MAX && client.audiences.iter().all(is_audience),
        &format!(
            "audiences must be at most {AUDIENCES_MAX} names of at most {AUDIENCE_MAX} characters, without spaces, quotation \
             marks and backslashes, and not begin with sc-auth/"
        ),
    )
}

fn lifetime(name: &str, text: &str, min: u64, max: u64) -> Rule {
    let is_valid = seconds(text).is_some_and(|seconds| (min..=max).contains(&seconds));
    ensure(is_valid, &format!("{name} must be between {min}s and {max}s, such as 15m"))
}
