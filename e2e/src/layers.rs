//! Which part of the programs can use which: dependencies go one way. There is no circle between files or folders: between
//! neighbours, and between a module and its submodules. To declare a submodule, or to re-export what is in it, is not a
//! use.

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
    "backchannel",
    "auth",
    "report",
    "store",
    "account",
    "deployment",
    "metrics",
    "recent",
    "limits",
    "reloaded",
    "logging",
    "files",
    "terminal",
    "clock",
];
/// The parts of the operator.
const OPERATOR: &[&str] = &["main", "diff", "render", "run", "release_args", "scauth", "api", "shared"];
/// The folders of all crates with more than one file.
const CRATES: &[&str] = &[
    "bench/src",
    "contract/src",
    "e2e/src",
    "e2e/tests/cluster",
    "e2e/tests/operator",
    "e2e/tests/packaging",
    "e2e/tests/pages",
    "examples/rust/src",
    "operator/src",
    "operator/tests/apiserver",
    "operator/tests/controller",
    "server/src",
    "server/tests/api",
    "server/tests/proxies",
];
/// The name of a module's own file among its submodules. No submodule has this name.
const OWN: &str = "self";

type Module = Vec<String>;

/// A file, and its code without comments and unit tests.
struct File {
    path: PathBuf,
    code: String,
}

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

/// The text without unit tests.
fn program_of(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned()
}

fn without_comments(program: &str) -> String {
    let lines = program.lines().map(|line| line.split("//").next().unwrap());
    lines.collect::<Vec<_>>().join(" ")
}

/// The code without re-exports from submodules, and the paths of these.
fn without_reexports(code: &str, submodules: &[String]) -> (String, Vec<Module>) {
    let (mut rest, mut paths) = (String::new(), Vec::new());
    for statement in code.split_inclusive(';') {
        let words = ["pub use ", "pub(crate) use ", "pub(super) use "];
        let Some((before, path)) = words.iter().find_map(|words| statement.split_once(words)) else {
            rest += statement;
            continue;
        };
        let (found, _) = expand(path);
        if found.iter().all(|path| submodules.contains(&path[0])) {
            rest += before;
            paths.extend(found);
        } else {
            rest += statement;
        }
    }
    (rest, paths)
}

/// The paths that begin with one of these names; a group such as `a::{b, c}` is several paths.
fn paths(code: &str, names: &[&str]) -> Vec<Module> {
    let starts = names.iter().flat_map(|name| code.match_indices(name).filter(|(at, _)| is_start(code, *at, name)));
    starts.flat_map(|(at, _)| expand(&code[at..]).0).collect()
}

/// Whether the name there is a word, the first one of a path.
fn is_start(code: &str, at: usize, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || "_:$.".contains(c);
    let before = &code[..at];
    (!before.ends_with(is_part) || before.ends_with("..")) && code[at + name.len()..].starts_with("::")
}

fn has_word(code: &str, word: &str) -> bool {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word)
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

/// The modules of one crate.
struct Tree {
    files: BTreeMap<Module, File>,
    /// That of the crate itself.
    root: Module,
}

impl Tree {
    fn read(folder: &str) -> Self {
        let source = root().join(folder);
        let is_test = |module: &Module| module.iter().any(|part| part == "tests");
        let files = files(&source).into_iter().map(|path| (module_of(&source, &path), path));
        let file = |path: PathBuf| File { code: without_comments(&program_of(&path)), path };
        let files = files.filter(|(module, _)| !is_test(module)).map(|(module, path)| (module, file(path)));
        Self::of(files.collect())
    }

    fn of(files: BTreeMap<Module, File>) -> Self {
        let root = if files.contains_key(&vec![]) { vec![] } else { vec!["main".to_owned()] };
        Self { files, root }
    }

    /// The names of the submodules that are files of their own.
    fn submodules(&self, module: &Module) -> Vec<String> {
        let folder = if *module == self.root { &[][..] } else { module };
        let inside = self.files.keys().filter(|other| other.len() == folder.len() + 1 && other.starts_with(folder));
        inside.filter(|other| *other != module).map(|other| other[folder.len()].clone()).collect()
    }

    /// The module that a path in `from` leads into.
    fn resolve(&self, from: &Module, path: &Module) -> Option<Module> {
        let mut base = if path[0] == "crate" || *from == self.root { vec![] } else { from.clone() };
        let mut rest = path.iter().skip(usize::from(path[0] == "crate" || path[0] == OWN)).peekable();
        while rest.peek().is_some_and(|part| *part == "super") {
            rest.next();
            base.pop()?;
        }
        let full: Module = base.into_iter().chain(rest.cloned()).collect();
        let found = (1..=full.len()).rev().map(|length| full[..length].to_vec());
        let found = found.into_iter().find(|module| self.files.contains_key(module));
        // A module outside of the folder, or what is in the crate's own file.
        let is_elsewhere = full.len() > 1 && full[0].starts_with(char::is_lowercase);
        found.or_else(|| (!is_elsewhere).then(|| self.root.clone()))
    }

