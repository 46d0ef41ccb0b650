//! The file that declares the OpenID Connect clients. The operator or a person writes it; the server reloads it when it
//! changes. An invalid client is refused, the others are served.

mod client;
mod redirect;
mod rules;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use client::{ClientType, Consent, DeclaredClient, IdTokenAlgorithm, SecretHash};
pub use redirect::{REDIRECT_URI_MAX, RedirectUri, is_loopback};
use rules::{AUDIENCE_MAX, AUDIENCES_MAX, CLIENT_ID_MAX, NAME_MAX, NAMESPACE_MAX};
pub use rules::{SCOPES, UNDERSTOOD};

/// The version of the format. A file of another version is refused.
pub const FORMAT: u32 = 1;
/// The most clients of a file; those after them are refused.
pub const CLIENTS_MAX: usize = 1_000;
/// The minimum length, in characters, of a secret that a person chose: shorter ones can be guessed from their hashes.
pub const SECRET_MIN: usize = 32;
/// The most characters of a nonce, which a client sends.
pub const NONCE_MAX: usize = 512;
/// The most characters of a client's key.
pub const CLIENT_KEY_MAX: usize = CLIENT_ID_MAX + NAME_MAX + NAMESPACE_MAX + 2;
/// The most characters of a client's audiences as a JSON array: each has two quotation marks and a comma or a bracket.
pub const AUDIENCES_JSON_MAX: usize = AUDIENCES_MAX * (AUDIENCE_MAX + 3) + 1;

/// The JSON of the file.
#[derive(Debug, Serialize, Deserialize)]
struct File {
    version: u32,
    #[serde(default)]
    counter: u64,
    clients: Vec<Value>,
}

/// A client that is not served, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its `clientId`, or its place in the file.
    pub client: String,
    /// What is wrong with it.
    pub problem: String,
}

/// The contents of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Declared {
    /// Grows with each change of the file.
    pub counter: u64,
    /// The clients that are served.
    pub clients: Vec<DeclaredClient>,
    /// The refused clients.
    pub refused: Vec<Refused>,
    /// Members without a meaning, which may be misspelt.
    pub warnings: Vec<String>,
}

/// Why a file as a whole cannot be used. No message quotes the file.
#[derive(Debug, thiserror::Error)]
pub enum DeclaredError {
    /// Not the JSON object that this module describes.
    #[error("it is not a JSON object with version and clients; counter is optional (line {0}, column {1})")]
    NotDeclarations(usize, usize),
    /// A version that this release does not know.
    #[error("its version is {0}, this release reads version {FORMAT}")]
    OtherVersion(u32),
}

impl Declared {
    /// Reads a file's content.
    ///
    /// # Errors
    /// If the file as a whole cannot be used.
    pub fn parse(content: &str) -> Result<Self, DeclaredError> {
        let unreadable = |error: serde_json::Error| DeclaredError::NotDeclarations(error.line(), error.column());
        // The version first: another one may have other members.
        let value: Value = serde_json::from_str(content).map_err(unreadable)?;
        if let Some(version) = value["version"].as_u64().filter(|version| *version != u64::from(FORMAT)) {
            return Err(DeclaredError::OtherVersion(u32::try_from(version).unwrap_or(u32::MAX)));
        }
        let file: File = serde_json::from_value(value).map_err(unreadable)?;
        let mut declared = Self { counter: file.counter, ..Self::default() };
        for (place, value) in file.clients.iter().enumerate() {
            declared.add(place, value);
        }
        Ok(declared)
    }

    fn add(&mut self, place: usize, value: &Value) {
        let client = value["clientId"].as_str().map_or_else(
            || format!("clients[{place}]"),
            |id| id.chars().filter(char::is_ascii_graphic).take(320).collect(),
        );
        match self.accept(&client, value) {
            Ok(accepted) => self.clients.push(accepted),
            Err(problem) => self.refused.push(Refused { client, problem }),
        }
    }

    fn accept(&mut self, name: &str, value: &Value) -> Result<DeclaredClient, String> {
        if self.clients.len() >= CLIENTS_MAX {
            return Err(format!("there are more than {CLIENTS_MAX} clients"));
        }
        let client = DeclaredClient::read(value)?;
        rules::check(&client)?;
        if self.clients.iter().any(|other| other.client_id == client.client_id) {
            return Err("another client has this clientId".to_owned());
        }
        self.warnings.extend(client.unknown.keys().map(|member| format!("{name}: {member} has no effect")));
        Ok(client)
    }

