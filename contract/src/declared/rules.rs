//! The rules for a client.

use super::client::{ClientType, DeclaredClient, GROUPS, seconds};
use super::redirect::RedirectUri;
use crate::groups::{GROUP_MAX, GROUPS_MAX, is_group};
use crate::limits::HIDDEN;

/// The parts of the format that this release understands beyond the first one. A client that `requires` others is
/// refused: the server would not do what the declaration says.
pub const UNDERSTOOD: &[&str] = &[GROUPS];
/// The most redirect URIs of a client.
const REDIRECT_URIS_MAX: usize = 20;
/// The most secrets that are valid at once.
const SECRETS_MAX: usize = 4;
/// The most audiences.
const AUDIENCES_MAX: usize = 16;
/// The scopes that a client can have.
pub const SCOPES: &[&str] = &["openid", "profile", "email", "groups", "offline_access"];

type Rule = Result<(), String>;

/// # Errors
/// The first problem.
pub fn check(client: &DeclaredClient) -> Rule {
    understood(client)?;
    identity(client)?;
    supported(client)?;
    secrets(client)?;
    redirect_uris(client)?;
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
        !client.client_id.is_empty() && is_word(&client.client_id, 320),
        "clientId must have 1 to 320 letters, digits, or - . _ ~",
    )?;
    // That of the API's tokens.
    ensure(client.client_id != "sc-auth", "clientId sc-auth is that of the server's own tokens")?;
    ensure(is_word(&client.namespace, 63) && is_word(&client.name, 253), "namespace or name is not one of Kubernetes")?;
    let is_hidden = |c: char| HIDDEN.iter().any(|(first, last)| (*first..=*last).contains(&c));
    let is_shown = |name: &String| !name.trim().is_empty() && name.chars().count() <= 100 && !name.contains(is_hidden);
    ensure(client.display_name.as_ref().is_none_or(is_shown), "displayName must have 1 to 100 visible characters")
}

fn supported(client: &DeclaredClient) -> Rule {
    ensure(
        matches!(client.client_type, ClientType::Web | ClientType::Native | ClientType::Spa),
        "this type of client is not supported yet",
    )
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
        let problem = "the file contains only hashes of secrets, as `declared hash-secret` prints them";
        ensure(!client.unknown.contains_key(plain), problem)?;
    }
    if !client.is_confidential() {
        let problem = format!("a {:?} client has no secret: it could not keep it", client.client_type);
        return ensure(client.secrets.is_empty(), &problem);
    }
    ensure(
        (1..=SECRETS_MAX).contains(&client.secrets.len()),
        &format!("a Web client needs 1 to {SECRETS_MAX} secrets"),
    )?;
    let is_hash =
        |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    ensure(
        client.secrets.iter().all(|secret| is_hash(&secret.sha256)),
        "sha256 must have 64 hexadecimal digits in lower case",
    )
}

fn redirect_uris(client: &DeclaredClient) -> Rule {
    let uris = &client.redirect_uris;
    ensure(
        (1..=REDIRECT_URIS_MAX).contains(&uris.len()),
        &format!("redirectUris must have 1 to {REDIRECT_URIS_MAX} addresses"),
    )?;
    let suits = |text: &String| RedirectUri::parse(text).is_some_and(|uri| uri.suits(client.client_type));
    match uris.iter().position(|text| !suits(text)) {
        Some(place) => Err(format!(
            "redirectUris[{place}] must be an https address without user and fragment, in lower case up to its path; \
             http only on localhost, 127.0.0.1 and [::1]; a Native client can also have a scheme with a dot"
        )),
        None => Ok(()),
    }
}

fn scopes(client: &DeclaredClient) -> Rule {
    if let Some(scope) = client.scopes.iter().find(|scope| !SCOPES.contains(&scope.as_str())) {
        let scope: String = scope.chars().filter(char::is_ascii_graphic).take(64).collect();
        return Err(format!("scope {scope} does not exist; scopes are {}", SCOPES.join(", ")));
    }
    ensure(client.scopes.iter().any(|scope| scope == "openid"), "scopes must contain openid")
}

fn audiences(client: &DeclaredClient) -> Rule {
    // Those of the server's own tokens begin so.
    let is_audience = |text: &String| {
        !text.is_empty()
            && text.len() <= 256
            && text.bytes().all(|b| b.is_ascii_graphic())
            && !text.starts_with("sc-auth/")
    };
    ensure(
        client.audiences.len() <= AUDIENCES_MAX && client.audiences.iter().all(is_audience),
        "audiences must be at most 16 names without blanks, of at most 256 characters, and not begin with sc-auth/",
    )
}

fn lifetime(name: &str, text: &str, min: u64, max: u64) -> Rule {
    let is_valid = seconds(text).is_some_and(|seconds| (min..=max).contains(&seconds));
    ensure(is_valid, &format!("{name} must be between {min}s and {max}s, such as 15m"))
}
