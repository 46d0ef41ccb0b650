//! The Dockerfile and its build context. The cluster's images are built with the commands in the README.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use sc_auth_e2e::manifests::root;
use serde_json::Value;

/// Whether a file is in the build context: the last rule of .dockerignore that matches it, or one of its folders,
/// decides.
fn is_in_context(rules: &str, path: &Path) -> bool {
    let rules = rules.lines().filter(|rule| !rule.is_empty() && !rule.starts_with('#'));
    let mut decisive = rules.filter(|rule| {
        let rule = rule.trim_start_matches('!');
        assert!(rule == "*" || !rule.contains(['*', '?', '[']), "this test does not know the pattern {rule}");
        rule == "*" || path.starts_with(rule)
    });
    decisive.next_back().is_none_or(|rule| rule.starts_with('!'))
}

/// The folders of the workspace's members.
fn members() -> Vec<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let list = manifest.split_once("\nmembers = [").unwrap().1.split_once(']').unwrap().0;
    list.split(',').map(|member| member.trim().trim_matches('"').to_owned()).filter(|name| !name.is_empty()).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The path relative to the repository, without `..`.
fn relative(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            clean.pop();
        } else {
            clean.push(part);
        }
    }
    clean.strip_prefix(root()).unwrap().to_owned()
}

/// The files that a source file includes at compile time.
fn included(source: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(source).unwrap();
    let macros = ["include_str!(", "include_bytes!(", "include!("];
    let uses =
        macros.iter().flat_map(|name| text.split(&format!(" {name}")).skip(1).map(str::to_owned).collect::<Vec<_>>());
    uses.map(|rest| {
        let name = rest.strip_prefix('"').and_then(|rest| rest.split_once('"'));
        let (name, _) = name.unwrap_or_else(|| panic!("{}: this test cannot read that name", source.display()));
        relative(&source.parent().unwrap().join(name))
    })
    .collect()
}

#[test]
fn the_build_context_has_every_member_and_every_included_file() {
    let rules = fs::read_to_string(root().join(".dockerignore")).unwrap();
    let members = members();
    assert!(members.len() > 1, "{members:?}");
    let mut needed: Vec<_> = ["Cargo.toml", "Cargo.lock"].map(PathBuf::from).into();
    for member in members {
        needed.push(Path::new(&member).join("Cargo.toml"));
        for source in files(&root().join(&member)).iter().filter(|path| path.extension().is_some_and(|end| end == "rs"))
        {
            needed.extend(included(source));
            needed.push(relative(source));
        }
    }
    assert!(needed.contains(&"docs/conditions.md".into()), "included files were not found");
    let hidden: Vec<_> = needed.iter().filter(|path| !is_in_context(&rules, path)).collect();
    assert!(hidden.is_empty(), "hidden by .dockerignore: {hidden:?}");
    for other in [".git/config", "target/release/x", "docs/keys.md", "examples/javascript/package.json"] {
        assert!(!is_in_context(&rules, Path::new(other)), "{other} is not needed, and may be large");
    }
}

/// The same Dockerfile builds on arm64.
#[test]
fn the_dockerfile_names_no_architecture() {
    let text = fs::read_to_string(root().join("Dockerfile")).unwrap();
    for name in ["x86_64", "amd64", "aarch64", "arm64"] {
        assert!(!text.contains(name), "{name}");
    }
}

fn build_commands(page: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(page)).unwrap();
    text.lines().filter(|line| line.starts_with("$ docker ")).map(str::to_owned).collect()
}

#[test]
fn the_readmes_build_this_version_with_the_same_commands() {
    let commands = build_commands("README.md");
    assert_eq!(commands.len(), 4);
    assert_eq!(build_commands("README.id.md"), commands);
    let tag = format!(":{}", env!("CARGO_PKG_VERSION"));
    assert!(commands.iter().all(|command| command.contains(&tag)), "{commands:?}");
}

fn in_archive(archive: &Path, name: &str) -> Value {
    let output = Command::new("tar").args(["-xOf", archive.to_str().unwrap(), name]).output().unwrap();
    assert!(output.status.success(), "{}: {}", archive.display(), String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn blob_name(descriptor: &Value) -> String {
    format!("blobs/{}", descriptor["digest"].as_str().unwrap().replace(':', "/"))
}

fn blob(archive: &Path, descriptor: &Value) -> Value {
    in_archive(archive, &blob_name(descriptor))
}

/// The files of the last layer, with mode and owner.
fn files_of(archive: &Path, manifest: &Value) -> Vec<String> {
    let layer = blob_name(manifest["layers"].as_array().unwrap().last().unwrap());
    let list = "tar -xOf \"$0\" \"$1\" | tar --numeric-owner -tvz";
    let output = Command::new("sh").args(["-c", list]).arg(archive).arg(layer).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_images_have_labels_and_settings() {
    let folder = std::env::var("SCDEV_IMAGES").expect("SCDEV_IMAGES is not set; run `make test`");
    for name in ["sc-auth-server", "sc-auth-operator"] {
        let archive = Path::new(&folder).join(format!("{name}.tar"));
        let manifest = blob(&archive, &in_archive(&archive, "index.json")["manifests"][0]);
        let config = blob(&archive, &manifest["config"])["config"].clone();
        let label =
            |label: &str| config["Labels"][format!("org.opencontainers.image.{label}")].as_str().unwrap().to_owned();
        assert_eq!(label("title"), name);
        assert_eq!(label("version"), env!("CARGO_PKG_VERSION"));
        assert_eq!(label("licenses"), "Apache-2.0");
        assert!(!label("description").is_empty());
        assert!(config["Labels"].as_object().unwrap().contains_key("org.opencontainers.image.revision"));
        assert_eq!(config["User"], "65532:65532");
        if name == "sc-auth-server" {
            assert_eq!(config["WorkingDir"], "/data");
            // Its user can write there, and so can any user of group 0. Otherwise, `docker run` without settings, or
            // with `--user`, could not create the database.
            let files = files_of(&archive, &manifest);
            let folder = files.iter().find(|line| line.ends_with(" data/"));
            assert!(folder.is_some_and(|line| line.starts_with("drwxrwxr-x 65532/0 ")), "{files:?}");
        }
    }
}
