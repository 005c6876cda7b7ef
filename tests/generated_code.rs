//! src/codec/generated is what proto/ says. `ORDERWATCH_REGENERATE=1 cargo test --test generated_code` writes it anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Every file below `dir` with the extension, relative to `root`, sorted.
fn files_below(root: &Path, dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(root, &path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path.strip_prefix(root).unwrap().to_owned());
        }
    }
    found.sort();
    found
}

fn contents(dir: &Path) -> BTreeMap<PathBuf, String> {
    files_below(dir, dir, "rs").into_iter().map(|f| (f.clone(), fs::read_to_string(dir.join(f)).unwrap())).collect()
}

#[test]
fn generated_code_is_current() {
    let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let proto_root = crate_root.join("proto");
    let checked_in = crate_root.join("src/codec/generated");

    let protos = files_below(&proto_root, &proto_root, "proto");
    assert!(protos.contains(&PathBuf::from("orderwatch/v1/event.proto")), "found only {protos:?}");
    let descriptors = protox::compile(&protos, [&proto_root]).unwrap_or_else(|e| panic!("{e:?}"));
    let fresh = tempfile::tempdir().unwrap();
    prost_build::Config::new()
        .out_dir(fresh.path())
        .include_file("mod.rs")
        // Sorted maps: equal messages have equal bytes.
        .btree_map(["."])
        .compile_fds(descriptors)
        .unwrap();
    let fresh = contents(fresh.path());

    if env::var_os("ORDERWATCH_REGENERATE").is_some() {
        fs::remove_dir_all(&checked_in).unwrap();
        fs::create_dir_all(&checked_in).unwrap();
        for (file, text) in &fresh {
            fs::write(checked_in.join(file), text).unwrap();
        }
    }
    let checked_in = contents(&checked_in);
    assert_eq!(
        checked_in.keys().collect::<Vec<_>>(),
        fresh.keys().collect::<Vec<_>>(),
        "files differ; see proto/README.md"
    );
    for (file, text) in &fresh {
        assert!(checked_in.get(file) == Some(text), "{} is not current; see proto/README.md", file.display());
    }
}
