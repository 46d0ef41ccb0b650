//! Who may register.

use std::convert::Infallible;
use std::str::FromStr;

use sc_auth_contract::settings;

use crate::account::{domain_key, is_email};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registration {
    Open,
    Closed,
    /// Only with an e-mail address of one of these domains.
    Domains(Vec<String>),
}

/// Words that mean nobody. Release 0.2 took them for domains, with the same effect.
const NOBODY: [&str; 7] = ["closed", "off", "false", "no", "none", "never", "disabled"];

impl FromStr for Registration {
    type Err = Infallible;

    /// Words that mean anybody, other than `open`, stay domains that no address has: an upgrade must not open a
    /// registration that was closed.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let word = text.trim().to_lowercase();
        if word == settings::Registration::OPEN {
            return Ok(Self::Open);
        }
        if NOBODY.contains(&word.as_str()) {
            return Ok(Self::Closed);
        }
        let domains =
            text.split(',').map(|domain| domain_key(domain.trim().trim_start_matches('@').trim_end_matches('.')));
        Ok(Self::Domains(domains.filter(|domain| !domain.is_empty()).collect()))
    }
}

impl Registration {
    pub const fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }

    /// Whether it is a list without domains.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Domains(domains) if domains.is_empty())
    }

    /// The domains that no e-mail address has.
    pub fn useless(&self) -> impl Iterator<Item = &str> {
        let domains: &[String] = match self {
            Self::Open | Self::Closed => &[],
            Self::Domains(domains) => domains,
        };
        domains.iter().map(String::as_str).filter(|domain| !is_email(&format!("a@{domain}")))
    }

    /// Whether a user may register with this address.
    pub fn allows(&self, email: &str) -> bool {
        match self {
            Self::Open | Self::Closed => true,
            Self::Domains(domains) => {
                let domain = email.trim().rsplit_once('@').map(|(_, domain)| domain_key(domain));
                domain.is_some_and(|domain| domains.contains(&domain))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use sc_auth_contract::samples::DOMAINS;

    use super::*;

    #[test]
    fn a_domain_with_the_name_of_a_choice_is_a_domain() {
        for domain in ["open", "closed", "Open", "CLOSED"] {
            let setting = settings::Registration::Domains.as_setting(&[domain.to_owned()]);
            let Ok(registration) = setting.parse::<Registration>();
            assert_eq!(registration, Registration::Domains(vec![domain.to_lowercase()]));
        }
    }

    #[test]
    fn the_whole_domain_after_the_last_at_is_compared() {
        let Ok(registration) = " Example.com, @example.org".parse::<Registration>();
        for good in ["a@example.com", "A@EXAMPLE.ORG"] {
            assert!(registration.allows(good), "{good}");
        }
        let Ok(german) = "bücher.example, STRASSE.example".parse::<Registration>();
        assert!(german.allows("a@xn--bcher-kva.example") && german.allows("a@strasse.example"));
        assert!(!german.allows("a@straße.example"), "another domain");
        for bad in ["a@sub.example.com", "a@notexample.com", "a@example.com@evil.test", "example.com"] {
            assert!(!registration.allows(bad), "{bad}");
        }
    }

    fn parsed(text: &str) -> Registration {
        let Ok(registration) = text.parse();
        registration
    }

    #[test]
    fn words_are_read_in_any_case() {
        for open in ["open", "Open", " OPEN "] {
            assert_eq!(parsed(open), Registration::Open, "{open:?}");
        }
        for closed in ["closed", "Closed", "OFF", "off", "False", "no", "None", " disabled\n"] {
            assert_eq!(parsed(closed), Registration::Closed, "{closed:?}");
        }
    }

    #[test]
    fn the_server_finds_the_domains_useless_that_the_schema_refuses() {
        for good in DOMAINS.good {
            assert_eq!(parsed(good).useless().count(), 0, "{good:?}");
        }
        for bad in DOMAINS.bad.iter().filter(|bad| !bad.is_empty() && **bad != "open") {
            assert_eq!(parsed(bad).useless().count(), 1, "{bad:?}");
        }
        for word in ["true", "on", "yes", "@open", "open,"] {
            assert!(matches!(parsed(word), Registration::Domains(_)), "{word}");
            assert_eq!(parsed(word).useless().count(), 1, "{word}");
        }
        assert_eq!(parsed("example.com.,@example.org,").useless().count(), 0);
        assert!(parsed("example.com.").allows("a@example.com"));
    }
}
