//! Parsers that ignore blanks around a value, as lines of files and templates leave them.

use std::ffi::OsStr;

use clap::builder::{EnumValueParser, PathBufValueParser, PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Command, Error, ValueEnum};

/// Passes a value without the blanks around it.
#[derive(Clone)]
pub struct Trimmed<P> {
    inner: P,
    is_word: bool,
}

/// A value without the blanks around it.
pub const fn trimmed<P: TypedValueParser>(inner: P) -> Trimmed<P> {
    Trimmed { inner, is_word: false }
}

/// A path without the blanks around it.
pub fn path() -> Trimmed<PathBufValueParser> {
    trimmed(PathBufValueParser::new())
}

/// A text without the blanks around it.
pub fn text() -> Trimmed<StringValueParser> {
    trimmed(StringValueParser::new())
}

/// One of a few words, in any case.
pub fn word<T: ValueEnum + Clone + Send + Sync + 'static>() -> Trimmed<EnumValueParser<T>> {
    Trimmed { inner: EnumValueParser::new(), is_word: true }
}

impl<P: TypedValueParser> TypedValueParser for Trimmed<P> {
    type Value = P::Value;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<P::Value, Error> {
        let parse = |value: &OsStr| self.inner.parse_ref(command, argument, value);
        let Some(text) = value.to_str().map(str::trim) else { return parse(value) };
        if self.is_word
            && let Ok(value) = parse(text.to_lowercase().as_ref())
        {
            return Ok(value);
        }
        parse(text.as_ref())
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        self.inner.possible_values()
    }
}
