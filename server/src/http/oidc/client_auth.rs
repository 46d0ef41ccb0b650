//! How a client authenticates at the token endpoint (RFC 6749, 2.3): with its secret in the header or in the body, or, if
//! it cannot keep one, by its identifier alone.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sc_auth_contract::declared::{Declared, DeclaredClient, SecretHash};
use sc_auth_contract::time::UnixTime;

use super::error::OAuthError;
use crate::auth::oidc::request::Parameters;
use crate::http::authorization::{self, Problem};

/// The methods of a client that authenticates here.
pub const METHODS: [&str; 3] = ["client_secret_basic", "client_secret_post", "none"];
/// Those of a client with a secret.
pub const SECRET_METHODS: [&str; 2] = ["client_secret_basic", "client_secret_post"];

/// What a client sent.
struct Credentials {
    client_id: String,
    secret: Option<String>,
}

/// # Errors
/// If the client is unknown, its secret is wrong, or it uses two methods.
pub fn authenticate<'a>(
    declared: &'a Declared,
    headers: &HeaderMap,
    form: &Parameters,
    now: UnixTime,
) -> Result<&'a DeclaredClient, OAuthError> {
    let credentials = credentials(headers, form)?;
    let client = declared.find(&credentials.client_id).ok_or(OAuthError::invalid_client())?;
    let is_proven = match &credentials.secret {
        Some(secret) => client.is_confidential() && has_secret(&client.secrets, secret, now),
        None => !client.is_confidential(),
    };
    if is_proven { Ok(client) } else { Err(OAuthError::invalid_client()) }
}

fn credentials(headers: &HeaderMap, form: &Parameters) -> Result<Credentials, OAuthError> {
    let (client_id, secret) = (form.one("client_id"), form.one("client_secret"));
    let invalid = OAuthError::invalid_request;
    match authorization::credentials(headers, "basic") {
        Err(Problem::Missing) => {
            let client_id = client_id.ok_or(OAuthError::invalid_client())?.to_owned();
            Ok(Credentials { client_id, secret: secret.map(str::to_owned) })
        }
        Err(Problem::Repeated) => Err(invalid("more than one Authorization header")),
        _ if secret.is_some() => Err(invalid("more than one authentication method")),
        given => {
            let basic = given.ok().and_then(basic).ok_or(OAuthError::invalid_client())?;
            match client_id {
                Some(other) if other != basic.client_id => {
                    Err(invalid("client_id differs from that of the Authorization header"))
                }
                _ => Ok(basic),
            }
        }
    }
}

/// Both parts are form-encoded first (RFC 6749, 2.3.1).
fn basic(encoded: &str) -> Option<Credentials> {
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some(Credentials { client_id: decoded(id)?, secret: Some(decoded(secret)?) })
}

fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// Compares with each hash, whether an earlier one matches or not.
fn has_secret(hashes: &[SecretHash], secret: &str, now: UnixTime) -> bool {
    hashes.iter().fold(false, |found, hash| found | hash.matches(secret, now))
}

#[cfg(test)]
mod tests {
    use axum::http::header;
    use serde_json::json;

    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);
    const SECRET: &str = "a secret: of 100% + more than 32 characters";

    fn declared() -> Declared {
        let former = SecretHash { until: Some(NOW), ..SecretHash::of("the former one") };
        let secrets = json!([SecretHash::of("the coming one"), SecretHash::of(SECRET), former]);
        let clients = json!([
            {"clientId": "shop", "type": "Web", "redirectUris": ["https://a.test/"], "secrets": secrets},
            {"clientId": "app", "type": "Native", "redirectUris": ["com.example.app:/"]},
        ]);
        Declared::parse(&json!({"version": 1, "clients": clients}).to_string()).unwrap()
    }

    fn encoded(id: &str, secret: &str) -> String {
        let part = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        format!("Basic {}", STANDARD.encode(format!("{}:{}", part(id), part(secret))))
    }

    /// The client that authenticates, or the error.
    fn result(basic: &str, form: &[(&str, &str)]) -> Result<String, &'static str> {
        let mut headers = HeaderMap::new();
        if !basic.is_empty() {
            headers.insert(header::AUTHORIZATION, basic.parse().unwrap());
        }
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        match authenticate(&declared(), &headers, &Parameters::parse(form.as_bytes()), NOW) {
            Ok(client) => Ok(client.client_id.clone()),
            Err(OAuthError::Refused(_, problem, _)) => Err(problem.error),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_client_authenticates_by_header_or_body_or_without_a_secret() {
        let shop = Ok("shop".to_owned());
        assert_eq!(result(&encoded("shop", SECRET), &[]), shop);
        assert_eq!(result(&encoded("shop", SECRET), &[("client_id", "shop")]), shop);
        assert_eq!(result("", &[("client_id", "shop"), ("client_secret", SECRET)]), shop);
        assert_eq!(result("", &[("client_id", "shop"), ("client_secret", "the coming one")]), shop);
        assert_eq!(result("", &[("client_id", "app")]), Ok("app".to_owned()));
    }

    #[test]
    fn anything_else_is_refused() {
        let (basic, secret) = (encoded("shop", SECRET), ("client_secret", SECRET));
        for (basic, form, error) in [
            ("", vec![], "invalid_client"),
            ("", vec![("client_id", "shop")], "invalid_client"),
            ("", vec![("client_id", "other")], "invalid_client"),
            ("", vec![("client_id", "shop"), ("client_secret", "wrong")], "invalid_client"),
            ("", vec![("client_id", "shop"), ("client_secret", "the former one")], "invalid_client"),
            ("", vec![("client_id", "app"), secret], "invalid_client"),
            (&encoded("shop", ""), vec![], "invalid_client"),
            (&encoded("app", ""), vec![], "invalid_client"),
            ("Bearer x", vec![], "invalid_client"),
            ("Basic ?", vec![], "invalid_client"),
            (&basic, vec![("client_id", "shop"), secret], "invalid_request"),
            (&basic, vec![("client_id", "app")], "invalid_request"),
        ] {
            assert_eq!(result(basic, &form), Err(error), "{basic} {form:?}");
        }
    }
}