    /// The client with this identifier.
    #[must_use]
    pub fn find(&self, client_id: &str) -> Option<&DeclaredClient> {
        self.clients.iter().find(|client| client.client_id == client_id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn client() -> Value {
        json!({
            "clientId": "shop", "counter": 3, "type": "Web", "redirectUris": ["https://shop.example.com/cb"],
            "secrets": [{"sha256": "0".repeat(64)}],
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut client = client();
        client[name] = value;
        client
    }

    fn parse(clients: &[Value]) -> Declared {
        Declared::parse(&json!({"version": 1, "counter": 7, "clients": clients}).to_string()).unwrap()
    }

    #[test]
    fn a_client_has_safe_defaults() {
        let declared = parse(&[client()]);
        assert_eq!((declared.counter, declared.refused.len(), declared.warnings.len()), (7, 0, 0));
        let client = declared.find("shop").unwrap();
        assert!(client.require_pkce);
        assert_eq!(client.consent, Consent::Once);
        assert_eq!(client.id_token_algorithm, IdTokenAlgorithm::RS256);
        assert_eq!((client.access_token_seconds(), client.id_token_seconds()), (900, 300));
        assert_eq!(client.key(), "//shop");
        assert!(declared.find("Shop").is_none());
    }

    #[test]
    fn an_invalid_client_is_refused_and_the_others_are_served() {
        let mut other = client();
        other["clientId"] = json!("other");
        for bad in [
            json!(7),
            json!({}),
            with("type", json!("Toaster")),
            with("redirectUris", json!("https://shop.example.com/cb")),
            with("counter", json!("x")),
            with("requires", json!(["later"])),
        ] {
            let declared = parse(&[bad.clone(), other.clone()]);
            assert_eq!(declared.clients.len(), 1, "{bad}");
            assert_eq!(declared.refused.len(), 1, "{bad}");
        }
    }

    #[test]
    fn what_is_invalid_is_refused_with_its_reason() {
        let long = "x".repeat(2_000);
        for (bad, problem) in [
            (with("clientId", json!("")), "clientId"),
            (with("clientId", json!("a b")), "clientId"),
            (with("clientId", json!(long)), "clientId"),
            (with("secret", json!("plain")), "hash-secret"),
            (with("clientSecret", json!("plain")), "hash-secret"),
            (with("secrets", json!([])), "a Web client needs"),
            (with("secrets", json!([{"sha256": "plain"}])), "64 hexadecimal digits"),
            (with("secrets", json!([{"sha256": "0".repeat(63) + "A"}])), "64 hexadecimal digits"),
            (with("type", json!("Native")), "a Native client cannot have a secret"),
            (with("type", json!("Spa")), "not supported"),
            (with("type", json!("Service")), "not supported"),
            (with("redirectUris", json!([])), "redirectUris"),
            (with("redirectUris", json!(["http://shop.example.com/cb"])), "redirectUris"),
            (with("redirectUris", json!(["com.example.shop:/cb"])), "redirectUris"),
            (with("displayName", json!("a\u{202e}b")), "displayName"),
            (with("displayName", json!(long)), "displayName"),
            (with("scopes", json!(["openid", "root"])), "unknown scope root"),
            (with("scopes", json!(["profile"])), "openid"),
            (with("audiences", json!(["a b"])), "audiences"),
            (with("audiences", json!(["a\"b"])), "audiences"),
            (with("audiences", json!(["a\\b"])), "audiences"),
            (with("audiences", json!(["a".repeat(257)])), "audiences"),
            (with("audiences", json!(["sc-auth/refresh"])), "audiences"),
            (with("accessTokenTtl", json!("1m")), "accessTokenTtl"),
            (with("accessTokenTtl", json!("2h")), "accessTokenTtl"),
            (with("accessTokenTtl", json!("soon")), "accessTokenTtl"),
            (with("idTokenTtl", json!("2d")), "idTokenTtl"),
            (with("groups", json!(["staff"])), "not supported"),
        ] {
            let refused = parse(std::slice::from_ref(&bad)).refused;
            assert!(refused.first().is_some_and(|refused| refused.problem.contains(problem)), "{bad}: {refused:?}");
        }
    }

    #[test]
    fn only_a_confidential_client_can_do_without_pkce() {
        assert_eq!(parse(&[with("requirePkce", json!(false))]).clients.len(), 1);
        let mut native = with("requirePkce", json!(false));
        native["type"] = json!("Native");
        native["secrets"] = json!([]);
        assert!(parse(std::slice::from_ref(&native)).refused[0].problem.contains("requirePkce"));
        native["requirePkce"] = json!(true);
        assert_eq!(parse(&[native]).clients.len(), 1);
    }

    #[test]
    fn the_first_client_with_an_identifier_stays() {
        let second = with("displayName", json!("Second"));
        let declared = parse(&[client(), second]);
        assert_eq!(declared.clients.len(), 1);
        assert!(declared.clients[0].display_name.is_none() && declared.refused[0].problem.contains("another client"));
    }

    #[test]
    fn clients_beyond_the_most_are_refused() {
        let clients: Vec<_> = (0..1_002).map(|number| with("clientId", json!(format!("c{number}")))).collect();
        let declared = parse(&clients);
        assert_eq!((declared.clients.len(), declared.refused.len()), (1_000, 2));
    }

    #[test]
    fn a_member_without_a_meaning_is_named() {
        assert_eq!(parse(&[with("redirectURIs", json!([]))]).warnings, ["shop: redirectURIs has no effect"]);
    }

    #[test]
    fn a_file_of_another_version_is_refused_as_a_whole() {
        for bad in ["", "[]", "{}", r#"{"version":1}"#, r#"{"version":"1","clients":[]}"#] {
            assert!(matches!(Declared::parse(bad), Err(DeclaredError::NotDeclarations(..))), "{bad}");
        }
        let later = Declared::parse(r#"{"version":2,"applications":[]}"#).unwrap_err().to_string();
        assert!(later.contains("its version is 2"), "{later}");
    }

    #[test]
    fn what_is_written_can_be_read() {
        let read = parse(&[client()]);
        let written = serde_json::to_value(&read.clients).unwrap();
        assert_eq!(parse(written.as_array().unwrap()).clients, read.clients);
    }
}
