//! How large the body of each route may be: as its longest legal one, however its characters are written.

use crate::account::{CREDENTIAL, EMAIL, NAME, RAW_PASSWORD_MAX, USERNAME};

/// The largest body of a route, in bytes. A route gets it as an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(pub usize);

/// What a character takes at most: two escapes such as `\ud83d\ude00` (RFC 8259, 7).
const CHARACTER: usize = 12;
/// Names of fields, which can be escaped too, and white space.
const SYNTAX: usize = 1_024;
/// An id or the name of a role, in characters.
const WORD: usize = 64;

pub const LOGIN: Limit = characters(2 * CREDENTIAL.max);
pub const REGISTER: Limit = characters(USERNAME.max + NAME.max + EMAIL.max + RAW_PASSWORD_MAX);
pub const CHANGE_ME: Limit = characters(NAME.max + EMAIL.max);
pub const CHANGE_PASSWORD: Limit = characters(CREDENTIAL.max + RAW_PASSWORD_MAX);
/// Users are made, changed and deleted under one path.
pub const USERS: Limit = characters(USERNAME.max + NAME.max + EMAIL.max + RAW_PASSWORD_MAX + 2 * WORD);
/// Nothing that one would have to say.
pub const ROUTE_WITHOUT_BODY: Limit = characters(0);

const fn characters(count: usize) -> Limit {
    Limit(count * CHARACTER + SYNTAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_body_is_larger_than_two_passwords() {
        assert_eq!(LOGIN, Limit(25_600));
        for limit in [REGISTER, CHANGE_ME, CHANGE_PASSWORD, USERS, ROUTE_WITHOUT_BODY] {
            assert!(limit.0 <= LOGIN.0, "{limit:?}");
        }
    }
}
