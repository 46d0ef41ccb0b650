//! The fields of a line: each in the forms in which other services write it.

use sc_auth_contract::time::UnixTime;
use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer};
use serde_json::error::Category;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::account::{self, NO_PASSWORD, PASSWORD_HASH_MAX};
use crate::auth::password::{Caps, Stored};
use crate::clock::from_rfc3339;
use crate::store::Role;

/// Numbers from here on are milliseconds: as seconds, they would be after the year 5138.
const MILLISECONDS: f64 = 100_000_000_000.0;
/// Numbers from here on are no time.
const TOO_LATE: f64 = 100_000_000_000_000.0;
/// In the year 0 and before, MySQL has no times.
const TOO_EARLY: i64 = -62_135_596_800;
/// In the year 10000 and later, RFC 3339 and MySQL have none.
const YEAR_10000: i64 = 253_402_300_800;
/// How hashes begin that are disabled: in Django and in the shadow files of Linux, Solaris and FreeBSD.
const LOCKED: [&str; 4] = ["!", "*LK*", "*NP*", "*LOCKED*"];

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
        "disabled" | "email_verified" => truth_of(value).is_none().then_some("not true or false"),
        "username" | "email" | "name" | "role" | "uuid" | "password_hash" => {
            (!value.is_string()).then_some("not a string")
        }
        "groups" => {
            let is_list = value.as_array().is_some_and(|names| names.iter().all(Value::is_string));
            (!is_list).then_some("not a list of names")
        }
        _ => None,
    };
    fields.iter().find_map(|(name, value)| {
        let is_default = value.is_null() && name != "username";
        expected(name, value).filter(|_| !is_default).map(|problem| format!("{name}: {problem}"))
    })
}

/// Also as a number or a text, as databases write it.
pub fn truth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let value = Option::<Value>::deserialize(deserializer)?;
    value.map(|value| truth_of(&value).ok_or_else(|| D::Error::custom("not true or false"))).transpose()
}

fn truth_of(value: &Value) -> Option<bool> {
    let text = match value {
        Value::Bool(truth) => return Some(*truth),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_ascii_lowercase(),
        _ => return None,
    };
    match text.as_str() {
        "true" | "t" | "1" => Some(true),
        "false" | "f" | "0" => Some(false),
        _ => None,
    }
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

pub fn groups(groups: Option<Vec<String>>) -> Result<Vec<String>, String> {
    let groups = groups.unwrap_or_default();
    match account::groups::problem(&groups) {
        Some(problem) => Err(format!("groups: {problem}")),
        None => Ok(account::groups::unique(groups)),
    }
}

pub fn created_at(value: Option<Value>) -> Result<Option<UnixTime>, String> {
    let time = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if is_no_time(&text) => return Ok(None),
        Some(Value::String(text)) => text.trim().parse().ok().and_then(since_1970).or_else(|| from_text(text.trim())),
        Some(Value::Number(number)) => number.as_f64().and_then(since_1970),
        Some(_) => None,
    };
    let time = time.filter(|time| (TOO_EARLY..YEAR_10000).contains(&time.seconds()));
    let problem = "created_at: not a time such as 2026-01-31T00:00:00Z, nor seconds or milliseconds since 1970";
    time.map(Some).ok_or_else(|| problem.to_owned())
}

/// Nothing, or what MySQL has in place of a time.
fn is_no_time(text: &str) -> bool {
    text.trim().is_empty() || text.starts_with("0000-00-00")
}

#[expect(clippy::cast_possible_truncation, reason = "numbers beyond TOO_LATE are refused before")]
fn since_1970(number: f64) -> Option<UnixTime> {
    if number.is_nan() || number.abs() >= TOO_LATE {
        return None;
    }
    let seconds = if number.abs() < MILLISECONDS { number } else { number / 1_000.0 };
    Some(UnixTime::from_seconds(seconds.floor() as i64))
}

/// RFC 3339, and what databases and frameworks write: with a space in place of the T, without the seconds, the time or
/// its zone, which is UTC then, and with a shorter offset.
fn from_text(text: &str) -> Option<UnixTime> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.trim_end_matches(" UTC").trim_end_matches(" GMT");
    let rest = rest.strip_prefix(['T', 't', ' ']).unwrap_or(rest);
    let (time, offset) = rest.split_at(rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len()));
    let time = match time.trim_end() {
        "" if text.len() == 10 => "00:00:00".to_owned(),
        minutes if minutes.len() == 5 => format!("{minutes}:00"),
        time => time.replace(',', "."),
    };
    from_rfc3339(&format!("{date}T{time}{}", full_offset(offset)))
}

/// `+02:00` for `+02` and `+0200`, and `Z` for nothing.
fn full_offset(offset: &str) -> String {
    let is_short = offset.len() > 1 && offset[1..].bytes().all(|byte| byte.is_ascii_digit());
    match offset.len() {
        0 => "Z".to_owned(),
        3 if is_short => format!("{offset}:00"),
        5 if is_short => format!("{}:{}", &offset[..3], &offset[3..]),
        _ => offset.to_owned(),
    }
}

/// A user without a hash, or with one that the other service has disabled, has no password.
pub fn password_hash(hash: Option<String>, caps: Caps) -> Result<String, String> {
    let hash = hash.map(|hash| hash.trim().to_owned()).unwrap_or_default();
    let is_locked = LOCKED.iter().any(|mark| hash.starts_with(mark));
    if hash.is_empty() || is_locked || hash.bytes().all(|byte| byte == b'*') {
        return Ok(NO_PASSWORD.to_owned());
    }
    if hash.contains(char::is_control) {
        return Err("password_hash: contains a control character".to_owned());
    }
    let hash = Stored::shorter(&hash).unwrap_or(hash);
    if hash.chars().count() > PASSWORD_HASH_MAX {
        return Err(format!("password_hash: must have at most {PASSWORD_HASH_MAX} characters"));
    }
    let stored = Stored::parse(&hash);
    stored.and_then(|stored| stored.check(caps)).map_err(|error| error.to_string())?;
    Ok(hash)
}
