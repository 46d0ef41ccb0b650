//! What stands in a path and behind its question mark, checked with the same words as bodies are.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::error::{ApiError, FieldErrors};

/// A part of a path that names something of ours: letters, digits and dashes. Anything else names nothing, and no
/// database is asked for it.
#[derive(Debug)]
pub struct Id(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text = Path::<String>::from_request_parts(parts, state).await.map(|Path(text)| text).unwrap_or_default();
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if text.len() <= 64 && text.bytes().all(is_plain) {
            return Ok(Self(text));
        }
        Err(ApiError::text(StatusCode::NOT_FOUND, "not found"))
    }
}

/// The parameters of a query. Each is taken out by name; what is wrong is gathered.
#[derive(Debug)]
pub struct Query {
    parameters: BTreeMap<String, String>,
    errors: FieldErrors,
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let parameters = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Ok(Self { parameters, errors: FieldErrors::new() })
    }
}

impl Query {
    pub fn text(&mut self, name: &str) -> Option<String> {
        let text = self.parameters.remove(name)?;
        // PostgreSQL stores no NUL.
        if text.chars().count() > 255 || text.contains('\0') {
            self.fail(name, "Not a valid string.");
            return None;
        }
        Some(text)
    }

    /// A whole number between `min` and `max`.
    pub fn number<T>(&mut self, name: &str, min: T, max: T) -> Option<T>
    where
        T: FromStr + PartialOrd + std::fmt::Display + Copy,
    {
        let text = self.text(name)?;
        let number = text.parse::<T>().ok().filter(|number| *number >= min && *number <= max);
        if number.is_none() {
            self.fail(name, format!("Must be a number from {min} to {max}."));
        }
        number
    }

    pub fn flag(&mut self, name: &str) -> Option<bool> {
        self.one_of(name, &[("true", true), ("false", false)])
    }

    pub fn one_of<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let found = choices.iter().find(|(choice, _)| *choice == text).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<_> = choices.iter().map(|(choice, _)| *choice).collect();
            self.fail(name, format!("Must be one of: {}.", names.join(", ")));
        }
        found
    }

    /// Whether something was found wrong with a parameter so far.
    pub fn has_failed(&self, name: &str) -> bool {
        self.errors.contains_key(name)
    }

    pub fn fail(&mut self, name: &str, problem: impl Into<String>) {
        self.errors.entry(name.to_owned()).or_default().push(problem.into());
    }

    /// To be called last: whatever is left over is one too many.
    ///
    /// # Errors
    /// All that was found wrong.
    pub fn finish(mut self) -> Result<(), ApiError> {
        for name in std::mem::take(&mut self.parameters).into_keys() {
            self.fail(&name, "Unknown parameter.");
        }
        if self.errors.is_empty() { Ok(()) } else { Err(ApiError::Fields(self.errors)) }
    }
}
