//! Bodies and their fields, checked with the words that existing clients know.

pub mod limits;

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use email_address::{EmailAddress, Options};
use futures::StreamExt as _;
use hyper::body::Body as _;
use serde_json::{Map, Value};

use super::error::{ApiError, FieldErrors};
use crate::store::fold;
use limits::Limit;

/// How long a body may take.
pub const TIME: Duration = Duration::from_secs(10);

/// What a field's text must be like.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rule {
    /// The fewest characters.
    pub min: usize,
    /// The most characters; 0 for any number that fits the body.
    pub max: usize,
    pub email: bool,
    /// Whether no two users may share it. It must then fit the column of its folded key, and spaces around it do not
    /// count.
    pub unique: bool,
}

/// Longest folded key that a database holds, in characters.
const KEY_LENGTH: usize = 255;

/// The fields of a body that is a JSON object. Each is taken out by name, with its rule; what is wrong is gathered,
/// so that a client learns it all at once.
#[derive(Debug)]
pub struct Fields {
    object: Map<String, Value>,
    errors: FieldErrors,
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(not_an_object());
        }
        let limit = request.extensions().get().copied().unwrap_or(limits::ROUTE_WITHOUT_BODY);
        // The head goes here, and does not wait for the body.
        let body = request.into_body();
        let bytes = match tokio::time::timeout(TIME, read(body, limit)).await {
            Ok(bytes) => bytes?,
            Err(_) => return Err(ApiError::Unread(StatusCode::REQUEST_TIMEOUT, late())),
        };
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(object)) => Ok(Self { object, errors: FieldErrors::new() }),
            Ok(_) => Err(not_an_object()),
            Err(error) => {
                // Not serde_json's own words, which may quote the body: it can hold a password.
                let place = format!("line {}, column {}", error.line(), error.column());
                Err(ApiError::text(StatusCode::BAD_REQUEST, format!("Failed to decode JSON object: {place}")))
            }
        }
    }
}

