//! Parsers for the values of settings. Each error says what to use instead.

use std::time::Duration;

use axum::http::HeaderValue;

/// A duration with its unit, between `MIN` and `MAX` seconds.
pub fn duration<const MIN: u64, const MAX: u64>(text: &str) -> Result<Duration, String> {
    let duration =
        humantime::parse_duration(text).map_err(|_| "write a number and its unit, such as 90s, 15m, 1h or 30d")?;
    let (min, max) = (Duration::from_secs(MIN), Duration::from_secs(MAX));
    if duration < min || duration > max {
        let (min, max) = (humantime::format_duration(min), humantime::format_duration(max));
        return Err(format!("it must be between {min} and {max}"));
    }
    Ok(duration)
}

/// An address that clients and verifiers compare byte by byte.
pub fn issuer(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    if rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) || !is_plain(text, 1024) {
        return Err("write an address such as https://auth.example.com, of at most 1024 characters".into());
    }
    Ok(text.to_owned())
}

/// One audience: a name or an address.
pub fn audience(text: &str) -> Result<String, String> {
    if text.is_empty() || !is_plain(text, 256) {
        return Err("write names without spaces, of at most 256 characters, separated by commas".into());
    }
    Ok(text.to_owned())
}

/// An origin as browsers send it (RFC 6454): scheme, host and optional port.
pub fn origin(text: &str) -> Result<HeaderValue, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_origin = host.is_some_and(|host| !host.is_empty() && !host.contains('/')) && is_plain(text, 256);
    HeaderValue::from_str(text)
        .ok()
        .filter(|_| is_origin)
        .ok_or_else(|| "write origins such as https://app.example.com, without a path, separated by commas".into())
}

fn is_plain(text: &str, max: usize) -> bool {
    text.len() <= max && text.chars().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use sc_auth_contract::samples::{AUDIENCES, EMAILS, ISSUERS, ORIGINS, Samples};

    use super::*;
    use crate::account;

    type Accepts = fn(&str) -> bool;

    #[test]
    fn the_server_accepts_what_the_schema_accepts() {
        let kinds: [(Samples, Accepts); 4] = [
            (ISSUERS, |text| issuer(text).is_ok()),
            (AUDIENCES, |text| audience(text).is_ok()),
            (ORIGINS, |text| origin(text).is_ok()),
            (EMAILS, |text| account::EMAIL.problems(text).is_empty()),
        ];
        for (samples, accepts) in kinds {
            for good in samples.good {
                assert!(accepts(good), "{good:?}");
            }
            for bad in samples.bad {
                assert!(!accepts(bad), "{bad:?}");
            }
        }
    }
}
