//! The fields of a line: each in the forms in which other services write it.

use sc_auth_contract::time::UnixTime;
use serde_json::error::Category;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::account::{NO_PASSWORD, PASSWORD_HASH_MAX};
use crate::auth::password::{Caps, Stored};
use crate::clock::from_rfc3339;
use crate::store::Role;

/// Numbers from here on are milliseconds: as seconds, they would be after the year 5138.
const MILLISECONDS: i64 = 100_000_000_000;
/// Numbers from here on are no time.
const TOO_LATE: i64 = 100_000_000_000_000;
/// In the year 0 and before, MySQL has no times.
const TOO_EARLY: i64 = -62_135_596_800;

/// Why a line is no user. serde_json's own message would quote a password of a wrong type.
pub fn problem(text: &str, error: &serde_json::Error) -> String {
    match error.classify() {
        Category::Data => match serde_json::from_str::<Map<String, Value>>(text) {
            Ok(fields) => of_wrong_type(&fields).unwrap_or_else(|| format!("not a user: {error}")),
            Err(_) => format!("not a user but another value, at column {}", error.column()),
        },
        Category::Eof => "not JSON: it ends before the object does".to_owned(),
        Category::Io | Category::Syntax if text.contains('\0') => "not JSON: it contains a NUL".to_owned(),
        Category::Io | Category::Syntax => format!("not JSON at column {}", error.column()),
    }
}

fn of_wrong_type(fields: &Map<String, Value>) -> Option<String> {
    let expected = |name: &str, value: &Value| match name {
        "disabled" | "email_verified" => (!value.is_boolean()).then_some("not true or false"),
        "username" | "email" | "name" | "role" | "uuid" | "password_hash" => {
            (!value.is_string()).then_some("not a string")
        }
        _ => None,
    };
    fields.iter().find_map(|(name, value)| {
        let is_default = value.is_null() && name != "username";
        expected(name, value).filter(|_| !is_default).map(|problem| format!("{name}: {problem}"))
    })
}

/// Also with dashes, in upper case, in braces and as a URN.
pub fn uuid(text: Option<String>) -> Result<Option<String>, String> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let uuid = Uuid::try_parse(&text).map_err(|_| "uuid: not 32 hexadecimal digits, with or without dashes")?;
    Ok(Some(uuid.simple().to_string()))
}

pub fn role(name: Option<&str>) -> Result<Role, String> {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(Role::User) };
    let found = Role::ALL.into_iter().find(|role| role.name().eq_ignore_ascii_case(name.trim()));
    found.ok_or_else(|| "role: must be one of Admin, User".to_owned())
}

pub fn created_at(value: Option<Value>) -> Result<Option<UnixTime>, String> {
    let time = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.is_empty() => return Ok(None),
        Some(Value::String(text)) => text.parse().ok().and_then(since_1970).or_else(|| from_text(&text)),
        #[expect(clippy::cast_possible_truncation, reason = "since_1970 refuses large numbers, and casts saturate")]
        Some(Value::Number(number)) => number.as_f64().and_then(|number| since_1970(number.floor() as i64)),
        Some(_) => None,
    };
    let problem = "created_at: not a time such as 2026-01-31T00:00:00Z, nor seconds or milliseconds since 1970";
    time.map(Some).ok_or_else(|| problem.to_owned())
}

fn since_1970(number: i64) -> Option<UnixTime> {
    let seconds = if number.unsigned_abs() < MILLISECONDS.unsigned_abs() {
        number
    } else {
        Some(number).filter(|number| number.unsigned_abs() < TOO_LATE.unsigned_abs())?.div_euclid(1_000)
    };
    (seconds >= TOO_EARLY).then(|| UnixTime::from_seconds(seconds))
}

/// RFC 3339, also with a space in place of the T and without the colon in the offset, as databases write it.
fn from_text(text: &str) -> Option<UnixTime> {
    let mut text = text.trim().to_owned();
    if text.as_bytes().get(10) == Some(&b' ') {
        text.replace_range(10..11, "T");
    }
    let offset = text.len().checked_sub(5).and_then(|place| text.get(place..));
    if offset.is_some_and(|offset| offset.starts_with(['+', '-']) && offset[1..].bytes().all(|b| b.is_ascii_digit())) {
        text.insert(text.len() - 2, ':');
    }
    from_rfc3339(&text)
}

/// A user without a hash, or with one that the other service has disabled (`!` in Django and in shadow files), has no
/// password.
pub fn password_hash(hash: Option<String>, caps: Caps) -> Result<String, String> {
    let hash = hash.map(|hash| hash.trim().to_owned()).unwrap_or_default();
    if hash.is_empty() || hash.starts_with('!') || hash.bytes().all(|byte| byte == b'*') {
        return Ok(NO_PASSWORD.to_owned());
    }
    if hash.contains(char::is_control) {
        return Err("password_hash: contains a control character".to_owned());
    }
    if hash.chars().count() > PASSWORD_HASH_MAX {
        return Err(format!("password_hash: must have at most {PASSWORD_HASH_MAX} characters"));
    }
    let stored = Stored::parse(&hash);
    stored.and_then(|stored| stored.check(caps)).map_err(|error| error.to_string())?;
    Ok(hash)
}
