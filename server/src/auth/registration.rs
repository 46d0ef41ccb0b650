//! Who may register.

use std::convert::Infallible;
use std::str::FromStr;

use sc_auth_contract::settings;

use crate::account::fold;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registration {
    Open,
    Closed,
    /// Only with an e-mail address of one of these domains.
    Domains(Vec<String>),
}

impl FromStr for Registration {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.trim() {
            settings::Registration::OPEN => Self::Open,
            settings::Registration::CLOSED => Self::Closed,
            domains => Self::Domains(
                domains
                    .split(',')
                    .map(|domain| fold(domain.trim().trim_start_matches('@')))
                    .filter(|d| !d.is_empty())
                    .collect(),
            ),
        })
    }
}

impl Registration {
    pub const fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }

    /// Whether a user may register with this address.
    pub fn allows(&self, email: &str) -> bool {
        match self {
            Self::Open | Self::Closed => true,
            Self::Domains(domains) => {
                fold(email).rsplit_once('@').is_some_and(|(_, domain)| domains.iter().any(|allowed| allowed == domain))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_with_the_name_of_a_choice_is_a_domain() {
        for domain in ["open", "closed"] {
            let setting = settings::Registration::Domains.as_setting(&[domain.to_owned()]);
            let Ok(registration) = setting.parse::<Registration>();
            assert_eq!(registration, Registration::Domains(vec![domain.to_owned()]));
        }
    }

    #[test]
    fn the_whole_domain_after_the_last_at_is_compared() {
        let Ok(registration) = " Example.com, @example.org".parse::<Registration>();
        for good in ["a@example.com", "A@EXAMPLE.ORG"] {
            assert!(registration.allows(good), "{good}");
        }
        for bad in ["a@sub.example.com", "a@notexample.com", "a@example.com@evil.test", "example.com"] {
            assert!(!registration.allows(bad), "{bad}");
        }
    }
}
