//! What is a user, and what is not.

use sc_auth_contract::time::UnixTime;
use serde_json::json;

use super::*;
use crate::account::PASSWORD_HASH_MAX;

/// 0001-01-01
const TOO_EARLY: i64 = -62_135_596_800;

const CAPS: Caps = Caps { memory_kib: 32 * 1024 };
const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";

fn parse(text: &str) -> Result<NewUser, String> {
    Line::parse(text, CAPS, &mut rand::rng()).map(|parsed| parsed.user)
}

/// Alice, with another field.
fn with(field: &str, value: &Value) -> Result<NewUser, String> {
    let mut line = json!({"username": "alice", "password_hash": HASH});
    line[field] = value.clone();
    parse(&line.to_string())
}

#[test]
fn a_name_is_enough() {
    let user = parse(&format!(r#"{{"username": "alice", "password_hash": "{HASH}"}}"#)).unwrap();
    assert_eq!((user.username.as_str(), user.role, user.disabled), ("alice", Role::User, false));
    let user = parse(r#"{"username": "alice"}"#).unwrap();
    assert_eq!(user.password_hash, NO_PASSWORD);
}

#[test]
fn problems_are_reported_without_quoting_the_hash() {
    let with = |fields: &str| format!(r#"{{"username": "alice", "password_hash": "{HASH}"{fields}}}"#);
    for (text, part) in [
        (r#"{"username": "al"#.to_owned(), "not JSON: it ends"),
        (r#"{"password_hash": "s3cret"}"#.to_owned(), "missing field `username`"),
        (with(r#", "nick": 1"#), "unknown field `nick`"),
        (with(r#", "email": "a@b.c", "email": "b@b.c""#), "duplicate field `email`"),
        (with(r#", "role": "Root""#), "role: must be one of"),
        (with(r#", "email": "nobody""#), "email: Not a valid email address."),
        (with(r#", "uuid": "7""#), "uuid: not 32"),
        (with(r#", "created_at": "today""#), "created_at: not a time"),
        (with(","), "not JSON at column"),
        (with(r#", "name": "\ud83d""#), "not JSON at column"),
        (with(r#", "name": "a\u0000b""#), "name: Not a valid string."),
        (with(r#", "disabled": "yes""#), "disabled: not true or false"),
        (r#"{"username": "alice", "password_hash": 35324357}"#.to_owned(), "password_hash: not a string"),
        (r#"["s3cret"]"#.to_owned(), "not a user but another value"),
        (r#"{"username": "al", "password_hash": "x"}"#.to_owned(), "username: Shorter than minimum length 3."),
        (
            format!(r#"{{"username": "alice{}", "password_hash": "x"}}"#, " ".repeat(60)),
            "username: Longer than maximum length 64.",
        ),
        (format!(r#"{{"username": "{}", "password_hash": "x"}}"#, "\u{fdfa}".repeat(20)), "username: Longer than"),
        (r#"{"username": "alice", "password_hash": "s3cret"}"#.to_owned(), "password hash: unknown algorithm"),
        (r#"{"username": "alice", "password_hash": "s3\u0000cret"}"#.to_owned(), "contains a control character"),
    ] {
        let error = parse(&text).unwrap_err();
        assert!(error.contains(part), "{error} for {text}");
        assert!(!error.contains("s3cret") && !error.contains("35324357"), "{error}");
    }
}

#[test]
fn an_empty_or_null_field_is_a_missing_one() {
    for field in ["email", "role", "uuid", "created_at", "password_hash"] {
        for value in [json!(""), Value::Null] {
            let user = with(field, &value).unwrap();
            assert_eq!((user.email, user.role, user.created_at), (None, Role::User, None), "{field}");
            assert_eq!(user.uuid.len(), 32);
        }
    }
    assert!(!with("disabled", &Value::Null).unwrap().disabled);
}

#[test]
fn uuids_and_roles_are_read_in_other_forms() {
    let plain = "0123456789abcdef0123456789abcdef";
    for text in
        ["01234567-89AB-CDEF-0123-456789ABCDEF", &plain.to_uppercase(), "{01234567-89ab-cdef-0123-456789abcdef}"]
    {
        assert_eq!(with("uuid", &json!(text)).unwrap().uuid, plain, "{text}");
    }
    for text in ["admin", "ADMIN", "Admin"] {
        assert_eq!(with("role", &json!(text)).unwrap().role, Role::Admin, "{text}");
    }
}

#[test]
fn times_are_read_in_the_forms_of_other_services() {
    let expected = UnixTime::from_seconds(1_769_821_323);
    for value in [
        json!(1_769_821_323),
        json!(1_769_821_323.9),
        json!(1_769_821_323_999_i64),
        json!("1769821323"),
        json!("1769821323000"),
        json!("2026-01-31T01:02:03Z"),
        json!("2026-01-31T01:02:03.123456+00:00"),
        json!("2026-01-31 03:02:03+02:00"),
        json!("2026-01-31T01:02:03.000+0000"),
        json!("1769821323.5"),
        // Without a zone, it is UTC.
        json!("2026-01-31T01:02:03"),
        json!("2026-01-31 01:02:03"),
        json!("2026-01-31 01:02:03.123456"),
        json!("2026-01-31T01:02:03,5"),
        json!("2026-01-31 01:02:03+00"),
        json!("2026-01-31 03:02:03.5+02"),
        json!("2026-01-31 01:02:03 UTC"),
        json!("2026-01-30 20:02:03 -0500"),
        json!("2026-01-31 01:02:03.999 +0000 UTC"),
    ] {
        assert_eq!(with("created_at", &value).unwrap().created_at, Some(expected), "{value}");
    }
    for (text, seconds) in
        [("2026-01-31", 1_769_817_600), ("2026-01-31 01:02", 1_769_821_320), ("0001-01-01", TOO_EARLY)]
    {
        let expected = UnixTime::from_seconds(seconds);
        assert_eq!(with("created_at", &json!(text)).unwrap().created_at, Some(expected), "{text}");
    }
    assert_eq!(with("created_at", &json!("0000-00-00 00:00:00")).unwrap().created_at, None, "of MySQL");
    for value in [json!(1e15), json!(-1e14), json!(1e300), json!("ä"), json!(true), json!([])] {
        assert!(with("created_at", &value).unwrap_err().contains("created_at: not a time"), "{value}");
    }
    for text in [
        "NaN",
        "inf",
        "infinity",
        "2026-02-30",
        "2026-01-31T",
        "2026-01-31 +02",
        "2026-01-31 25:00:00",
        "2026-01-31 01:02:03+2",
        "2026-01-31 01:02:03 CET",
        "31.01.2026",
        "01/31/2026 10:00",
        "0000-01-01",
        "9999-12-31T23:59:59-23:59",
        "äääääääääää",
        "2026-01-31 01:02:03+ä",
    ] {
        assert!(with("created_at", &json!(text)).unwrap_err().contains("created_at: not a time"), "{text}");
    }
}

#[test]
fn truth_is_read_as_databases_write_it() {
    for (value, disabled) in [
        (json!(0), false),
        (json!(1), true),
        (json!("0"), false),
        (json!("1"), true),
        (json!("False"), false),
        (json!("TRUE"), true),
        (json!("f"), false),
        (json!("t"), true),
    ] {
        assert_eq!(with("disabled", &value).unwrap().disabled, disabled, "{value}");
    }
    for value in [json!(2), json!(-1), json!(0.5), json!("off"), json!(""), json!([]), json!({})] {
        assert_eq!(with("disabled", &value).unwrap_err(), "disabled: not true or false", "{value}");
    }
    for (value, verified) in
        [(json!(true), true), (json!(1), true), (json!("true"), true), (json!(0), false), (Value::Null, false)]
    {
        assert_eq!(with("email_verified", &value).unwrap().is_email_verified, verified, "{value}");
    }
    assert_eq!(with("email_verified", &json!([])).unwrap_err(), "email_verified: not true or false");
}

#[test]
fn a_disabled_hash_is_no_password() {
    for hash in ["!", "!!", "*", "!wOkYQnFm2Q0K", " ", "*LK*", "*NP*", "*LK*$5$abc$def", "*LOCKED*$6$abc$def"] {
        assert_eq!(with("password_hash", &json!(hash)).unwrap().password_hash, NO_PASSWORD, "{hash}");
    }
    assert_eq!(with("password_hash", &json!(format!("{HASH}\n"))).unwrap().password_hash, HASH);
}

#[test]
fn a_hash_of_grub_is_stored_in_fewer_characters() {
    let hash = format!("grub.pbkdf2.sha512.10000.{}.{}", "A1".repeat(64), "0f".repeat(64));
    assert!(hash.len() > PASSWORD_HASH_MAX);
    let stored = with("password_hash", &json!(hash)).unwrap().password_hash;
    assert!(stored.starts_with("$pbkdf2-sha512$10000$oaGh") && stored.len() < PASSWORD_HASH_MAX, "{stored}");
}

#[test]
fn an_existing_name_can_have_characters_that_a_new_one_cannot() {
    let parsed = Line::parse(r#"{"username": "ali\u200bce"}"#, CAPS, &mut rand::rng()).unwrap();
    assert!(parsed.is_odd);
}