/// Copies the body into one piece: a client that sends a byte at a time must not make it a list of bytes.
async fn read(body: Body, Limit(limit): Limit) -> Result<Vec<u8>, ApiError> {
    let too_large =
        || ApiError::Unread(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {limit} bytes"));
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let mut parts = body.into_data_stream();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| ApiError::text(StatusCode::BAD_REQUEST, "the body could not be read"))?;
        if bytes.len() + part.len() > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

fn late() -> String {
    format!("the body did not arrive within {} s", TIME.as_secs())
}

fn not_an_object() -> ApiError {
    ApiError::field("_schema", "Invalid input type.")
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

impl Fields {
    /// A field that must be there.
    pub fn required(&mut self, name: &str, rule: Rule) -> String {
        if self.object.contains_key(name) {
            return self.optional(name, rule).unwrap_or_default();
        }
        self.fail(name, "Missing data for required field.");
        String::new()
    }

    /// A field that may be missing, but not null.
    pub fn optional(&mut self, name: &str, rule: Rule) -> Option<String> {
        match self.object.remove(name)? {
            // PostgreSQL stores no NUL.
            Value::String(text) if !text.contains('\0') => {
                for problem in problems(&text, rule) {
                    self.fail(name, problem);
                }
                Some(text)
            }
            Value::Null => {
                self.fail(name, "Field may not be null.");
                None
            }
            _ => {
                self.fail(name, "Not a valid string.");
                None
            }
        }
    }

    /// The same for true or false.
    pub fn optional_flag(&mut self, name: &str) -> Option<bool> {
        match self.object.remove(name)? {
            Value::Bool(flag) => Some(flag),
            Value::Null => {
                self.fail(name, "Field may not be null.");
                None
            }
            _ => {
                self.fail(name, "Not a valid boolean.");
                None
            }
        }
    }

    /// Whether something was found wrong with the field so far.
    pub fn has_failed(&self, name: &str) -> bool {
        self.errors.contains_key(name)
    }

    /// Whether the field is there and null.
    pub fn is_null(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(Value::is_null)
    }

    pub fn fail(&mut self, name: &str, problem: impl Into<String>) {
        self.errors.entry(name.to_owned()).or_default().push(problem.into());
    }

    /// To be called last: whatever field is left over is one too many.
    ///
    /// # Errors
    /// All that was found wrong.
    pub fn finish(mut self) -> Result<(), ApiError> {
        for name in std::mem::take(&mut self.object).into_iter().map(|(name, _)| name) {
            self.fail(&name, "Unknown field.");
        }
        if self.errors.is_empty() { Ok(()) } else { Err(ApiError::Fields(self.errors)) }
    }
}

fn problems(text: &str, rule: Rule) -> Vec<String> {
    let mut problems = Vec::new();
    let length = if rule.unique { text.trim().chars().count() } else { text.chars().count() };
    if length < rule.min {
        problems.push(format!("Shorter than minimum length {}.", rule.min));
    }
    if rule.max > 0 && (text.chars().count() > rule.max || (rule.unique && !key_fits(text))) {
        problems.push(format!("Longer than maximum length {}.", rule.max));
    }
    if rule.email && !is_email(text) {
        problems.push("Not a valid email address.".into());
    }
    problems
}

/// Whether the folded key of a name or an address fits its column: a single character can become eighteen.
pub fn key_fits(text: &str) -> bool {
    fold(text).chars().count() <= KEY_LENGTH
}

pub fn is_email(text: &str) -> bool {
    let options = Options::default().without_display_text().without_domain_literal();
    EmailAddress::parse_with_options(text, options)
        .is_ok_and(|address| address.domain().contains('.') || address.domain() == "localhost")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NAME: Rule = Rule { min: 3, max: 64, email: false, unique: true };
    const EMAIL: Rule = Rule { min: 0, max: 120, email: true, unique: true };

    fn fields(value: Value) -> Fields {
        let Value::Object(object) = value else { panic!() };
        Fields { object, errors: FieldErrors::new() }
    }

    fn errors(fields: Fields) -> Value {
        match fields.finish() {
            Err(ApiError::Fields(errors)) => json!(errors),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let mut body = fields(json!({"username": "al", "name": 7, "email": "nobody", "nick": "x", "role": null}));
        for name in ["username", "name", "password", "role"] {
            body.required(name, NAME);
        }
        body.required("email", EMAIL);
        assert_eq!(
            errors(body),
            json!({
                "username": ["Shorter than minimum length 3."],
                "name": ["Not a valid string."],
                "email": ["Not a valid email address."],
                "password": ["Missing data for required field."],
                "role": ["Field may not be null."],
                "nick": ["Unknown field."],
            })
        );
    }

    #[test]
    fn lengths_count_characters_and_not_bytes() {
        assert!(problems("äöü", NAME).is_empty());
        assert!(problems(&"ü".repeat(64), NAME).is_empty());
        assert_eq!(problems(&"ü".repeat(65), NAME), ["Longer than maximum length 64."]);
    }

    #[test]
    fn a_unique_name_cannot_hide_in_spaces_or_outgrow_its_key() {
        assert_eq!(problems("  a  ", NAME), ["Shorter than minimum length 3."]);
        // One character that folds to eighteen.
        assert_eq!(problems(&"\u{fdfa}".repeat(20), NAME), ["Longer than maximum length 64."]);
    }

    #[test]
    fn addresses_are_told_from_other_text() {
        for good in ["a@example.com", "a.b+c@sub.example.org", "root@localhost", "ü@example.com"] {
            assert!(is_email(good), "{good}");
        }
        for bad in ["", "a", "a@", "@b.c", "a@b", "a b@c.d", "Alice <a@b.c>", "a@[127.0.0.1]", "a@b..c"] {
            assert!(!is_email(bad), "{bad}");
        }
    }
}
