//! What is wrong with a field, in the words that existing clients look for: those of marshmallow, which the legacy
//! service used.

use sc_auth_contract::groups::GROUP_MAX;

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("Missing data for required field.")]
    Missing,
    #[error("Field may not be null.")]
    Null,
    #[error("Not a valid string.")]
    NotString,
    #[error("Not a valid boolean.")]
    NotBoolean,
    #[error("Not a valid list.")]
    NotList,
    #[error("Unknown field.")]
    UnknownField,
    /// Of the body as a whole.
    #[error("Invalid input type.")]
    NotObject,
    #[error("Shorter than minimum length {0}.")]
    TooShort(usize),
    #[error("Longer than maximum length {0}.")]
    TooLong(usize),
    #[error("Contains invisible or control characters.")]
    Invisible,
    #[error("Not a valid email address.")]
    NotEmail,
    #[error("Must be one of: {}.", .0.join(", "))]
    NotOneOf(&'static [&'static str]),
    #[error("The user has no e-mail address.")]
    NoAddress,
    #[error("Not an address of a domain that may register.")]
    ForeignDomain,
    #[error("One of the most common passwords.")]
    CommonPassword,
    #[error("The same as the user's own name or e-mail address.")]
    OwnName,
    #[error(
        "Must be names of at most {GROUP_MAX} visible characters, without commas, that do not begin with \"system:\"."
    )]
    NotGroups,
    #[error("Not the present password.")]
    WrongPassword,
}
