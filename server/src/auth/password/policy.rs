//! The rules for new passwords, after OWASP ASVS 5.0 (6.2) and NIST SP 800-63B-4 (3.1.1): long enough, not a common
//! password, not the user's own name. No composition rules, no expiry.

use std::path::Path;

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};

use super::normalized;
use crate::account::{Problem, fold};
use crate::files::read_regular;

/// 19,640 passwords, from Royce Williams' list as shipped with Django 5.2 (BSD licence), in NFKC, lower case, sorted.
const COMMON: &str = include_str!("common.txt");

/// The largest list of passwords. It is kept in memory.
const LIST_BYTES: u64 = 64 << 20;

/// The list of passwords that are refused as too common.
#[derive(Debug, Clone, Default)]
pub enum Blocklist {
    #[default]
    Common,
    Off,
    /// From a file with one password per line; kept folded and sorted.
    Own(String),
}

impl Blocklist {
    /// # Errors
    /// If the file cannot be read.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let (text, _) = read_regular(path, LIST_BYTES)
            .with_context(|| format!("SC_AUTH_PASSWORD_BLOCKLIST: {}", path.display()))?;
        let mut lines: Vec<_> = text.lines().map(fold).filter(|line| !line.is_empty()).collect();
        lines.sort_unstable();
        Ok(Self::Own(lines.join("\n")))
    }

    fn holds(&self, folded: &str) -> bool {
        match self {
            Self::Common => holds(COMMON, folded),
            Self::Off => false,
            Self::Own(text) => holds(text, folded),
        }
    }
}

/// The rules for new passwords; each can be configured.
#[derive(Debug, Clone)]
pub struct Policy {
    /// In characters.
    pub min_length: usize,
    pub max_length: usize,
    pub blocklist: Blocklist,
    /// Whether the user's own names are refused.
    pub refuses_names: bool,
}

impl Policy {
    /// The rules that a password breaks. `names` are the user's own.
    pub fn problems(&self, password: &SecretString, names: &[&str]) -> Vec<Problem> {
        let password = normalized(password);
        let length = password.expose_secret().chars().count();
        let folded = fold(password.expose_secret());
        let mut problems = Vec::new();
        if length < self.min_length {
            problems.push(Problem::TooShort(self.min_length));
        }
        if length > self.max_length {
            problems.push(Problem::TooLong(self.max_length));
        }
        if self.blocklist.holds(&folded) {
            problems.push(Problem::CommonPassword);
        }
        if self.refuses_names && names.iter().any(|name| is_name(&folded, name)) {
            problems.push(Problem::OwnName);
        }
        problems
    }
}

/// Whether it is the name, or the part of an address before the @.
fn is_name(folded: &str, name: &str) -> bool {
    let name = fold(name);
    !name.is_empty() && (folded == name || name.split_once('@').is_some_and(|(local, _)| folded == local))
}

/// Whether a line of a sorted text is `wanted`. A binary search in the text saves the megabyte that a set would take.
fn holds(text: &str, wanted: &str) -> bool {
    let (mut low, mut high) = (0, text.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        let start = text.as_bytes()[..middle].iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
        let end = text.as_bytes()[middle..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |n| middle + n);
        match text[start..end].cmp(wanted) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        Policy { min_length: 8, max_length: 256, blocklist: Blocklist::Common, refuses_names: true }
    }

    fn problems(password: &str) -> Vec<Problem> {
        policy().problems(&password.into(), &["Alice.Smith", "Alice Smith", "a.smith@example.com"])
    }

    #[test]
    fn the_list_is_long_and_sorted_and_every_line_is_found() {
        let lines: Vec<_> = COMMON.lines().collect();
        assert!(lines.len() > 10_000 && lines.is_sorted());
        assert!(lines.iter().all(|line| holds(COMMON, line)));
        assert!(lines.iter().all(|line| fold(line) == **line), "a line that is not folded is never found");
        for other in ["", "xqj", "zzzzzzzzzzzzzz", "correct horse battery", "123456\n1234567"] {
            assert!(!holds(COMMON, other), "{other:?}");
        }
    }

    #[test]
    fn each_rule_reports_its_problem() {
        assert_eq!(problems("correct horse battery"), []);
        assert_eq!(problems("short"), [Problem::TooShort(8)]);
        assert_eq!(problems(&"long".repeat(65)), [Problem::TooLong(256)]);
        assert_eq!(problems("Password1"), [Problem::CommonPassword]);
        for name in ["alice smith", "ALICE.smith", "a.smith@example.com", "A.Smith"] {
            assert!(problems(name).contains(&Problem::OwnName), "{name}");
        }
        assert_eq!(problems("a ü"), [Problem::TooShort(8)], "every broken rule, and no other");
    }

    #[test]
    fn lengths_count_characters_after_normalisation() {
        assert!(problems(&"ö".repeat(8)).is_empty());
        assert_eq!(problems(&"o\u{308}".repeat(7)), [Problem::TooShort(8)]);
    }

    #[test]
    fn each_rule_can_be_configured() {
        let lax = Policy { min_length: 1, max_length: 256, blocklist: Blocklist::Off, refuses_names: false };
        assert!(lax.problems(&"123456".into(), &["123456"]).is_empty());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list");
        std::fs::write(&file, "zebra crossing\nAcme Corporation\n").unwrap();
        let own = Policy { blocklist: Blocklist::read(&file).unwrap(), ..policy() };
        assert_eq!(own.problems(&"ACME corporation".into(), &[]), [Problem::CommonPassword]);
        assert!(own.problems(&"password1".into(), &[]).is_empty());
    }
}
