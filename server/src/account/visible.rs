//! Characters that people cannot see, with which one name can look like another.

use sc_auth_contract::limits;
use unicode_normalization::char::is_combining_mark;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

/// Whether the text has control or invisible characters, or no others than spaces and combining marks. Code points that
/// are not assigned count too: how they look, and what they are equal to, a later version of Unicode decides.
pub fn hides(text: &str) -> bool {
    text.chars().any(is_hidden) || !text.is_empty() && text.chars().all(|c| c.is_whitespace() || is_combining_mark(c))
}

fn is_hidden(c: char) -> bool {
    limits::is_hidden(c) || c.general_category() == GeneralCategory::Unassigned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_found_wherever_they_are() {
        for text in [
            "a\u{378}",
            "a\u{fffc}",
            "a\u{16fe4}",
            "a\u{13441}",
            "a\u{3fffd}",
            "\n",
            "a\u{9f}",
            "\u{feff}a",
            "a\u{2067}b",
            "a\u{fe0f}",
            "\u{e0041}a",
            "a\u{ad}",
            "\u{2800}",
            "\u{300}",
        ] {
            assert!(hides(text), "{text:?}");
        }
        for text in ["", "a b", "e\u{301}", "\u{a0}a", "-", "😀", "\u{600}"] {
            assert!(!hides(text), "{text:?}");
        }
        assert!(limits::HIDDEN.is_sorted() && limits::HIDDEN.iter().all(|(first, last)| first <= last));
    }
}
