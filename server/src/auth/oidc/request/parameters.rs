//! The parameters of a request to an OAuth endpoint.

use std::collections::BTreeMap;

use super::oauth_problem::{OAuthProblem, problem};

/// Parameters by name. Those without a value count as omitted.
#[derive(Debug, Default)]
pub struct Parameters {
    values: BTreeMap<String, Vec<String>>,
}

/// The only parameter that may be sent more than once (RFC 8707, 2).
const RESOURCE: &str = "resource";

impl Parameters {
    /// Reads `application/x-www-form-urlencoded`.
    pub fn parse(encoded: &[u8]) -> Self {
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(encoded).filter(|(_, value)| !value.is_empty()) {
            values.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        Self { values }
    }

    /// The value of a parameter that was sent once.
    pub fn one(&self, name: &str) -> Option<&str> {
        match self.values.get(name).map(Vec::as_slice) {
            Some([value]) => Some(value),
            _ => None,
        }
    }

    pub fn all(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// The same parameters, none of which is repeated (RFC 6749, 3.1 and 3.2).
    ///
    /// # Errors
    /// If one was sent more than once.
    pub fn once(self) -> Result<Self, OAuthProblem> {
        self.check_once().map(|()| self)
    }

    /// # Errors
    /// If one was sent more than once.
    pub fn check_once(&self) -> Result<(), OAuthProblem> {
        let is_repeated = self.values.iter().any(|(name, values)| values.len() > 1 && name != RESOURCE);
        if is_repeated { Err(problem("invalid_request", "a parameter was sent more than once")) } else { Ok(()) }
    }
}
