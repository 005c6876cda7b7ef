//! `orderwatch snapshot inspect`, run as people run it.

#[path = "support/shard.rs"]
mod shard;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use orderwatch::domain::Timestamp;
use orderwatch::snapshot::{PolicyDocument, SnapshotHeader, SnapshotInput, SnapshotStore, SnapshotWriter};
use serde_json::Value;
use shard::shard;

fn header(shard: i32) -> SnapshotHeader {
    SnapshotHeader {
        shard,
        cluster_id: "c-1".into(),
        group_id: "shop".into(),
        inputs: vec![SnapshotInput::of_orders("orders".into(), 42, Some(Timestamp::from_millis(0)))],
        frontier: None,
        complete_since: Some(Timestamp::from_millis(1_763_719_100_000)),
        policies: PolicyDocument { text: "slas: []\n".into(), version: "0123456789ab".into(), revision: Some(3) },
        taken_at: Timestamp::from_millis(1_763_719_200_000),
        written_by: SnapshotHeader::VERSION.into(),
    }
}

/// A place with the snapshots of two shards.
fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let place = dir.path().join("snapshots");
    let store = SnapshotStore::open(place.to_str().unwrap()).unwrap();
    let mut writer = SnapshotWriter::new(store, 3, runtime.handle().clone());
    let mut shards = [shard(0, 2), shard(1, 5)];
    for s in &shards {
        assert!(writer.begin(header(s.partition())));
    }
    let mut held: Vec<_> = shards.iter_mut().map(|shard| (shard, true)).collect();
    let ended = writer.finish(&mut held, Instant::now() + Duration::from_secs(20), || {});
    assert!(ended.len() == 2 && ended.iter().all(|e| e.result.is_ok()), "{ended:?}");
    (dir, place)
}

fn inspect(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_orderwatch")).args(["snapshot", "inspect"]).args(args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn says_what_is_there_as_text_and_as_json() {
    let (_dir, place) = place();
    let text = inspect(&[place.to_str().unwrap()]);
    assert!(text.status.success(), "{text:?}");
    let text = stdout(&text);
    for words in [
        "whole, ",
        "0 of group shop on cluster c-1",
        "2025-11-21T10:00:00.000Z by orderwatch ",
        "0123456789ab (revision 3)",
        "whole from 2025-11-21T09:58:20.000Z",
        "0 orders with 0 events, and 5 closed ones by hash",
        "orders from offset 42, read up to 1970-01-01T00:00:00.000Z",
    ] {
        assert!(text.contains(words), "`{words}` is not in\n{text}");
    }

    let url = format!("file://{}", place.display());
    let lines = stdout(&inspect(&["--json", &url]));
    let objects: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(objects.iter().map(|o| o["shard"].as_i64().unwrap()).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(objects[1]["remembered"], 5);
    assert_eq!(objects[1]["complete_since"], "2025-11-21T09:58:20.000Z");
    assert_eq!(objects[1]["policies"]["text"], "slas: []\n");

    let file = files(&place.join("shop/00001")).remove(0);
    let one = stdout(&inspect(&["--json", file.to_str().unwrap()]));
    assert_eq!(one.trim_end(), lines.lines().nth(1).unwrap().replace("file://", ""));
}

#[test]
fn a_damaged_one_is_named_and_is_a_failure() {
    let (_dir, place) = place();
    let file = files(&place.join("shop/00000")).remove(0);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let output = inspect(&[place.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(text.contains("DAMAGED") && text.contains("the checksum of the chunk at byte 10 is wrong"), "{text}");
    assert!(text.contains("1 of group shop"), "the other is still shown: {text}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 of 2 snapshots cannot be used"), "{output:?}");
}

#[test]
fn a_place_that_is_not_there_is_an_error_and_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let absent = dir.path().join("absent");
    let output = inspect(&[absent.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains(absent.to_str().unwrap()), "{output:?}");
    assert!(!absent.exists());
}