    fn uses_of(&self, from: &Module, file: &File) -> Vec<Use> {
        let submodules = self.submodules(from);
        let (code, reexports) = without_reexports(&file.code, &submodules);
        let names: Vec<_> = ["crate", "super", OWN].into_iter().chain(submodules.iter().map(String::as_str)).collect();
        let mut paths = paths(&code, &names);
        // A module that re-exports something can use it without its path.
        paths.extend(reexports.into_iter().filter(|path| {
            let name = path.last().unwrap();
            !submodules.contains(name) && has_word(&code, name)
        }));
        let ends = paths.iter().filter_map(|path| self.resolve(from, path));
        ends.map(|to| Use { from: from.clone(), to, file: file.path.clone() }).collect()
    }

    fn uses(&self) -> Vec<Use> {
        self.files.iter().flat_map(|(from, file)| self.uses_of(from, file)).collect()
    }
}

/// The files or folders beside each other that a use ties together, where [`OWN`] is the module around them; `None`
/// within one file.
fn ends(a_use: &Use) -> Option<(Module, Module)> {
    let Use { from, to, .. } = a_use;
    let common = from.iter().zip(to).take_while(|(from, to)| from == to).count();
    let end = |module: &Module| {
        let name = module.get(common).map_or(OWN, String::as_str);
        [&module[..common], &[name.to_owned()]].concat()
    };
    (from != to).then(|| (end(from), end(to)))
}

fn leads(from: &Module, to: &Module, arrows: &BTreeSet<(Module, Module)>, seen: &mut BTreeSet<Module>) -> bool {
    arrows
        .iter()
        .filter(|(start, _)| start == from)
        .any(|(_, end)| end == to || (seen.insert(end.clone()) && leads(end, to, arrows, seen)))
}

fn circles(uses: &[Use]) -> Vec<String> {
    let arrows: BTreeSet<_> = uses.iter().filter_map(ends).collect();
    let in_circle = |(from, to): &&(Module, Module)| leads(to, from, &arrows, &mut BTreeSet::new());
    let tied: BTreeSet<_> = arrows.iter().filter(in_circle).collect();
    let of = |a_use: &Use| ends(a_use).filter(|arrow| tied.contains(arrow));
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
    for a_use in Tree::read(&format!("{program}/src")).uses() {
        let Some((from, to)) = ends(&a_use) else { continue };
        let (Some(above), Some(below)) = (place(&from[0]), place(&to[0])) else {
            wrong.insert(format!("{} or {} is not in the list of parts of the {program}", from[0], to[0]));
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
fn there_is_no_circle_between_files_or_folders() {
    let found: Vec<_> = CRATES.iter().flat_map(|folder| circles(&Tree::read(folder).uses())).collect();
    assert!(found.is_empty(), "move what both need below them:\n{}", found.join("\n"));
}

#[test]
fn each_part_uses_only_those_below_it() {
    let found: Vec<_> = [wrong_way("server", SERVER), wrong_way("operator", OPERATOR)].concat();
    assert!(found.is_empty(), "see e2e/src/layers.rs:\n{}", found.join("\n"));
}

#[test]
fn what_all_kinds_share_knows_no_kind() {
    let files = files(&root().join("operator/src/shared"));
    let knows = files.iter().filter(|file| program_of(file).to_lowercase().contains("scauth"));
    assert_eq!(knows.collect::<Vec<_>>(), Vec::<&PathBuf>::new(), "let the kind pass it");
}

#[test]
fn a_group_is_several_paths() {
    let code =
        "use crate::{a::{self, b::C}, d}; super::e(); mycrate::x; let x = crate::f::G::new(); x.super::y; sub::z";
    let found = paths(code, &["crate", "super", "sub"]);
    let found: Vec<_> = found.iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["crate::a::self", "crate::a::b::C", "crate::d", "crate::f::G::new", "super::e", "sub::z"]);
}

#[test]
fn a_module_and_its_submodule_that_use_each_other_are_a_circle() {
    let circles_of = |parent: &str, child: &str| {
        let codes = [("", "mod a;"), ("a", parent), ("a/b", "pub mod c;"), ("a/b/c", child), ("a/d", "")];
        let files = codes.map(|(name, code)| {
            let module: Module = name.split_terminator('/').map(str::to_owned).collect();
            (module, File { path: name.into(), code: code.to_owned() })
        });
        circles(&Tree::of(files.into()).uses()).len()
    };
    for (parent, child, circles) in [
        ("mod b; mod d; pub use b::c::{T, U}; pub use d::V;", "use crate::a::V;", 0),
        ("mod b; mod d; use b::c::T;", "use crate::a::d::V;", 0),
        ("mod b; mod d; use b::c::T; struct V;", "use crate::a::V;", 2),
        ("mod b; mod d; use self::b::c; struct V;", "use super::super::V;", 2),
        ("mod b; mod d; struct V(b::c::T);", "fn f() -> super::super::V {}", 2),
        ("mod b; mod d; pub use b::c::T; struct V(T);", "use crate::a::*;", 2),
    ] {
        assert_eq!(circles_of(parent, child), circles, "{parent}\n{child}");
    }
}
