//! Holds the rules of `CONTRIBUTING.md` that the compiler does not: who may import whom, who may
//! spawn, how long a file may be. Reads the sources as text.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules from the lowest layer up; those in one row are siblings.
const LAYERS: [&[&str]; 9] = [
    &["wire"],
    &["protocol"],
    &["record"],
    &["transport"],
    &["cluster"],
    &["admin", "reader", "writer", "conn"],
    &["exactly_once"],
    &["client"],
    &["testing"],
];

/// Modules with a rule of their own: the lowest layer that may import them.
const FROM_LAYER: [(&str, usize); 3] = [("types", 0), ("task", 3), ("error", 4)];

/// Not part of the crate as it is published: the root, and doors for fuzzing.
const OUTSIDE: [&str; 2] = ["lib", "internals"];

const LONGEST_FILE: usize = 800;

/// Lines of code: without blank lines, comments and docs, without what is for tests, and without the
/// schema of the messages, which is Kafka's.
const MOST_CODE: usize = 25_000;

/// A source file without what does not count: comments, strings, its own tests.
struct Source {
    /// Relative to the crate.
    path: String,
    /// The first part of its path below `src`.
    module: String,
    lines: usize,
    code: Vec<String>,
}

#[test]
fn modules_import_only_from_lower_layers() {
    let sources = sources();
    let public = public_names(&sources);
    let mut wrong = String::new();
    for source in &sources {
        let Some(layer) = layer_of(&source.module) else { continue };
        for (line, path) in imports(source) {
            let Some((module, item)) = path.split_first() else { continue };
            if *module == source.module {
                continue;
            }
            let is_allowed = match (layer_of(module), from_layer(module)) {
                (Some(other), _) if other == layer => item
                    .first()
                    .is_some_and(|name| public.contains(&(module.clone(), name.clone()))),
                (Some(other), _) => other < layer,
                (None, Some(lowest)) => layer >= lowest,
                // A name that the root of the crate re-exports hides where it comes from.
                (None, None) => source.module == "testing",
            };
            if !is_allowed {
                let path = path.join("::");
                writeln!(wrong, "{}:{line}: crate::{path}", source.path).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the order of layers:\n{wrong}");
}

#[test]
fn every_module_has_a_layer() {
    for source in sources() {
        let module = source.module.as_str();
        let is_known = layer_of(module).is_some() || from_layer(module).is_some();
        assert!(is_known || OUTSIDE.contains(&module), "{}: add its module to LAYERS", source.path);
    }
}

#[test]
fn only_one_file_spawns() {
    refuse(
        &[
            "tokio::spawn",
            "task::spawn_local",
            "spawn_blocking",
            "tokio::task::spawn",
            "thread::spawn",
        ],
        |path| path != "src/task.rs",
    );
}

#[test]
fn no_unsafe_code_and_no_gaps() {
    refuse(&["unsafe ", "todo!", "unimplemented!", "dbg!", "println!"], |_| true);
}

#[test]
fn the_crate_is_small() {
    let mut count = 0;
    for source in sources() {
        let is_schema = source.path.starts_with("src/protocol/messages/");
        let is_for_tests = source.module == "testing" || source.path == "src/protocol/reflect.rs";
        if !is_schema && !is_for_tests {
            count += source.code.iter().filter(|line| !line.trim().is_empty()).count();
        }
    }
    println!("{count} lines of code");
    assert!(count < MOST_CODE, "{count} lines of code");
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut wrong = String::new();
    for source in sources() {
        if source.lines > LONGEST_FILE {
            writeln!(wrong, "{}: {} lines", source.path, source.lines).unwrap();
        }
    }
    for path in files() {
        let text = fs::read_to_string(&path).unwrap();
        let is_told = text.starts_with("//! ") || text.starts_with("#![doc = include_str!");
        if !is_told {
            writeln!(wrong, "{}:1: no `//!` line", relative(&path)).unwrap();
        }
        let marks = text.lines().zip(1..).filter(|(line, _)| {
            ["TODO", "FIXME", "XXX", "SKELETON"].iter().any(|mark| line.contains(mark))
        });
        for (_, line) in marks {
            writeln!(wrong, "{}:{line}: unfinished", relative(&path)).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn refuse(words: &[&str], applies: impl Fn(&str) -> bool) {
    let mut wrong = String::new();
    for source in sources().iter().filter(|source| applies(&source.path)) {
        for (text, line) in source.code.iter().zip(1..) {
            for word in words.iter().filter(|word| text.contains(**word)) {
                writeln!(wrong, "{}:{line}: {word}", source.path).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "not allowed here:\n{wrong}");
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn from_layer(module: &str) -> Option<usize> {
    FROM_LAYER.iter().find(|(name, _)| *name == module).map(|(_, lowest)| *lowest)
}

/// What siblings may use of each other: what the root of the crate shows to everybody.
fn public_names(sources: &[Source]) -> BTreeSet<(String, String)> {
    let root = sources.iter().find(|source| source.module == "lib").unwrap();
    let code = root.code.join("\n");
    let mut names = BTreeSet::new();
    for statement in code.split(';').filter_map(|text| text.trim().strip_prefix("pub use ")) {
        for path in expand(statement) {
            if let [module, name, ..] = path.as_slice() {
                names.insert((module.clone(), name.clone()));
            }
        }
    }
    for module in LAYERS.iter().flat_map(|layer| layer.iter()) {
        if code.contains(&format!("pub mod {module};")) {
            let file = |source: &&Source| {
                source.path == format!("src/{module}/mod.rs")
                    || source.path == format!("src/{module}.rs")
            };
            let code = sources.iter().find(file).unwrap().code.join("\n");
            for name in code.split(|c: char| !c.is_alphanumeric() && c != '_') {
                names.insert(((*module).to_owned(), name.to_owned()));
            }
        }
    }
    names
}

/// Paths behind `crate::`, each with its line.
fn imports(source: &Source) -> Vec<(usize, Vec<String>)> {
    let code = source.code.join("\n");
    let mut found = Vec::new();
    for (at, start) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let line = code[..at].matches('\n').count() + 1;
        let rest = &code[at + start.len()..];
        let end = if rest.starts_with('{') { closing(rest) } else { path_end(rest) };
        found.extend(expand(&rest[..end]).into_iter().map(|path| (line, path)));
    }
    found
}

/// The end of a path, a group at its end included.
fn path_end(text: &str) -> usize {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let end = text.find(|c| !is_path(c)).unwrap_or(text.len());
    if text[end..].starts_with('{') && text[..end].ends_with("::") {
        end + closing(&text[end..])
    } else {
        end
    }
}

/// Behind the brace that closes the first one.
fn closing(text: &str) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

/// The paths of a tree such as `a::{b, c::{d, e}}`.
fn expand(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let name = tree.split(" as ").next().unwrap_or_default();
        let path = name.split("::").map(|part| part.trim().to_owned());
        return vec![path.filter(|part| !part.is_empty()).collect()];
    };
    let prefix: Vec<String> =
        tree[..open].split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let inside = &tree[open + 1..open + closing(&tree[open..]) - 1];
    let (mut depth, mut begin, mut paths) = (0, 0, Vec::new());
    for (at, c) in inside.char_indices().chain([(inside.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !inside[begin..at].trim().is_empty() {
                    for path in expand(&inside[begin..at]) {
                        paths.push(prefix.iter().cloned().chain(path).collect());
                    }
                }
                begin = at + 1;
            }
            _ => {}
        }
    }
    paths
}

fn sources() -> Vec<Source> {
    let all = files().into_iter().map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        let relative = relative(&path);
        let below = relative.trim_start_matches("src/");
        let module = below.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        let is_test = below.contains("/tests") || below.ends_with("tests.rs");
        let code = if is_test { Vec::new() } else { code(&text) };
        Source { module, lines: text.lines().count(), code, path: relative }
    });
    all.collect()
}

/// The lines up to the tests, without comments and strings.
fn code(text: &str) -> Vec<String> {
    let all: Vec<&str> = text.lines().collect();
    let tests = all.windows(2).position(|pair| {
        pair[0].starts_with("#[cfg(test)]") && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    });
    all[..tests.unwrap_or(all.len())].iter().map(|line| strip(line)).collect()
}

fn strip(line: &str) -> String {
    let (mut out, mut is_text, mut last) = (String::new(), false, ' ');
    for c in line.chars() {
        match c {
            // Good enough: a character literal of a quote would confuse it.
            '"' if last != '\\' && last != '\'' => is_text = !is_text,
            _ if is_text => {}
            '/' if last == '/' => {
                out.pop();
                break;
            }
            _ => out.push(c),
        }
        last = c;
    }
    out
}

fn files() -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![root().join("src")], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(files.len() > 20, "the sources are not where they were");
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().into_owned()
}

#[test]
fn the_reader_of_imports_reads() {
    let source = |code: &str| Source {
        path: String::new(),
        module: String::new(),
        lines: 0,
        code: self::code(code),
    };
    let paths = |code: &str| -> Vec<String> {
        imports(&source(code)).into_iter().map(|(_, path)| path.join("::")).collect()
    };
    assert_eq!(
        paths("use crate::a::{b, c::{d, e as f}, self};"),
        ["a::b", "a::c::d", "a::c::e", "a::self"]
    );
    assert_eq!(paths("use crate::{\n  a::B,\n  c,\n};"), ["a::B", "c"]);
    assert_eq!(paths("fn f() -> crate::a::B { crate::c::d() }"), ["a::B", "c::d"]);
    assert_eq!(paths("// crate::a\nlet x = \"crate::b\"; other_crate::c();"), Vec::<String>::new());
    assert_eq!(paths("use crate::a;\n#[cfg(test)]\nmod tests {\nuse crate::b;\n}"), ["a"]);
}
