//! Parsers for the values of settings. Each error says what to use instead. Blanks around a value do not count.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::origin::Origin;

/// The elements of a list. An empty element does not count, as after a last comma.
#[derive(Debug, Clone)]
pub struct List<T>(pub Vec<T>);

impl<T> List<T> {
    fn parse(text: &str, element: impl Fn(&str) -> Result<T, String>) -> Result<Self, String> {
        let elements = text.split(',').map(str::trim).filter(|element| !element.is_empty());
        elements.map(element).collect::<Result<_, _>>().map(Self)
    }
}

/// A duration with its unit, between `MIN` and `MAX` seconds.
pub fn duration<const MIN: u64, const MAX: u64>(text: &str) -> Result<Duration, String> {
    // First as it is written: `M` is a month, `m` a minute.
    let parsed =
        humantime::parse_duration(text.trim()).or_else(|_| humantime::parse_duration(&text.trim().to_lowercase()));
    let duration = parsed.map_err(|_| "write a number and its unit, such as 90s, 15m, 1h or 30d")?;
    let (min, max) = (Duration::from_secs(MIN), Duration::from_secs(MAX));
    if duration < min || duration > max {
        let (min, max) = (humantime::format_duration(min), humantime::format_duration(max));
        let month = if text.contains('M') { "; M is a month, m a minute" } else { "" };
        return Err(format!("it must be between {min} and {max}{month}"));
    }
    Ok(duration)
}

/// An address and port to listen on. Without an address, or with `*`, it is all IPv4 addresses.
pub fn listen(text: &str) -> Result<SocketAddr, String> {
    let address = match text.trim().rsplit_once(':') {
        Some(("" | "*", port)) => port.parse().ok().map(|port| (Ipv4Addr::UNSPECIFIED, port).into()),
        Some((host, port)) if host.eq_ignore_ascii_case("localhost") => {
            port.parse().ok().map(|port| (Ipv4Addr::LOCALHOST, port).into())
        }
        _ => text.trim().parse().ok(),
    };
    address.ok_or_else(|| {
        "write an address and a port, such as 127.0.0.1:8000, [::]:8000, or :8000 for all addresses".into()
    })
}

/// An address that clients and verifiers compare byte by byte.
pub fn issuer(text: &str) -> Result<String, String> {
    let text = text.trim();
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    if rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) || !is_plain(text, 1024) {
        return Err("write an address such as https://auth.example.com, of at most 1024 characters".into());
    }
    Ok(text.to_owned())
}

/// Why clients cannot use an issuer that release 0.2 started with.
pub fn issuer_problem(issuer: &str) -> Option<&'static str> {
    let (scheme, rest) = issuer.split_once("://")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if issuer.contains(['?', '#']) {
        return Some("an issuer has no query and no fragment (RFC 8414)");
    }
    let is_list = path.split(',').skip(1).any(|next| next.starts_with("http"));
    let is_address = matches!(Origin::parse(&format!("{scheme}://{authority}")), Ok(Origin::Usable(_)));
    (is_list || !is_address).then_some("it is not one address of a host; write one such as https://auth.example.com")
}

pub fn audiences(text: &str) -> Result<List<String>, String> {
    List::parse(text, audience)
}

/// One audience: a name or an address.
fn audience(text: &str) -> Result<String, String> {
    if text.is_empty() || !is_plain(text, 256) {
        return Err("write names without spaces, of at most 256 characters, separated by commas".into());
    }
    Ok(text.to_owned())
}

pub fn origins(text: &str) -> Result<List<Origin>, String> {
    List::parse(text, Origin::parse)
}

fn is_plain(text: &str, max: usize) -> bool {
    text.len() <= max && text.chars().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use sc_auth_contract::samples::{AUDIENCES, EMAILS, ISSUERS, ORIGINS, Samples, USELESS_ISSUERS, USELESS_ORIGINS};

    use super::*;
    use crate::account;

    type Accepts = fn(&str) -> bool;

    #[test]
    fn the_server_accepts_what_the_schema_accepts() {
        let kinds: [(Samples, Accepts); 4] = [
            (ISSUERS, |text| issuer(text).is_ok()),
            (AUDIENCES, |text| audience(text).is_ok()),
            (ORIGINS, |text| matches!(Origin::parse(text), Ok(Origin::Usable(_)))),
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

    #[test]
    fn the_server_starts_with_issuers_that_clients_cannot_use() {
        for useless in USELESS_ISSUERS {
            assert!(issuer(useless).is_ok() && issuer_problem(useless).is_some(), "{useless:?}");
        }
        assert!(issuer_problem("https://a.test/x,https://b.test").is_some());
        for good in ISSUERS.good {
            assert_eq!(issuer_problem(good), None, "{good:?}");
        }
    }

    #[test]
    fn the_server_starts_with_origins_that_no_browser_sends() {
        for useless in USELESS_ORIGINS {
            assert!(matches!(Origin::parse(useless), Ok(Origin::Useless { .. })), "{useless:?}");
        }
    }

    #[test]
    fn durations_are_read_in_any_case_and_a_month_stays_a_month() {
        let parsed = duration::<1, 31_622_400>;
        for (text, seconds) in [(" 15m ", 900), ("1H", 3_600), ("30D", 2_592_000), ("90S", 90), ("1M", 2_630_016)] {
            assert_eq!(parsed(text).map(|duration| duration.as_secs()), Ok(seconds), "{text:?}");
        }
        for bad in ["", " ", "0s", "-1s", "15", "soon", "1h30", "1000d"] {
            assert!(parsed(bad).is_err(), "{bad:?}");
        }
        assert!(duration::<1, 86_400>("15M").unwrap_err().contains("M is a month"));
    }

    #[test]
    fn an_address_to_listen_on_can_be_a_port_alone() {
        for (text, wanted) in [
            (":8000", "0.0.0.0:8000"),
            ("*:8000", "0.0.0.0:8000"),
            ("Localhost:80", "127.0.0.1:80"),
            (" [::]:8000 ", "[::]:8000"),
            ("127.0.0.1:0", "127.0.0.1:0"),
        ] {
            assert_eq!(listen(text).map(|address| address.to_string()).as_deref(), Ok(wanted), "{text:?}");
        }
        for bad in ["", "8000", ":", ":x", ":65536", "here:80", "127.0.0.1", "::8000", "http://0.0.0.0:80"] {
            assert!(listen(bad).unwrap_err().contains(":8000 for all addresses"), "{bad:?}");
        }
    }

    #[test]
    fn a_blank_and_an_empty_element_of_a_list_do_not_count() {
        assert_eq!(audiences(" orders, billing ,").unwrap().0, ["orders", "billing"]);
        assert_eq!(audiences("").unwrap().0, Vec::<String>::new());
        assert_eq!(origins("https://a.test, https://b.test").unwrap().0.len(), 2);
        assert!(audiences("a b").is_err() && origins("https://a.test https://b.test").is_err());
    }
}
