//! The source below src/ as lists of the paths that it names. No parser: comments, texts and test modules are left out,
//! `use` trees are unfolded, `self` and `super` are resolved.

use std::fs;
use std::path::Path;

/// One source file.
pub struct File {
    /// Relative to src/.
    pub name: String,
    /// The module of the crate that it belongs to: the first folder, or the file's own name.
    pub module: String,
    /// How long it is.
    pub lines: usize,
    /// True for a file of tests, whose paths are not looked at.
    pub is_test: bool,
    /// Every path of two segments or more, and every single one that a `use` names, with its line.
    pub paths: Vec<(usize, String)>,
}

/// Every file below src/.
pub fn files() -> Vec<File> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&src, &src, &mut files);
    assert!(files.len() > 20, "only {} files below {}", files.len(), src.display());
    files
}

fn collect(src: &Path, dir: &Path, files: &mut Vec<File>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(src, &path, files);
            continue;
        }
        let name = path.strip_prefix(src).unwrap().to_str().unwrap().replace('\\', "/");
        if let Some(stem) = name.strip_suffix(".rs") {
            let text = fs::read_to_string(&path).unwrap();
            let segments: Vec<&str> = stem.split('/').filter(|s| *s != "mod").collect();
            let lines = text.lines().count();
            let is_test = segments.iter().any(|s| *s == "tests" || s.ends_with("_tests"));
            let paths = if is_test { Vec::new() } else { paths(&text, &segments) };
            files.push(File { module: segments[0].to_owned(), name, lines, is_test, paths });
        }
    }
}

/// The paths of a module's text. `module` is where it lies in the crate.
pub fn paths(text: &str, module: &[&str]) -> Vec<(usize, String)> {
    let tokens = tokens(without_tests(text));
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let before = |n: usize| at.checked_sub(n).map_or("", |i| tokens[i].1.as_str());
        let in_use = before(1) == "use";
        // `::name` begins a path where nothing stands before it that it could belong to.
        let begins = before(1) != "::" || !(is_name(before(2)) || matches!(before(2), ">" | "}"));
        if is_name(&tokens[at].1) && begins {
            let line = tokens[at].0;
            let mut unfolded = Vec::new();
            at = unfold(&tokens, at, "", &mut unfolded);
            for path in unfolded {
                if in_use || path.contains("::") {
                    found.push((line, resolved(&path, module)));
                }
            }
        } else {
            at += 1;
        }
    }
    found
}

/// Up to the inline test module, which stands last.
fn without_tests(text: &str) -> &str {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    &text[..end]
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Reads one path from `at`, with what its braces hold, and returns where it ends.
fn unfold(tokens: &[(usize, String)], mut at: usize, prefix: &str, found: &mut Vec<String>) -> usize {
    let token = |at: usize| tokens.get(at).map_or("", |t| t.1.as_str());
    let mut path = prefix.to_owned();
    while is_name(token(at)) || token(at) == "*" {
        if token(at) != "self" || path.is_empty() {
            path = if path.is_empty() { token(at).to_owned() } else { format!("{path}::{}", token(at)) };
        }
        at += 1;
        if token(at) != "::" {
            break;
        }
        at += 1;
        if token(at) == "{" {
            at += 1;
            while at < tokens.len() && token(at) != "}" {
                let before = at;
                at = unfold(tokens, at, &path, found);
                if token(at) == "as" {
                    at += 2;
                }
                if token(at) == "," || at == before {
                    at += 1;
                }
            }
            return at + 1;
        }
    }
    found.push(path);
    at
}

fn resolved(path: &str, module: &[&str]) -> String {
    let mut here: Vec<&str> = module.to_vec();
    let mut rest: Vec<&str> = path.split("::").collect();
    if !matches!(rest.first(), Some(&"self" | &"super")) {
        return path.to_owned();
    }
    while let Some(first) = rest.first() {
        match *first {
            "self" => drop(rest.remove(0)),
            "super" => {
                here.pop();
                rest.remove(0);
            }
            _ => break,
        }
    }
    ["crate"].into_iter().chain(here).chain(rest).collect::<Vec<_>>().join("::")
}

/// Names, `::` and single characters, each with its line; comments, texts and numbers' digits are dropped.
fn tokens(text: &str) -> Vec<(usize, String)> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let (mut i, mut line, mut tokens) = (0, 1, Vec::new());
    while i < chars.len() {
        let began = i;
        match chars[i] {
            '/' if at(i + 1) == '/' => i = end_of(&chars, i, |j| at(j) == '\n'),
            '/' if at(i + 1) == '*' => i = end_of(&chars, i + 2, |j| at(j - 1) == '*' && at(j) == '/') + 1,
            'r' if at(i + 1) == '"' || at(i + 1) == '#' && matches!(at(i + 2), '"' | '#') => {
                let hashes = chars[i + 1..].iter().take_while(|c| **c == '#').count();
                let closes = |j: usize| at(j) == '"' && (1..=hashes).all(|h| at(j + h) == '#');
                i = end_of(&chars, i + hashes + 2, closes) + hashes + 1;
            }
            '"' => {
                i += 1;
                while i < chars.len() && chars[i] != '"' {
                    i += if chars[i] == '\\' { 2 } else { 1 };
                }
                i += 1;
            }
            '\'' if at(i + 1) == '\\' => i = end_of(&chars, i + 3, |j| at(j) == '\'') + 1,
            '\'' if at(i + 2) == '\'' => i += 3,
            c if c.is_alphanumeric() || c == '_' => {
                i = end_of(&chars, i, |j| !(at(j).is_alphanumeric() || at(j) == '_'));
                tokens.push((line, chars[began..i].iter().collect()));
            }
            ':' if at(i + 1) == ':' => {
                i += 2;
                tokens.push((line, "::".to_owned()));
            }
            c => {
                i += 1;
                if !c.is_whitespace() {
                    tokens.push((line, c.to_string()));
                }
            }
        }
        line += chars[began..i.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

fn end_of(chars: &[char], from: usize, ends: impl Fn(usize) -> bool) -> usize {
    (from..chars.len()).find(|&j| ends(j)).unwrap_or(chars.len())
}

#[test]
fn use_trees_are_unfolded_and_the_rest_is_left_out() {
    let text = r####"
use std::{fs, io::{self, Read as R}, time};
use super::Format;
use rdkafka;
// use tokio::fs;
/* metrics::x */
fn f<'a>(x: &'a str) -> char { let _ = ("axum::x", r#"rand" ::y"#, 'x', '\''); self::g(); ::jiff::Zoned::now(); x.now(); a as b::C }
#[cfg(test)]
mod tests { use std::net; }
"####;
    let found: Vec<String> = paths(text, &["codec", "event"]).into_iter().map(|(l, p)| format!("{l} {p}")).collect();
    let expected = [
        "2 std::fs",
        "2 std::io",
        "2 std::io::Read",
        "2 std::time",
        "3 crate::codec::Format",
        "4 rdkafka",
        "7 crate::codec::event::g",
        "7 jiff::Zoned::now",
        "7 b::C",
    ];
    assert_eq!(found, expected);
}
