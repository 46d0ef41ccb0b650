//! The parameters of a request to an OAuth endpoint.

use std::collections::BTreeMap;

/// A parameter was sent more than once (RFC 6749, 3.1 and 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated;

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

    pub fn is_repeated(&self) -> bool {
        self.values.iter().any(|(name, values)| values.len() > 1 && name != RESOURCE)
    }

    /// # Errors
    /// If one was sent more than once.
    pub fn without_repeats(self) -> Result<Self, Repeated> {
        if self.is_repeated() { Err(Repeated) } else { Ok(self) }
    }
}
