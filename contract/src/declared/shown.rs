//! Texts of the file as messages show them: bounded, and without control characters, which a terminal would obey.

/// The most characters of an identifier, and of any other text.
const ID_MAX: usize = 320;
const TEXT_MAX: usize = 64;

pub(super) fn shown_id(id: &str) -> String {
    visible(id, ID_MAX)
}

pub(super) fn shown(text: &str) -> String {
    visible(text, TEXT_MAX)
}

fn visible(text: &str, max: usize) -> String {
    text.chars().filter(char::is_ascii_graphic).take(max).collect()
}
