//! Characters that people cannot see, with which one name can look like another.

use sc_auth_contract::limits::HIDDEN;
use unicode_normalization::char::is_combining_mark;

/// Whether the text has control or invisible characters, or no others than spaces and combining marks.
pub fn hides(text: &str) -> bool {
    text.chars().any(is_hidden) || !text.is_empty() && text.chars().all(|c| c.is_whitespace() || is_combining_mark(c))
}

fn is_hidden(c: char) -> bool {
    HIDDEN.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_found_wherever_they_are() {
        for text in
            ["\n", "a\u{9f}", "\u{feff}a", "a\u{2067}b", "a\u{fe0f}", "\u{e0041}a", "a\u{ad}", "\u{2800}", "\u{300}"]
        {
            assert!(hides(text), "{text:?}");
        }
        for text in ["", "a b", "e\u{301}", "\u{a0}a", "-", "😀", "\u{600}"] {
            assert!(!hides(text), "{text:?}");
        }
        assert!(HIDDEN.is_sorted() && HIDDEN.iter().all(|(first, last)| first <= last));
    }
}
