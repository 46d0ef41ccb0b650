//! Which part of the programs can use which: dependencies go one way, and there is no circle between neighbouring files
//! or folders. A module and its submodules may use each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::manifests::root;

/// The parts of the server, each of which may use those after it.
const SERVER: &[&str] = &[
    "main",
    "commands",
    "identity",
    "config",
    "http",
    "auth",
    "report",
    "store",
    "account",
    "deployment",
    "metrics",
    "recent",
    "limits",
    "logging",
    "files",
    "terminal",
    "clock",
];
/// The parts of the operator.
const OPERATOR: &[&str] = &["main", "diff", "render", "run", "release_args", "scauth", "api", "shared"];

type Module = Vec<String>;

/// A use of one module by another, and the file that it is in.
struct Use {
    from: Module,
    to: Module,
    file: PathBuf,
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn module_of(source: &Path, file: &Path) -> Module {
    let path = file.strip_prefix(source).unwrap().with_extension("");
    let parts: Module = path.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if parts == ["lib"] { vec![] } else { parts }
}

/// The code without comments and unit tests.
fn code_of(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = code.lines().map(|line| line.split("//").next().unwrap());
    lines.collect::<Vec<_>>().join(" ")
}

/// The paths that begin with `crate` or `super`; a group such as `a::{b, c}` is several paths.
fn paths(code: &str) -> Vec<Module> {
    let starts = ["crate::", "super::"].iter().flat_map(|word| code.match_indices(word));
    let is_word = |at: usize| at == 0 || !code[..at].ends_with(|c: char| c.is_alphanumeric() || "_:$".contains(c));
    starts.filter(|(at, _)| is_word(*at)).flat_map(|(at, _)| expand(&code[at..]).0).collect()
}

/// The paths at the beginning of a text, and how long they are.
fn expand(text: &str) -> (Vec<Module>, usize) {
    let name = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let own = vec![text[..name].to_owned()];
    if !text[name..].starts_with("::") {
        return (vec![own], name);
    }
    let mut at = name + 2;
    if !text[at..].starts_with('{') {
        let (rest, length) = expand(&text[at..]);
        return (rest.into_iter().map(|path| [own.clone(), path].concat()).collect(), at + length);
    }
    let mut all = Vec::new();
    while at < text.len() && !text[at..].starts_with('}') {
        at += 1;
        at += text[at..].len() - text[at..].trim_start().len();
        let (rest, length) = expand(&text[at..]);
        all.extend(rest.into_iter().map(|path| [own.clone(), path].concat()));
        at += length;
        at += text[at..].find([',', '}']).unwrap_or(0);
    }
    (all, at + 1)
}

/// The module that a path in `from` leads into.
fn resolve(from: &Module, path: &Module, modules: &BTreeSet<Module>) -> Option<Module> {
    let mut base = if path[0] == "crate" { vec![] } else { from.clone() };
    let mut rest = path.iter().skip(usize::from(path[0] == "crate")).peekable();
    while rest.peek().is_some_and(|part| *part == "super") {
        rest.next();
        base.pop()?;
    }
    let full: Module = base.into_iter().chain(rest.cloned()).collect();
    (1..=full.len()).rev().map(|length| full[..length].to_vec()).find(|module| modules.contains(module))
}

fn uses(program: &str) -> Vec<Use> {
    let source = root().join(program).join("src");
    let is_test = |module: &Module| module.iter().any(|part| part == "tests");
    let files: BTreeMap<Module, PathBuf> =
        files(&source).into_iter().map(|file| (module_of(&source, &file), file)).filter(|(m, _)| !is_test(m)).collect();
    let modules: BTreeSet<Module> = files.keys().cloned().collect();
    let mut uses = Vec::new();
    for (from, file) in &files {
        for path in paths(&code_of(file)) {
            uses.extend(resolve(from, &path, &modules).map(|to| Use { from: from.clone(), to, file: file.clone() }));
        }
    }
    uses
}

/// The neighbours in one folder that a use ties together; `None` where one is inside of the other.
fn neighbours(a_use: &Use) -> Option<(Module, Module)> {
    let common = a_use.from.iter().zip(&a_use.to).take_while(|(from, to)| from == to).count();
    let is_inside = common == a_use.from.len() || common == a_use.to.len();
    (!is_inside).then(|| (a_use.from[..=common].to_vec(), a_use.to[..=common].to_vec()))
}

fn leads(from: &Module, to: &Module, arrows: &BTreeSet<(Module, Module)>, seen: &mut BTreeSet<Module>) -> bool {
    arrows
        .iter()
        .filter(|(start, _)| start == from)
        .any(|(_, end)| end == to || (seen.insert(end.clone()) && leads(end, to, arrows, seen)))
}

fn circles(program: &str) -> Vec<String> {
    let uses = uses(program);
    let arrows: BTreeSet<_> = uses.iter().filter_map(neighbours).collect();
    let in_circle = |(from, to): &&(Module, Module)| leads(to, from, &arrows, &mut BTreeSet::new());
    let tied: BTreeSet<_> = arrows.iter().filter(in_circle).collect();
    let of = |a_use: &Use| neighbours(a_use).filter(|arrow| tied.contains(arrow));
    let lines = uses.iter().filter_map(|a_use| {
        let (from, to) = of(a_use)?;
        Some(format!(
            "{} uses {}: {} and {} use each other, directly or through others",
            a_use.file.display(),
            a_use.to.join("::"),
            from.join("/"),
            to.join("/")
        ))
    });
    lines.collect::<BTreeSet<_>>().into_iter().collect()
}

fn wrong_way(program: &str, order: &[&str]) -> Vec<String> {
    let place = |name: &str| order.iter().position(|part| *part == name);
    let mut wrong = BTreeSet::new();
    for a_use in uses(program) {
        let Some((from, to)) = neighbours(&a_use) else { continue };
        let (Some(above), Some(below)) = (place(&a_use.from[0]), place(&a_use.to[0])) else {
            wrong.insert(format!("{} is not in the list of parts of the {program}", a_use.from[0]));
            continue;
        };
        if from.len() == 1 && above >= below {
            wrong.insert(format!(
                "{} uses {}, but {} may use only: {}",
                a_use.file.display(),
                to[0],
                from[0],
                order[above + 1..].join(", ")
            ));
        }
    }
    wrong.into_iter().collect()
}

#[test]
fn there_is_no_circle_between_neighbouring_files_or_folders() {
    let found: Vec<_> = ["contract", "operator", "server", "bench"].into_iter().flat_map(circles).collect();
    assert!(found.is_empty(), "move what both need below them:\n{}", found.join("\n"));
}

#[test]
fn each_part_uses_only_those_below_it() {
    let found: Vec<_> = [wrong_way("server", SERVER), wrong_way("operator", OPERATOR)].concat();
    assert!(found.is_empty(), "see e2e/src/layers.rs:\n{}", found.join("\n"));
}

#[test]
fn a_group_is_several_paths() {
    let found = paths("use crate::{a::{self, b::C}, d}; super::e(); mycrate::x; let x = crate::f::G::new();");
    let found: Vec<_> = found.iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["crate::a::self", "crate::a::b::C", "crate::d", "crate::f::G::new", "super::e"]);
}
