//! ARCHITECTURE.md's invariants that a reader of the source can check: what is pure, who may know whom, where each
//! outside world is kept, and that no file becomes the program.

mod source;

use std::collections::BTreeSet;

use source::{File, files};

/// The folders that know no clock, file, network, thread or runtime: time is an argument, bytes come in and go out.
const PURE: &[&str] = &["domain", "policy", "engine", "codec"];

/// What a pure folder may not name.
const IMPURE: &[&str] = &[
    "tokio",
    "futures",
    "rdkafka",
    "axum",
    "object_store",
    "metrics",
    "tracing",
    "rand",
    "getrandom",
    "std::fs",
    "std::net",
    "std::io",
    "std::env",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::collections::hash_map::RandomState",
];

/// Where a pure file may name one of them, and why.
const EXCUSED: &[(&str, &str, &str)] = &[(
    "policy/condition/compile.rs",
    "std::thread",
    "the CEL parser recurses: it gets a stack of its own, once a policy",
)];

/// What each module of ours may name of the others. `codec` knows one type of the engine: what it is to encode.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("policy", &["domain"]),
    ("guard", &[]),
    ("engine", &["domain", "policy", "guard"]),
    ("codec", &["domain", "engine::Transition"]),
    ("config", &["domain", "policy", "codec"]),
    ("telemetry", &["domain", "policy", "engine", "codec", "config"]),
    ("replay", &["domain", "policy", "engine", "codec", "config", "telemetry"]),
    ("scenario", &["domain", "policy", "engine", "codec", "config", "replay::decode", "replay::drive"]),
    ("snapshot", &["domain", "policy", "engine", "codec", "config", "telemetry"]),
    // A range of the topics comes out as the lines of a dump, so that a replay reads both alike.
    ("kafka", &["domain", "policy", "engine", "codec", "config", "telemetry", "snapshot", "guard", "replay::line"]),
    ("http", &["domain", "policy", "engine", "codec", "config", "telemetry", "snapshot"]),
    (
        "run",
        &["domain", "policy", "engine", "codec", "config", "telemetry", "snapshot", "kafka", "http", "replay", "guard"],
    ),
    (
        "demo",
        &["domain", "policy", "engine", "codec", "config", "telemetry", "snapshot", "kafka", "http", "replay", "run"],
    ),
];

/// The outermost layer, which may know everything and which nothing else may know.
const OUTERMOST: &[&str] = &["cli", "main", "lib"];

/// Crates that one folder keeps to itself.
const KEPT_BY: &[(&str, &str)] =
    &[("rdkafka", "kafka"), ("object_store", "snapshot"), ("axum", "http"), ("cel", "policy"), ("saphyr", "config")];

/// Longest file below src/, its inline tests counted.
const MAX_LINES: usize = 450;
/// Longest file of tests below src/.
const MAX_TEST_LINES: usize = 550;

fn within(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Fails with every offence, not the first alone.
fn none(offences: Vec<String>) {
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

/// Every path of `file` for which `offends`, as `file:line: path`.
fn offences(file: &File, offends: impl Fn(&str) -> bool) -> Vec<String> {
    let found = file.paths.iter().filter(|(_, path)| offends(path));
    found.map(|(line, path)| format!("{}:{line}: {path}", file.name)).collect()
}

#[test]
fn the_pure_folders_are_pure() {
    let files = files();
    for folder in PURE {
        assert!(files.iter().any(|f| f.module == *folder), "no file in {folder}: is the list above current?");
    }
    let impure = |path: &str| IMPURE.iter().any(|bad| within(path, bad)) || path.ends_with("::now");
    let excused = |file: &File, path: &str| EXCUSED.iter().any(|(name, of, _)| *name == file.name && within(path, of));
    for (name, of, why) in EXCUSED {
        let needed = files.iter().any(|f| f.name == *name && f.paths.iter().any(|(_, path)| within(path, of)));
        assert!(needed, "{name} names {of} no more ({why}): take its excuse away");
    }
    let pure = files.iter().filter(|f| PURE.contains(&f.module.as_str()));
    none(pure.flat_map(|f| offences(f, |path| impure(path) && !excused(f, path))).collect());
}

#[test]
fn modules_know_only_what_lies_below_them() {
    let files = files();
    let modules: BTreeSet<&str> = files.iter().map(|f| f.module.as_str()).collect();
    let mut found = Vec::new();
    for file in &files {
        if OUTERMOST.contains(&file.module.as_str()) {
            continue;
        }
        let Some((_, may)) = MAY_KNOW.iter().find(|(module, _)| *module == file.module) else {
            found.push(format!("{}: give `{}` a line in MAY_KNOW of tests/architecture", file.name, file.module));
            continue;
        };
        found.extend(offences(file, |path| {
            let Some(path) = path.strip_prefix("crate::") else { return false };
            let other = path.split("::").next().unwrap_or(path);
            other != file.module && modules.contains(other) && !may.iter().any(|may| within(path, may))
        }));
    }
    none(found);
}

#[test]
fn each_outside_world_has_one_keeper() {
    let mut found = Vec::new();
    for file in files() {
        for (name, keeper) in KEPT_BY {
            if file.module != *keeper {
                found.extend(offences(&file, |path| within(path, name)));
            }
        }
    }
    none(found);
}

#[test]
fn no_file_becomes_the_program() {
    let bound = |f: &File| if f.is_test { MAX_TEST_LINES } else { MAX_LINES };
    let long = |f: &&File| f.lines > bound(f) && !f.name.starts_with("codec/generated/");
    none(files().iter().filter(long).map(|f| format!("{} has {} lines", f.name, f.lines)).collect());
}
