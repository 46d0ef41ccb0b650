//! The shell blocks of a page, and a shell to paste them into.

use std::process::Command;

use crate::manifests::root;

/// The shell blocks of a page, from a heading on.
pub fn blocks(page: &str, heading: &str) -> Vec<String> {
    let text = read(page);
    let at = text.find(heading).unwrap_or_else(|| panic!("{page} has no {heading}"));
    blocks_in(page, &text[at..])
}

/// The blocks under one heading, with each placeholder replaced.
pub fn section(page: &str, heading: &str, placeholders: &[(&str, &str)]) -> Vec<String> {
    let text = format!("\n{}", read(page));
    let start = format!("\n{heading}\n");
    let at = text.find(&start).unwrap_or_else(|| panic!("{page} has no {heading}")) + start.len();
    let end = text[at..].find("\n#").map_or(text.len(), |length| at + length);
    let fill = |block: String| placeholders.iter().fold(block, |block, (name, value)| filled(&block, name, value));
    // Keep the newline before a block that directly follows the heading.
    blocks_in(page, &text[at - 1..end]).into_iter().map(fill).collect()
}

fn read(page: &str) -> String {
    std::fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

fn blocks_in(page: &str, text: &str) -> Vec<String> {
    let parts = text.split("\n```sh\n").skip(1);
    let blocks: Vec<_> = parts.map(|part| part.split("\n```").next().unwrap().to_owned()).collect();
    assert!(!blocks.is_empty(), "{page} has no shell block");
    blocks
}

/// Replaces the word `name` with the value: NAME matches neither NAMESPACE nor $NAME.
fn filled(block: &str, name: &str, value: &str) -> String {
    let is_of_word = |letter: char| letter.is_ascii_alphanumeric() || "_${".contains(letter);
    let mut parts = block.split(name);
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        let is_word = !text.ends_with(is_of_word) && !part.starts_with(is_of_word);
        text.push_str(if is_word { value } else { name });
        text.push_str(part);
    }
    text
}

/// Pastes the blocks into one shell, in the repository. Returns its output.
pub fn paste(blocks: &[String]) -> String {
    paste_with(&[], blocks)
}

/// The same, for a page that assumes that variables are set.
pub fn paste_with(variables: &[(&str, &str)], blocks: &[String]) -> String {
    let mut shell = Command::new("bash");
    shell.envs(variables.iter().copied());
    let output = shell.args(["-euo", "pipefail", "-c", &blocks.join("\n")]).current_dir(root()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}:\n{said}\n{complained}", blocks.join("\n"));
    said
}

/// The folder of the programs that cargo has built, next to this test's program.
pub fn programs() -> String {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().to_str().unwrap().to_owned()
}
