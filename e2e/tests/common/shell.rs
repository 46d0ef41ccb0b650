//! A page's blocks, and a shell that they are pasted into.

use std::process::Command;

use super::manifests::root;

/// The shell blocks of a page, from that heading on.
pub fn blocks(page: &str, heading: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
    let at = text.find(heading).unwrap_or_else(|| panic!("{page} has no {heading}"));
    let parts = text[at..].split("\n```sh\n").skip(1);
    let blocks: Vec<_> = parts.map(|part| part.split("\n```").next().unwrap().to_owned()).collect();
    assert!(!blocks.is_empty(), "{page} has no shell block");
    blocks
}

/// Pastes them into one shell, in the repository. Returns what was printed.
pub fn paste(blocks: &[String]) -> String {
    paste_with(&[], blocks)
}

/// The same where the page takes variables for granted.
pub fn paste_with(variables: &[(&str, &str)], blocks: &[String]) -> String {
    let mut shell = Command::new("bash");
    shell.envs(variables.iter().copied());
    let output = shell.args(["-euo", "pipefail", "-c", &blocks.join("\n")]).current_dir(root()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}:\n{said}\n{complained}", blocks.join("\n"));
    said
}

/// The folder of the programs that cargo has built, beside this test's own.
pub fn programs() -> String {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().to_str().unwrap().to_owned()
}
