//! Whole runs whose snapshots lie in a directory that is full, in the way, or damaged.

use std::path::{Path, PathBuf};

use orderwatch::snapshot::format::FORMAT_VERSION;

use crate::shop::{
    HOUR, MINUTE, Options, PAID_AND_SHIPPED, PATIENCE, Shop, assert_published_once, fates, now_ms, told, wait_for_truth,
};
use crate::support::{Broker, Process, eventually};

const RUN: [&str; 3] = ["run", "--config", "orderwatch.yaml"];

fn often(shop: &Shop) {
    let text = shop.workdir.read("orderwatch.yaml").replace("every: 2s", "every: 500ms");
    shop.workdir.write("orderwatch.yaml", text);
}

fn place(shop: &Shop) -> PathBuf {
    shop.workdir.path().join("snapshots").join(&shop.name)
}

/// A shard's files, the oldest first.
fn files(shop: &Shop, shard: i32) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place(shop).join(format!("{shard:05}"))).into_iter().flatten().flatten();
    let whole = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "snap");
    let mut files: Vec<_> = entries.map(|entry| entry.path()).filter(whole).collect();
    files.sort();
    files
}

/// Waits for snapshots to fail, tells a part of the story, and waits for what follows from it.
#[track_caller]
fn assert_goes_on(shop: &Shop, process: &Process, part: &[(String, &'static str, i64)], words: &str) {
    let failed = process.try_metric("orderwatch_snapshot_failures_total", &[]).unwrap_or(0.0);
    let said = shop.history().len();
    shop.broker().producer().send_all(part.iter().map(|(order, kind, at)| shop.event(order, kind, *at)));
    process.wait_metric("orderwatch_snapshot_failures_total", &[], PATIENCE, |n| n > failed);
    eventually(PATIENCE, "more to be published", || match shop.history().len() {
        now if now > said => Ok(()),
        now => Err(format!("still {now}")),
    });
    let log = process.stderr();
    assert!(log.contains("snapshot failed; the one before stands") && log.contains(words), "{words}:\n{log}");
}

#[test]
fn a_disk_that_is_full_or_gone_stops_nothing_and_is_used_again_when_it_is_back() {
    // A snapshot holds the policy document: this one makes it larger than the limit, and the log stays smaller.
    const LIMIT: u64 = 512 << 10;
    let policies = format!("{PAID_AND_SHIPPED}\n{}", "# nothing\n".repeat(90_000));
    let shop = Shop::new(Broker::shared(), 2, &Options { policies, ..Options::default() });
    often(&shop);
    let fates = fates(200, now_ms() - 12 * HOUR, MINUTE);
    let told = told(&fates);
    let parts: Vec<_> = told.chunks(told.len().div_ceil(4)).collect();
    let tell = |part: &[(String, &'static str, i64)]| {
        shop.broker().producer().send_all(part.iter().map(|(order, kind, at)| shop.event(order, kind, *at)));
    };
    let mut process = Process::spawn_limitable(&shop.workdir, &RUN);
    process.wait_ready(PATIENCE);
    tell(parts[0]);
    process.wait_snapshots(2.0, PATIENCE);

    process.limit_files(Some(LIMIT));
    assert_goes_on(&shop, &process, parts[1], "free some space there");
    let inspected = shop.workdir.run(&["snapshot", "inspect", "snapshots"], PATIENCE);
    assert!(inspected.status.success(), "every file that has its name is whole: {inspected:?}");
    let written = process.snapshots();
    process.limit_files(None);
    process.wait_snapshots(written + 1.0, PATIENCE);

    // A path that cannot be used, whoever asks: a file is where the directory was.
    let aside = shop.workdir.path().join("aside");
    std::fs::rename(place(&shop), &aside).expect("the directory can be moved");
    std::fs::write(place(&shop), b"in the way").expect("a file");
    assert_goes_on(&shop, &process, parts[2], "something that is no directory is in the way");
    let written = process.snapshots();
    std::fs::remove_file(place(&shop)).expect("a file");
    std::fs::rename(&aside, place(&shop)).expect("the directory can be moved back");
    process.wait_snapshots(written + 1.0, PATIENCE);

    process.kill();
    let process = shop.start();
    tell(parts[3]);
    wait_for_truth(&shop, &fates);
    assert_eq!(process.stderr().matches("snapshot loaded").count(), 2, "{}", process.stderr());
    assert_published_once(&shop);
}

fn change(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(file).expect("a snapshot");
    change(&mut bytes);
    std::fs::write(file, bytes).expect("a snapshot can be written");
}

#[test]
fn what_is_damaged_foreign_or_unknown_is_skipped_loudly_down_to_the_topics() {
    let shop = Shop::new(Broker::shared(), 2, &Options::default());
    often(&shop);
    let fates = fates(200, now_ms() - 12 * HOUR, MINUTE);
    let told = told(&fates);
    let parts: Vec<_> = told.chunks(told.len().div_ceil(3)).collect();
    let tell = |part: &[(String, &'static str, i64)]| {
        shop.broker().producer().send_all(part.iter().map(|(order, kind, at)| shop.event(order, kind, *at)));
    };
    // Each snapshot of a shard needs something new.
    let mut first = shop.start();
    for (part, wanted) in parts[0].chunks(parts[0].len().div_ceil(3)).zip(1..) {
        tell(part);
        eventually(PATIENCE, "a snapshot of each shard", || {
            let counts = [files(&shop, 0).len(), files(&shop, 1).len()];
            if counts.iter().all(|count| *count >= wanted) { Ok(()) } else { Err(format!("{counts:?}")) }
        });
    }
    first.kill();

    let (zero, one) = (files(&shop, 0), files(&shop, 1));
    change(&zero[2], |bytes| bytes.truncate(bytes.len() - 20));
    change(&zero[1], |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
    });
    std::fs::copy(&zero[0], &one[2]).expect("a snapshot can be copied");
    change(&one[1], |bytes| bytes[8] = FORMAT_VERSION as u8 + 1);
    let mut second = shop.start();
    tell(parts[1]);
    second.wait_metric("orderwatch_shards", &[("state", "running")], PATIENCE, |n| n == 2.0);
    assert_eq!(second.metric("orderwatch_snapshots_skipped_total", &[]), 4.0);
    let log = second.stderr();
    let unknown = format!("its format version is {}", FORMAT_VERSION + 1);
    for words in ["it was cut off", "the file is damaged", "it belongs to shard `0`, and `1` is wanted", &unknown] {
        assert!(log.contains(words), "{words}:\n{log}");
    }
    assert_eq!(log.matches("snapshot loaded").count(), 2, "{log}");
    second.wait_snapshots(2.0, PATIENCE);
    second.kill();

    // Written by a newer orderwatch, all of them: the topics say it all again.
    let all: Vec<_> = [files(&shop, 0), files(&shop, 1)].concat();
    all.iter().for_each(|file| change(file, |bytes| bytes[8] = FORMAT_VERSION as u8 + 1));
    let third = shop.start();
    tell(parts[2]);
    wait_for_truth(&shop, &fates);
    let log = third.stderr();
    assert_eq!(log.matches(&unknown).count(), all.len(), "{log}");
    assert!(!log.contains("snapshot loaded"), "{log}");
    assert_published_once(&shop);
}
