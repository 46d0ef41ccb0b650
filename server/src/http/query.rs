//! Checks ids in paths and parameters in queries, with the same messages as for bodies.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::error::{ApiError, FieldErrors};
use crate::account::fold;

/// An id in a path: letters, digits and dashes. Anything else is not found, without a query to the database.
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

/// The parameters of a query. Handlers take each one by name; problems are collected.
#[derive(Debug)]
pub struct Query {
    parameters: BTreeMap<String, String>,
    errors: FieldErrors,
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

/// For a route without parameters: it refuses any, since a client could expect it to filter.
#[derive(Debug)]
pub struct NoQuery;

impl<S: Send + Sync> FromRequestParts<S> for NoQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Query::parse(parts.uri.query().unwrap_or_default()).finish().map(|()| Self)
    }
}

impl Query {
    fn parse(query: &str) -> Self {
        let mut parsed = Self { parameters: BTreeMap::new(), errors: FieldErrors::new() };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if parsed.parameters.insert(name.clone().into_owned(), value.into_owned()).is_some()
                && !parsed.errors.contains_key(name.as_ref())
            {
                parsed.fail(&name, "Given more than once.");
            }
        }
        parsed
    }

    pub fn text(&mut self, name: &str) -> Option<String> {
        let text = self.parameters.remove(name)?;
        // PostgreSQL cannot store NUL.
        if text.chars().count() > 255 || text.contains('\0') {
            self.fail(name, "Not a valid string.");
            return None;
        }
        Some(text)
    }

    /// A text to search for. It must not be empty: it would match everything.
    pub fn search(&mut self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        if fold(&text).is_empty() {
            self.fail(name, "Shorter than minimum length 1.");
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

    /// Whether the parameter has a problem so far.
    pub fn has_failed(&self, name: &str) -> bool {
        self.errors.contains_key(name)
    }

    pub fn fail(&mut self, name: &str, problem: impl Into<String>) {
        self.errors.entry(name.to_owned()).or_default().push(problem.into());
    }

    /// Call this last: it refuses the remaining parameters.
    ///
    /// # Errors
    /// All problems.
    pub fn finish(mut self) -> Result<(), ApiError> {
        for name in std::mem::take(&mut self.parameters).into_keys() {
            self.fail(&name, "Unknown parameter.");
        }
        if self.errors.is_empty() { Ok(()) } else { Err(ApiError::Fields(self.errors)) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(query: &str) -> serde_json::Value {
        let mut query = Query::parse(query);
        query.search("q");
        query.number("limit", 1, 9);
        match query.finish() {
            Ok(()) => json!({}),
            Err(ApiError::Fields(errors)) => json!(errors),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_parameter_has_one_value_and_a_known_name() {
        for good in ["", "&", "q=x", "q=x&", "%71=x", "q=x&limit=9"] {
            assert_eq!(problems(good), json!({}), "{good}");
        }
        for (bad, name, problem) in [
            ("q=a&q=b", "q", "Given more than once."),
            ("q=a&q=a&q=a", "q", "Given more than once."),
            ("q=a&%71=a", "q", "Given more than once."),
            ("Q=a", "Q", "Unknown parameter."),
            ("q[]=a", "q[]", "Unknown parameter."),
            ("=a", "", "Unknown parameter."),
            ("q=", "q", "Shorter than minimum length 1."),
            ("q=+%20", "q", "Shorter than minimum length 1."),
            ("q=%00", "q", "Not a valid string."),
            ("limit=", "limit", "Must be a number from 1 to 9."),
        ] {
            assert_eq!(problems(bad), json!({name: [problem]}), "{bad}");
        }
    }
}
