//! One user, as a line of a file.

use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;

use crate::account::{EMAIL, IMPORTED_NAME, PASSWORD_HASH_MAX, Rule, USERNAME};
use crate::auth::password::{Caps, Stored};
use crate::auth::session::random_uuid;
use crate::clock::from_rfc3339;
use crate::store::{ExportedUser, ListedUser, NewUser, Role};

/// One line. Missing fields get their defaults.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    pub username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default = "user")]
    pub role: String,
    #[serde(default)]
    pub disabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    pub password_hash: String,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

fn user() -> String {
    Role::User.name().to_owned()
}

impl Line {
    /// The user of a line, with a new uuid if it has none.
    ///
    /// # Errors
    /// The problem, without quoting the hash.
    pub fn parse(text: &str, caps: Caps, rng: &mut impl CryptoRng) -> Result<NewUser, String> {
        let line: Self = serde_json::from_str(text).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => format!("not a user: {error}"),
            _ => format!("not JSON at column {}", error.column()),
        })?;
        line.check(caps, rng)
    }

    fn check(self, caps: Caps, rng: &mut impl CryptoRng) -> Result<NewUser, String> {
        follows("username", Some(&self.username), USERNAME)?;
        follows("name", self.name.as_deref(), IMPORTED_NAME)?;
        follows("email", self.email.as_deref(), EMAIL)?;
        if self.uuid.as_ref().is_some_and(|uuid| uuid.len() != 32 || !uuid.bytes().all(|b| b.is_ascii_hexdigit())) {
            return Err("uuid: not 32 hexadecimal digits".into());
        }
        if self.password_hash.chars().count() > PASSWORD_HASH_MAX {
            return Err(format!("password_hash: must have at most {PASSWORD_HASH_MAX} characters"));
        }
        let stored = Stored::parse(&self.password_hash);
        stored.and_then(|stored| stored.check(caps)).map_err(|error| error.to_string())?;
        let created_at = self
            .created_at
            .map(|text| from_rfc3339(&text).ok_or("created_at: not a time such as 2026-01-31T00:00:00Z"));
        let uuid = self.uuid.map(|uuid| uuid.to_ascii_lowercase());
        Ok(NewUser {
            role: Role::from_name(&self.role).ok_or("role: must be one of Admin, User")?,
            created_at: created_at.transpose()?,
            username: self.username,
            email: self.email,
            name: self.name,
            disabled: self.disabled,
            uuid: uuid.unwrap_or_else(|| random_uuid(rng).simple().to_string()),
            password_hash: self.password_hash,
        })
    }
}

fn follows(field: &str, text: Option<&str>, rule: Rule) -> Result<(), String> {
    let problems: Vec<_> = text.map(|text| rule.problems(text)).into_iter().flatten().collect();
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    if problems.is_empty() { Ok(()) } else { Err(format!("{field}: {}", problems.join(" "))) }
}

impl Line {
    /// `None` for a user without a name or a password, which the legacy service's table may contain.
    pub fn of(exported: ExportedUser) -> Option<Self> {
        let ExportedUser { user: listed, password, created_at } = exported;
        let ListedUser { id: _, name, email, role_id: _, username, uuid, role_name, disabled } = listed;
        Some(Self {
            role: role_name.unwrap_or_else(user),
            username: username?,
            email,
            name,
            disabled,
            uuid,
            password_hash: password?,
            created_at: created_at.and_then(|time| time.assume_utc().format(&Rfc3339).ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPS: Caps = Caps { memory_kib: 32 * 1024 };
    const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";

    fn parse(text: &str) -> Result<NewUser, String> {
        Line::parse(text, CAPS, &mut rand::rng())
    }

    #[test]
    fn a_name_and_a_hash_are_enough() {
        let text = format!(r#"{{"username": "alice", "password_hash": "{HASH}"}}"#);
        let user = parse(&text).unwrap();
        assert_eq!((user.username.as_str(), user.role, user.disabled), ("alice", Role::User, false));
    }

    #[test]
    fn problems_are_reported_without_quoting_the_hash() {
        let with = |fields: &str| format!(r#"{{"username": "alice", "password_hash": "{HASH}"{fields}}}"#);
        for (text, part) in [
            (r#"{"username": "al"#.to_owned(), "not JSON"),
            (r#"{"username": "alice"}"#.to_owned(), "missing field `password_hash`"),
            (with(r#", "nick": 1"#), "unknown field `nick`"),
            (with(r#", "role": "Root""#), "role: must be one of"),
            (with(r#", "email": "nobody""#), "email: Not a valid email address."),
            (with(r#", "uuid": "7""#), "uuid: not 32"),
            (with(r#", "created_at": "today""#), "created_at: not a time"),
            (r#"{"username": "al", "password_hash": "x"}"#.to_owned(), "username: Shorter than minimum length 3."),
            (
                format!(r#"{{"username": "alice{}", "password_hash": "x"}}"#, " ".repeat(60)),
                "username: Longer than maximum length 64.",
            ),
            (format!(r#"{{"username": "{}", "password_hash": "x"}}"#, "\u{fdfa}".repeat(20)), "username: Longer than"),
            (r#"{"username": "alice", "password_hash": "s3cret"}"#.to_owned(), "password hash: unknown algorithm"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(part) && !error.contains("s3cret"), "{error}");
        }
    }
}
