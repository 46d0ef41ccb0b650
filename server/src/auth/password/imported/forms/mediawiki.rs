//! MediaWiki: `:pbkdf2:sha512:30000:64:salt:value`, and the hashes of other libraries behind their name.

use super::super::stored::Stored;
use super::functions::{argon2, base64, function, number, pbkdf2};
use super::unsupported::{UNKNOWN, unsupported};
use crate::auth::password::derive::HashError;

/// `text` is what follows the first colon.
pub fn parse(text: &str) -> Result<Stored, HashError> {
    match text.split(':').collect::<Vec<_>>().as_slice() {
        ["pbkdf2", digest, iterations, length, salt, value] => {
            let length = usize::try_from(number(length)?).map_err(|_| HashError::of("bad length"))?;
            pbkdf2(function(digest)?, number(iterations)?, base64(salt)?, base64(value)?, Some(length))
        }
        ["argon2", hash] if hash.starts_with('$') => argon2(hash),
        ["A" | "B", ..] => Err(unsupported("the MD5 of MediaWiki")),
        [name, ..] if ["pbkdf2", "bcrypt", "encrypted"].iter().any(|known| name.starts_with(known)) => {
            Err(unsupported("this hash of MediaWiki"))
        }
        _ => Err(UNKNOWN),
    }
}
