//! The values of settings that are one of a few words. The custom resource has its own spelling of the words.

use serde::{Deserialize, Serialize};

/// The values of an enum in the environment, in one place for both programs; an alias is only read.
macro_rules! words {
    ($type:ty { $($variant:ident => $word:literal $(| $alias:literal)*),* $(,)? }) => {
        impl $type {
            /// The value in the environment.
            #[must_use]
            pub const fn as_setting(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        #[cfg(feature = "cli")]
        impl clap::ValueEnum for $type {
            fn value_variants<'a>() -> &'a [Self] {
                &[$(Self::$variant),*]
            }

            fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
                let value = clap::builder::PossibleValue::new(self.as_setting());
                Some(match self { $(Self::$variant => value.aliases([$($alias),*] as [&str; _])),* })
            }
        }
    };
}

/// Whether a refresh token can be used once, each refresh returning the next (`Rotating`), or until it expires
/// (`Reusable`). Defaults to `Reusable` if legacyTokens is set or the database was taken over from the legacy
/// service, otherwise to `Rotating`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum RefreshTokens {
    /// Each refresh returns the next refresh token; a second use ends the session.
    Rotating,
    /// Can be used until it expires, as clients of the legacy service expect.
    Reusable,
}

words!(RefreshTokens { Rotating => "rotating", Reusable => "reusable" });

/// Who can register: anybody (`Open`, the default), nobody (`Closed`; Admins create accounts), or those who give an
/// e-mail address in one of registrationDomains (`Domains`). Addresses are not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Registration {
    /// Anybody.
    Open,
    /// Nobody: Admins create accounts.
    Closed,
    /// Anybody who gives an e-mail address in one of registrationDomains. Addresses are not verified.
    Domains,
}

impl Registration {
    /// The value of `Open` in the environment.
    pub const OPEN: &str = "open";
    /// The value of `Closed` in the environment.
    pub const CLOSED: &str = "closed";

    /// The value in the environment: a word, or the domains separated by commas.
    #[must_use]
    pub fn as_setting(self, domains: &[String]) -> String {
        match (self, domains) {
            (Self::Open, _) => Self::OPEN.to_owned(),
            (Self::Closed, _) => Self::CLOSED.to_owned(),
            // A domain with the name of a choice would be read as that choice, in any case.
            (Self::Domains, [domain])
                if [Self::OPEN, Self::CLOSED].iter().any(|word| domain.eq_ignore_ascii_case(word)) =>
            {
                format!("@{domain}")
            }
            (Self::Domains, _) => domains.join(","),
        }
    }
}

/// Refuse the passwords of a built-in list of 19,640 common ones (`Common`, the default), or do not (`None`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Blocklist {
    /// Refuse those on the built-in list.
    Common,
    /// Refuse none.
    None,
}

impl Blocklist {
    /// The value of `Common` in the environment.
    pub const COMMON: &str = "common";
    /// The value of `None` in the environment.
    pub const OFF: &str = "off";

    /// The value in the environment, where it can also be the path of a file with a list.
    #[must_use]
    pub const fn as_setting(self) -> &'static str {
        match self {
            Self::Common => Self::COMMON,
            Self::None => Self::OFF,
        }
    }
}

/// Whether a password that is the user's own name or e-mail address is `Refused` (default) or `Allowed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Names"))]
pub enum PasswordNames {
    /// Refused.
    Refused,
    /// Allowed.
    Allowed,
}

words!(PasswordNames { Refused => "refused", Allowed => "allowed" });

/// Language of the pages for browsers that accept none of their languages: `en` (English, the default) or `id`
/// (Indonesian).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Indonesian.
    Id,
}

words!(Language { En => "en", Id => "id" });

/// Whether tokens are accepted whose SECRET_KEY has fewer than 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegacyTokens {
    /// No: they can be forged by brute force.
    Strong,
    /// Yes.
    Weak,
}

words!(LegacyTokens { Strong => "strong", Weak => "weak" });

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

words!(Switch {
    On => "on" | "true" | "yes" | "1" | "enabled",
    Off => "off" | "false" | "no" | "0" | "disabled",
});

impl Switch {
    /// Whether it is on.
    #[must_use]
    pub const fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}

/// Kind of server. Defaults to `mysql`, which also works for MariaDB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// MySQL.
    #[default]
    Mysql,
    /// MariaDB.
    Mariadb,
    /// PostgreSQL.
    Postgresql,
}

impl Engine {
    /// The value in the environment. The server does not distinguish MariaDB from MySQL.
    #[must_use]
    pub const fn as_setting(self) -> &'static str {
        match self {
            Self::Mysql | Self::Mariadb => "mysql",
            Self::Postgresql => "postgres",
        }
    }

    /// The default port.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Mysql | Self::Mariadb => 3306,
            Self::Postgresql => 5432,
        }
    }
}

#[cfg(feature = "cli")]
impl clap::ValueEnum for Engine {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Mysql, Self::Postgresql]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        let value = clap::builder::PossibleValue::new(self.as_setting());
        Some(value.alias(if *self == Self::Postgresql { "postgresql" } else { "mariadb" }))
    }
}

/// Encryption of a connection and verification of the server's certificate.
// A stricter mode is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// Never encrypted.
    Disabled,
    /// Encrypted if the server supports it.
    Preferred,
    /// Encrypted, without verification of the certificate.
    Required,
    /// Encrypted; the certificate must come from a known authority.
    VerifyCa,
    /// As `verify-ca`, and the certificate must match the host name.
    VerifyIdentity,
}

words!(TlsMode {
    Disabled => "disabled" | "disable",
    Preferred => "preferred" | "prefer",
    Required => "required" | "require",
    VerifyCa => "verify-ca" | "verify_ca",
    VerifyIdentity => "verify-identity" | "verify_identity" | "verify-full",
});
