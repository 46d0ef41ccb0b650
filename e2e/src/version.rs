//! Checks that all places name the same version, and the script that sets it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::manifests::root;

/// The places of the current version: files, and folders with all files below them.
const PLACES: [&str; 9] = [
    "README.md",
    "README.id.md",
    "Dockerfile",
    "docs",
    "config",
    "charts/sc-auth-operator/Chart.yaml",
    "charts/sc-auth-operator/README.md",
    "charts/sc-auth-operator/values.yaml",
    "e2e/tests/packaging/snapshots",
];
/// Generated from the API's comments, whose example image is the same in all releases.
const GENERATED: &str = "docs/reference.md";
/// The texts before a version. A text that no longer occurs must be removed here.
const MARKS: [&str; 12] = [
    "sc-auth-server:",
    "sc-auth-operator:",
    "sc-auth-operator-",
    "app.kubernetes.io/version: ",
    "newTag: ",
    "ARG VERSION=",
    "?ref=v",
    "releases/download/v",
    "--version ",
    "targetRevision: v",
    "\nversion: ",
    "\nappVersion: ",
];

fn files(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return if path.exists() { vec![path.to_owned()] } else { Vec::new() };
    }
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|entry| files(&entry)).collect()
}

/// The version at the beginning of the text, if any.
fn version(text: &str) -> Option<&str> {
    let text = text.trim_start_matches('"');
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '.' || letter == '-';
    let end = text.find(|letter| !is_part(letter)).unwrap_or(text.len());
    // In the name of an archive, the version ends before the system.
    let found = text[..end].split("-linux-").next()?.trim_end_matches(".tgz").trim_end_matches('.');
    found.starts_with(|first: char| first.is_ascii_digit()).then_some(found).filter(|found| found.contains('.'))
}

fn after<'a>(text: &'a str, mark: &str) -> Vec<&'a str> {
    text.split(mark).skip(1).filter_map(version).collect()
}

/// The versions of the workspace's members in its lock file: those without a source.
fn locked(lock: &str) -> Vec<&str> {
    let packages = lock.split("[[package]]").skip(1).filter(|package| !package.contains("\nsource = "));
    packages.flat_map(|package| after(package, "\nversion = ")).collect()
}

/// The places with another version, and the marks that occur nowhere.
fn disagreements(root: &Path, wanted: &str) -> Vec<String> {
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    let mut wrong = Vec::new();
    let mut unseen = MARKS.to_vec();
    let places = PLACES.iter().flat_map(|place| files(&root.join(place)));
    for path in places.filter(|path| !path.ends_with(GENERATED)) {
        let text = read(&path);
        for mark in MARKS {
            let found = after(&text, mark);
            unseen.retain(|other| *other != mark || found.is_empty());
            let others = found.iter().filter(|version| **version != wanted);
            wrong.extend(others.map(|version| format!("{}: {mark}{version}", path.display())));
        }
    }
    wrong.extend(unseen.iter().map(|mark| format!("no place has {mark}")));
    let (manifest, lock) = (read(&root.join("Cargo.toml")), read(&root.join("Cargo.lock")));
    let members = locked(&lock);
    assert!(members.len() > 1, "{members:?}");
    let own = after(manifest.split("[workspace.package]").nth(1).unwrap(), "\nversion = ")[0];
    wrong.extend(
        [own].iter().chain(&members).filter(|version| **version != wanted).map(|version| format!("cargo: {version}")),
    );
    wrong
}

#[test]
fn every_place_names_this_version() {
    assert_eq!(disagreements(&root(), env!("CARGO_PKG_VERSION")), Vec::<String>::new(), "run dev/release/set-version");
}

/// A copy of all files that the script reads.
fn copy(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("sc-auth-version-{}-{name}", std::process::id()));
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).unwrap();
    let parts = ["Cargo.toml", "Cargo.lock", "CHANGELOG.md", "Dockerfile", "README.md", "README.id.md"];
    let folders = ["charts", "config", "docs", "dev", "e2e/tests/packaging/snapshots"];
    let mut command = Command::new("cp");
    command.args(["-r", "--parents"]).args(parts).args(folders).arg(&folder).current_dir(root());
    assert!(command.status().unwrap().success());
    folder
}

fn set_version(folder: &Path, version: &str) -> Result<(), String> {
    let output = Command::new(folder.join("dev/release/set-version")).arg(version).output().unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

#[test]
fn the_script_sets_every_place() {
    let folder = copy("release");
    let changes = fs::read_to_string(folder.join("CHANGELOG.md")).unwrap();
    let entries = "## Unreleased\n### Added\n- An entry.\n";
    let rest = changes.split_once("\n## 0.2.0").unwrap().1;
    fs::write(folder.join("CHANGELOG.md"), format!("# Changelog\n\n{entries}\n## 0.2.0{rest}")).unwrap();

    set_version(&folder, "98.7.6-rc.1").unwrap();
    assert_eq!(disagreements(&folder, "98.7.6-rc.1"), Vec::<String>::new());
    let candidate = fs::read_to_string(folder.join("CHANGELOG.md")).unwrap();
    assert!(candidate.contains(entries), "a candidate leaves the entries under Unreleased");

    set_version(&folder, "98.7.6").unwrap();
    assert_eq!(disagreements(&folder, "98.7.6"), Vec::<String>::new());
    let released = fs::read_to_string(folder.join("CHANGELOG.md")).unwrap();
    let (head, section) = released.split_once("## 98.7.6 - 2").unwrap();
    assert_eq!(head, "# Changelog\n\n## Unreleased\n\n");
    assert!(section.contains("\n### Added\n- An entry.\n\n## 0.2.0"), "{section}");

    let refusals = [("98.7.6", "is 98.7.6 already"), ("98.7", "usage:"), ("98.7.7", "nothing under Unreleased")];
    for (version, expected) in refusals {
        let refusal = set_version(&folder, version).expect_err(version);
        assert!(refusal.contains(expected), "{version}: {refusal}");
        assert_eq!(disagreements(&folder, "98.7.6"), Vec::<String>::new(), "a refused version changes nothing");
    }
    fs::remove_dir_all(folder).unwrap();
}
