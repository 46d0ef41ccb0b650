//! The rules for names, e-mail addresses and passwords, and the widths of the columns that hold them. HTTP, the
//! commands and the schema all use these.

pub mod groups;
mod key;
mod problem;
mod visible;

use email_address::{EmailAddress, Options};
use sc_auth_contract::limits;

pub use key::{Field, domain_key, fold, former_fold, forms, key};
pub use problem::Problem;

/// The most characters of a password, after normalisation.
pub const PASSWORD_MAX: usize = limits::PASSWORD_MAX as usize;
/// The most characters of a password before normalisation, which can make one character of four.
pub const RAW_PASSWORD_MAX: usize = 4 * PASSWORD_MAX;
/// The most characters of a password hash.
pub const PASSWORD_HASH_MAX: usize = 254;
/// What is stored as the hash of a user who has no password: no password matches it, and servers of release 0.2 treat it
/// as a hash that they cannot use.
pub const NO_PASSWORD: &str = "!";
/// The most characters of the folded key of a user name or an e-mail address.
pub const KEY_MAX: usize = 255;

/// The rule for a text.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The fewest characters.
    pub min: usize,
    /// The most characters.
    pub max: usize,
    is_email: bool,
    /// Whether no two users can share it. Spaces around it do not count then, and its folded key must fit the column.
    is_unique: bool,
    /// Whether it can have invisible and control characters, as names of release 0.2 can.
    can_hide: bool,
}

pub const USERNAME: Rule =
    Rule { min: limits::USERNAME_MIN, max: limits::USERNAME_MAX, is_email: false, is_unique: true, can_hide: false };
/// The full name, for people. The minimum is the default of a setting.
pub const NAME: Rule = Rule {
    min: limits::NAME_MIN as usize,
    max: limits::NAME_MAX as usize,
    is_email: false,
    is_unique: false,
    can_hide: true,
};
pub const EMAIL: Rule = Rule { min: 0, max: limits::EMAIL_MAX, is_email: true, is_unique: true, can_hide: false };
/// The names and the address of an imported user, which can be older than the rules.
pub const IMPORTED_NAME: Rule = Rule { min: 0, ..NAME };
pub const IMPORTED_USERNAME: Rule = Rule { can_hide: true, ..USERNAME };
pub const IMPORTED_EMAIL: Rule = Rule { can_hide: true, ..EMAIL };
/// The user name and the password of a login: either can be older than the rules for new ones.
pub const CREDENTIAL: Rule = Rule { min: 0, max: RAW_PASSWORD_MAX, is_email: false, is_unique: false, can_hide: true };

impl Rule {
    /// The rule with another minimum.
    pub const fn at_least(self, min: usize) -> Self {
        Self { min, ..self }
    }

    /// The ways in which the text breaks the rule.
    pub fn problems(self, text: &str) -> Vec<Problem> {
        // PostgreSQL cannot store it.
        if text.contains('\0') {
            return vec![Problem::NotString];
        }
        let mut problems = Vec::new();
        if !self.is_long_enough(text) {
            problems.push(Problem::TooShort(self.min));
        }
        if text.chars().count() > self.max || (self.is_unique && !key_fits(text)) {
            problems.push(Problem::TooLong(self.max));
        }
        let hides = !self.can_hide && visible::hides(text);
        if self.is_email && (hides || !is_email(text)) {
            problems.push(Problem::NotEmail);
        } else if hides && problems.is_empty() {
            problems.push(Problem::Invisible);
        }
        problems
    }

    fn is_long_enough(self, text: &str) -> bool {
        let text = if self.is_unique { text.trim() } else { text };
        text.chars().count() >= self.min
    }
}

/// The width of a column for `max` characters.
#[expect(clippy::cast_possible_truncation, reason = "each limit is far below 65,536, and this is for constants")]
pub const fn width(max: usize) -> u16 {
    max as u16
}

/// The forms of a user's or a session's uuid that the database may hold: as written, without dashes and with them.
pub fn uuid_forms(text: &str) -> Vec<String> {
    let mut forms = vec![text.to_owned()];
    if let Ok(uuid) = uuid::Uuid::try_parse(text.trim()) {
        let others = [uuid.simple().to_string(), uuid.hyphenated().to_string()];
        forms.extend(others.into_iter().filter(|form| form != text));
    }
    forms
}

/// Whether the folded key of a name or an address fits its column: a single character can become eighteen.
pub fn key_fits(text: &str) -> bool {
    fold(text).chars().count() <= KEY_MAX
}

pub fn is_email(text: &str) -> bool {
    let options = Options::default().without_display_text().without_domain_literal();
    EmailAddress::parse_with_options(text, options)
        .is_ok_and(|address| address.domain().contains('.') || address.domain() == "localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_a_form_with_dashes_and_one_without() {
        let (plain, dashed) = ("0123456789abcdef0123456789abcdef", "01234567-89ab-cdef-0123-456789abcdef");
        assert_eq!(uuid_forms(plain), [plain, dashed]);
        assert_eq!(uuid_forms(dashed), [dashed, plain]);
        let upper = dashed.to_uppercase();
        assert_eq!(uuid_forms(&upper), [upper.as_str(), plain, dashed]);
        for other in ["", "alice", "0123", "01234567-89ab"] {
            assert_eq!(uuid_forms(other), [other]);
        }
    }

    #[test]
    fn lengths_count_characters_and_not_bytes() {
        assert!(USERNAME.problems("äöü").is_empty());
        assert!(USERNAME.problems(&"ü".repeat(64)).is_empty());
        assert_eq!(USERNAME.problems(&"ü".repeat(65)), [Problem::TooLong(64)]);
    }

    #[test]
    fn a_unique_name_cannot_hide_in_spaces_or_outgrow_its_key() {
        assert_eq!(USERNAME.problems("  a  "), [Problem::TooShort(3)]);
        assert_eq!(USERNAME.problems(&format!("alice{}", " ".repeat(60))), [Problem::TooLong(64)]);
        // One character that folds to eighteen.
        assert_eq!(USERNAME.problems(&"\u{fdfa}".repeat(20)), [Problem::TooLong(64)]);
    }

    #[test]
    fn addresses_are_distinguished_from_other_text() {
        for good in ["a@example.com", "a.b+c@sub.example.org", "root@localhost", "ü@example.com"] {
            assert!(is_email(good), "{good}");
        }
        for bad in ["", "a", "a@", "@b.c", "a@b", "a b@c.d", "Alice <a@b.c>", "a@[127.0.0.1]", "a@b..c"] {
            assert!(!is_email(bad), "{bad}");
        }
    }

    #[test]
    fn a_new_name_or_address_has_no_invisible_characters() {
        for name in
            ["ali\u{200b}ce", "ali\u{202e}ce", "alice\u{7}", "\u{3164}\u{3164}\u{3164}", "\u{301}\u{301}\u{301}"]
        {
            assert_eq!(USERNAME.problems(name), [Problem::Invisible], "{name:?}");
            assert!(IMPORTED_USERNAME.problems(name).is_empty() && CREDENTIAL.problems(name).is_empty(), "{name:?}");
        }
        for name in ["alice", "Jörg Müller", "οδος", "李小龙", "محمد", "a🦊b"] {
            assert!(USERNAME.problems(name).is_empty(), "{name:?}");
        }
        assert_eq!(EMAIL.problems("a\u{200b}b@example.com"), [Problem::NotEmail]);
    }
}
