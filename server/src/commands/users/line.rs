//! One user, as a line of a file.

mod fields;
#[cfg(test)]
mod tests;

use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::format_description::well_known::Rfc3339;

use crate::account::{IMPORTED_EMAIL, IMPORTED_NAME, IMPORTED_USERNAME, NO_PASSWORD, Rule, USERNAME};
use crate::auth::password::Caps;
use crate::auth::session::random_uuid;
use crate::store::{ExportedUser, ListedUser, NewUser, Role};

/// One line. Missing fields and those that are null get their defaults.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    pub username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "fields::truth")]
    pub disabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    /// Without it, the user cannot log in before an Admin sets a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<String>,
    /// A date and a time, or the seconds or milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Value>,
    /// Without an address, it has no effect.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "fields::truth")]
    pub email_verified: Option<bool>,
}

/// The user of a line, and what is worth telling about it.
#[derive(Debug)]
pub struct Parsed {
    pub user: NewUser,
    /// Whether the name has characters that a new user's name cannot have.
    pub is_odd: bool,
}

impl Line {
    /// The user of a line, with a new uuid if it has none.
    ///
    /// # Errors
    /// The problem, without quoting the hash.
    pub fn parse(text: &str, caps: Caps, rng: &mut impl CryptoRng) -> Result<Parsed, String> {
        let line: Self = serde_json::from_str(text).map_err(|error| fields::problem(text, &error))?;
        line.check(caps, rng)
    }

    fn check(self, caps: Caps, rng: &mut impl CryptoRng) -> Result<Parsed, String> {
        let email = self.email.filter(|email| !email.is_empty());
        follows("username", Some(&self.username), IMPORTED_USERNAME)?;
        follows("name", self.name.as_deref(), IMPORTED_NAME)?;
        follows("email", email.as_deref(), IMPORTED_EMAIL)?;
        let uuid = fields::uuid(self.uuid)?;
        Ok(Parsed {
            is_odd: !USERNAME.problems(&self.username).is_empty(),
            user: NewUser {
                role: fields::role(self.role.as_deref())?,
                created_at: fields::created_at(self.created_at)?,
                groups: fields::groups(self.groups)?,
                password_hash: fields::password_hash(self.password_hash, caps)?,
                username: self.username,
                email,
                is_email_verified: self.email_verified.unwrap_or_default(),
                name: self.name,
                disabled: self.disabled.unwrap_or_default(),
                uuid: uuid.unwrap_or_else(|| random_uuid(rng).simple().to_string()),
            },
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
    pub fn of(exported: ExportedUser, groups: Vec<String>) -> Option<Self> {
        let ExportedUser { user: listed, password, created_at } = exported;
        let is_verified = listed.is_email_verified();
        let ListedUser { id: _, name, email, role_id: _, username, uuid, role_name, disabled, verified_email: _ } =
            listed;
        Some(Self {
            role: Some(role_name.unwrap_or_else(|| Role::User.name().to_owned())),
            username: username?,
            email,
            name,
            disabled: Some(disabled),
            groups: Some(groups).filter(|groups| !groups.is_empty()),
            uuid,
            password_hash: Some(password?).filter(|hash| hash != NO_PASSWORD),
            created_at: created_at.and_then(|time| time.assume_utc().format(&Rfc3339).ok()).map(Value::String),
            email_verified: is_verified.then_some(true),
        })
    }
}
