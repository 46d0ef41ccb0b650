//! The ways in which services write a hash. An error names the kind of a hash that cannot be verified, and never quotes
//! the text, which may be a password.

mod crypt;
mod django;
mod functions;
mod ldap;
mod mediawiki;
mod unsupported;
mod werkzeug;

use super::super::derive::HashError;
use super::stored::Stored;

pub use functions::shorter;

pub fn parse(stored: &str) -> Result<Stored, HashError> {
    if let Some((scheme, rest)) = functions::split_scheme(stored) {
        return ldap::parse(scheme, rest);
    }
    if stored.starts_with('$') {
        return crypt::parse(stored);
    }
    if let Some(rest) = stored.strip_prefix("grub.pbkdf2.") {
        return functions::grub(rest);
    }
    if let Some(rest) = stored.strip_prefix(':') {
        return mediawiki::parse(rest);
    }
    // Nextcloud writes the version of its hasher in front.
    if let Some(("1" | "2" | "3", rest)) = stored.split_once('|').filter(|(_, rest)| rest.starts_with('$')) {
        return crypt::parse(rest);
    }
    if let Some((method, rest)) = stored.split_once('$') {
        if method.parse::<u32>().is_ok() && rest.matches('$').count() == 3 {
            return functions::scrypt_plain(method, rest);
        }
        if let Some(parsed) = django::parse(method, rest) {
            return parsed;
        }
        if let Some(parsed) = werkzeug::parse(method, rest) {
            return parsed;
        }
    }
    if let Some(parsed) = functions::asp_net(stored) {
        return parsed;
    }
    Err(unsupported::by_shape(stored))
}
