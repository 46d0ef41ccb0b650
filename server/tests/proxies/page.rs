//! Configurations on docs/forward-auth.md: what a reader copies is what runs here.

use std::path::Path;

/// The origin from which browsers may send requests.
pub const ORIGIN: &str = "https://www.example.com";

/// The blocks of the page with this mark.
pub fn blocks(mark: &str) -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/forward-auth.md");
    let page = std::fs::read_to_string(page).unwrap();
    let begin = format!("\n```{mark}\n");
    page.split(&begin).skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

/// Replaces every occurrence of a text that has to be there.
pub fn replace(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} is not in: {text}");
    text.replace(from, to)
}
