//! The size limit of each route's body: that of its longest valid body, even if every character is escaped.

use sc_auth_contract::groups::{GROUP_MAX, GROUPS_MAX};

use crate::account::{CREDENTIAL, EMAIL, NAME, RAW_PASSWORD_MAX, USERNAME};

/// The largest body of a route, in bytes. A route gets it as an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(pub usize);

/// The most bytes of a character: two escapes such as `\ud83d\ude00` (RFC 8259, 7).
const CHARACTER: usize = 12;
/// Bytes for field names, which can be escaped too, and white space.
const SYNTAX: usize = 1_024;
/// An id or the name of a role, in characters.
const WORD: usize = 64;

pub const LOGIN: Limit = characters(2 * CREDENTIAL.max);
pub const REGISTER: Limit = characters(USERNAME.max + NAME.max + EMAIL.max + RAW_PASSWORD_MAX);
pub const CHANGE_ME: Limit = characters(NAME.max + EMAIL.max + CREDENTIAL.max);
pub const CHANGE_PASSWORD: Limit = characters(CREDENTIAL.max + RAW_PASSWORD_MAX);
/// Users are created and deleted under one path.
pub const USERS: Limit = characters(USERNAME.max + NAME.max + EMAIL.max + RAW_PASSWORD_MAX + 2 * WORD);
/// Only Admins can send such a body.
pub const CHANGE_USER: Limit = characters(NAME.max + EMAIL.max + RAW_PASSWORD_MAX + 4 * WORD + GROUPS_MAX * GROUP_MAX);
/// The longest content that the server seals in a form of a page, in bytes of JSON.
pub const PENDING_MAX: usize = 10 * 1_024;
/// The same, encrypted and in base64url.
const SEALED: usize = PENDING_MAX.div_ceil(3) * 4 + SYNTAX;
pub const LOGIN_PAGE: Limit = Limit(SEALED + characters(2 * CREDENTIAL.max).0);
pub const CONSENT_PAGE: Limit = Limit(SEALED + SYNTAX);
/// It becomes the address of a redirect.
pub const AUTHORIZE: Limit = Limit(ADDRESS_MAX);
/// The longest such address, in bytes: it must fit into the head of a request beside cookies. With 100 groups of 64 bytes, an
/// ID token has 9 KiB.
pub const ADDRESS_MAX: usize = 12 * 1_024;
/// A refresh token, a code or a secret, and addresses.
pub const TOKEN: Limit = Limit(16 * 1_024);
/// A small body, which is ignored.
pub const ROUTE_WITHOUT_BODY: Limit = characters(0);

const fn characters(count: usize) -> Limit {
    Limit(count * CHARACTER + SYNTAX)
}

#[cfg(test)]
mod tests {
    use utoipa::PartialSchema;

    use super::*;
    use crate::http::bodies::{
        ChangeMeBody, ChangePasswordBody, ChangeUserBody, CreateUserBody, DeleteUserBody, LoginBody, RegisterBody,
    };

    /// The characters of the longest valid body.
    fn longest<T: PartialSchema>() -> usize {
        let schema = serde_json::to_value(T::schema()).unwrap();
        let fields = schema["properties"].as_object().unwrap().values();
        let number = |value: &serde_json::Value| value.as_u64().map(|number| usize::try_from(number).unwrap());
        let most = |field: &serde_json::Value| match number(&field["maxItems"]) {
            Some(items) => number(&field["items"]["maxLength"]).map(|most| items * most),
            None => number(&field["maxLength"]),
        };
        fields.map(|field| most(field).unwrap_or(WORD)).sum()
    }

    #[test]
    fn the_longest_valid_body_of_each_route_is_within_its_limit() {
        for (limit, longest) in [
            (LOGIN, longest::<LoginBody>()),
            (REGISTER, longest::<RegisterBody>()),
            (CHANGE_ME, longest::<ChangeMeBody>()),
            (CHANGE_PASSWORD, longest::<ChangePasswordBody>()),
            (USERS, longest::<CreateUserBody>()),
            (CHANGE_USER, longest::<ChangeUserBody>()),
            (USERS, longest::<DeleteUserBody>()),
        ] {
            assert!(characters(longest).0 <= limit.0, "{limit:?} is too small for {longest} characters");
        }
    }

    #[test]
    fn no_body_of_everybody_is_larger_than_two_passwords() {
        assert_eq!(LOGIN, Limit(25_600));
        for limit in [REGISTER, CHANGE_ME, CHANGE_PASSWORD, USERS, ROUTE_WITHOUT_BODY] {
            assert!(limit.0 <= LOGIN.0, "{limit:?}");
        }
    }

    #[test]
    fn the_page_lists_the_limits() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/server.md")).unwrap();
        for (routes, limit) in [
            ("`POST /api/v1/accounts/login`, `…/password`", LOGIN),
            ("`POST /api/v1/accounts/register`", REGISTER),
            ("`PATCH /api/v1/accounts/me`", CHANGE_ME),
            ("`POST`, `DELETE /api/v1/users`", USERS),
            ("`PATCH /api/v1/users`, `PATCH /api/v1/users/{uuid}`, which have up to 100 groups", CHANGE_USER),
        ] {
            let row = format!("| {routes} | {},{:03} |", limit.0 / 1_000, limit.0 % 1_000);
            assert!(page.contains(&row), "docs/server.md lacks {row}");
        }
    }
}
