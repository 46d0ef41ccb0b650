//! werkzeug: `pbkdf2:sha256:150000$salt$hex`, `scrypt:32768:8:1$salt$hex`, and `sha256$salt$hex` of old releases.

use super::super::digest::{Function, Salting};
use super::super::stored::Stored;
use super::functions::{bad, digest, function, hex, number, pbkdf2, scrypt};
use super::unsupported::unsupported;
use crate::auth::password::derive::HashError;

/// `None` for other methods.
pub fn parse(method: &str, rest: &str) -> Option<Result<Stored, HashError>> {
    let known = match method.split(':').next()? {
        "pbkdf2" | "scrypt" => true,
        name => method == name && Function::named(name).is_some(),
    };
    known.then(|| hash(method, rest))
}

fn hash(method: &str, rest: &str) -> Result<Stored, HashError> {
    let (salt, value) = rest.split_once('$').ok_or(HashError::of("a part is missing"))?;
    let (salt, expected) = (salt.as_bytes().to_vec(), hex(value)?);
    match method.split(':').collect::<Vec<_>>().as_slice() {
        ["pbkdf2", name, iterations] => pbkdf2(function(name)?, number(iterations)?, salt, expected, None),
        ["pbkdf2", ..] => Err(unsupported("PBKDF2 without the number of its iterations")),
        ["scrypt", n, r, p] => scrypt([number(n)?, number(r)?, number(p)?], salt, expected),
        // Django writes the digest of salt and password in the same way.
        [name] => digest(Function::named(name).ok_or(bad())?, Salting::KeyOrBefore, salt, expected),
        _ => Err(bad()),
    }
}
