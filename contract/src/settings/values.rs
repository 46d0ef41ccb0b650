//! What a setting may be where it is one of a few words. The custom resource has the words in its own spelling.

use serde::{Deserialize, Serialize};

/// The words of an enum in the environment, in one place for both programs.
macro_rules! words {
    ($type:ty { $($variant:ident => $word:literal),* $(,)? }) => {
        impl $type {
            /// The word in the environment.
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
                Some(clap::builder::PossibleValue::new(self.as_setting()))
            }
        }
    };
}

/// Whether a refresh token is good once, each refresh giving the next (`Rotating`), or until it expires (`Reusable`). By
/// default `Reusable` where legacyTokens is set or the database was taken over from the service before this one, else
/// `Rotating`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum RefreshTokens {
    /// Each refresh gives the next refresh token; a second use ends the session.
    Rotating,
    /// Good until it expires, as clients of the service before this one expect.
    Reusable,
}

words!(RefreshTokens { Rotating => "rotating", Reusable => "reusable" });

/// Who may make an account: anybody (`Open`, the default), nobody but Admins (`Closed`), or whoever has an e-mail address
/// of one of registrationDomains (`Domains`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Registration {
    /// Anybody.
    Open,
    /// Nobody: Admins make the accounts.
    Closed,
    /// Whoever has an e-mail address of one of registrationDomains.
    Domains,
}

impl Registration {
    /// In the environment: a word, or the domains themselves, separated by commas.
    #[must_use]
    pub fn as_setting(self, domains: &[String]) -> String {
        match self {
            Self::Open => "open".to_owned(),
            Self::Closed => "closed".to_owned(),
            Self::Domains => domains.join(","),
        }
    }
}

/// Which passwords are refused for being common: those on a built-in list of 19,640 (`Common`, the default), or `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Blocklist {
    /// Those on the built-in list.
    Common,
    /// None.
    None,
}

impl Blocklist {
    /// The word in the environment. There it may also be the path of a file with a list.
    #[must_use]
    pub const fn as_setting(self) -> &'static str {
        match self {
            Self::Common => "common",
            Self::None => "off",
        }
    }
}

/// Whether a password that is the user's own name or e-mail address is `Refused` (the default) or `Allowed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Names"))]
pub enum PasswordNames {
    /// It may not.
    Refused,
    /// It may.
    Allowed,
}

words!(PasswordNames { Refused => "refused", Allowed => "allowed" });

/// Whether tokens are honoured whose SECRET_KEY has fewer than 32 bytes.
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

words!(Switch { On => "on", Off => "off" });

impl Switch {
    /// Whether it is on.
    #[must_use]
    pub const fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}

/// The kind of server, `mysql` by default. MariaDB may be called by either name.
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
    /// The word in the environment: MariaDB and MySQL are one to the server.
    #[must_use]
    pub const fn as_setting(self) -> &'static str {
        match self {
            Self::Mysql | Self::Mariadb => "mysql",
            Self::Postgresql => "postgres",
        }
    }

    /// The port where none is named.
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

/// How far a connection is encrypted and its server verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// Never encrypted.
    Disabled,
    /// Encrypted where the server can.
    Preferred,
    /// Encrypted, whoever answers.
    Required,
    /// Encrypted, with a certificate of a known authority.
    VerifyCa,
    /// The same, and the certificate is the host's own.
    VerifyIdentity,
}

words!(TlsMode {
    Disabled => "disabled",
    Preferred => "preferred",
    Required => "required",
    VerifyCa => "verify-ca",
    VerifyIdentity => "verify-identity",
});
