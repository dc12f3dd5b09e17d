//! Holds the rules for the docs of public functions: an async one says what dropping it does, one
//! that can fail says how. Reads the sources as text.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "this is a test")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// A public function with its docs.
struct Function {
    place: String,
    signature: String,
    docs: String,
}

#[test]
fn every_public_async_function_says_what_a_drop_does() {
    check("# Cancel safety", |function| function.signature.starts_with("pub async fn "));
}

#[test]
fn every_public_function_that_can_fail_says_how() {
    check("# Errors", |function| {
        let result = function.signature.rsplit_once("->").map_or("", |(_, result)| result.trim());
        result.starts_with("Result<") || result.starts_with("io::Result<")
    });
}

fn check(section: &str, applies: impl Fn(&Function) -> bool) {
    let functions = functions();
    let mut wrong = String::new();
    let mut count = 0;
    for function in functions.iter().filter(|function| applies(function)) {
        count += 1;
        if !function.docs.contains(section) {
            writeln!(wrong, "{}: {}", function.place, function.signature).unwrap();
        }
    }
    assert!(count >= 10, "only {count} functions found: does this test still read the sources?");
    assert!(wrong.is_empty(), "no `{section}` in the docs of:\n{wrong}");
}

fn functions() -> Vec<Function> {
    let mut functions = Vec::new();
    for path in files() {
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let tests = lines.iter().position(|line| line.starts_with("#[cfg(test)]"));
        for (at, line) in lines[..tests.unwrap_or(lines.len())].iter().enumerate() {
            let line = line.trim();
            if !line.starts_with("pub fn ") && !line.starts_with("pub async fn ") {
                continue;
            }
            // Up to the body; the arguments may take several lines.
            let rest = lines[at..].join(" ");
            let end = rest.find(['{', ';']).unwrap_or(rest.len());
            let signature = rest[..end].split_whitespace().collect::<Vec<_>>().join(" ");
            let above = lines[..at].iter().rev().map(|line| line.trim());
            let is_head = |line: &&str| {
                // Attributes may stand between docs and function, over several lines too.
                !line.is_empty()
                    && !line.ends_with('}')
                    && !line.ends_with('{')
                    && !line.ends_with(';')
            };
            let docs: Vec<&str> =
                above.take_while(is_head).filter(|line| line.starts_with("///")).collect();
            let place = path.strip_prefix(root()).unwrap().display();
            let place = format!("{place}:{}", at + 1);
            functions.push(Function { place, signature, docs: docs.join("\n") });
        }
    }
    functions
}

fn files() -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![root().join("src")], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "tests" {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") && !name.ends_with("tests.rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
