//! The fields of a body that changes a user: those that are not left out are checked and named in the audit log.

use super::body::Problems;
use crate::account::Rule;

/// All fields that can change.
pub struct ChangedFields<'a>(pub Vec<ChangedField<'a>>);

/// A field that can be left out.
pub struct ChangedField<'a> {
    name: &'static str,
    is_given: bool,
    text: Option<(&'a str, Rule)>,
}

impl<'a> ChangedField<'a> {
    pub fn text(name: &'static str, text: Option<&'a str>, rule: Rule) -> Self {
        Self { name, is_given: text.is_some(), text: text.map(|text| (text, rule)) }
    }

    /// One that is no text, or has rules of its own.
    pub fn other(name: &'static str, is_given: bool) -> Self {
        Self { name, is_given, text: None }
    }
}

impl ChangedFields<'_> {
    /// Adds the texts' problems.
    pub fn check(&self, problems: &mut Problems) {
        for field in &self.0 {
            if let Some((text, rule)) = field.text {
                problems.check(field.name, text, rule);
            }
        }
    }

    /// The names of the fields that are not left out.
    pub fn given(&self) -> String {
        let given = self.0.iter().filter(|field| field.is_given);
        given.map(|field| field.name).collect::<Vec<_>>().join(", ")
    }
}
